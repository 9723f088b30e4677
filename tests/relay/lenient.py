"""A next hop that takes more than CRLF.CRLF for the end of a message: for tests of smuggling.

One `Leniency` per instance: what it takes for the end of data, besides the real one. Command lines
end at any CR or LF, and whatever stands behind an end of data is carried out at once: that is how
a server open to SMTP smuggling behaves.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

_LINE_END = re.compile(rb"\r\n|\r|\n")
# What servers have been seen to take for a line ending, one by one and mixed.
_ENDINGS = {"CRLF": rb"\r\n", "LF": rb"\n", "CR": rb"\r", "CRCRLF": rb"\r\r\n"}


@dataclass(frozen=True, slots=True)
class Leniency:
    """What a hop takes for the end of data; `end` is searched from DATA's own CRLF on."""

    name: str
    end: re.Pattern[bytes]


def _leniencies() -> tuple[Leniency, ...]:
    made = [
        Leniency(f"{before} . {after}", re.compile(rb"\r\n\.\r\n|" + first + rb"\." + second))
        for before, first in _ENDINGS.items()
        for after, second in _ENDINGS.items()
        if (before, after) != ("CRLF", "CRLF")
    ]
    return (
        *made,
        Leniency("any CR or LF", re.compile(rb"[\r\n]\.[\r\n]")),
        Leniency("blanks behind the dot", re.compile(rb"[\r\n]\.[ \t]*[\r\n]")),
    )


LENIENCIES = _leniencies()
# What drops NULs before it looks for line endings.
NUL_DROPPED = Leniency(
    "NUL dropped", re.compile(rb"\r\x00*\n\x00*\.\x00*\r\x00*\n|[\r\n]\x00*\.\x00*[\r\n]")
)


@dataclass
class Took:
    """What a lenient hop took: its command lines, and the messages as it cut them."""

    commands: list[bytes] = field(default_factory=list[bytes])
    messages: list[bytes] = field(default_factory=list[bytes])

    def clear(self) -> None:
        """Forget everything."""
        self.commands.clear()
        self.messages.clear()


@dataclass(frozen=True, slots=True)
class LenientHop:
    """A running lenient hop."""

    port: int
    took: Took


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self._waiting = b""
        self.request.sendall(b"220 lenient.example ESMTP\r\n")
        while (line := self._cut(_LINE_END)) is not None:
            if not line:
                continue  # Between CR and LF that came apart, or the rest of an odd ending.
            self.server.took.commands.append(line)
            verb = line[:4].upper()
            if verb == b"DATA":
                self.request.sendall(b"354 go ahead\r\n")
                self._waiting = b"\r\n" + self._waiting
                message = self._cut(self.server.leniency.end)
                if message is None:
                    return
                self.server.took.messages.append(message)
            self.request.sendall(
                b"250-lenient.example\r\n250-CHUNKING\r\n250 8BITMIME\r\n"
                if verb == b"EHLO"
                else b"250 2.0.0 fine\r\n"
            )
            if verb == b"QUIT":
                return

    def _cut(self, end: re.Pattern[bytes]) -> bytes | None:
        """Return what stands before the next match; `None` when the client is gone."""
        while not (found := end.search(self._waiting)):
            octets = self.request.recv(65536)
            if not octets:
                return None
            self._waiting += octets
        before, self._waiting = self._waiting[: found.start()], self._waiting[found.end() :]
        return before


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False  # Handlers end with their client.

    def __init__(self, leniency: Leniency) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.leniency = leniency
        self.took = Took()


@contextmanager
def lenient_hop(leniency: Leniency) -> Generator[LenientHop]:
    """Run a lenient hop on a free port of this machine."""
    with _Server(leniency) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield LenientHop(int(server.server_address[1]), server.took)
        finally:
            server.shutdown()
            thread.join()
