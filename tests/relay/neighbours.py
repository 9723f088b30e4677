"""A next hop that does as it is told, and remembers what it heard: for tests of the relay."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

# What a hop answers to a verb. `None` hangs up without a word.
Answer = Callable[[int, str], bytes | None]

EHLO = (
    b"250-hop.example\r\n250-SIZE 40000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    b"250-PIPELINING\r\n250-DSN\r\n250-XNEWS 1\r\n250 ENHANCEDSTATUSCODES"
)


@dataclass
class Heard:
    """What a hop heard, in order: commands as `(connection, line)`, and messages in wire form."""

    commands: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    wires: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0

    def verbs(self, connection: int) -> list[str]:
        """Return the verbs that one connection (from 1) heard."""
        return [line.split(" ")[0] for number, line in self.commands if number == connection]


@dataclass
class Hop:
    """A running hop: `answers` may be changed at any time."""

    port: int
    heard: Heard
    answers: dict[str, Answer]


def always(answer: bytes | None) -> Answer:
    """Answer the same whenever asked."""
    return lambda _connection, _line: answer


WAIT_SECONDS = 20


class Deciding:
    """A hop that takes its time over the next messages: `arrived` tells, `released` lets it go."""

    def __init__(self, running_hop: Hop) -> None:
        self._arrived, self._released = threading.Event(), threading.Event()
        running_hop.answers["end"] = self._decide

    def _decide(self, _connection: int, _line: str) -> bytes:
        self._arrived.set()
        assert self._released.wait(WAIT_SECONDS)
        return b"250 2.0.0 kept"

    def wait_for_message(self) -> None:
        """Return when the hop has a whole message and its sender waits."""
        assert self._arrived.wait(WAIT_SECONDS)

    def release(self) -> None:
        """Let the hop answer, now and from now on."""
        self._released.set()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.heard.connections += 1
        number = server.heard.connections
        if not self._say(server.answer("greeting", number, "")):
            return
        while line := self.rfile.readline(65536):
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            server.heard.commands.append((number, text))
            verb = text.split(" ")[0].upper()
            reply = server.answer(verb, number, text)
            if not self._say(reply) or verb == "QUIT":
                return
            if verb == "DATA" and reply is not None and reply.startswith(b"354"):
                wire = self._read_message()
                if wire is None:
                    return
                server.heard.wires.append(wire)
                if not self._say(server.answer("end", number, "")):
                    return

    def _say(self, answer: bytes | None) -> bool:
        if answer is None:
            return False
        self.wfile.write(answer + b"\r\n")
        return True

    def _read_message(self) -> bytes | None:
        wire = bytearray()
        while True:
            line = self.rfile.readline()
            if not line:
                return None
            wire += line
            # CRLF.CRLF alone ends a message: readline also stops at a bare LF.
            if line == b".\r\n" and (b"\r\n" + wire).endswith(b"\r\n.\r\n"):
                return bytes(wire)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    # Handlers that wait for their client end with its socket, not with the server.
    block_on_close = False

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.heard = Heard()
        self.answers: dict[str, Answer] = {}

    def answer(self, verb: str, connection: int, line: str) -> bytes | None:
        given = self.answers.get(verb)
        if given is not None:
            return given(connection, line)
        usual = {
            "greeting": b"220 hop.example ESMTP",
            "EHLO": EHLO,
            "DATA": b"354 go ahead",
            "QUIT": b"221 2.0.0 bye",
            "end": b"250 2.0.0 queued as 4F2A",
        }
        return usual.get(verb, b"250 2.1.0 fine")


@contextmanager
def hop() -> Generator[Hop]:
    """Run a hop on a free port of this machine."""
    with _Server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Hop(int(server.server_address[1]), server.heard, server.answers)
        finally:
            server.shutdown()
            thread.join()


class Client:
    """A raw SMTP client: says exactly what it is given, returns whole replies."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self) -> str:
        """Return the next reply, its lines joined by LF; empty when the server hung up."""
        lines: list[str] = []
        while line := self._file.readline():
            lines.append(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def say(self, line: str) -> str:
        """Send a command and return its reply."""
        self.send(line.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.reply()

    def close(self) -> None:
        """Vanish."""
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
