"""SMTP smuggling: no second message hides in a first one, here or at a lenient next hop.

The variants are the public ones (SEC Consult, December 2023, and the lists of the scanners made
since): sequences that one server takes for text and the next for the end of data. Behind each
stands a whole second envelope. A NUL before or behind a whole CRLF.CRLF, which some lists have, is
none: that is a real end of data, which every server sees.

A dot between NULs on a line of its own (`NUL_VARIANTS`) counts as one: there are servers that drop
NULs before they look for the end of data.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.undo import restore
from relay.wire import normalise, unstuff
from tests.relay.lenient import LENIENCIES, NUL_DROPPED, Leniency, LenientHop, lenient_hop
from tests.relay.neighbours import Client, Hop
from tests.relay.running import Running, running

VARIANTS = (
    b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r.\n",
    b"\n\n.\n\n", b"\n\n.\r\n", b"\r\r.\r\r", b"\r\n\n.\r\n", b"\r\n\r.\r\n", b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\n\r.\n\r", b"\r\n. \n",
    b"\r\x00\n.\r\n", b"\r\n.\r\x00\n", b"\r\n\x00.\r", b"\r\n\x00.\n",
)  # fmt: skip
# Those that hold no bare CR or LF.
NUL_VARIANTS = (b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n\x00.\x00\r\n", b"\r\n\x00\x00.\r\n")
OUTER = "MAIL FROM:<recruit@aozora.example.jp>", "RCPT TO:<yui@mail.example.com>"
INNER = (
    b"MAIL FROM:<chief@aozora.example.jp>\r\nRCPT TO:<victim@mail.example.com>\r\nDATA\r\n"
    b"From: chief@aozora.example.jp\r\nSubject: smuggled\r\n\r\npay at once\r\n.\r\n"
)
LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()


def smuggling(variant: bytes) -> bytes:
    """Return a message with a second envelope behind the variant; its only real end is its last."""
    wire = b"Subject: minutes\r\n\r\nSee you on Monday." + variant + INNER
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    return wire


def converse(port: int, wire: bytes) -> list[str]:
    """Send the wire form and QUIT behind it at once; return the codes of all replies to them."""
    with Client(port) as client:
        for command in ("EHLO client.example", *OUTER):
            assert client.say(command).startswith("250")
        assert client.say("DATA").startswith("354")
        client.send(wire + b"QUIT\r\n")
        return [reply[:3] for reply in iter(client.reply, "")]


@pytest.fixture(scope="module")
def lenient_hops() -> Iterator[list[LenientHop]]:
    """Run one hop of each leniency."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(lenient_hop(each)) for each in (*LENIENCIES, NUL_DROPPED)]


@pytest.mark.parametrize("variant", VARIANTS + NUL_VARIANTS, ids=repr)
def test_variant_is_dangerous(lenient_hops: list[LenientHop], variant: bytes) -> None:
    """Sent past the relay, each variant makes two messages at some lenient hop."""
    taken: list[int] = []
    for hop in lenient_hops:
        hop.took.clear()
        converse(hop.port, smuggling(variant))
        taken.append(len(hop.took.messages))
    assert 2 in taken


@pytest.mark.parametrize("refuses", [False, True], ids=["normalise", "refuse"])
@pytest.mark.parametrize("leniency", [*LENIENCIES, NUL_DROPPED], ids=lambda leniency: leniency.name)
def test_nothing_is_smuggled(leniency: Leniency, refuses: bool, tmp_path: Path) -> None:
    """Whatever the next hop takes for an end of data, it sees one message and one envelope.

    And the relay gives one reply to it, none to what stands inside.
    """
    with (
        lenient_hop(leniency) as hop,
        running(hop.port, tmp_path, refuse_bare_line_endings=refuses) as relay,
    ):
        for variant in VARIANTS + NUL_VARIANTS:
            hop.took.clear()
            codes = converse(relay.port, smuggling(variant))
            assert codes == ["554" if refuses else "250", "221"], variant
            assert len(hop.took.messages) == (0 if refuses else 1), variant
            assert not [line for line in hop.took.commands if b"victim" in line], variant


@pytest.fixture
def most_lenient(tmp_path: Path) -> Iterator[tuple[Running, list[bytes]]]:
    """Run a relay before a hop that ends a message at any CR or LF; yield what that hop took."""
    (leniency,) = (each for each in LENIENCIES if each.name == "any CR or LF")
    with lenient_hop(leniency) as hop, running(hop.port, tmp_path) as relay:
        yield relay, hop.took.messages


def test_nothing_is_smuggled_in_pieces(most_lenient: tuple[Running, list[bytes]]) -> None:
    """However a variant is cut into packets, it is no end of data."""
    relay, messages = most_lenient
    cuts = [(variant, at) for variant in VARIANTS for at in range(1, len(variant))]
    with Client(relay.port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert client.say("EHLO client.example").startswith("250")
        for variant, at in cuts:
            assert [client.say(each)[:3] for each in (*OUTER, "DATA")] == ["250", "250", "354"]
            wire = smuggling(variant)
            begin = wire.index(variant) + at
            client.send(wire[:begin])
            client.send(wire[begin:])
            assert client.reply().startswith("250")
        assert client.say("QUIT").startswith("221")
    assert len(messages) == len(cuts)


@pytest.mark.parametrize(
    "variant",
    [each for each in VARIANTS if b"\x00" not in each],  # A letter with a NUL gets no line.
    ids=repr,
)
def test_nothing_is_smuggled_in_a_changed_letter(
    most_lenient: tuple[Running, list[bytes]], variant: bytes
) -> None:
    """A letter that carries a variant and our line is one message, and its dots are its own."""
    relay, messages = most_lenient
    head, _, body = REJECTION.partition(b"\r\n\r\n")
    wire = head.replace(b"chihaya.example.co.jp", b"aozora.example.jp") + b"\r\n\r\n" + body
    wire = wire.removesuffix(b"\r\n") + variant + INNER
    assert converse(relay.port, wire) == ["250", "221"]
    (arrived,) = messages
    settled = normalise(unstuff(wire))
    assert b"\r\nX-Career-Relay:" in b"\r\n" + arrived
    # The hop cut the last CRLF.CRLF behind its first CR, and leaves the dots doubled.
    assert restore(unstuff(arrived[2:] + b"\n.\r\n")) == settled


@pytest.mark.parametrize(
    "command",
    [
        b"MAIL FROM:<a@b.example>\rRCPT TO:<victim@mail.example.com>",
        b"MAIL FROM:<a@b.example> ENVID=1\rRSET",
        b'MAIL FROM:<"a\rRSET"@b.example>',
        b"MAIL FROM:<a@b.example>\x00\rRSET",
    ],
    ids=repr,
)
def test_no_command_hides_behind_a_bare_cr(relay: Running, next_hop: Hop, command: bytes) -> None:
    """A command with a CR inside is refused here, and the next hop hears nothing of it."""
    with Client(relay.port) as client:
        assert client.say("EHLO client.example").startswith("250")
        client.send(command + b"\r\n")
        assert client.reply()[:1] == "5"
        assert client.say("NOOP").startswith("250")
    assert [line for _, line in next_hop.heard.commands if not line.startswith("EHLO")] == []


def test_chunking_is_not_offered(most_lenient: tuple[Running, list[bytes]]) -> None:
    """BDAT, which counts octets and knows no dots, is neither mirrored nor understood."""
    relay, messages = most_lenient
    with Client(relay.port) as client:
        offered = client.say("EHLO client.example")
        assert "8BITMIME" in offered
        assert "CHUNKING" not in offered
        assert "BINARYMIME" not in offered
        assert all(client.say(command).startswith("250") for command in OUTER)
        assert client.say("BDAT 0 LAST")[:1] == "5"
        assert client.say("NOOP").startswith("250")
    assert messages == []


def test_every_line_is_free_of_lone_dots(most_lenient: tuple[Running, list[bytes]]) -> None:
    """Dots that come to stand alone only because bare endings became CRLF are doubled."""
    relay, messages = most_lenient
    pieces = [b"\r", b"\n", b"\r\n", b"."]
    for count in range(1, 5):
        for made in itertools.product(pieces, repeat=count):
            body = b"".join(made)
            wire = b"A: b\r\n\r\nx" + body + b"y\r\n.\r\n"
            if b"\r\n.\r\n" in wire[:-5]:
                continue
            messages.clear()
            assert converse(relay.port, wire) == ["250", "221"], body
            assert len(messages) == 1, body
