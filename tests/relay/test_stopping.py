"""Stopping and reading settings again: what has begun goes on, and nothing is cut off half-way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from relay.downstream import NextHop
from tests.relay.neighbours import Deciding, Hop, always
from tests.relay.running import Running, running
from tests.relay.test_smtp_in import FROM, ORDINARY, TO, deliver, start


def test_stop_sends_idle_clients_away(next_hop: Hop, tmp_path: Path) -> None:
    """A relay that stops tells idle clients so."""
    with running(next_hop.port, tmp_path) as relay:
        client = start(relay)
        relay.call(relay.relay.close())
        assert client.reply().startswith("421 4.3.2 ")
        assert client.reply() == ""
        client.close()


def test_stop_waits_for_a_message_that_ends_meanwhile(next_hop: Hop, tmp_path: Path) -> None:
    """A message that was coming in when the relay was asked to stop is delivered to its end."""
    deciding = Deciding(next_hop)
    with running(next_hop.port, tmp_path) as relay, start(relay, FROM, TO) as client:
        assert client.say("DATA").startswith("354")
        closing = asyncio.run_coroutine_threadsafe(relay.relay.close(), relay.loop)
        client.send(ORDINARY + b".\r\n")
        deciding.wait_for_message()
        client.vanish()
        deciding.release()
        closing.result(20)
        assert not relay.relay.shared.deliveries
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"]


def test_what_ehlo_offered_before_a_reload_is_not_refused_for_good(
    relay: Running, next_hop: Hop
) -> None:
    """A client that heard of 8BITMIME gets a 4xx where the new next hop lacks it."""

    async def renew() -> None:
        hop = NextHop(relay.relay.shared.next_hop.settings, relay.metrics)
        relay.relay.renew((), hop, relay.relay.shared.limits)

    with start(relay) as client:
        next_hop.answers["EHLO"] = always(b"250 hop.example")
        relay.call(renew())
        assert client.say(f"{FROM} BODY=8BITMIME").startswith("451 4.4.1 ")


def test_421_at_a_recipient_voids_the_transaction(relay: Running, next_hop: Hop) -> None:
    """On a connection from the pool or a fresh one: DATA is refused before the message is sent."""
    for _ in range(2):
        next_hop.answers["RCPT"] = lambda _, line: (
            b"421 4.3.2 going" if "later" in line else b"250 2.1.5 fine"
        )
        with start(relay, FROM, TO) as client:
            assert client.say("RCPT TO:<later@mail.example.com>").startswith("421 ")
            assert client.say("DATA").startswith("451 4.4.2 ")
            next_hop.answers.clear()
            client.say("RSET")
            for command in (FROM, TO):
                assert client.say(command).startswith("250")
            assert deliver(client, ORDINARY + b".\r\n").startswith("250")


def test_a_message_that_comes_too_late_is_not_begun(next_hop: Hop, tmp_path: Path) -> None:
    """With too little left of the time to stop, the client keeps it: nothing is cut off."""
    with running(next_hop.port, tmp_path) as relay, start(relay, FROM, TO) as client:
        assert client.say("DATA").startswith("354")
        closing = asyncio.run_coroutine_threadsafe(relay.relay.close(10.0), relay.loop)
        client.send(ORDINARY + b".\r\n")
        assert client.reply().startswith("451 4.4.1 ")
        closing.result(20)
    assert next_hop.heard.wires == []
    assert "DATA" not in next_hop.heard.verbs(1)
