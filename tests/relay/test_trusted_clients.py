"""Clients that others speak for (PROXY, XFORWARD), whose mail is limited, or leaves a trace."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from relay.wire import stuff, unstuff
from tests.relay.door_talk import FROM, LOCAL, offers, proxy_v2, refused, send
from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import DOOR, Running, running
from tests.relay.test_deliver import OFFER, REJECTION

PROXY_V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0x00]) + struct.pack("!H", 0)


class ProxiedClient(Client):
    """A client behind a proxy; its first command comes in the packet of the PROXY header."""

    def __init__(self, port: int, header: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")
        self.send(header + b"EHLO client.example\r\n")
        self.greeting = self.reply()


@pytest.mark.parametrize(
    ("header", "greeting", "reply"),
    [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 5 25\r\n", "220 ", "250 "),
        (proxy_v2("192.0.2.7"), "220 ", "250 "),
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 5 25\r\n", "554 5.7.1 ", ""),
        (proxy_v2("198.51.100.7"), "554 5.7.1 ", ""),
        # The proxy itself looks whether we are there; a client it does not name is no one's.
        (PROXY_V2_LOCAL, "220 ", "530 5.7.0 "),
        (b"PROXY UNKNOWN\r\n", "220 ", "530 5.7.0 "),
        (b"", "", ""),
        (b"PROXY TCP4 192.0.2.7\r\n", "", ""),
    ],
)
def test_the_proxy_says_who_it_is(
    next_hop: Hop, tmp_path: Path, header: bytes, greeting: str, reply: str
) -> None:
    """The address in the header decides, not that of the proxy, which may be in the networks."""
    allow = (ipaddress.ip_network("192.0.2.0/24"), *LOCAL)
    door = replace(DOOR, allow=allow, proxies=LOCAL)
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        ProxiedClient(relay.port, header) as client,
    ):
        assert client.greeting.startswith(greeting)
        assert bool(client.greeting) == bool(greeting)
        if reply:
            assert client.reply().startswith("250-")
            assert send(client, OFFER).startswith(reply)


def test_a_stranger_is_no_proxy(next_hop: Hop, tmp_path: Path) -> None:
    """A PROXY header from an address that is no proxy's opens nothing."""
    door = replace(DOOR, proxies=(ipaddress.ip_network("192.0.2.0/24"),))
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        ProxiedClient(relay.port, proxy_v2("127.0.0.1")) as client,
    ):
        assert client.greeting == ""
    assert refused(relay) == {"proxy": 1}


def test_xforward_goes_on(next_hop: Hop, tmp_path: Path) -> None:
    """From those who may say it, it reaches the next hop as it was, on every connection anew."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME ADDR PROTO HELO")
    line = "XFORWARD NAME=spike.example.com ADDR=192.0.2.9"
    door = replace(DOOR, xforward=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        assert "XFORWARD" in offers(client)
        for _ in range(2):
            assert client.say(line).startswith("250 ")
            assert client.say("XFORWARD PROTO=ESMTP HELO=spike.example.com").startswith("250 ")
            assert send(client, OFFER).startswith("250 ")
        assert client.say("XFORWARD NAME").startswith("501 ")
    said = [command for _, command in next_hop.heard.commands]
    assert said.count(line) == 2
    assert said.index(line) < said.index(FROM)


def test_xforward_is_not_lost_without_a_word(next_hop: Hop, tmp_path: Path) -> None:
    """A client whose XFORWARD went with the next hop's connection has to say it anew."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME IDENT NONSENSE")
    next_hop.answers["MAIL"] = always(None)
    door = replace(DOOR, xforward=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        assert "250 XFORWARD NAME IDENT" in client.say("EHLO client.example").split("\n")
        assert client.say("XFORWARD NAME=spike.example.com").startswith("250 ")
        assert client.say(FROM).startswith("421 4.4.2 ")
        assert client.reply() == ""


def test_xforward_is_not_for_everybody(relay: Running, next_hop: Hop) -> None:
    """Without leave it is neither offered nor passed on."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME ADDR")
    with Client(relay.port) as client:
        assert "XFORWARD" not in offers(client)
        assert client.say("XFORWARD ADDR=192.0.2.9").startswith("550 5.7.0 ")
    assert not [line for _, line in next_hop.heard.commands if line.startswith("XFORWARD")]


def test_senders_may_be_limited(next_hop: Hop, tmp_path: Path) -> None:
    """Where others share the client's addresses, only the domains that are named may write."""
    door = replace(DOOR, senders=("aozora.example.jp",))
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        assert client.say("MAIL FROM:<a@hokuto.example.jp>").startswith("550 5.7.1 ")
        assert client.say("MAIL FROM:<recruit@Aozora.example.jp>").startswith("250")
        client.say("RSET")
        assert client.say("MAIL FROM:<>").startswith("250")


def test_marks_and_received_on_every_message(next_hop: Hop, tmp_path: Path) -> None:
    """A door may want a Received field and our mark on all: in front, and below all as it was."""
    door = replace(DOOR, marks_all=True, has_received=True)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        for message in (OFFER, REJECTION):
            assert send(client, message).startswith("250 ")
    offer, rejection = (unstuff(wire) for wire in next_hop.heard.wires)
    received, mark, rest = offer.partition(b"X-Career-Relay: v=1; seen\r\n")
    assert received.startswith(
        b"Received: from client.example ([127.0.0.1])\r\n\tby relay.example with ESMTP id "
    )
    assert received.endswith(b";\r\n\tMon, 02 Mar 2026 01:00:00 +0000\r\n")
    assert (bool(mark), rest) == (True, OFFER)
    assert b"v=1; seen" not in rejection
    assert rejection.count(b"X-Career-Relay: v=1; link=") == 1


def test_our_own_fields_hold_no_letter_up(next_hop: Hop, tmp_path: Path) -> None:
    """A letter that only they make too large for the next hop goes without them."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 SIZE %d" % (len(OFFER) + 10))
    door = replace(DOOR, marks_all=True, has_received=True)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        assert send(client, OFFER).startswith("250 ")
    assert next_hop.heard.wires == [stuff(OFFER)]


def test_a_trace_that_fails_holds_no_letter_up(next_hop: Hop, tmp_path: Path) -> None:
    """A fault of ours while the Received field is made costs the field, not the letter."""

    def fail() -> datetime:
        raise OverflowError

    door = replace(DOOR, has_received=True)
    with (
        running(next_hop.port, tmp_path, door=door, now=fail) as relay,
        Client(relay.port) as client,
    ):
        client.say("EHLO client.example")
        assert send(client, OFFER).startswith("250 ")
    assert next_hop.heard.wires == [stuff(OFFER)]
