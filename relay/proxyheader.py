"""The PROXY protocol, version 1 and 2, as a receiver: who is behind the load balancer.

The header is the first thing on a connection, before TLS and before our greeting. It is read to its
last octet and not further. The library understands it; here are the limits, the time, and what the
library leaves open (its errors become ours, and it logs nothing). Not checked: the optional
checksum, which TCP makes needless. Type-length-values are read over.

Anybody can write such a header: listen for it only where none but the proxy can connect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import dataclass
from typing import Protocol

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, ProxyData, get_proxy

# The specification wants at least 3 s, so that one lost packet is sent again. A proxy sends its
# header with the connection, before the client has said anything.
PROXY_SECONDS = 5.0
# The longest line of version 1, CRLF included. Version 2 limits itself: its length has 16 bits.
LINE_MAX_BYTES = 107


class ProxyHeaderError(Exception):
    """The connection does not begin with a header of use; the text names no address."""


class OctetReader(Protocol):
    """What is needed of a stream: `asyncio.StreamReader` has it."""

    async def readexactly(self, n: int, /) -> bytes:
        """Return `n` octets, or raise where the stream ends before."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the client behind the proxy connects from."""

    host: str
    port: int


async def read_origin(reader: OctetReader, timeout_seconds: float = PROXY_SECONDS) -> Origin | None:
    """Read the header from the stream; `None` where the proxy speaks for itself or cannot say.

    These are health checks (`LOCAL`) and clients it knows no address of (`UNKNOWN`): nobody who
    could be allowed to send. Raises `ProxyHeaderError` for everything else.
    """
    # Its warnings say no more than our error, which the caller logs.
    logging.getLogger("mail.debug").disabled = True
    try:
        async with asyncio.timeout(timeout_seconds):
            data = await get_proxy(_Bounded(reader))
    except TimeoutError as error:
        raise ProxyHeaderError(f"no PROXY header within {timeout_seconds:g} s") from error
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise ProxyHeaderError("the connection ended before its PROXY header") from error
    return _origin(data)


def _origin(data: ProxyData) -> Origin | None:
    # A receiver must not look at the addresses of LOCAL, which the library does. What it has read
    # to the end is whole.
    if data.version == 2 and data.command == V2_CMD.LOCAL and data.whole_raw:
        return None
    if not data.valid:
        # An exception's text may come from anywhere; the library's own errors are fixed words.
        exception = data.version is None and "exception" in data.error
        raise ProxyHeaderError("PROXY header incomplete or malformed" if exception else data.error)
    if data.family == AF.UNSPEC and data.protocol == PROTO.UNSPEC:
        return None
    address, port = data.src_addr, data.src_port
    if (
        data.protocol != PROTO.STREAM
        or port is None
        or not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ):
        raise ProxyHeaderError("PROXY header is not about a TCP connection")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        # Proxies that listen for both versions at once write IPv4 so.
        address = address.ipv4_mapped
    return Origin(str(address), port)


class _Bounded:
    """The stream as the library wants it, with an end to the line of version 1."""

    def __init__(self, reader: OctetReader) -> None:
        self._reader = reader
        self._taken_bytes = 0

    async def readexactly(self, n: int) -> bytes:
        octets = await self._reader.readexactly(n)
        self._taken_bytes += n
        return octets

    async def read(self, n: int = -1) -> bytes:
        assert n >= 0, "the library knows how much it wants"
        return await self.readexactly(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        line = bytearray()
        # Octet by octet, and so none too many; they are in the stream's buffer.
        while not line.endswith(separator):
            if self._taken_bytes >= LINE_MAX_BYTES:
                raise ValueError
            line += await self.readexactly(1)
        return bytes(line)
