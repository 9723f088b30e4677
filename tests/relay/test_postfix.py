"""Real Postfix on both sides of the relay, set up as the admin's page prints it."""

from __future__ import annotations

import re
import smtplib
import tomllib
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.relay.neighbours import always, hop
from tests.relay.postfix_chains import (
    LETTERS,
    LINK,
    RECIPIENT,
    SENDER,
    UNKNOWN,
    UNKNOWN_TEXT,
    UNWANTED_SENDER,
    UNWANTED_TEXT,
    Chain,
    restored,
    running_chain,
)

REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
OFFER = (LETTERS / "040-offer-with-regret-about-location.eml").read_bytes()
pytestmark = pytest.mark.postfix


@pytest.fixture(scope="module", params=["before", "after", "relayhost"])
def kept_chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """Run each set-up once: to start and stop it takes seconds."""
    folder = tmp_path_factory.mktemp("relay")
    with hop() as world, running_chain(request.param, folder, world) as chain:
        yield chain


@pytest.fixture
def chain(kept_chain: Chain) -> Chain:
    """Return a set-up whose hop has heard nothing yet and is at its best."""
    heard = kept_chain.hop.heard
    heard.commands.clear()
    heard.wires.clear()
    kept_chain.hop.answers.clear()
    return kept_chain


def test_a_rejection_is_changed_and_can_be_restored(chain: Chain) -> None:
    """The letter arrives with one link; taken back, it is what entered, 8-bit text and all."""
    assert chain.send(REJECTION, mail_options=["BODY=8BITMIME"]) == {}
    (letter,) = chain.arrived(1)
    assert len(LINK.findall(letter)) == 1
    assert restored(letter) == REJECTION
    assert "BODY=8BITMIME" in chain.heard("MAIL")[0]


def test_another_letter_is_the_same(chain: Chain) -> None:
    """An offer arrives byte for byte, below Postfix' own Received fields."""
    chain.send(OFFER)
    assert chain.arrived(1) == [OFFER]


def test_every_sample_letter(chain: Chain) -> None:
    """All arrive, long lines too: those to be changed can be restored, the others are as sent.

    Only a recruiter's tag leaves the subject.
    """
    changed, same = Counter[bytes](), Counter[bytes]()
    for path in sorted(LETTERS.glob("*.eml")):
        expected = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
        letter = path.read_bytes()
        chain.send(
            letter,
            *expected["recipients"],
            sender=expected["sender"],
            mail_options=["BODY=8BITMIME"],
        )
        if expected["decision"] == "inject":
            changed[letter] += 1
        else:
            same[letter.replace(expected.get("tag", "").encode(), b"")] += 1
    letters = chain.arrived(changed.total() + same.total())
    marked = [letter for letter in letters if letter.startswith(b"X-Career-Relay:")]
    assert Counter(map(restored, marked)) == changed
    assert Counter(letter for letter in letters if letter not in marked) == same


def test_addresses_beyond_ascii(chain: Chain) -> None:
    """An SMTPUTF8 envelope arrives with its parameter and its octets."""
    address = "ゆい@メール.example.com"
    with smtplib.SMTP("127.0.0.1", chain.port, "ats.aozora.example.jp", 60) as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail(SENDER, ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        assert client.rcpt(address)[0] == 250
        assert client.data(REJECTION)[0] == 250
    (letter,) = chain.arrived(1)
    assert restored(letter) == REJECTION
    assert "SMTPUTF8" in chain.heard("MAIL")[0]
    assert address in chain.heard("RCPT")[0]


def test_the_null_sender(chain: Chain) -> None:
    """A delivery report keeps its empty sender."""
    chain.send(OFFER, sender="")
    assert chain.arrived(1) == [OFFER]
    assert chain.heard("MAIL")[0].startswith("MAIL FROM:<> ")


def test_the_client_in_the_log_of_the_far_side(chain: Chain) -> None:
    """The way back logs each client's own address (XFORWARD); a far Postfix logs the near one."""
    for client in ("127.0.0.9", "127.0.0.10"):
        assert chain.send(OFFER, client=client) == {}
        seen = (
            "client=unknown[127.0.0.1]"
            if chain.name == "relayhost"
            else f"orig_client=unknown[{client}]"
        )
        chain.back.logged(rf"postfix/back/smtpd\[\d+\]: [0-9A-F]+: .*{re.escape(seen)}")
    chain.arrived(2)


DSN_MAIL = ("RET=HDRS", "ENVID=Ab+2BcD")
DSN_RCPT = ("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Yui+2BTag@Mail.Example.Com")


def test_wishes_for_delivery_reports_reach_the_far_side(chain: Chain) -> None:
    """RET, ENVID, NOTIFY and ORCPT come through relay and Postfix, in their own case."""
    chain.send(REJECTION, mail_options=DSN_MAIL, rcpt_options=DSN_RCPT)
    chain.arrived(1)
    assert set(DSN_MAIL) <= set(chain.heard("MAIL")[0].split())
    assert set(DSN_RCPT) <= set(chain.heard("RCPT")[0].split())


def test_the_far_side_reports_success(chain: Chain) -> None:
    """Where the world knows no DSN, the far Postfix itself sends the report that was asked for."""
    chain.hop.answers["EHLO"] = always(b"250-hop.example\r\n250 8BITMIME")
    chain.send(REJECTION, mail_options=DSN_MAIL, rcpt_options=DSN_RCPT)
    report = next(each for each in chain.arrived(2) if b"report-type=delivery-status" in each)
    assert f"Reporting-MTA: dns; {chain.back.hostname}\r\n".encode() in report
    assert b"Original-Envelope-Id: Ab+cD\r\n" in report
    assert b"Original-Recipient: rfc822;Yui+Tag@Mail.Example.Com\r\n" in report
    assert b"Action: relayed\r\n" in report
    assert f"RCPT TO:<{SENDER}>" in [line.split(" ORCPT=")[0] for line in chain.heard("RCPT")]


def test_one_recipient_refused(chain: Chain) -> None:
    """The far side's refusal of one recipient is told; the other gets the letter."""
    refused = chain.send(REJECTION, UNKNOWN, RECIPIENT)
    if chain.is_before_queue:
        (code, text) = refused.pop(UNKNOWN)
        assert code == 550
        assert text.startswith(b"5.1.1 ")
        assert UNKNOWN_TEXT.encode() in text
        (letter,) = chain.arrived(1)
    else:
        letter, report = sorted(chain.arrived(2), key=lambda each: b"delivery-status" in each)
        assert b"Status: 5.1.1\r\n" in report
        assert UNKNOWN_TEXT.encode() in report
    assert refused == {}
    assert restored(letter) == REJECTION
    assert UNKNOWN not in " ".join(chain.heard("RCPT"))


def test_a_message_refused(chain: Chain) -> None:
    """The far side's refusal of a message reaches the sender; the next letter is none the worse.

    After a refusal by its smtpd_end_of_data_restrictions, Postfix takes the next MAIL for a nested
    one (503), until it hears RSET.
    """
    if chain.is_before_queue:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            chain.send(REJECTION, sender=UNWANTED_SENDER)
        assert refusal.value.smtp_code == 554
        assert isinstance(refusal.value.smtp_error, bytes)
        assert refusal.value.smtp_error.startswith(b"5.7.1 ")
        assert UNWANTED_TEXT.encode() in refusal.value.smtp_error
    else:
        chain.send(REJECTION, sender=UNWANTED_SENDER)
        (report,) = chain.arrived(1)
        assert b"Status: 5.7.1\r\n" in report
        assert UNWANTED_TEXT.encode() in report
    chain.send(OFFER)
    assert chain.arrived(1 if chain.is_before_queue else 2)[-1] == OFFER
