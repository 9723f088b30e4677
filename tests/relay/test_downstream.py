"""A next hop that hangs takes neither letters nor the relay with it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from relay import connection as hop_connection
from relay import downstream
from relay.wire import END_OF_DATA
from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import Running, running

COMMANDS = (
    "EHLO client.example",
    "MAIL FROM:<recruit@aozora.example.jp>",
    "RCPT TO:<yui@mail.example.com>",
)


def read_late(server: socket.socket, given_up: threading.Event, rest: bytearray) -> None:
    """Take one connection up to DATA, read on only when the relay gave up, and then to the end."""
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as lines:
        connection.sendall(b"220 hop.example ESMTP\r\n")
        for line in lines:
            is_data = line.upper().startswith(b"DATA")
            connection.sendall(b"354 go ahead\r\n" if is_data else b"250 2.0.0 fine\r\n")
            if is_data:
                break
        assert given_up.wait(20)
        try:
            while octets := lines.read1():
                rest += octets[-8:]
        except ConnectionResetError:
            pass


def test_a_letter_given_up_is_not_sent_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A next hop too slow to take a letter never gets the final dot of it behind our 4xx.

    It would deliver what the client, told to try again, sends once more.
    """
    monkeypatch.setattr(hop_connection, "FINAL_DOT_SECONDS", 0.3)
    given_up, rest = threading.Event(), bytearray()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        server.bind(("127.0.0.1", 0))
        server.listen()
        hanging = threading.Thread(target=read_late, args=(server, given_up, rest))
        hanging.start()
        port = int(server.getsockname()[1])
        with running(port, tmp_path, size_max_bytes=32 * 1024 * 1024) as relay:
            with Client(relay.port) as client:
                assert all(client.say(command).startswith("250") for command in COMMANDS)
                assert client.say("DATA").startswith("354")
                client.send(b"A: b\r\n\r\n" + (b"x" * 998 + b"\r\n") * 16_000 + b".\r\n")
                assert client.reply().startswith("451 4.4.2 ")
            given_up.set()
            hanging.join(20)
            assert not hanging.is_alive()
    assert not rest.endswith(END_OF_DATA)


def test_a_next_hop_that_does_not_say_goodbye_does_not_hold_the_stop(
    next_hop: Hop, tmp_path: Path
) -> None:
    """Stopping takes leave of every idle connection at once, and does not wait for long."""
    released = threading.Event()

    def say_nothing(_connection: int, _line: str) -> None:
        released.wait(60)

    next_hop.answers["QUIT"] = say_nothing
    with running(next_hop.port, tmp_path) as relay:
        clients = [Client(relay.port) for _ in range(3)]
        for client in clients:
            assert all(client.say(command).startswith("250") for command in COMMANDS)
        for client in clients:
            assert client.say("DATA").startswith("354")
            client.send(b"A: b\r\n\r\nc\r\n.\r\n")
            assert client.reply().startswith("250")
            client.close()
        began = time.monotonic()
        relay.call(relay.relay.close())
        took = time.monotonic() - began
    released.set()
    assert next_hop.heard.connections == 3
    assert took < 10


def test_a_letter_that_only_the_note_makes_too_large_goes_without(
    next_hop: Hop, tmp_path: Path
) -> None:
    """The next hop's limit is met by the letter as it was sent: we do not push it over."""
    letter = (Path(__file__).parents[1] / "letters" / "002-first-interview-8bit.eml").read_bytes()
    limit = len(letter) + 100
    next_hop.answers["EHLO"] = lambda _c, _l: b"250-hop.example\r\n250 SIZE %d" % limit
    with running(next_hop.port, tmp_path) as relay, Client(relay.port) as client:
        assert all(client.say(command).startswith("250") for command in COMMANDS)
        assert client.say("DATA").startswith("354")
        client.send(letter + b".\r\n")
        assert client.reply().startswith("250")
        assert relay.reasons == {"too_large": 1}
    assert next_hop.heard.wires == [letter + b".\r\n"]
    assert not (tmp_path / "careerrelay.db").exists()


@pytest.mark.parametrize("greeting", [b"", b"220 hop.example ESMTP\r\n"], ids=["mute", "greets"])
def test_a_client_that_breaks_off_leaves_no_connection_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greeting: bytes
) -> None:
    """A connection to the next hop that was being opened for a client ends with the client.

    At the latest when its time is up: until Python 3.12, `asyncio.wait_for` loses a cancellation
    that comes at the very moment when the connection stands.
    """
    monkeypatch.setattr(downstream, "CONNECT_SECONDS", 2.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(20)
        with running(int(server.getsockname()[1]), tmp_path) as relay:
            client = Client(relay.port)
            client.send(b"HELO client.example\r\nMAIL FROM:<recruit@aozora.example.jp>\r\n")
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                connection.sendall(greeting)
                if greeting:
                    assert connection.recv(100).startswith(b"EHLO ")
                client.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                client.close()
                assert connection.recv(100) == b""


@pytest.mark.parametrize("answer", [b"454 4.7.0 no TLS today", None], ids=["refused", "gone"])
def test_tls_that_fails_is_no_reason_to_keep_mail_back(
    relay: Running, next_hop: Hop, answer: bytes | None
) -> None:
    """A next hop that offers STARTTLS and fails at it gets its mail in plain text."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 STARTTLS")
    next_hop.answers["STARTTLS"] = always(answer)
    with Client(relay.port) as client:
        for command in COMMANDS:
            assert client.say(command).startswith("250")
        assert client.say("DATA").startswith("354")
        client.send(b"Subject: minutes\r\n\r\nMonday.\r\n.\r\n")
        assert client.reply().startswith("250")
    assert len(next_hop.heard.wires) == 1


def test_control_characters_of_a_reply_stay_here(relay: Running, next_hop: Hop) -> None:
    """A CR or NUL in the next hop's reply is no end of line to the client."""
    next_hop.answers["MAIL"] = always(b"550 5.7.1 no\r550 really\x00 no")
    with Client(relay.port) as client:
        client.say(COMMANDS[0])
        assert client.say(COMMANDS[1]) == "550 5.7.1 no 550 really  no"
        assert client.say("NOOP").startswith("250")
