"""What recruiters and their company say about a letter themselves, through a running relay."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.company import Mode
from relay.undo import restore
from relay.wire import stuff, unstuff
from tests.relay.neighbours import Client, Hop, offers
from tests.relay.running import AOZORA, rules, running
from tests.relay.test_deliver import LINK, REJECTION, send

SUBJECT = b"=?UTF-8?B?6Z2i5o6l44Gu44GU5aCx5ZGK77yI5Y2D5pep57K+5qmf77yJ?="
FIELD = b"Subject: " + SUBJECT + b"\r\n"
JIS = b"=?ISO-2022-JP?B?" + base64.b64encode("[no-relay] 選考結果".encode("iso-2022-jp")) + b"?="
JIS_AFTER = b"=?ISO-2022-JP?B?" + base64.b64encode("選考結果".encode("iso-2022-jp")) + b"?="
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=chihaya.example.co.jp; s=a;\r\n h=From:Subject;\r\n"


def with_subject(field: bytes, front: bytes = b"") -> bytes:
    """Return the rejection letter with another Subject field."""
    assert FIELD in REJECTION
    return front + REJECTION.replace(FIELD, field)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject: [no-relay] " + SUBJECT + b"\r\n", FIELD),
        (b"Subject: " + SUBJECT + b"\r\n [NO-RELAY]\r\n", FIELD),
        (b"Subject: " + JIS + b"\r\n", b"Subject: " + JIS_AFTER + b"\r\n"),
        ("Subject: 【案内不要】選考結果\r\n".encode(), "Subject: 選考結果\r\n".encode()),
    ],
)
def test_tagged_letter_arrives_without_line_and_tag(
    next_hop: Hop, tmp_path: Path, before: bytes, after: bytes
) -> None:
    """No link, no tag; all else is byte for byte what was sent, and no event is recorded."""
    company = replace(AOZORA, no_relay=("[no-relay]", "【案内不要】"))
    with running(next_hop.port, tmp_path, with_rules=rules(company)) as relay:
        assert send(relay, with_subject(before)).startswith("250")
        assert relay.reasons == {"override": 1}
    assert next_hop.heard.wires == [stuff(with_subject(after))]
    assert not (tmp_path / "careerrelay.db").exists()


@pytest.mark.parametrize(
    "message",
    [
        with_subject(b"Subject: [no-relay] " + SUBJECT + b"\r\n", SIGNED + b" b=AAAA\r\n"),
        with_subject(b"Subject: [no-relay] a\r\nSubject: b\r\n"),
        with_subject(b"Subject: a\r\nSubject: [no-relay] b\r\n"),
        with_subject(b"Subject: [no-relay] =?UTF-8?B?6Z2i5o6l44Gu4?=\r\n"),
        with_subject(b"Subject: [no-relay] \xff\xfe\r\n"),
        with_subject(b"Subject: [no-relay] a\r\n").replace(
            b"Content-Type: text/plain; charset=UTF-8",
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=a',
        ),
        with_subject(b"Subject: [no-relay] a\r\nMIME-Version: 1.0\r\n"),
    ],
    ids=["dkim", "two-a", "two-b", "broken-word", "raw", "signed", "ambiguous"],
)
def test_tag_stays_where_it_cannot_go(next_hop: Hop, tmp_path: Path, message: bytes) -> None:
    """The letter is untouched, without a line, and the reason tells that the tag is seen."""
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, message).startswith("250")
        assert relay.reasons == {"override_kept": 1}
    assert next_hop.heard.wires == [stuff(message)]


def test_a_company_that_watches_changes_no_subject(next_hop: Hop, tmp_path: Path) -> None:
    """In observe mode not even the tag is taken out."""
    message = with_subject(b"Subject: [no-relay] a\r\n")
    watching = rules(replace(AOZORA, mode=Mode.OBSERVE))
    with running(next_hop.port, tmp_path, with_rules=watching) as relay:
        assert send(relay, message).startswith("250")
        assert relay.reasons == {"override_kept": 1}
    assert next_hop.heard.wires == [stuff(message)]


def test_without_tags_a_subject_is_a_subject(next_hop: Hop, tmp_path: Path) -> None:
    """A company can have no tag at all, or others: then the default is a word like any other."""
    message = with_subject(b"Subject: [no-relay] " + SUBJECT + b"\r\n")
    company = rules(replace(AOZORA, no_relay=()))
    with running(next_hop.port, tmp_path, with_rules=company) as relay:
        assert send(relay, message).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert len(LINK.findall(arrived)) == 1
    assert restore(arrived) == message


def test_tag_goes_out_in_a_utf8_dialogue(next_hop: Hop, tmp_path: Path) -> None:
    """A subject in raw UTF-8 of a client that speaks SMTPUTF8 keeps its octets."""
    message = with_subject("Subject: 選考結果 [no-relay] （千早精機）\r\n".encode())
    next_hop.answers["EHLO"] = offers("8BITMIME", "SMTPUTF8")
    with running(next_hop.port, tmp_path) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        client.say("MAIL FROM:<recruit@aozora.example.jp> SMTPUTF8 BODY=8BITMIME")
        client.say("RCPT TO:<yui@mail.example.com>")
        client.say("DATA")
        client.send(stuff(message))
        assert client.reply().startswith("250")
    expected = with_subject("Subject: 選考結果 （千早精機）\r\n".encode())
    assert next_hop.heard.wires == [stuff(expected)]


@pytest.mark.parametrize(
    ("phrases", "reason"),
    [
        ({"stop_phrases": ("ご希望に沿うことができ ませんでした",)}, "stop_phrase"),
        ({"stop_phrases": ("面接のご報告",)}, "stop_phrase"),
        ({"stop_phrases": ("どこにもない",)}, "injected"),
        ({"must_phrases": ("どこにもない",)}, "must_phrase_missing"),
        ({"must_phrases": ("どこにもない", "品質管理のお仕事")}, "injected"),
        ({"must_phrases": ("千早精機",), "stop_phrases": ("履歴書",)}, "stop_phrase"),
        ({"stop_phrases": ("履歴書",), "mode": Mode.OBSERVE}, "stop_phrase"),
        ({"must_phrases": ("履歴書",), "mode": Mode.OBSERVE}, "observe"),
    ],
)
def test_phrases_of_a_company(
    next_hop: Hop, tmp_path: Path, phrases: dict[str, Any], reason: str
) -> None:
    """A rejection with a stop phrase, or without any of the must phrases, is untouched."""
    company = replace(AOZORA, **phrases)
    with running(next_hop.port, tmp_path, with_rules=rules(company)) as relay:
        assert send(relay, REJECTION).startswith("250")
        assert relay.reasons == {reason: 1}
    assert (next_hop.heard.wires == [stuff(REJECTION)]) == (reason != "injected")
