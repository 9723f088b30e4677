"""The mark and the way back: through other relays' header changes, and never to wrong bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.inject import inject
from relay.mimemap import map_message
from relay.note import Note
from relay.safety import MESSAGE_MAX_BYTES, TEXT_MAX_BYTES
from relay.tracefields import SEEN_FIELD
from relay.transfer import Undo
from relay.undo import (
    Mark,
    MarkField,
    NotOurs,
    add_fields,
    parse_field,
    render_field,
    restore,
)

MARK = Mark("abcdefghijklmnop", "m" * 26)
NOTE = Note("[PR] Words.\nhttps://r.example.jp/x\nMore.", "[PR] Words.", "https://r.example.jp/x")
ORIGINAL = (
    b"From: recruit@aozora.example.jp\r\n"
    b"Subject: result\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"We will not take your application further, we are sorry.\r\n"
    b"\r\n"
    b"-- \r\n"
    b"Aozora\r\n"
)
CHANGED = inject(map_message(ORIGINAL), NOTE, MARK).message


def reason_of(message: bytes) -> str:
    """Return why a message is not restored."""
    with pytest.raises(NotOurs) as caught:
        restore(message)
    return caught.value.reason


def test_mark_stands_first() -> None:
    """The field comes before all others, in lines of at most 76 columns."""
    assert CHANGED.startswith(
        b"X-Career-Relay: v=1; link=abcdefghijklmnop; mac=" + b"m" * 26 + b";\r\n undo="
    )
    # As large as the limits on message, text and note allow.
    largest = [Undo(MESSAGE_MAX_BYTES, TEXT_MAX_BYTES, TEXT_MAX_BYTES, 9999, 76)] * 2
    field = render_field(MARK, largest, b"", b"\r\n")
    assert max(len(line) for line in field.split(b"\r\n")) <= 76


def test_original_comes_back() -> None:
    """All bytes are those before the change."""
    assert restore(CHANGED) == ORIGINAL


def test_fields_added_above_stay() -> None:
    """Trace fields of later relays do not matter, and are not taken away."""
    trace = b"Received: from x by y; Mon, 1 Jun 2026 00:00:00 +0900\r\nX-A: b\r\n c\r\n"
    assert restore(trace + CHANGED) == trace + ORIGINAL


def test_fields_added_behind_stay() -> None:
    """A field put between mark and letter shifts no offset."""
    added = CHANGED.replace(b"Subject:", b"X-Scanned: clean\r\nSubject:")
    assert restore(added) == ORIGINAL.replace(b"Subject:", b"X-Scanned: clean\r\nSubject:")


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t", b"", b"\r\n   "])
def test_folding_anew_does_not_matter(fold: bytes) -> None:
    """A relay may fold the field at any white space, or unfold it."""
    value_end = CHANGED.index(b"From:") - 2
    field = CHANGED[:value_end].replace(b"\r\n ", fold).replace(b"; ", b";" + (fold or b" "))
    assert restore(field + CHANGED[value_end:]) == ORIGINAL


def test_letter_case_of_the_name_does_not_matter() -> None:
    """RFC 5322 §1.2.2: field names are not case-sensitive."""
    assert restore(CHANGED.replace(b"X-Career-Relay", b"x-CAREER-relay")) == ORIGINAL


def test_file_saved_with_other_line_ends_is_understood() -> None:
    """A mail program that saves LF files does not stand in the way, nor the other way round."""
    as_file = CHANGED.replace(b"\r\n", b"\n")
    assert restore(as_file) == ORIGINAL.replace(b"\r\n", b"\n")
    with_lf = ORIGINAL.replace(b"\r\n", b"\n")
    changed = inject(map_message(with_lf), NOTE, MARK).message
    assert restore(changed) == with_lf
    assert restore(changed.replace(b"\n", b"\r\n")) == ORIGINAL


def test_mbox_line_stays_first() -> None:
    """In a file from an mbox the mark stands behind the line that separates messages."""
    message = b"From x Mon Jun  1 00:00:00 2026\r\n" + ORIGINAL
    changed = inject(map_message(message), NOTE, MARK).message
    assert changed.startswith(b"From x Mon Jun  1 00:00:00 2026\r\nX-Career-Relay:")
    assert restore(changed) == message


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("no_mark", ORIGINAL),
        ("no_mark", b""),
        ("no_mark", ORIGINAL + b"\r\nX-Career-Relay: v=1; undo=1:2; sum=x\r\n"),
        ("unreadable_mark", b"X-Career-Relay: true\r\n" + ORIGINAL),
        ("unreadable_mark", b"X-Career-Relay: v=1; link=x; mac=y\r\n" + ORIGINAL),
        ("unreadable_mark", CHANGED.replace(b"undo=", b"undo=x")),
        ("unreadable_mark", CHANGED.replace(b"undo=", b"undo=1:2:3,")),
        ("unreadable_mark", CHANGED.replace(b"undo=", b"undo=1:2,1:2,")),
        ("body_changed", CHANGED.replace(b"undo=", b"undo=9")),
        ("body_changed", CHANGED + b"a footer of another relay\r\n"),
        ("body_changed", CHANGED.replace(b"sorry", b"happy")),
        ("body_changed", CHANGED.replace(b"\r\n\r\n", b"\r\n\r\nExternal mail!\r\n", 1)),
    ],
)
def test_the_original_or_nothing(reason: str, message: bytes) -> None:
    """What is not ours, or was changed behind us, is refused with the reason."""
    assert reason_of(message) == reason


def test_parse_gives_what_was_rendered() -> None:
    """A field is read as it was written."""
    splices = (Undo(5, 7), Undo(100, 200, 3, 40, 76))
    field = render_field(MARK, splices, b"body", b"\r\n")
    parsed = parse_field(field.removeprefix(b"X-Career-Relay:"))
    assert parsed is not None
    assert parsed == MarkField(MARK, splices, parsed.digest)


def test_field_for_unchanged_letters_has_no_record() -> None:
    """A mark without a record of changes is a mark all the same."""
    parsed = parse_field(b" v=1; link=; mac=abc")
    assert parsed == MarkField(Mark("", "abc"), (), "")


@given(st.binary(max_size=120))
def test_any_bytes_are_restored_or_refused(data: bytes) -> None:
    """Nothing but `NotOurs` comes out of hostile bytes."""
    for message in (data, b"X-Career-Relay: v=1; undo=" + data, b"X-Career-Relay:" + data):
        try:
            restore(message)
        except NotOurs as error:
            reason = error.reason
        else:
            reason = "restored"
        assert reason in {"no_mark", "unreadable_mark", "body_changed"}
        parse_field(data)


def test_other_fields_of_that_name_are_passed_over() -> None:
    """A door that marks all mail, or somebody else, may put one on top of ours."""
    for above in (SEEN_FIELD, b"X-Career-Relay: hello\r\n", SEEN_FIELD * 2):
        assert restore(above + CHANGED) == above + ORIGINAL
        signed = add_fields(above + CHANGED, b"DKIM-Signature: v=1\r\n")
        assert restore(signed) == above + ORIGINAL


def test_added_fields_that_are_gone_are_told() -> None:
    """Nothing that stands behind them is taken for one of ours."""
    signed = add_fields(CHANGED, b"A: x\r\nB: y\r\n\tz\r\n")
    assert restore(signed) == ORIGINAL
    start = signed.index(b"A: x")
    bare = signed[:start] + signed[signed.index(b"\r\n\r\n") + 2 :]
    assert reason_of(bare) == "header_changed"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("ends", [0, 1, 2, 3])
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_line_ends_at_the_end_come_and_go(encoding: str, ends: int, line_end: bytes) -> None:
    """A relay or a program adds the last line end or an empty line, or drops it: all comes back."""
    words = ORIGINAL.partition(b"\r\n\r\n")[2].rstrip(b"\r\n")
    if encoding == "base64":
        words = base64.b64encode(words)
    head = ORIGINAL.partition(b"\r\n\r\n")[0]
    message = head + f"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + words
    message = message.replace(b"\r\n", line_end) + line_end * ends
    changed = inject(map_message(message), NOTE, MARK).message
    bare = changed.rstrip(b"\r\n")
    there = (len(changed) - len(bare)) // len(line_end)
    for other in range(max(there - 2, 0), there + 3):
        assert restore(bare + line_end * other) == message
        swapped = b"\n" if line_end == b"\r\n" else b"\r\n"
        saved = (bare + line_end * other).replace(line_end, swapped)
        assert restore(saved) == message.replace(line_end, swapped)


@pytest.mark.parametrize("end", [b"\r\n" * 3, b" \r\n", b"\r", b"\n", b"\n\n\r\n", b"\0"], ids=repr)
def test_other_ends_are_not_taken_for_the_original(end: bytes) -> None:
    """Nothing but whole line ends of the message, and a few, is left out or put back."""
    assert reason_of(CHANGED + end) == "body_changed"
