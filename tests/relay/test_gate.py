"""What the gate dismisses from headers, envelope and first bytes."""

from __future__ import annotations

import time

import pytest

from relay.company import Company
from relay.envelope import Envelope
from relay.gate import dismiss
from relay.policy import Reason

COMPANY = Company("aozora", "Aozora", ("aozora.example.jp",))
OUTSIDE = Envelope("hr@aozora.example.jp", ("ann@mail.example.com",))


def gate(head: str, body: str = "x", envelope: Envelope = OUTSIDE) -> Reason | None:
    """Return what the gate says of a message."""
    text = f"Message-ID: <1@aozora.example.jp>\n{head}\n\n{body}".replace("\n", "\r\n")
    return dismiss(text.encode(), envelope, COMPANY)


def test_an_ordinary_letter_is_looked_at() -> None:
    """Nothing speaks against a plain letter to the outside."""
    assert gate("Subject: x") is None
    assert gate("Subject: x", envelope=Envelope("hr@aozora.example.jp", ("a@b.c", "d@e.f"))) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("List-Id: <news.example.com>", Reason.LIST_MAIL),
        ("LIST-POST: <mailto:x@example.com>", Reason.LIST_MAIL),
        ("Precedence: bulk", Reason.LIST_MAIL),
        ("Precedence: list", Reason.LIST_MAIL),
        ("Auto-Submitted: auto-replied", Reason.AUTO_SUBMITTED),
        ("X-Autoreply: yes", Reason.AUTO_SUBMITTED),
        ("Content-Type: multipart/report; report-type=delivery-status", Reason.DELIVERY_REPORT),
        ("Content-Type: text/calendar; method=REQUEST", Reason.CALENDAR),
        ('Content-Type: multipart/signed;\n protocol="application/pkcs7"', Reason.SIGNED),
        ('Content-Type: multipart/signed;\n protocol="application/pgp-signature"', Reason.PGP),
        ('Content-Type: multipart/encrypted;\n protocol="application/pgp-encrypted"', Reason.PGP),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", Reason.ENCRYPTED),
        ("Content-Type: application/x-pkcs7-mime; smime-type=signed-data", Reason.SIGNED),
        ("Content-Type: application/ms-tnef", Reason.TNEF),
    ],
)
def test_kinds_of_mail_that_are_no_letters(head: str, reason: Reason) -> None:
    """Lists, replies by machines, reports, calendar and protected mail are dismissed by name."""
    assert gate(head) is reason


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-generated",
        "List-Unsubscribe: <https://ats.example.com/u>",
        "Auto-Submitted: no",
        "Subject: List-Id: in the subject",
        "Content-Type: multipart/alternative; boundary=b",
    ],
)
def test_mail_of_tracking_systems_is_looked_at(head: str) -> None:
    """What a tracking system generates may be a rejection."""
    assert gate(head) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("-----BEGIN PGP MESSAGE-----", Reason.PGP),
        ("--b\nContent-Type: text/calendar; method=REQUEST", Reason.CALENDAR),
        ("--b\nContent-Type: application/ms-tnef; name=winmail.dat", Reason.TNEF),
    ],
)
def test_marks_in_the_body(body: str, reason: Reason) -> None:
    """Inline PGP and parts of a meeting or of Outlook's own format are seen in the first bytes."""
    assert gate("Subject: x", body) is reason


def test_mail_inside_the_company_is_dismissed() -> None:
    """All recipients in the company's domains or below: internal. One outside: looked at."""
    inside = "b@aozora.example.jp"
    sender = "a@aozora.example.jp"
    below = "c@mail.AOZORA.example.jp"
    internal = Reason.INTERNAL_RECIPIENTS
    assert gate("Subject: x", envelope=Envelope(sender, (inside, below))) is internal
    assert gate("Subject: x", envelope=Envelope(sender, (inside, "d@example.com"))) is None
    assert gate("Subject: x", envelope=Envelope(sender, ("d@notaozora.example.jp",))) is None


def test_null_sender_and_no_recipients_are_dismissed() -> None:
    """A bounce has no sender; without recipients there is nobody to write to."""
    assert gate("Subject: x", envelope=Envelope("", ("a@example.com",))) is Reason.NULL_SENDER
    assert gate("Subject: x", envelope=Envelope("a@b.c", ())) is Reason.NO_RECIPIENTS


def test_a_large_message_costs_no_more_than_a_small_one() -> None:
    """Only the first bytes are looked at; hostile headers take no time either."""
    messages = [
        b"Subject: x\r\n\r\n" + b"y" * 20_000_000,
        b"content-type:" + b" " * 1_000_000,
        b"precedence:\n" * 100_000,
        b"content-type: a/b\n " * 50_000,
    ]
    started = time.perf_counter()
    for message in messages:
        dismiss(message, OUTSIDE, COMPANY)
    assert time.perf_counter() - started < 0.5
