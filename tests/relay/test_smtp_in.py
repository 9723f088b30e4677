"""The proxy: the next hop's replies are the client's, and no byte changes on the way."""

from __future__ import annotations

import smtplib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import DOOR, Running, running

FROM = "MAIL FROM:<recruit@aozora.example.jp>"
TO = "RCPT TO:<yui@mail.example.com>"
ORDINARY = b"Subject: minutes\r\n\r\nSee you on Monday.\r\n"


def start(relay: Running, *commands: str) -> Client:
    """Return a client that has said EHLO and these commands."""
    client = Client(relay.port)
    for command in ("EHLO client.example", *commands):
        client.say(command)
    return client


def deliver(client: Client, wire: bytes) -> str:
    """Send a message in a begun transaction; return the reply to the final dot."""
    assert client.say("DATA").startswith("354")
    client.send(wire)
    return client.reply()


def test_ehlo_mirrors_the_next_hop(relay: Running) -> None:
    """Offered is what the next hop offers and we carry; SIZE is the smaller of both limits."""
    with Client(relay.port) as client:
        assert client.greeting.startswith("220 relay.example ")
        lines = client.say("EHLO client.example").split("\n")
    assert lines[0] == "250-relay.example"
    offered = {line[4:] for line in lines[1:]}
    assert offered == {
        "SIZE 1048576",
        "8BITMIME",
        "SMTPUTF8",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
    }


def test_replies_are_the_next_hops(relay: Running, next_hop: Hop) -> None:
    """Codes, enhanced codes, text and lines come back as the next hop gave them."""
    next_hop.answers["MAIL"] = always(b"250 2.1.0 sender is welcome")
    refused = b"550-5.1.1 no such person\r\n550-5.1.1 \xe3\x81\x82\r\n550 5.1.1 see our site"
    next_hop.answers["RCPT"] = lambda _, line: refused if "nobody" in line else b"251 2.1.5 moved"
    next_hop.answers["end"] = always(b"250 2.6.0 <1@x.example> queued")
    with start(relay) as client:
        assert client.say(FROM) == "250 2.1.0 sender is welcome"
        assert client.say("RCPT TO:<nobody@mail.example.com>") == (
            "550-5.1.1 no such person\n550-5.1.1 あ\n550 5.1.1 see our site"
        )
        assert client.say(TO) == "251 2.1.5 moved"
        assert deliver(client, ORDINARY + b".\r\n") == "250 2.6.0 <1@x.example> queued"
        assert client.say("QUIT").startswith("221")
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"]


@pytest.mark.parametrize("answer", [b"451 4.2.0 greylisted", b"554 5.7.1 spam", b"552 5.3.4 big"])
def test_refusal_of_the_message_is_passed_on(relay: Running, next_hop: Hop, answer: bytes) -> None:
    """What the next hop says to the message is what the client hears."""
    next_hop.answers["end"] = always(answer)
    with start(relay, FROM, TO) as client:
        assert deliver(client, ORDINARY + b".\r\n") == answer.decode()


def test_refusal_of_data_is_passed_on(relay: Running, next_hop: Hop) -> None:
    """A next hop that refuses DATA itself refuses the message, with its own words."""
    next_hop.answers["DATA"] = always(b"554 5.5.1 no mail today")
    with start(relay, FROM, TO) as client:
        assert deliver(client, ORDINARY + b".\r\n") == "554 5.5.1 no mail today"


@pytest.mark.parametrize(
    ("mail", "rcpt"),
    [
        ("MAIL FROM:<>", "RCPT TO:<yui@mail.example.com>"),
        ('MAIL FROM:<"foo."@docomo.example>', "RCPT TO:<foo..bar@docomo.example>"),
        (
            "MAIL FROM:<a@b.example> BODY=8BITMIME SIZE=100 RET=hdrs ENVID=Qq314+2Bx",
            "RCPT TO:<c@d.example> NOTIFY=success,Delay ORCPT=rfc822;C+2BC@d.example",
        ),
        ("MAIL FROM:<採用@あおぞら.example> SMTPUTF8", "RCPT TO:<結衣@例え.example>"),
    ],
)
def test_addresses_and_parameters_go_on_as_they_came(
    relay: Running, next_hop: Hop, mail: str, rcpt: str
) -> None:
    """Null sender, quotes, dots, letter case and parameters reach the next hop unchanged."""
    with start(relay) as client:
        assert client.say(mail).startswith("250")
        assert client.say(rcpt).startswith("250")
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    said = [line for _, line in next_hop.heard.commands]
    assert mail in said
    assert rcpt in said


@pytest.mark.parametrize(
    "wire",
    [
        b".\r\n",
        b"\r\n.\r\n",
        b"x\r\n.\r\n",
        b"Subject: dots\r\n\r\n..\r\n...\r\n..a\r\n\r\n.\r\n",
        b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n.\r\n",
        b"Subject: eight bit\r\n\r\n\xff\xfe\x00\x80\r\n.\r\n",
        b"no header at all\r\n.\r\n",
        b"Subject: =?utf-8?B?44GC?=\r\n folded \t\r\nX: \r\n\r\nbody \t \r\n\r\n\r\n.\r\n",
    ],
    ids=["nothing", "empty line", "one line", "dots", "long line", "8 bit", "no header", "folded"],
)
def test_what_we_do_not_change_is_identical(relay: Running, next_hop: Hop, wire: bytes) -> None:
    """The next hop receives the very octets the client sent."""
    with start(relay, FROM, TO) as client:
        assert deliver(client, wire).startswith("250")
    assert next_hop.heard.wires == [wire]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_end_of_data_is_found_in_any_pieces(relay: Running, next_hop: Hop, size: int) -> None:
    """However the octets are cut into packets, the message ends where it ends."""
    wire = b"A: b\r\n\r\n..\r\n\r\n..\r\nx.\r\n...\r\n.\r\n"
    with start(relay, FROM, TO) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert client.say("DATA").startswith("354")
        for begin in range(0, len(wire), size):
            client.send(wire[begin : begin + size])
        assert client.reply().startswith("250")
    assert next_hop.heard.wires == [wire]


def test_commands_behind_the_final_dot_are_heard(relay: Running, next_hop: Hop) -> None:
    """A client that pipelines all it has gets all its replies, in order."""
    transaction = f"{FROM}\r\n{TO}\r\nDATA\r\n".encode() + ORDINARY + b".\r\n"
    with start(relay) as client:
        client.send(transaction * 3 + b"QUIT\r\n")
        replies = [client.reply()[:3] for _ in range(13)]
    assert replies == ["250", "250", "354", "250"] * 3 + ["221"]
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"] * 3


def test_connection_to_the_next_hop_is_used_again(relay: Running, next_hop: Hop) -> None:
    """Many messages, one connection and one EHLO to the next hop."""
    for _ in range(3):
        with start(relay, FROM, TO) as client:
            assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.connections == 1
    assert next_hop.heard.verbs(1) == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3]


@pytest.mark.parametrize("answer", [b"421 4.4.2 idle too long", None], ids=["421", "gone"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_stale_connection_is_replaced_before_data(
    relay: Running, next_hop: Hop, verb: str, answer: bytes | None
) -> None:
    """A connection from the pool that died is replaced, and the client notices nothing."""
    with start(relay, FROM, TO) as client:
        deliver(client, ORDINARY + b".\r\n")
        usual = b"354 go ahead" if verb == "DATA" else b"250 2.1.0 fine"
        next_hop.answers[verb] = lambda connection, _: answer if connection == 1 else usual
        assert client.say(FROM) == "250 2.1.0 fine"
        assert client.say(TO) == "250 2.1.0 fine"
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.verbs(2)[:4] == ["EHLO", "MAIL", "RCPT", "DATA"]
    assert len(next_hop.heard.wires) == 2


def test_nothing_is_sent_twice_after_data(relay: Running, next_hop: Hop) -> None:
    """A next hop that dies after the message leaves the outcome unknown: 4xx, and no second try."""
    with start(relay, FROM, TO) as client:
        deliver(client, ORDINARY + b".\r\n")
        next_hop.answers["end"] = always(None)
        client.say(FROM)
        client.say(TO)
        assert deliver(client, ORDINARY + b".\r\n").startswith("451 4.4.2 ")
    assert len(next_hop.heard.wires) == 2
    assert next_hop.heard.connections == 1


def test_next_hop_down(tmp_path: Path) -> None:
    """With nobody there the client is told to come back, and keeps its mail."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with running(port, tmp_path) as relay, Client(relay.port) as client:
        assert client.say("EHLO client.example").startswith("250")
        assert client.say(FROM).startswith("451 4.4.1 ")
        assert client.say(TO).startswith("503")
        assert client.say("DATA").startswith("503")


@pytest.mark.parametrize("greeting", [b"554 5.3.2 not now", b"nonsense", None])
def test_next_hop_that_does_not_greet(
    relay: Running, next_hop: Hop, greeting: bytes | None
) -> None:
    """A next hop that refuses us is away: 4xx, whatever its own code."""
    next_hop.answers["greeting"] = always(greeting)
    with start(relay) as client:
        assert client.say(FROM).startswith("451 4.4.1 ")


def test_next_hop_without_ehlo(relay: Running, next_hop: Hop) -> None:
    """A server that only knows HELO gets its mail."""
    next_hop.answers["EHLO"] = always(b"502 what?")
    with start(relay, FROM, TO) as client:
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.verbs(1)[:2] == ["EHLO", "HELO"]


def test_nonsense_from_the_next_hop(relay: Running, next_hop: Hop) -> None:
    """A reply that is none counts as a lost connection."""
    next_hop.answers["RCPT"] = always(b"hello there")
    with start(relay, FROM) as client:
        assert client.say(TO).startswith("451 4.4.2 ")
        assert client.say("RSET").startswith("250")
        next_hop.answers.clear()
        assert client.say(FROM).startswith("250")
        assert client.say(TO).startswith("250")
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")


def test_a_client_that_leaves_takes_its_transaction_along(relay: Running, next_hop: Hop) -> None:
    """What a vanished client had begun is dropped; the next client starts on a clean slate."""
    client = start(relay, FROM, TO)
    assert client.say("DATA").startswith("354")
    client.send(b"Subject: half a mess")
    client.close()
    with start(relay, "MAIL FROM:<other@aozora.example.jp>", TO) as other:
        assert deliver(other, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"]
    assert next_hop.heard.connections == 2


def test_rset_and_ehlo_forget_the_transaction(relay: Running, next_hop: Hop) -> None:
    """After RSET or a second EHLO nothing of the old transaction is left, here or there."""
    with start(relay, FROM, TO) as client:
        assert client.say("RSET") == "250 2.0.0 OK"
        assert client.say("DATA").startswith("503")
        assert client.say(FROM).startswith("250")
        assert client.say("EHLO again.example").startswith("250")
        assert client.say(TO).startswith("503")
        assert client.say(FROM).startswith("250")
        assert client.say(TO).startswith("250")
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert len(next_hop.heard.wires) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:<a@b.example", "501"),
        ("MAIL FROM:<a@b.example> SIZE=99999999999", "552"),
        (TO, "503"),
        ("DATA", "503"),
        ("AUTH PLAIN AGEAYg==", "502"),
        ("STARTTLS", "502"),
        ("VRFY yui", "252"),
        ("NOOP whatever", "250"),
        ("BDAT 10", "500"),
        ("", "500"),
        ("MAIL FROM:<" + "a" * 5000 + "@b.example>", "500"),
    ],
)
def test_commands_out_of_place(relay: Running, command: str, code: str) -> None:
    """Wrong commands get their code, and the session goes on."""
    with start(relay) as client:
        assert client.say(command).startswith(code)
        assert client.say("NOOP").startswith("250")


def test_helo_is_no_must(relay: Running, next_hop: Hop) -> None:
    """A client that does not introduce itself is served, as Postfix does by default."""
    with Client(relay.port) as client:
        assert client.say(FROM).startswith("250")
        assert client.say("HELO client.example") == "250 relay.example"
        for command in (FROM, TO):
            assert client.say(command).startswith("250")
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"]


def test_a_refused_message_leaves_no_transaction_behind(relay: Running, next_hop: Hop) -> None:
    """A server may keep what it was told of a message that it refused: the next is apart."""
    next_hop.answers["end"] = always(b"550 5.7.1 not wanted")
    with start(relay, FROM, TO) as client:
        assert deliver(client, ORDINARY + b".\r\n") == "550 5.7.1 not wanted"
        next_hop.answers.clear()
        for command in (FROM, TO):
            assert client.say(command).startswith("250")
        assert deliver(client, ORDINARY + b".\r\n").startswith("250")
    assert next_hop.heard.verbs(1) == ["EHLO", "MAIL", "RCPT", "DATA"]
    assert next_hop.heard.verbs(2)[:4] == ["EHLO", "MAIL", "RCPT", "DATA"]


def test_too_large(relay: Running, next_hop: Hop) -> None:
    """A message over the limit is refused after its end, and the session goes on."""
    with start(relay, FROM, TO) as client:
        wire = b"x" * 70 + b"\r\n"
        assert client.say("DATA").startswith("354")
        client.send(wire * (1024 * 1024 // 72 + 1) + b".\r\n")
        assert client.reply().startswith("552 5.3.4 ")
        assert client.say(FROM).startswith("250")
    assert next_hop.heard.wires == []


def test_bare_line_endings_are_normalised(relay: Running, next_hop: Hop) -> None:
    """A bare LF cannot hide a second message: it becomes CRLF, and the dot is doubled."""
    with start(relay, FROM, TO) as client:
        wire = b"A: b\r\n\r\none\n.\nMAIL FROM:<x@y.example>\r.\r\ntwo\r\n.\r\n"
        assert deliver(client, wire).startswith("250")
    assert next_hop.heard.wires == [
        b"A: b\r\n\r\none\r\n..\r\nMAIL FROM:<x@y.example>\r\n..\r\ntwo\r\n.\r\n"
    ]


def test_bare_line_endings_are_refused_by_policy(next_hop: Hop, tmp_path: Path) -> None:
    """With line_endings = "refuse" such a message goes nowhere."""
    with (
        running(next_hop.port, tmp_path, refuse_bare_line_endings=True) as relay,
        start(relay, FROM, TO) as client,
    ):
        assert deliver(client, b"A: b\r\n\r\none\n.\r\ntwo\r\n.\r\n").startswith("554 5.6.11 ")
    assert next_hop.heard.wires == []


def test_loops_end(relay: Running, next_hop: Hop) -> None:
    """A message with more than 50 Received fields is in a loop."""
    received = b"Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0900\r\n"
    with start(relay, FROM, TO) as client:
        assert deliver(client, received * 51 + ORDINARY + b".\r\n").startswith("554 5.4.6 ")
        client.say(FROM)
        client.say(TO)
        assert deliver(client, received * 50 + ORDINARY + b".\r\n").startswith("250")
    assert len(next_hop.heard.wires) == 1


def test_strangers_are_not_served(next_hop: Hop, tmp_path: Path) -> None:
    """An address outside the allowed networks is refused before it can say anything."""
    with (
        running(next_hop.port, tmp_path, door=replace(DOOR, allow=())) as relay,
        Client(relay.port) as client,
    ):
        assert client.greeting.startswith("554 5.7.1 ")
        assert client.reply() == ""
    assert next_hop.heard.connections == 0


def test_connections_are_limited(next_hop: Hop, tmp_path: Path) -> None:
    """One client too many is asked to come later, and served when another has left."""
    with running(next_hop.port, tmp_path, connections_max=1) as relay:
        with start(relay) as first:
            with Client(relay.port) as second:
                assert second.greeting.startswith("421 4.7.0 ")
                assert second.reply() == ""
            assert first.say("QUIT").startswith("221")
            assert first.reply() == ""
        with Client(relay.port) as third:
            assert third.greeting.startswith("220 ")


def test_a_client_of_the_standard_library(relay: Running, next_hop: Hop) -> None:
    """smtplib sends through us, refused recipients and all."""
    next_hop.answers["RCPT"] = lambda _, line: (
        b"550 5.1.1 no such person" if "nobody" in line else b"250 2.1.5 fine"
    )
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        refused = client.sendmail(
            "recruit@aozora.example.jp",
            ["yui@mail.example.com", "nobody@mail.example.com"],
            ORDINARY,
        )
    assert refused == {"nobody@mail.example.com": (550, b"5.1.1 no such person")}
    assert next_hop.heard.wires == [ORDINARY + b".\r\n"]
