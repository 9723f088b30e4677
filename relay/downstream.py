"""The next hop: connections to it, taken from a pool, and the raw SMTP dialogue on them.

The only file that knows aiosmtplib. Of the library we use the connection, its TLS and its replies,
command by command: its `sendmail` hides refused recipients and its `data` rewrites line endings.
Here a message goes out in the wire form it was given, and a reply comes back as it was written.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from typing import cast

import aiosmtplib
import structlog
from aiosmtplib.protocol import MAX_LINE_LENGTH, SMTPProtocol

from relay.alarm import Alarm
from relay.connection import Connection
from relay.hello import Hello, TlsFailed
from relay.metrics import Metrics
from relay.nexthops import (
    DialogueError,
    Extensions,
    HopSettings,
    Host,
    Hosts,
    NextHopAway,
    NextHopError,
    NextHopLost,
)
from relay.pool import Pool
from relay.reply import Reply
from relay.tls import TlsMode

__all__ = [
    "Extensions",
    "HopSettings",
    "NextHop",
    "NextHopAway",
    "NextHopError",
    "NextHopLost",
]

# RFC 5321 §4.5.3.2.1 gives 5 minutes for the greeting; our client waits. For all hosts together.
CONNECT_SECONDS = 30.0
# A host that got less than this, since the letter's time was nearly up, is not to blame.
CONNECT_MIN_SECONDS = 3.0
# A firewall may have dropped an idle connection without a word: MAIL would wait its whole time.
NOOP_AFTER_SECONDS = 5.0
# More than a transport buffers (64 KiB), so that it says when it is full: then TLS never holds a
# second copy of a large letter, and one letter never holds the loop.
PIECE_BYTES = 256 * 1024


log = structlog.get_logger("relay")


class _OutOfStep(aiosmtplib.SMTPException):
    """A reply that answers nothing that was asked; the text holds no word of the next hop's."""


class _Talk(SMTPProtocol):
    """The library's protocol, with one timer for all replies and large messages sent in pieces."""

    def __init__(self, loop: asyncio.AbstractEventLoop, metrics: Metrics) -> None:
        super().__init__(loop)
        self.step = "connect"  # What is waited for, for the operator and the metrics.
        self.when_lost: Callable[[], None] | None = None
        self.was_cut_off = False  # A message was given up before its final dot had left us.
        self._metrics = metrics
        self._is_due = True  # Whether the next hop is to say something: first its greeting.
        self._is_in_step = True
        self._is_overdue = False
        self._alarm = Alarm(loop, self._give_up)
        self._rest = memoryview(b"")
        self._is_full = False

    async def ask(self, step: str, octets: bytes, limit: float) -> Reply:
        """Send a command, or a message, and return the reply to it.

        `DialogueError`, and the end of the connection, if there is none before the loop time
        `limit`. In the middle this is the library's `read_response`, whose detours cost more than
        all the rest: four commands make up a message.
        """
        self.step = step
        try:
            self.was_cut_off = True  # Nothing has left us yet: not even a message is sent.
            if not self.is_in_step:
                raise _OutOfStep("a reply that nobody asked for")
            self.write(octets if len(octets) <= PIECE_BYTES else octets[:PIECE_BYTES])
            self.was_cut_off = False
            waiter = self._response_waiter
            assert waiter is not None  # It is there as long as something can be written.
            self._is_due = self._response_pending = True
            self._alarm.set(limit)
            if len(octets) > PIECE_BYTES:
                self._rest = memoryview(octets)[PIECE_BYTES:]
                self._feed()
            response = await waiter
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._broken(error) from error
        except BaseException:
            self.drop()  # What comes late would be taken for another reply.
            raise
        finally:
            self._is_due = self._response_pending = False
            self._alarm.clear()
            self._response_waiter = None if self.transport is None else self._loop.create_future()
        self._metrics.reply(step, response.code)
        return Reply(response.code, tuple(response.message.split("\n")))

    async def hear(self) -> Reply:
        """Return the greeting; the caller sets the time."""
        self.step = "GREETING"
        try:
            response = await self.read_response()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._broken(error) from error
        self._metrics.reply(self.step, response.code)
        return Reply(response.code, tuple(response.message.split("\n")))

    def _broken(self, error: Exception) -> DialogueError:
        self.drop()
        self._metrics.reply(self.step, 0)
        if self._is_overdue:
            return DialogueError("no answer in time")
        return DialogueError(_named(error))

    async def start_encryption(self, context: ssl.SSLContext, server_name: str) -> None:
        """Say STARTTLS and do the handshake. What is heard before it ends counts for nothing."""
        self.step = "STARTTLS"
        try:
            answer = await self.start_tls(context, server_name)
            self._metrics.reply(self.step, answer.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._broken(error) from error

    async def read_response(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 (as in the base)
    ) -> aiosmtplib.SMTPResponse:
        """Return the next reply; what came unasked is not taken for one."""
        self._is_due = True
        try:
            return await super().read_response(timeout)
        finally:
            self._is_due = False

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return self.transport is not None and bool(self.transport.get_extra_info("sslcontext"))

    @property
    def is_in_step(self) -> bool:
        """Whether nothing came that was not asked for: it would be taken for the next reply."""
        return self._is_in_step and not self._buffer

    @property
    def is_taken(self) -> bool:
        """Whether all that was written has left us."""
        transport = cast("asyncio.WriteTransport | None", self.transport)
        return not self._rest and (transport is None or not transport.get_write_buffer_size())

    def drop(self) -> None:
        """Close at once: a peer that does not read would else be left a message to take."""
        if self.transport is not None:
            self.was_cut_off = self.was_cut_off or not self.is_taken
            cast(asyncio.WriteTransport, self.transport).abort()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a reply. The library would lose what nobody asked for without a word."""
        waiter = self._response_waiter
        if not self._is_due or waiter is None:
            self._is_in_step = False
            self.drop()  # Most often it is a 421: the next hop goes.
        elif _is_one_line(data) and not self._buffer and not waiter.done():
            self._is_due = False
            text = data[4:-2].decode("utf-8", "surrogateescape")
            waiter.set_result(aiosmtplib.SMTPResponse(int(data[:3]), text))
        else:
            super().data_received(data)

    def _read_response_from_buffer(self) -> aiosmtplib.SMTPResponse | None:
        # The library's own strips blanks and drops an empty first line; the client shall read what
        # the next hop wrote. Limits and pieces stay the library's, which calls this.
        lines = list[bytes]()
        offset = 0
        while (end := self._buffer.find(b"\n", offset)) != -1:
            line = bytes(self._buffer[offset:end])
            offset = end + 1
            if len(line) > MAX_LINE_LENGTH or not line[:3].isdigit():
                raise _OutOfStep("a line that is no reply")
            lines.append(line[4:].removesuffix(b"\r"))
            if line[3:4] != b"-":
                del self._buffer[:offset]
                self._is_due = False
                text = b"\n".join(lines).decode("utf-8", "surrogateescape")
                return aiosmtplib.SMTPResponse(int(line[:3]), text)
        return None

    def pause_writing(self) -> None:
        """Stop feeding: the transport is full."""
        super().pause_writing()
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on feeding."""
        super().resume_writing()
        self._is_full = False
        self._feed()

    def _feed(self) -> None:
        while self._rest and not self._is_full and self.is_connected:
            piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
            self.write(cast(bytes, piece))
        if not self._rest:
            self._rest = memoryview(b"")  # The end of a message would keep all of it in memory.

    def _give_up(self) -> None:
        self._is_overdue = True
        self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and the pool."""
        self.was_cut_off = self.was_cut_off or bool(self._rest)
        self._rest = memoryview(b"")
        super().connection_lost(exc)
        self._alarm.stop()
        if self.when_lost is not None:
            self.when_lost()


class NextHop:
    """The servers all mail goes to, with the idle connections to them."""

    def __init__(
        self,
        settings: HopSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.told: set[str] = set()  # Every extension that any host has ever offered.
        self._clock = clock
        self._metrics = metrics
        self._context = settings.make_context()
        self._hosts = Hosts(settings.addresses, clock)
        self._pool: Pool[Connection] = Pool(metrics, clock)

    async def take(self, deadline: float = math.inf) -> Connection:
        """Return an idle connection, or a fresh one; `NextHopAway` if there is none to be had."""
        return await self._find(deadline, may_be_idle=True)

    async def connect(self, deadline: float = math.inf) -> Connection:
        """Return a fresh connection, to the first host that answers."""
        return await self._find(deadline, may_be_idle=False)

    async def _find(self, deadline: float, *, may_be_idle: bool) -> Connection:
        ends = min(_now() + CONNECT_SECONDS, deadline)
        hosts = self._hosts.in_order()
        failures: list[str] = []
        for number, host in enumerate(hosts):
            if may_be_idle and (idle := await self._take_idle(host)):
                return idle
            # A host that swallows what it is sent must leave time for those behind it.
            share = (ends - _now()) / (len(hosts) - number)
            try:
                return await self._connect_to(host, _now() + share)
            except NextHopAway as error:
                failures.append(str(error))
                self._metrics.reply("CONNECT", 0)
                if not host.down_until and len(hosts) > 1:
                    log.warning("next_hop_passed_over", error=str(error))
                if share >= CONNECT_MIN_SECONDS or not isinstance(error.__cause__, TimeoutError):
                    self._hosts.failed(host)
        raise NextHopAway("; ".join(failures))

    async def _connect_to(self, host: Host, ends: float) -> Connection:
        self._hosts.trying(host)
        try:
            connection = await self._attempt(host, ends, self._context)
        except TlsFailed as error:
            if self.settings.tls is not TlsMode.OPPORTUNISTIC:
                raise NextHopAway(f"{host.address}: STARTTLS: {error}") from error
            # RFC 7435 §3: where STARTTLS is offered and then fails, plain text beats no mail.
            connection = await self._attempt(host, ends, None)
        if host.down_until:
            log.info("next_hop_back", host=str(host.address))
        self._hosts.works(host)
        self.told.update(connection.offered)
        self._pool.opened(connection)
        connection.when_lost(self._pool.lost)
        return connection

    async def _attempt(self, host: Host, ends: float, context: ssl.SSLContext | None) -> Connection:
        loop = asyncio.get_running_loop()
        talk = _Talk(loop, self._metrics)
        name = self.settings.server_name or host.address.host
        at_once = context if self.settings.is_implicit_tls else None
        later = None if self.settings.is_implicit_tls else context
        try:
            async with asyncio.timeout_at(ends):
                await loop.create_connection(
                    lambda: talk,
                    host.address.host,
                    host.address.port,
                    ssl=at_once,
                    server_hostname=name if at_once else None,
                )
                extensions = await Hello(self.settings, talk, name).say(later, ends)
            if not talk.is_connected:
                raise DialogueError("closed behind its answer")
            host.extensions = extensions
            return Connection(talk, host, extensions)
        except TlsFailed:
            talk.drop()
            raise
        except (DialogueError, OSError) as error:
            talk.drop()
            raise NextHopAway(f"{host.address}: {talk.step}: {_named(error)}") from error
        except BaseException:
            talk.drop()
            raise

    async def _take_idle(self, host: Host) -> Connection | None:
        connection = self._pool.take(host)
        if connection is None:
            return None
        connection.is_reused = True
        if self._clock() - connection.idle_since < NOOP_AFTER_SECONDS:
            return connection
        if await connection.is_awake():
            return connection
        self._pool.drop(host)  # The others have been idle for longer.
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection, with no transaction open on it, for the next message."""
        self._pool.give_back(connection)

    async def extensions(self) -> Extensions:
        """Return what the host offers that would be used now, asking it if nobody has yet.

        `NextHopAway` if no host can be asked.
        """
        known = self._hosts.in_order()[0].extensions
        if known is not None:
            return known
        connection = await self.connect(_now() + self.settings.reply_max_seconds)
        self.give_back(connection)
        return connection.extensions

    @property
    def size_max_bytes(self) -> int:
        """The largest message the next hop takes as it last said, 0 if it said nothing."""
        known = self._hosts.in_order()[0].extensions
        return known.size_max_bytes() if known else 0

    @property
    def size_told_bytes(self) -> int:
        """The largest SIZE among the hosts as each last said, 0 for no limit."""
        hosts = self._hosts.in_order()
        sizes = {host.extensions.size_max_bytes() for host in hosts if host.extensions}
        return 0 if 0 in sizes else max(sizes, default=0)

    def retire(self) -> None:
        """Take leave on idle connections now, on those in use when they are given back."""
        self._pool.retire()

    async def close(self) -> None:
        """Take leave on every idle connection."""
        await self._pool.close()


def _is_one_line(data: bytes) -> bool:
    """Say whether this is the whole of a reply, as nearly all are: no need to collect it."""
    return (
        data[3:4] == b" "
        and data.find(b"\n") == len(data) - 1
        and data[-2:] == b"\r\n"
        and data[:3].isdigit()
        and len(data) <= MAX_LINE_LENGTH
    )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _named(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"answered {error.code}"  # A reply's text may name addresses.
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
