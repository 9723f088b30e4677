"""The connections of clients: listeners, limits, PROXY header, TLS, time, and leave-taking.

The only file, with `proxyheader` and the demonstration's `sink`, that knows aiosmtpd. Of the
library we use the connection; its command loop, its address grammar, its line limit and its way of
reading DATA would change or refuse mail that the next hop takes. What is said on a connection is
the business of `dialogue`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Sequence
from typing import cast

from aiosmtpd.smtp import SMTP

from relay import reply as replies
from relay.addresses import Address
from relay.deliver import Delivery
from relay.dialogue import Dialogue
from relay.door import Door, Limits, is_in
from relay.downstream import NextHop
from relay.handshake import encrypt
from relay.incoming import ClientStream, Room
from relay.metrics import Metrics
from relay.proxyheader import ProxyHeaderError, read_origin
from relay.reply import Reply
from relay.shared import Shared
from relay.sockets import BACKLOG, address_of
from relay.tls import matches, peer_names

# RFC 5321 §4.5.3.2.7: a server waits 5 minutes for its client. The time starts anew with every
# command and every piece of a message; while the client waits for us it does not run.
SESSION_SECONDS = 300.0
# A client that sends a message a few octets at a time holds memory: below this it is too slow.
MESSAGE_RATE_MIN_BYTES = 256  # a second, behind the first SESSION_SECONDS.
MESSAGE_MAX_SECONDS = 1800.0  # 50 MiB over a line of 250 kbit/s; nobody holds our memory longer.
# Stopping cuts no message off that may still take `reply_max_seconds`.
STOP_MARGIN_SECONDS = 5.0
LAST_WORDS_SECONDS = 10.0  # For a client to read our last reply, or the connection is cut off.


class Relay:
    """The listeners of a process, and what their sessions share. Touched by one event loop."""

    def __init__(
        self, limits: Limits, next_hop: NextHop, delivery: Delivery, metrics: Metrics
    ) -> None:
        room = Room(limits.room_bytes, metrics)
        self.shared = Shared(limits, next_hop, delivery, metrics, room)
        self._listeners: list[_Listener] = []
        self._sessions: set[Session] = set()
        self._hosts: Counter[str] = Counter()
        # Promise 8: the library logs every command, addresses and all.
        logging.getLogger("mail.log").disabled = True

    @property
    def is_listening(self) -> bool:
        """Whether new clients are let in."""
        return bool(self._listeners) and not self.shared.is_stopping

    async def listen(self, door: Door, sock: socket.socket) -> Address:
        """Let clients in through a listening socket; return where it listens."""
        loop = asyncio.get_running_loop()
        listener = _Listener(door)
        listener.server = await loop.create_server(
            lambda: Session(self, listener.door, loop), sock=sock, backlog=BACKLOG
        )
        self._listeners.append(listener)
        return address_of(sock)

    def renew(self, doors: Sequence[Door], next_hop: NextHop, limits: Limits) -> None:
        """Let new connections meet new settings; those that are on keep what they came in with.

        Doors are matched by address: one that nobody listens on waits for the next start.
        """
        by_address = {door.address: door for door in doors}
        for listener in self._listeners:
            listener.door = by_address.get(listener.door.address, listener.door)
        former, self.shared.next_hop = self.shared.next_hop, next_hop
        # What clients were told by EHLO: from a hop with less they hear 4xx, not a refusal.
        next_hop.told.update(former.told)
        former.retire()
        self.shared.limits = limits
        self.shared.room.resize(limits.room_bytes)

    async def close(self, grace_seconds: float | None = None) -> None:
        """Stop listening, finish the messages in flight, send the idle clients away.

        A message gets the time it may take at most (`reply_max_seconds`), or the time given.
        """
        usual = self.shared.delivery.reply_max_seconds + STOP_MARGIN_SECONDS
        grace_seconds = usual if grace_seconds is None else grace_seconds
        clock = asyncio.get_running_loop().time
        self.shared.is_stopping = True
        self.shared.ends_at = clock() + grace_seconds
        for listener in self._listeners:
            listener.server.close()
        for session in list(self._sessions):
            if not session.is_busy:
                session.say_goodbye()
        while (busy := self._busy()) and (left := self.shared.ends_at - clock()) > 0:
            await asyncio.wait(busy, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for session in list(self._sessions):
            session.say_goodbye()
        for listener in self._listeners:
            await listener.server.wait_closed()
        await self.shared.delivery.close()
        await self.shared.next_hop.close()

    def _busy(self) -> set[asyncio.Task[object]]:
        """Return what is to be waited for; a delivery may begin late, and outlive its client."""
        tasks = {session.task for session in self._sessions if session.task}
        return {*tasks, *self.shared.deliveries}

    def enter(self, session: Session) -> Reply | None:
        """Count a connection in; return why it may not stay."""
        self._sessions.add(session)
        self.shared.metrics.connections(+1)
        if self.shared.is_stopping:
            return replies.SHUTTING_DOWN
        if len(self._sessions) > self.shared.limits.connections_max:
            self.shared.refuse("connections_max", session.door)
            return replies.TOO_MANY_CONNECTIONS
        return None

    def admit(self, session: Session, host: str) -> Reply | None:
        """Return why a client may not stay; the address is the one a proxy named, if there is one.

        One that no address, password or certificate can let in is told so at once. A client without
        an address is the proxy itself, which looks whether we are there.
        """
        session.counted_host = host
        self._hosts[host] += 1
        if 0 < self.shared.limits.connections_per_address_max < self._hosts[host]:
            self.shared.refuse("connections_per_address_max", session.door)
            return replies.TOO_MANY_CONNECTIONS
        if host and not session.door.admits(host) and not session.door.has_other_ways:
            self.shared.refuse("address", session.door)
            return replies.NOT_ALLOWED
        return None

    def leave(self, session: Session) -> None:
        """Count a connection out."""
        self._sessions.discard(session)
        self.shared.metrics.connections(-1)
        host = session.counted_host
        if host is not None:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]


class _Listener:
    """A listening socket and the door behind it, which may be exchanged."""

    server: asyncio.Server

    def __init__(self, door: Door) -> None:
        self.door = door


class _NoHandler:
    """Nothing that the library would call.

    It looks through all names of every new session and its handler for commands, hooks and
    mechanisms, which takes a fifth of the time of a short message. We have none of these.
    """

    def __dir__(self) -> list[str]:
        return []


_NO_HANDLER = _NoHandler()


class Session(SMTP):
    """One client's connection."""

    def __init__(self, relay: Relay, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            handler=_NO_HANDLER, hostname=door.hostname, timeout=SESSION_SECONDS, loop=loop
        )
        self.door = door
        self.counted_host: str | None = None
        self.task: asyncio.Task[object] | None = None
        self._relay = relay
        self._dialogue: Dialogue | None = None
        self._heard_at = loop.time()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def __dir__(self) -> list[str]:
        return []  # As of a handler, above.

    # -------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session."""
        # uvloop's transports and protocols are of no class that asyncio knows.
        self._stream = ClientStream(cast(asyncio.Transport, transport))
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._stream.feed(data)

    def eof_received(self) -> bool | None:
        """Let the stream end in its place; the library would end the session in the middle."""
        self._stream.end()
        return not self.is_encrypted  # TLS knows no half-closed connection.

    def connection_lost(self, error: Exception | None) -> None:
        """End the session; a message that is on its way goes on by itself."""
        self._stream.end()
        self._may_write.set()
        super().connection_lost(error)

    def pause_writing(self) -> None:
        """Wait with the next reply: the client leaves too many unread."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write.set()

    def _timeout_cb(self) -> None:
        transport = self._stream.transport
        if transport.is_closing():
            transport.abort()  # It does not read what we said last, and has had its time.
            return
        if not self._stream.is_awaited and not transport.get_write_buffer_size():
            self.heard()  # It waits for us: the next hop has time limits of its own.
        silent_seconds = self.loop.time() - self._heard_at
        if silent_seconds < SESSION_SECONDS:
            self._reset_timeout(SESSION_SECONDS - silent_seconds)
        else:
            self._relay.shared.refuse("silent", self.door)
            self.say_goodbye(replies.SILENT_TOO_LONG)

    # ---------------------------------------------------------------- the session

    async def _handle_client(self) -> None:
        """Hold the whole session, from the first octet to the last; called by the library."""
        self.task = asyncio.current_task()
        refusal = self._relay.enter(self)
        try:
            # Raised where the client's octets end or its connection breaks: the session is over.
            with contextlib.suppress(ConnectionError, ProxyHeaderError):
                await self._hold_session(refusal)
        finally:
            self._relay.leave(self)
            if self._dialogue is not None:
                self._dialogue.end()
            self._hang_up()

    async def _hold_session(self, refusal: Reply | None) -> None:
        host = ""
        if refusal is None:
            host = await self._origin()
            refusal = self._relay.admit(self, host)
        if self.door.tls is not None and self.door.tls.is_implicit:
            self._stream.transport.pause_reading()
            await self._go_over_to_tls(self._stream.take_waiting())
        if refusal is not None:
            await self.send(refusal)
            return
        self._dialogue = Dialogue(self._relay.shared, self.door, self, host)
        await self._dialogue.hold()

    async def _origin(self) -> str:
        """Return the client's address: the peer's, or what a proxy says, `""` for none."""
        peer = self._stream.transport.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        if not self.door.proxies:
            return host
        if not is_in(host, self.door.proxies):
            self._relay.shared.refuse("proxy", self.door)
            raise ProxyHeaderError("not from a proxy")
        try:
            origin = await read_origin(self._stream)
        except ProxyHeaderError:
            self._relay.shared.refuse("proxy", self.door)
            raise
        return origin.host if origin else ""

    # --------------------------------------------------- called by the dialogue

    @property
    def is_busy(self) -> bool:
        """Whether a message is on its way."""
        return self._dialogue is not None and self._dialogue.is_delivering

    @property
    def stream(self) -> ClientStream:
        """What the client sends."""
        return self._stream

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection speaks TLS."""
        return self._stream.transport.get_extra_info("sslcontext") is not None

    @property
    def is_known_by_certificate(self) -> bool:
        """Whether the client has shown a certificate that may use the relay."""
        names = self.door.tls.client_names if self.door.tls else ()
        certificate = self._stream.transport.get_extra_info("peercert")
        return bool(certificate and names) and matches(peer_names(certificate), names)

    def heard(self, octets: int = 0, since: float | None = None) -> None:
        """Start the client's time anew, unless it has been sending one message for too long."""
        now = self.loop.time()
        slowest = min(SESSION_SECONDS + octets / MESSAGE_RATE_MIN_BYTES, MESSAGE_MAX_SECONDS)
        if since is not None and now - since > slowest:
            self._relay.shared.refuse("slow", self.door)
            self.say_goodbye(replies.SILENT_TOO_LONG)
            raise ConnectionResetError("too slow")
        self._heard_at = now

    async def send(self, answer: Reply) -> None:
        """Send a reply; wait if the client leaves too many unread."""
        transport = self._stream.transport
        if transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(answer.encode())
        self._heard_at = self.loop.time()
        if not self._may_write.is_set():
            await self._may_write.wait()

    async def start_tls(self) -> None:
        """Tell the client to begin with TLS, and go over to it."""
        # The handshake may begin before we are ready for it: it waits in the socket.
        self._stream.transport.pause_reading()
        # RFC 3207 §6: what stands in plain text behind STARTTLS may be somebody else's.
        self._stream.take_waiting()
        await self.send(replies.READY_FOR_TLS)
        await self._go_over_to_tls()

    async def _go_over_to_tls(self, early: bytes = b"") -> None:
        assert self.door.tls is not None
        plain = self._stream.transport
        try:
            encrypted = await encrypt(plain, self, self.door.tls.context, early)
        except (ConnectionError, asyncio.CancelledError):
            self._relay.shared.refuse("tls_handshake", self.door)
            raise
        self._stream.go_on_with(encrypted)
        self.transport = encrypted

    def say_goodbye(self, answer: Reply = replies.SHUTTING_DOWN) -> None:
        """Tell the client that we go, and close."""
        transport = self._stream.transport
        if not transport.is_closing():
            if transport.get_write_buffer_size():
                # It does not read: a close would wait for that, for ever.
                transport.abort()
                return
            transport.write(answer.encode())
        self._hang_up()

    def _hang_up(self) -> None:
        self._stream.transport.close()
        if self._stream.transport.get_write_buffer_size():
            self._reset_timeout(LAST_WORDS_SECONDS)
