"""A next hop that does as it is told, and remembers what it heard: for tests of the relay."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum


class Then(Enum):
    """What a hop does after it has said something."""

    GO_ON = "go on"
    CLOSE = "close"
    HANG = "hang"  # Until the relay gives up.
    REPEAT = "repeat"  # Say it again and again, until the relay gives up.


@dataclass(frozen=True)
class Octets:
    """An answer as it goes over the wire: no CRLF is added."""

    octets: bytes
    then: Then = Then.GO_ON


# What a hop answers to a verb. `None` hangs up without a word.
Answer = Callable[[int, str], bytes | Octets | None]

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
    encrypted: list[int] = field(default_factory=list[int])  # Connections that spoke TLS.
    logins: list[tuple[str, bytes, bytes]] = field(
        default_factory=list[tuple[str, bytes, bytes]]
    )  # Mechanism, user and password.
    certificates: list[bytes | None] = field(default_factory=list[bytes | None])

    def verbs(self, connection: int) -> list[str]:
        """Return the verbs that one connection (from 1) heard."""
        return [line.split(" ")[0] for number, line in self.commands if number == connection]


@dataclass
class Hop:
    """A running hop: `answers` may be changed at any time."""

    port: int
    heard: Heard
    answers: dict[str, Answer]


def always(answer: bytes | Octets | None) -> Answer:
    """Answer the same whenever asked."""
    return lambda _connection, _line: answer


HANGS = Octets(b"", Then.HANG)


def offers(*keywords: str) -> Answer:
    """Answer EHLO with these extensions."""
    lines = ["hop.example", *keywords]
    middle = "".join(f"250-{line}\r\n" for line in lines[:-1])
    return always(f"{middle}250 {lines[-1]}".encode())


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
        with contextlib.suppress(OSError):  # The relay may go at any moment, TLS or not.
            if server.implicit_tls is not None:
                self._encrypt(server, server.implicit_tls, number)
            self._converse(server, number)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()  # With TLS it is not the socket that the server knows.

    def _converse(self, server: _Server, number: int) -> None:
        if not self._say(server.answer("greeting", number, "")):
            return
        while line := self.rfile.readline(65536):
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            server.heard.commands.append((number, text))
            verb = text.split(" ")[0].upper()
            reply = server.answer(verb, number, text)
            if verb == "AUTH" and reply is not None and not isinstance(reply, Octets):
                self._hear_login(server, text, reply)
            if not self._say(reply) or verb == "QUIT":
                return
            if isinstance(reply, Octets) or reply is None:
                continue
            if verb == "STARTTLS" and reply.startswith(b"220") and server.start_tls is not None:
                self._encrypt(server, server.start_tls, number)
            if verb == "DATA" and reply.startswith(b"354"):
                wire = self._read_message()
                if wire is None:
                    return
                server.heard.wires.append(wire)
                if not self._say(server.answer("end", number, "")):
                    return

    def _encrypt(self, server: _Server, context: ssl.SSLContext, number: int) -> None:
        encrypted = context.wrap_socket(self.connection, server_side=True)
        super().finish()
        self.connection = encrypted
        self.rfile = encrypted.makefile("rb")
        self.wfile = encrypted.makefile("wb")
        server.heard.encrypted.append(number)
        server.heard.certificates.append(encrypted.getpeercert(binary_form=True))

    def _hear_login(self, server: _Server, line: str, reply: bytes) -> None:
        """Ask for what LOGIN still owes, and note who it was."""
        mechanism, *initial = line.split(" ")[1:]
        if mechanism == "PLAIN":
            _, user, password = base64.b64decode(initial[0]).split(b"\0")
        else:
            said = list[bytes]()
            for question in (b"Username:", b"Password:"):
                self._say(b"334 " + base64.b64encode(question))
                said.append(base64.b64decode(self.rfile.readline()))
            user, password = said
        server.heard.logins.append((mechanism, user, password))

    def _say(self, answer: bytes | Octets | None) -> bool:
        if answer is None:
            return False
        octets = answer if isinstance(answer, Octets) else Octets(answer + b"\r\n")
        self.wfile.write(octets.octets)
        self.wfile.flush()
        while octets.then is Then.REPEAT:
            self.wfile.write(octets.octets)
            self.wfile.flush()
        if octets.then is Then.HANG:
            while self.connection.recv(65536):
                pass
        return octets.then is Then.GO_ON

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

    def __init__(
        self,
        address: tuple[str, int],
        start_tls: ssl.SSLContext | None,
        implicit_tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(address, _Handler)
        self.heard = Heard()
        self.answers: dict[str, Answer] = {}
        self.start_tls = start_tls
        self.implicit_tls = implicit_tls

    def answer(self, verb: str, connection: int, line: str) -> bytes | Octets | None:
        given = self.answers.get(verb)
        if given is not None:
            return given(connection, line)
        usual = {
            "greeting": b"220 hop.example ESMTP",
            "EHLO": EHLO,
            "STARTTLS": b"220 2.0.0 go ahead" if self.start_tls else b"502 5.5.1 no",
            "AUTH": b"235 2.7.0 welcome",
            "DATA": b"354 go ahead",
            "QUIT": b"221 2.0.0 bye",
            "end": b"250 2.0.0 queued as 4F2A",
        }
        return usual.get(verb, b"250 2.1.0 fine")


@contextmanager
def hop(
    *, start_tls: ssl.SSLContext | None = None, implicit_tls: ssl.SSLContext | None = None
) -> Generator[Hop]:
    """Run a hop on a free port of this machine. It offers STARTTLS only where EHLO is told to."""
    with _Server(("127.0.0.1", 0), start_tls, implicit_tls) as server:
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

    def vanish(self) -> None:
        """Break the connection off, as a machine that crashes does (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Vanish."""
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
