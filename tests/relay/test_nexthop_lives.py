"""A next hop that fails at any point: what the client hears, what was sent, what is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import connection, downstream
from relay.downstream import NextHop
from relay.tls import TlsMode
from tests.relay.certificates import make_authority
from tests.relay.neighbours import HANGS, Hop, Octets, Then, always, hop, offers
from tests.relay.nexthop_letters import (
    AWAY,
    LOST,
    MAIL,
    RCPT,
    WIRE,
    XFORWARD,
    Sent,
    send,
    send_one,
    settings_for,
    with_next_hop,
)

# No reply at all, in as many ways as there are.
SILENCES = {
    "closes": None,
    "hangs": HANGS,
    "half a reply, then hangs": Octets(b"250-hop.exam", Then.HANG),
    "half a reply, then closes": Octets(b"250-hop.example\r\n250", Then.CLOSE),
    "no end of a line": Octets(b"2" * 4096, Then.REPEAT),
    "no end of lines": Octets(b"250-more\r\n" * 400, Then.REPEAT),
    "a line too long": b"250 " + b"x" * 9000,
    "nonsense": b"hello there",
    "no code of SMTP": b"999 what",
    "a code too short": b"25 x",
    "no line": b"",
    "another protocol": Octets(b"\x16\x03\x01\x02\x00\x01\x00\r\n", Then.CLOSE),
}
REFUSALS = {"421": b"421 4.3.2 not now", "4xx": b"451 4.3.0 not now", "5xx": b"554 5.7.1 never"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every limit short: a step that hangs is given up at once."""
    monkeypatch.setattr(downstream, "CONNECT_SECONDS", 1.0)
    for name in ("COMMAND_SECONDS", "DATA_SECONDS", "FINAL_DOT_SECONDS", "QUIT_SECONDS"):
        monkeypatch.setattr(connection, name, 0.5)


@pytest.fixture
def secure_hop(tmp_path: Path) -> Iterator[Hop]:
    """Run a hop that offers STARTTLS, AUTH and XFORWARD."""
    authority = make_authority(tmp_path)
    context = authority.server_context(authority.issue(["127.0.0.1"]))
    with hop(start_tls=context) as running_hop:
        running_hop.answers["EHLO"] = offers("STARTTLS", "AUTH PLAIN", "XFORWARD NAME ADDR")
        yield running_hop


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("step", ["greeting", "EHLO", "STARTTLS", "AUTH"])
@pytest.mark.parametrize("answer", [*SILENCES.values(), *REFUSALS.values()], ids=repr)
def test_a_next_hop_that_does_not_let_us_in_gets_nothing(
    secure_hop: Hop, step: str, answer: bytes | Octets | None
) -> None:
    """The client hears 451 at MAIL; not one command of the letter was sent, so all is known."""
    secure_hop.answers[step] = always(answer)
    if step == "EHLO":  # A server that does not know EHLO is asked with HELO.
        secure_hop.answers["HELO"] = always(answer)
    settings = settings_for(secure_hop, tls=TlsMode.REQUIRED, user="relay", password=b"secret")
    sent = send_one(settings)
    assert (sent.step, sent.answer, sent.outcome_unknown) == ("MAIL", AWAY, False)
    assert f"127.0.0.1:{secure_hop.port}" in sent.reason
    assert {"MAIL", "RCPT", "DATA"}.isdisjoint(secure_hop.heard.verbs(1))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("step", ["XFORWARD", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", SILENCES.values(), ids=SILENCES)
def test_a_command_without_reply_is_a_lost_connection(
    secure_hop: Hop, step: str, answer: bytes | Octets | None
) -> None:
    """The client hears 451 at that command; no message was sent, and it is known."""
    secure_hop.answers[step] = always(answer)
    sent = send_one(settings_for(secure_hop, tls=TlsMode.OFF), commands=(XFORWARD, MAIL, RCPT))
    assert (sent.answer, sent.outcome_unknown) == (LOST, False)
    assert sent.step == ("end" if step == "DATA" else step)
    assert secure_hop.heard.wires == []


@pytest.mark.parametrize("step", ["XFORWARD", "MAIL", "RCPT", "DATA", "end"])
@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_the_next_hops_own(secure_hop: Hop, step: str, answer: bytes) -> None:
    """The client hears its code and text, at the command it belongs to; nothing is unknown."""
    secure_hop.answers[step] = always(answer)
    sent = send_one(settings_for(secure_hop, tls=TlsMode.OFF), commands=(XFORWARD, MAIL, RCPT))
    assert (sent.answer, sent.outcome_unknown) == (answer.decode(), False)
    assert secure_hop.heard.wires == ([WIRE] if step == "end" else [])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", SILENCES.values(), ids=SILENCES)
def test_a_message_without_reply_has_an_unknown_outcome(
    next_hop: Hop, answer: bytes | Octets | None
) -> None:
    """The client hears 451 and sends again; the hop got the message once, and we say: unknown."""
    next_hop.answers["end"] = always(answer)
    sent = send_one(settings_for(next_hop))
    assert (sent.step, sent.answer, sent.outcome_unknown) == ("end", LOST, True)
    assert next_hop.heard.wires == [WIRE]
    assert next_hop.heard.connections == 1


def test_a_next_hop_that_accepts_and_dies_has_the_letter(next_hop: Hop) -> None:
    """250 and then the end of the connection: delivered, and the next letter goes its own way."""
    next_hop.answers["end"] = always(Octets(b"250 2.0.0 kept\r\n", Then.CLOSE))

    async def two(hops: NextHop) -> list[Sent]:
        return [await send(hops), await send(hops)]

    sent = with_next_hop(settings_for(next_hop), two)
    assert sent == [Sent("end", "250 2.0.0 kept")] * 2
    assert next_hop.heard.wires == [WIRE, WIRE]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", [*SILENCES.values(), *REFUSALS.values()], ids=repr)
def test_a_bad_goodbye_is_no_matter(next_hop: Hop, answer: bytes | Octets | None) -> None:
    """Whatever comes after QUIT, the letter before it was delivered."""
    next_hop.answers["QUIT"] = always(answer)
    assert send_one(settings_for(next_hop)).answer.startswith("250 ")
    assert next_hop.heard.wires == [WIRE]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", [*SILENCES.values(), REFUSALS["421"]], ids=repr)
def test_a_kept_connection_that_fails_is_replaced_before_data(
    next_hop: Hop, step: str, answer: bytes | Octets | None
) -> None:
    """The letter is said again on a fresh connection; its client hears 250 and nothing else."""
    usual = b"354 go ahead" if step == "DATA" else b"250 2.1.0 fine"
    letters = list[int]()

    def fail_the_second(number: int, _line: str) -> bytes | Octets | None:
        letters.append(number)
        return answer if letters == [1, 1] else usual

    next_hop.answers[step] = fail_the_second

    async def two(hops: NextHop) -> list[Sent]:
        return [await send(hops), await send(hops)]

    sent = with_next_hop(settings_for(next_hop), two)
    assert [each.answer[:4] for each in sent] == ["250 ", "250 "]
    assert next_hop.heard.wires == [WIRE, WIRE]
    assert next_hop.heard.verbs(2) == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
