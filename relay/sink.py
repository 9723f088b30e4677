"""An SMTP server that takes any message and keeps it: the next hop of a demonstration.

Promises: what it keeps is what was sent, byte for byte, whatever the length of a line; it answers
250 only after the message is in memory and on disk. It checks nobody, so it listens on this machine
only, and it never sends mail. It keeps the last messages, no more.
"""

from __future__ import annotations

import asyncio
import collections
import json
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as ServerEnvelope
from aiosmtpd.smtp import Session as ServerSession

from relay.envelope import Envelope

SIZE_MAX_BYTES = 32 * 1024 * 1024  # What large providers take, with base64 counted in.
KEPT_MAX = 500  # Messages in memory and on disk; more than a person looks through.
KEPT_MAX_BYTES = 128 * 1024 * 1024  # In memory and on disk; three messages of the largest size fit.
COMMAND_MAX_BYTES = 4096  # RFC 5321 §4.5.3.1.4 says 512; long addresses and parameters need more.
IDLE_SECONDS = 300.0  # RFC 5321 §4.5.3.2.7.
_FILE_NAME = re.compile(r"(\d+)\.eml\Z")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it arrived: its number (from 1), when, for whom, and the bytes."""

    number: int
    time: datetime
    envelope: Envelope
    message: bytes


class _Protocol(SMTP):
    """aiosmtpd's server without its limits on lines and its opinion on addresses."""

    # The library refuses lines over 1,001 octets, which one in a hundred real messages has.
    line_length_limit = SIZE_MAX_BYTES
    command_size_limit = COMMAND_MAX_BYTES
    # Its own, since the library keeps one table for all servers of a process.
    command_size_limits: dict[str, int] = collections.defaultdict(  # noqa: RUF012 (as in the base)
        lambda: COMMAND_MAX_BYTES
    )

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return the address as written, quotes and all, `"<>"` for the null one, and the rest."""
        text = arg.strip()
        if not text.startswith("<"):
            address, _, rest = text.partition(" ")
            return address or None, rest
        address, closing, rest = text[1:].rpartition(">")
        return (address or "<>", rest) if closing else (None, None)


class _Handler:
    """The hooks aiosmtpd calls."""

    def __init__(self, keep: Callable[[Envelope, bytes], None]) -> None:
        self._keep = keep

    async def handle_DATA(
        self, _server: SMTP, _session: ServerSession, envelope: ServerEnvelope
    ) -> str:
        sender = envelope.mail_from or ""
        agreed = Envelope("" if sender == "<>" else sender, tuple(envelope.rcpt_tos))
        self._keep(agreed, envelope.original_content or b"")
        return "250 2.0.0 Kept"

    async def handle_exception(self, error: Exception) -> str:
        # The library's answer is a permanent 500 with the text of the error.
        return "451 4.3.0 The message could not be kept"


class Sink:
    """Listens on a port and keeps what arrives, as `NNN.eml` with the envelope in `NNN.json`."""

    def __init__(
        self,
        host: str,
        port: int,
        directory: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._port = port
        self._directory = directory
        self._clock = clock
        self._kept: collections.deque[Arrival] = collections.deque()
        self._kept_bytes = 0
        self._next_number = 1
        self._server: asyncio.Server | None = None
        self._connections: weakref.WeakSet[_Protocol] = weakref.WeakSet()

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._port

    @property
    def messages(self) -> tuple[Arrival, ...]:
        """What arrived, oldest first: the last `KEPT_MAX` messages."""
        return tuple(self._kept)

    async def start(self) -> None:
        """Listen; an `OSError` names the port that cannot be had, or the directory."""
        self._directory.mkdir(parents=True, exist_ok=True)
        # Files of an earlier run stay, and their numbers are not used again.
        numbers = [int(found[1]) for name in self._names() if (found := _FILE_NAME.match(name))]
        self._next_number = max(numbers, default=0) + 1
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._host, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up and take no more connections. Harmless when not started."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                if connection.transport is not None:
                    connection.transport.close()
            await self._server.wait_closed()
            self._server = None

    def _names(self) -> list[str]:
        return [entry.name for entry in self._directory.iterdir()]

    def _protocol(self) -> SMTP:
        protocol = _Protocol(
            _Handler(self._keep),
            data_size_limit=SIZE_MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="outside.example",  # The default asks the name service.
            ident="takes everything, sends nothing",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(protocol)
        return protocol

    def _keep(self, envelope: Envelope, message: bytes) -> None:
        arrival = Arrival(self._next_number, self._clock(), envelope, message)
        self._next_number += 1
        # Written in the loop: a letter takes under a millisecond, and the order stays the order.
        self._path(arrival, "json").write_text(_describe(arrival), encoding="utf-8")
        self._path(arrival, "eml").write_bytes(message)
        self._kept.append(arrival)
        self._kept_bytes += len(message)
        while len(self._kept) > KEPT_MAX or self._kept_bytes > KEPT_MAX_BYTES:
            oldest = self._kept.popleft()
            self._kept_bytes -= len(oldest.message)
            for suffix in ("eml", "json"):
                self._path(oldest, suffix).unlink(missing_ok=True)

    def _path(self, arrival: Arrival, suffix: str) -> Path:
        return self._directory / f"{arrival.number:03d}.{suffix}"


def _describe(arrival: Arrival) -> str:
    described = {
        "time": arrival.time.isoformat(timespec="milliseconds"),
        "sender": arrival.envelope.sender,
        "recipients": arrival.envelope.recipients,
        "size_bytes": len(arrival.message),
    }
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"
