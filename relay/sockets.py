"""Listening sockets, opened before anything else: they may need the rights of root.

For one process a socket is opened as usual. For several, each gets a socket of its own on the same
port (SO_REUSEPORT), and the kernel shares the connections out. Whoever keeps a socket open keeps
the connections that wait on it, so a process that dies can be followed by another on its socket.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from relay.addresses import Address, listen_failure

# Connections that wait to be accepted, for each process. A mailing opens hundreds in a moment, and
# a process that is started again takes about a second. The kernel caps it at its own limit (4096).
BACKLOG = 1024

# What a machine says of a family of addresses that it does not speak.
_FAMILY_MISSING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class ListenError(Exception):
    """A listener cannot be opened; the text names it and says what to do."""


def open_listeners(address: Address, count: int = 1) -> tuple[tuple[socket.socket, ...], ...]:
    """Return the sockets of each of `count` processes; `ListenError` when the address is not free.

    A process has one socket for each address that the host's name stands for. A port 0 becomes a
    free one, the same for all processes.
    """
    opened: list[list[socket.socket]] = [[] for _ in range(count)]
    missing: OSError | None = None
    with contextlib.ExitStack() as undo:
        undo.callback(_close_all, opened)
        try:
            for family, place in _places(address):
                try:
                    _open_for_each(family, place, opened)
                except OSError as error:
                    if error.errno not in _FAMILY_MISSING:
                        raise
                    missing = error
            if missing is not None and not opened[0]:
                raise missing
        except OSError as error:
            reason = listen_failure(address, error)
            raise ListenError(f"{reason}; set relay.listen, or listen of its listener") from error
        undo.pop_all()
    return tuple(tuple(own) for own in opened)


def address_of(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    place = listener.getsockname()
    return Address(str(place[0]), int(place[1]))


def _places(address: Address) -> list[tuple[int, tuple[object, ...]]]:
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # A resolver may name an address twice.
    return list(dict.fromkeys((int(family), place) for family, _, _, _, place in found))


def _open_for_each(
    family: int, place: tuple[object, ...], opened: list[list[socket.socket]]
) -> None:
    shares_port = len(opened) > 1
    if shares_port:
        # Sharing a port would let a second service take half of the first one's mail without a
        # word: whether it is free shows when it is asked for alone.
        _bind(family, place, shares_port=False).close()
    for own in opened:
        listener = _bind(family, place, shares_port=shares_port)
        own.append(listener)
        listener.listen(BACKLOG)
        place = listener.getsockname()


def _bind(family: int, place: tuple[object, ...], *, shares_port: bool) -> socket.socket:
    # With its protocol named, asyncio sends small replies at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setblocking(False)
        # Without it a restart would find the port taken by connections that are closed already.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Else "[::]:25" would take IPv4 as well, and stand in the way of "0.0.0.0:25".
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
    except BaseException:
        listener.close()
        raise
    return listener


def _close_all(opened: list[list[socket.socket]]) -> None:
    for own in opened:
        for listener in own:
            listener.close()
