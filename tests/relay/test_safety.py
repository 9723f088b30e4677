"""What is never touched, each with its reason; and which parts carry the letter."""

from __future__ import annotations

import pytest

from relay.mimemap import map_message
from relay.policy import Reason
from relay.safety import (
    MESSAGE_MAX_BYTES,
    TEXT_MAX_BYTES,
    NotInjected,
    Rules,
    check_safety,
    find_targets,
)
from relay.undo import Mark

RULES = Rules(base_url="https://r.example.jp/")
MARK_FIELD = b"X-Career-Relay: v=1; link=abcdefghijklmnop; mac=" + b"m" * 26 + b";\r\n undo=1:2\r\n"


def multipart(kind: bytes, *parts: bytes, extra: bytes = b"") -> bytes:
    """Return a message of these parts."""
    head = b"Content-Type: multipart/" + kind + b"; boundary=bb" + extra + b"\r\n\r\n"
    return head + b"".join(b"--bb\r\n" + part + b"\r\n" for part in parts) + b"--bb--\r\n"


def leaf(kind: bytes, body: bytes = b"words", field: bytes = b"") -> bytes:
    """Return header and body of one part."""
    return b"Content-Type: " + kind + b"\r\n" + field + b"\r\n" + body


PLAIN, HTML = leaf(b"text/plain"), leaf(b"text/html", b"<p>words</p>")
ATTACHED = b"Content-Disposition: attachment; filename=x\r\n"


# Structures whose parts mail programs show differently: not plain which part is the letter.
UNCLEAR = [
    multipart(b"digest", leaf(b"message/rfc822")),
    multipart(b"mixed", PLAIN, leaf(b"image/png"), PLAIN),
    multipart(b"mixed", PLAIN, HTML),
    multipart(b"alternative", PLAIN, leaf(b"text/x-amp-html"), HTML),
    multipart(b"alternative", PLAIN, PLAIN),
    multipart(b"alternative", PLAIN, multipart(b"mixed", HTML).replace(b"bb", b"cc")),
    multipart(b"related", leaf(b"image/png"), HTML, extra=b'; start="<x>"'),
]


def refused(message: bytes, rules: Rules = RULES) -> str:
    """Return why a message is not touched, by rule or for want of a target."""
    message_map = map_message(message)
    try:
        check_safety(message_map, rules)
        find_targets(message_map)
    except NotInjected as error:
        return error.reason
    return ""


NEVER_TOUCHED = [
    ("signed", multipart(b"signed", PLAIN, leaf(b"application/pkcs7-signature"))),
    ("signed", multipart(b"mixed", multipart(b"signed", PLAIN).replace(b"bb", b"cc"))),
    ("signed", leaf(b"application/pkcs7-mime; smime-type=signed-data")),
    ("encrypted", leaf(b"application/pkcs7-mime; smime-type=enveloped-data")),
    ("encrypted", leaf(b"application/x-pkcs7-mime; name=smime.p7m")),
    ("encrypted", leaf(b"application/octet-stream; name=smime.p7m")),
    ("encrypted", multipart(b"encrypted", leaf(b"application/pgp-encrypted"))),
    ("pgp", leaf(b"text/plain", b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256")),
    ("pgp", leaf(b"text/plain", b"see\r\n-----BEGIN PGP MESSAGE-----\r\n")),
    ("pgp", leaf(b"text/html", b"<pre>-----BEGIN PGP SIGNED MESSAGE-----\r\n")),
    ("calendar", multipart(b"alternative", PLAIN, leaf(b"text/calendar; method=REQUEST"))),
    ("tnef", multipart(b"mixed", PLAIN, leaf(b"application/ms-tnef"))),
    ("tnef", multipart(b"mixed", PLAIN, leaf(b"application/octet-stream; name=WINMAIL.DAT"))),
    ("delivery_report", multipart(b"report", PLAIN, leaf(b"message/delivery-status"))),
    ("structure_unsupported", leaf(b"message/rfc822", b"Subject: x\r\n\r\nwords")),
    ("structure_unsupported", leaf(b"message/partial; id=1; number=1")),
    ("no_text_part", leaf(b"application/pdf")),
    ("no_text_part", leaf(b"text/plain", field=ATTACHED)),
    ("no_text_part", multipart(b"mixed", leaf(b"text/plain; name=cv.txt"))),
    ("no_text_part", multipart(b"mixed", leaf(b"image/png"), leaf(b"text/plain", b" \r\n"))),
    ("no_text_part", leaf(b"text/csv")),
    ("body_digest_header", b"Content-Length: 5\r\n" + PLAIN),
    ("body_digest_header", b"Content-MD5: x\r\n" + PLAIN),
    ("body_digest_header", b"Lines: 1\r\n" + PLAIN),
    ("body_digest_header", multipart(b"mixed", b"Content-Length: 5\r\n" + PLAIN)),
    ("dkim_signed", b"DKIM-Signature: v=1; a=rsa-sha256\r\n" + PLAIN),
    ("already_marked", MARK_FIELD + PLAIN),
    ("already_linked", leaf(b"text/plain", b"> https://r.example.jp/abc")),
    ("already_linked", leaf(b"text/plain", b"> HTTPS://R.EXAMPLE.JP/ABC")),
    (
        "already_linked",
        leaf(b"text/plain", b"> https://safe.example/?url=https%3A%2F%2Fr.example.jp%2Fabc"),
    ),
    (
        "already_linked",
        leaf(b"text/plain", b"> https://urldefense.example/v2/url?u=https-3A__r.example.jp_abc"),
    ),
    ("already_linked", leaf(b"text/html", b"https:&#x2F;&#x2F;r.example.jp&#x2F;abc")),
    (
        "already_linked",
        multipart(b"alternative", PLAIN, leaf(b"text/html", b"<a href=//r.example.jp/x>")),
    ),
    ("too_large", leaf(b"text/plain", b"x" * (TEXT_MAX_BYTES + 1))),
    ("broken_encoding", leaf(b"text/plain", b"*", b"Content-Transfer-Encoding: base64\r\n")),
    ("unknown_encoding", leaf(b"text/plain", b"x", b"Content-Transfer-Encoding: x-y\r\n")),
    *(("structure_unsupported", message) for message in UNCLEAR),
]


@pytest.mark.parametrize(("reason", "message"), NEVER_TOUCHED)
def test_never_touched(reason: str, message: bytes) -> None:
    """Whatever a change could break, or a reader would not expect, passes under its reason."""
    assert refused(message) == reason


@pytest.mark.parametrize("reason", sorted({reason for reason, _ in NEVER_TOUCHED}))
def test_reason_is_known_to_policy(reason: str) -> None:
    """A decision can name every reason."""
    assert reason in {known.value for known in Reason}


def test_message_over_the_limit_passes() -> None:
    """A message larger than mail systems take is no letter."""
    pdf = leaf(b"application/pdf", b"x\r\n" * (MESSAGE_MAX_BYTES // 3 + 1))
    assert refused(multipart(b"mixed", PLAIN, pdf)) == "too_large"


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        (PLAIN, ["text/plain"]),
        (HTML, ["text/html"]),
        (b"\r\nwords", ["text/plain"]),
        (multipart(b"alternative", PLAIN, HTML), ["text/plain", "text/html"]),
        (multipart(b"alternative", HTML), ["text/html"]),
        (multipart(b"mixed", PLAIN, leaf(b"application/pdf", field=ATTACHED)), ["text/plain"]),
        (multipart(b"mixed", PLAIN, leaf(b"text/plain", b"\r\n ")), ["text/plain"]),
        (multipart(b"mixed", PLAIN, leaf(b"text/csv", field=ATTACHED)), ["text/plain"]),
        (multipart(b"mixed", PLAIN, leaf(b"message/rfc822", b"A: b\r\n\r\nx")), ["text/plain"]),
        (multipart(b"related", HTML, leaf(b"image/png")), ["text/html"]),
    ],
)
def test_targets_are_the_text_a_person_reads_first(message: bytes, kinds: list[str]) -> None:
    """The first text body or its two alternatives, never an attachment."""
    message_map = map_message(message)
    check_safety(message_map, RULES)
    assert [target.content_type for target in find_targets(message_map)] == kinds


def test_related_part_named_as_start_is_the_letter() -> None:
    """RFC 2387 §3.2: `start` names the root; it may be the first."""
    first = leaf(b"text/html", b"<p>words</p>", b"Content-ID: <x>\r\n")
    message_map = map_message(multipart(b"related", first, extra=b'; start="<x>"'))
    assert len(find_targets(message_map)) == 1


def test_forged_mark_does_not_switch_us_off() -> None:
    """Only a mark of ours counts; a header somebody wrote does not, nor one of another form."""
    seen: list[Mark] = []

    def is_own(mark: Mark) -> bool:
        seen.append(mark)
        return False

    rules = Rules(base_url="https://r.example.jp/", is_own_mark=is_own)
    check_safety(map_message(MARK_FIELD + PLAIN), rules)
    check_safety(map_message(b"X-Career-Relay: true\r\n" + PLAIN), rules)
    assert seen == [Mark("abcdefghijklmnop", "m" * 26)]


def test_unknown_base_url_finds_no_link() -> None:
    """Without a base address no link is looked for."""
    check_safety(map_message(leaf(b"text/plain", b"https://r.example.jp/x")), Rules())


def test_the_limit_on_text_is_one_for_all_parts() -> None:
    """Reading many large texts would take as long as reading one that is too large."""
    half = leaf(
        b"text/plain; name=a.txt", b"x" * (TEXT_MAX_BYTES // 2), b"Content-Disposition: inline\r\n"
    )
    assert refused(multipart(b"mixed", PLAIN, half)) == ""
    assert refused(multipart(b"mixed", PLAIN, half, half)) == "too_large"
