"""Limits that a client meets: each has an end, and an answer that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay import smtp_in
from tests.relay.door_talk import FROM, TO, refused, send
from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import Running, running
from tests.relay.test_deliver import OFFER


def test_connections_of_one_address_are_limited(next_hop: Hop, tmp_path: Path) -> None:
    """The limit counts what is open now, per address."""
    with running(next_hop.port, tmp_path, connections_per_address_max=1) as relay:
        with Client(relay.port) as first:
            with Client(relay.port) as second:
                assert second.greeting.startswith("421 4.7.0 ")
            first.say("QUIT")
            assert first.reply() == ""
        with Client(relay.port) as third:
            assert third.greeting.startswith("220 ")


def test_mistakes_are_limited(relay: Running) -> None:
    """A client that only makes mistakes is sent away with a 4xx; a message makes good for them."""
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        for _ in range(20):
            assert client.say("NONSENSE").startswith("500 ")
        assert send(client, OFFER).startswith("250 ")
        for _ in range(20):
            assert client.say("NONSENSE").startswith("500 ")
        assert client.say("NONSENSE").startswith("421 4.7.0 ")
        assert client.reply() == ""
    assert refused(relay) == {"mistakes_max": 1}


def test_commands_that_bring_no_mail_are_limited(relay: Running) -> None:
    """NOOP for ever keeps no connection open."""
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        said = [client.say("NOOP")[:3] for _ in range(120)]
    assert said.count("250") == 119
    assert said[-1] == "421"


def drip(client: Client) -> None:
    """Send one octet after the other, for ever."""
    while True:
        client.send(b"x")


def test_a_message_in_drops_is_given_up(
    relay: Running, next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends less than it must in its time holds no memory for ever."""
    monkeypatch.setattr(smtp_in, "SESSION_SECONDS", 0.2)
    monkeypatch.setattr(smtp_in, "MESSAGE_RATE_MIN_BYTES", 10**9)
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        assert client.say(FROM).startswith("250")
        assert client.say(TO).startswith("250")
        assert client.say("DATA").startswith("354")
        with pytest.raises(ConnectionError):
            drip(client)
    assert refused(relay) == {"slow": 1}
    assert next_hop.heard.wires == []


def test_refused_recipients_count(next_hop: Hop, tmp_path: Path) -> None:
    """Asking for one address after the other has an end, whatever the answers."""
    next_hop.answers["RCPT"] = always(b"550 5.1.1 nobody")
    with running(next_hop.port, tmp_path) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        client.say(FROM)
        client.send(f"{TO}\r\n".encode() * 1001)
        said = [client.reply()[:3] for _ in range(1001)]
    assert said == ["550"] * 1000 + ["452"]


@pytest.mark.parametrize("size", [20_000, 2 * 1024 * 1024])
def test_a_line_without_end(relay: Running, size: int) -> None:
    """It is refused at its end, however long it is, and the session goes on."""
    with Client(relay.port) as client:
        client.send(b"x" * size + b"\r\nNOOP\r\n")
        assert client.reply().startswith("500 5.5.2 ")
        assert client.reply() == "250 2.0.0 OK"


def test_announced_size_is_weighed_before_the_message_comes(next_hop: Hop, tmp_path: Path) -> None:
    """A message that there is no room for now is put off before it is sent."""
    with (
        running(next_hop.port, tmp_path, size_max_bytes=1000, in_flight_max_bytes=1000) as relay,
        Client(relay.port) as client,
    ):
        client.say("EHLO client.example")
        with Client(relay.port) as other:
            other.say("EHLO other.example")
            for command in (FROM, TO):
                assert other.say(command).startswith("250")
            assert other.say("DATA").startswith("354")
            other.send(b"x" * 600)
            while client.say(f"{FROM} SIZE=500").startswith("250"):
                client.say("RSET")
            assert client.say(f"{FROM} SIZE=500").startswith("452 4.3.1 ")
            other.send(b"\r\n.\r\n")
            assert other.reply().startswith("250")
        assert client.say(f"{FROM} SIZE=500").startswith("250 ")


def test_doubled_dots_are_not_counted(next_hop: Hop, tmp_path: Path) -> None:
    """A message within its announced size is taken, however many dots its wire form doubles."""
    dots = b"A: b\r\n\r\n" + b".\r\n" * 30_000
    with (
        running(next_hop.port, tmp_path, size_max_bytes=len(dots)) as relay,
        Client(relay.port) as client,
    ):
        client.say("EHLO client.example")
        assert send(client, dots).startswith("250 ")
        assert send(client, dots + b"x\r\n").startswith("552 5.3.4 ")
    assert len(next_hop.heard.wires) == 1
