"""In step with the next hop, whatever it answers: no word of it is taken for another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import Running

FROM = "MAIL FROM:<recruit@aozora.example.jp>"
TO = "RCPT TO:<yui@mail.example.com>"
WIRE = b"Subject: minutes\r\n\r\nSee you on Monday.\r\n.\r\n"


@pytest.fixture
def client(relay: Running) -> Iterator[Client]:
    """Connect a client that has said EHLO."""
    with Client(relay.port) as connected:
        connected.say("EHLO client.example")
        yield connected


def send(client: Client) -> str:
    """Send a message from MAIL to the final dot; return the reply to the dot."""
    assert client.say(FROM).startswith("250")
    assert client.say(TO).startswith("250")
    assert client.say("DATA").startswith("354")
    client.send(WIRE)
    return client.reply()


@pytest.mark.parametrize("answer", [b"250 2.0.0 fine", b"220 hello", b"334 more", b"25 x"])
def test_only_354_starts_a_message(client: Client, next_hop: Hop, answer: bytes) -> None:
    """Any other answer to DATA that is no refusal sends nothing: it never becomes our 250."""
    next_hop.answers["DATA"] = always(answer)
    assert send(client).startswith("451 4.4.2 ")
    next_hop.answers.clear()
    assert send(client).startswith("250")
    assert next_hop.heard.wires == [WIRE]


@pytest.mark.parametrize("answer", [b"354 more", b"120 wait", b"25 x", b"999 what"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "end"])
def test_a_reply_out_of_place_is_a_lost_connection(
    client: Client, next_hop: Hop, verb: str, answer: bytes
) -> None:
    """A code that answers neither yes nor no is not the client's to hear."""
    next_hop.answers[verb] = always(answer)
    replies = [client.say(FROM), client.say(TO)]
    if verb == "end":
        client.say("DATA")
        client.send(WIRE)
        replies.append(client.reply())
    lost = replies[("MAIL", "RCPT", "end").index(verb)]
    assert lost.startswith("451 4.4.2 ")
    client.say("RSET")
    next_hop.answers.clear()
    assert send(client).startswith("250")
    assert next_hop.heard.wires[-1] == WIRE


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_reply_too_many_is_not_taken_for_the_next_one(
    client: Client, next_hop: Hop, verb: str
) -> None:
    """A next hop that answers twice cannot accept what it has not yet heard."""
    usual = b"354 go ahead" if verb == "DATA" else b"250 2.1.0 fine"
    next_hop.answers[verb] = always(usual + b"\r\n250 2.0.0 and once more")
    next_hop.answers["end"] = always(b"451 4.2.0 not now")
    assert client.say(FROM).startswith("250")
    replies = [client.say(TO), client.say("DATA")]
    if replies[-1].startswith("354"):
        client.send(WIRE)
        replies.append(client.reply())
    assert any(reply.startswith("451 4.4.2 ") for reply in replies)
    assert next_hop.heard.wires == []


@pytest.mark.parametrize("answer", [b"451 4.3.0 not now", b"554 5.5.1 no valid recipients"])
def test_a_refused_data_leaves_no_transaction_behind(
    client: Client, relay: Running, next_hop: Hop, answer: bytes
) -> None:
    """A server may keep sender and recipients after it refused DATA; the next letter's are apart.

    It would answer the MAIL of another letter, another client's even, with 503.
    """
    next_hop.answers["DATA"] = always(answer)
    assert send(client) == answer.decode()
    next_hop.answers.clear()
    with Client(relay.port) as other:
        other.say("EHLO other.example")
        assert send(other).startswith("250")
    assert next_hop.heard.verbs(1) == ["EHLO", "MAIL", "RCPT", "DATA"]
    assert next_hop.heard.verbs(2) == ["EHLO", "MAIL", "RCPT", "DATA"]
