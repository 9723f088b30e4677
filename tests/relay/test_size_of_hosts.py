"""Several next hops with limits of their own: a letter that one takes is not refused for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.addresses import Address
from relay.nexthops import HopSettings
from tests.relay.door_talk import FROM, TO
from tests.relay.neighbours import Client, Hop, always, hop
from tests.relay.running import Running, running

SMALL = b"250-hop.example\r\n250 SIZE 1000"
WIRE = b"Subject: x\r\n\r\n" + b"x" * 70 * 30 + b"\r\n.\r\n"


@pytest.fixture
def second_hop() -> Iterator[Hop]:
    """Run a host that takes small letters only."""
    with hop() as small:
        small.answers["EHLO"] = always(SMALL)
        yield small


@pytest.fixture
def relay_of_two(next_hop: Hop, second_hop: Hop, tmp_path: Path) -> Iterator[Running]:
    """Run a relay in front of both."""
    addresses = tuple(Address("127.0.0.1", each.port) for each in (next_hop, second_hop))
    settings = HopSettings(addresses, "relay.example")
    with running(next_hop.port, tmp_path, next_hop=settings) as relay:
        yield relay


@pytest.mark.parametrize("size", ["", " SIZE=2200"])
def test_a_host_that_takes_less_stands_in(
    relay_of_two: Running, next_hop: Hop, second_hop: Hop, size: str
) -> None:
    """A letter that was within what EHLO said gets 451 from it, a small one is taken."""
    with Client(relay_of_two.port) as client:
        assert "SIZE 1048576" in client.say("EHLO client.example")
        next_hop.answers["greeting"] = always(b"421 4.3.2 not now")
        next_hop.answers["MAIL"] = always(b"421 4.3.2 not now")
        assert client.say(FROM + size).startswith("250")
        assert client.say(TO).startswith("250")
        assert client.say("DATA").startswith("354")
        client.send(WIRE)
        assert client.reply().startswith("451 4.4.1 ")
        for command in (FROM, TO):
            assert client.say(command).startswith("250")
        assert client.say("DATA").startswith("354")
        client.send(b"A: b\r\n\r\nc\r\n.\r\n")
        assert client.reply().startswith("250")
    assert next_hop.heard.wires == []
    assert second_hop.heard.wires == [b"A: b\r\n\r\nc\r\n.\r\n"]


def test_one_host_speaks_for_itself(relay: Running, next_hop: Hop) -> None:
    """With nobody who takes more, its refusal is the client's, at once."""
    next_hop.answers["EHLO"] = always(SMALL)
    next_hop.answers["MAIL"] = lambda _, line: (
        b"552 5.3.4 too large" if "SIZE" in line else b"250 2.1.0 fine"
    )
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        assert client.say(FROM + " SIZE=2200") == "552 5.3.4 too large"
