"""Clients that close one side, vanish, stop reading or fall silent."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from relay import incoming, smtp_in
from tests.relay.neighbours import Client, Deciding, Hop
from tests.relay.running import Running, running

SESSION = (
    b"EHLO client.example\r\nMAIL FROM:<recruit@aozora.example.jp>\r\n"
    b"RCPT TO:<yui@mail.example.com>\r\nDATA\r\n"
)
WIRE = b"Subject: minutes\r\n\r\nSee you on Monday.\r\n.\r\n"


def codes(client: Client) -> list[str]:
    """Return the codes of all replies up to the end of the connection."""
    found: list[str] = []
    while reply := client.reply():
        found.append(reply[:3])
    return found


def talk_on(client: socket.socket) -> None:
    """Send commands for ever, and read nothing."""
    while True:
        client.sendall(b"EHLO client.example\r\n" * 10_000)


@pytest.mark.parametrize("end", [b"QUIT\r\n", b"", b"NOO"], ids=["QUIT", "nothing", "half a line"])
def test_a_client_that_closes_its_side_hears_all_replies(
    relay: Running, next_hop: Hop, end: bytes
) -> None:
    """Everything that was sent before the end is done and answered, then the connection ends."""
    with Client(relay.port) as client:
        client.send(SESSION + WIRE + end)
        client.socket.shutdown(socket.SHUT_WR)
        assert codes(client) == ["250"] * 3 + ["354", "250"] + ["221"] * (end == b"QUIT\r\n")
    assert next_hop.heard.wires == [WIRE]


def test_a_client_that_closes_its_side_while_the_next_hop_decides(
    relay: Running, next_hop: Hop
) -> None:
    """A letter that was delivered is answered with 250, or the client would send it again."""
    deciding = Deciding(next_hop)
    with Client(relay.port) as client:
        client.send(SESSION + WIRE)
        deciding.wait_for_message()
        client.socket.shutdown(socket.SHUT_WR)
        deciding.release()
        assert codes(client) == ["250"] * 3 + ["354", "250"]


def test_half_a_message_goes_nowhere(relay: Running, next_hop: Hop) -> None:
    """A message whose client closes its side before the final dot is none."""
    with Client(relay.port) as client:
        client.send(SESSION + WIRE[:-3])
        client.socket.shutdown(socket.SHUT_WR)
        assert codes(client) == ["250"] * 3 + ["354"]
    assert next_hop.heard.wires == []


def test_nothing_is_heard_behind_quit(relay: Running, next_hop: Hop) -> None:
    """Commands after QUIT are not carried out."""
    with Client(relay.port) as client:
        client.send(b"EHLO client.example\r\nQUIT\r\n" + SESSION + WIRE)
        assert codes(client) == ["250", "221"]
    assert next_hop.heard.verbs(1) == ["EHLO"]
    assert next_hop.heard.connections == 1


def test_a_client_that_falls_silent_is_told_so(
    next_hop: Hop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time for a command comes a 421, then the end."""
    monkeypatch.setattr(smtp_in, "SESSION_SECONDS", 0.2)
    with running(next_hop.port, tmp_path) as relay, Client(relay.port) as client:
        assert client.reply().startswith("421 4.4.2 ")
        assert client.reply() == ""


def test_a_client_that_does_not_read_is_dropped(
    next_hop: Hop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies that nobody takes do not hold a connection for ever: its place becomes free."""
    monkeypatch.setattr(smtp_in, "SESSION_SECONDS", 0.5)
    with running(next_hop.port, tmp_path, connections_max=1) as relay:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", relay.port))
        with deaf, pytest.raises(ConnectionError):
            talk_on(deaf)
        with Client(relay.port) as other:
            assert other.greeting.startswith("220 ")


def test_an_error_of_ours_in_a_message_makes_no_commands_of_the_rest(
    relay: Running, next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a message cannot be read on, what follows is not obeyed: 421, and the end."""

    def fail(_hold: incoming.Hold, _size: int) -> bool:
        raise MemoryError

    monkeypatch.setattr(incoming.Hold, "take", fail)
    with Client(relay.port) as client:
        client.send(SESSION)
        assert [client.reply()[:3] for _ in range(4)] == ["250"] * 3 + ["354"]
        client.send(b"A: b\r\n\r\nc\r\n")
        assert client.reply().startswith("421 4.3.0 ")
        assert client.reply() == ""
    assert next_hop.heard.wires == []
    assert next_hop.heard.verbs(1).count("MAIL") == 1


def test_messages_in_flight_are_limited_in_all(next_hop: Hop, tmp_path: Path) -> None:
    """A message that there is no memory for is to be sent again later; then there is."""
    deciding = Deciding(next_hop)
    large = b"A: b\r\n\r\n" + (b"x" * 78 + b"\r\n") * 9_000 + b".\r\n"
    with (
        running(next_hop.port, tmp_path, in_flight_max_bytes=1024 * 1024) as relay,
        Client(relay.port) as first,
        Client(relay.port) as second,
    ):
        first.send(SESSION + large)
        assert [first.reply()[:3] for _ in range(4)] == ["250"] * 3 + ["354"]
        deciding.wait_for_message()
        second.send(SESSION + large + SESSION + WIRE)
        assert [second.reply()[:3] for _ in range(4)] == ["250"] * 3 + ["354"]
        assert second.reply().startswith("452 4.3.1 ")
        assert [second.reply()[:3] for _ in range(4)] == ["250"] * 3 + ["354"]
        deciding.release()
        assert second.reply().startswith("250")
        assert first.reply().startswith("250")
        second.send(SESSION + large)
        assert [second.reply()[:3] for _ in range(5)] == ["250"] * 3 + ["354", "250"]
    assert sorted(next_hop.heard.wires) == sorted([large, WIRE, large])
