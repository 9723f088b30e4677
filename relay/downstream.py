"""The next hop: connections to it, taken from a pool, and the raw SMTP dialogue on them.

The only file that knows aiosmtplib. Of the library we use the connection and its replies, command
by command: its `sendmail` hides refused recipients and its `data` rewrites line endings. Here a
message goes out in the wire form it was given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from relay.metrics import Metrics
from relay.nexthops import (
    MIRRORED,
    Extensions,
    HopSettings,
    NextHopAway,
    NextHopError,
    NextHopLost,
)
from relay.reply import Reply

__all__ = [
    "Connection",
    "Extensions",
    "HopSettings",
    "NextHop",
    "NextHopAway",
    "NextHopError",
    "NextHopLost",
]

CONNECT_SECONDS = 30.0  # RFC 5321 §4.5.3.2.1 gives 5 minutes for the greeting; our client waits.
COMMAND_SECONDS = 60.0
# RFC 5321 §4.5.3.2.6 gives 10 minutes for the final dot, but Postfix' proxy filter waits 100 s: we
# answer before it, or it would send a letter again that was delivered. With what `deliver` may take
# before, both together stay under 90 s.
DATA_SECONDS = 20.0
FINAL_DOT_SECONDS = 60.0
QUIT_SECONDS = 2.0  # Politeness: the next hop has all its letters when we take leave.
IDLE_MAX_SECONDS = 30.0  # Servers drop idle clients after a minute or more; we leave first.
IDLE_CONNECTIONS_MAX = 50

START_INPUT = 354  # RFC 5321 §4.3.2: the one reply after which a message may be sent.


class _OutOfStep(aiosmtplib.SMTPException):
    """A reply that answers nothing that was asked; the text holds no word of the next hop's."""


class Connection:
    """One connection to the next hop, used by one transaction at a time."""

    def __init__(self, client: aiosmtplib.SMTP, protocol: SMTPProtocol) -> None:
        self._client = client
        self._protocol = protocol
        self.is_reused = False
        self.idle_since = 0.0

    async def command(self, verb: bytes, argument: bytes = b"") -> Reply:
        """Send one command and return its reply; `NextHopLost` if there is none."""
        words = (verb, argument) if argument else (verb,)
        seconds = DATA_SECONDS if verb == b"DATA" else COMMAND_SECONDS
        try:
            self._be_in_step()
            response = await self._client.execute_command(*words, timeout=seconds)
            return _reply(response, START_INPUT if verb == b"DATA" else None)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.close()
            raise NextHopLost(f"{verb.decode()}: {_named(error)}") from error

    async def send(self, wire: bytes) -> Reply:
        """Send a message after a 354: `wire` is dot-stuffed and ends in CRLF.CRLF.

        Its reply decides over the message. `NextHopLost` means that the outcome is unknown.
        """
        try:
            self._be_in_step()
            self._protocol.write(wire)
            return _reply(await self._protocol.read_response(timeout=FINAL_DOT_SECONDS))
        except (aiosmtplib.SMTPException, OSError) as error:
            self.close()
            raise NextHopLost(f"end of data: {_named(error)}") from error

    def _be_in_step(self) -> None:
        """See that no reply is left over: it would be taken for the reply to what comes now."""
        if self._protocol._buffer:  # pyright: ignore[reportPrivateUsage]
            raise _OutOfStep("a reply that nobody asked for")

    @property
    def is_usable(self) -> bool:
        """Whether the connection was alive when last looked at."""
        return self._client.is_connected

    def close(self) -> None:
        """Drop the connection: whatever transaction is open on it is void (RFC 5321 §4.1.1.5).

        At once: a peer that does not read would else be left the rest of a message to take, when
        the client was already told to send it again.
        """
        if self._protocol.transport is not None:
            cast(asyncio.WriteTransport, self._protocol.transport).abort()
        self._client.close()

    async def quit(self) -> None:
        """Take leave of the next hop, as far as it still listens."""
        try:
            await self._client.quit(timeout=QUIT_SECONDS)
        except (aiosmtplib.SMTPException, OSError):
            self.close()


class NextHop:
    """The server all mail goes to, with the idle connections to it."""

    def __init__(
        self,
        settings: HopSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.address = settings.addresses[0]
        self._hostname = settings.hostname
        self._metrics = metrics
        self._clock = clock
        self._tls_context = settings.make_context()
        self._idle: list[Connection] = []  # Newest last; touched by the event loop alone.
        self._extensions: Extensions | None = None

    async def take(self) -> Connection:
        """Return an idle connection, or a fresh one; `NextHopAway` if there is none to be had."""
        oldest = self._clock() - IDLE_MAX_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and connection.idle_since >= oldest:
                connection.is_reused = True
                return connection
            connection.close()
        return await self.connect()

    async def connect(self) -> Connection:
        """Return a fresh connection that has said EHLO, or HELO where that is not known.

        TLS is opportunistic (RFC 7435): where the next hop offers STARTTLS and then fails at it,
        plain text is better than no mail.
        """
        try:
            client = await self._open(start_tls=None)
        except aiosmtplib.SMTPConnectError as error:
            raise self._away(error) from error  # There was no dialogue in which TLS could fail.
        except (aiosmtplib.SMTPException, OSError):
            try:
                client = await self._open(start_tls=False)
            except (aiosmtplib.SMTPException, OSError) as error:
                raise self._away(error) from error
        protocol = client.protocol
        if protocol is None:
            raise NextHopAway(f"{self.address}: closed after the greeting")
        self._extensions = _extensions(client)
        return Connection(client, protocol)

    async def _open(self, *, start_tls: bool | None) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self.address.host,
            port=self.address.port,
            local_hostname=self._hostname,
            timeout=CONNECT_SECONDS,
            start_tls=start_tls,
            tls_context=self._tls_context,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
        except BaseException:
            client.close()
            raise
        return client

    def _away(self, error: Exception) -> NextHopAway:
        return NextHopAway(f"{self.address}: {type(error).__name__}: {error}")

    def give_back(self, connection: Connection) -> None:
        """Keep a connection, with no transaction open on it, for the next message."""
        if connection.is_usable and len(self._idle) < IDLE_CONNECTIONS_MAX:
            connection.idle_since = self._clock()
            self._idle.append(connection)
        else:
            connection.close()

    async def extensions(self) -> Extensions:
        """Return what the next hop offers, asking it if nobody has yet; may raise `NextHopAway`."""
        if self._extensions is None:
            self.give_back(await self.connect())
        assert self._extensions is not None
        return self._extensions

    @property
    def size_max_bytes(self) -> int:
        """The largest message the next hop takes as it last said, 0 if it said nothing."""
        return self._extensions.size_max_bytes() if self._extensions else 0

    async def close(self) -> None:
        """Take leave on every idle connection."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _extensions(client: aiosmtplib.SMTP) -> Extensions:
    offered = client.esmtp_extensions
    return Extensions(
        tuple((name, offered[name.lower()]) for name in MIRRORED if name.lower() in offered)
    )


def _named(error: Exception) -> str:
    # The text of other errors may be the next hop's, who names addresses.
    return str(error) if isinstance(error, _OutOfStep) else type(error).__name__


def _reply(response: aiosmtplib.SMTPResponse, intermediate: int | None = None) -> Reply:
    """Return a yes, a no or the one intermediate reply that fits; RFC 5321 §4.2.1 has no others."""
    if response.code != intermediate and response.code // 100 not in (2, 4, 5):
        raise _OutOfStep(f"reply {response.code} out of place")
    if intermediate is not None and response.code // 100 == 2:
        raise _OutOfStep(f"reply {response.code} where {intermediate} is due")
    return Reply(response.code, tuple(response.message.split("\n")))
