"""Splicing encoded bodies: pure insertions, whole characters, the original width, the way back."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mimemap import MapError, decode_body
from relay.transfer import BodyRefused, Undo, insert_decoded, undo_change

URL = b"https://r.example.jp/" + b"q" * 43


def units(text: str, codec: str = "utf-8") -> list[bytes]:
    """Return a text in characters, as the note comes."""
    return [letter.encode(codec) for letter in text.replace("\r\n", "\n")]


def wrapped(data: bytes, width: int, line_end: bytes) -> bytes:
    """Return data in base64 of one width."""
    encoded = base64.b64encode(data)
    return line_end.join(encoded[at : at + width] for at in range(0, len(encoded), width))


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary"])
def test_identity_is_a_pure_insertion(encoding: str) -> None:
    """The inserted bytes stand at the offset and nothing else moves."""
    change = insert_decoded(b"one\r\ntwo\r\n", encoding, 5, [b"x", b"\r\n"], b"\r\n")
    assert change.apply(b"one\r\ntwo\r\n") == b"one\r\nx\r\ntwo\r\n"
    assert change.old_length == 0


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_quoted_printable_at_a_line_start_is_lines_of_its_own(line_end: bytes) -> None:
    """At a hard line end the note is whole lines, none over 76 columns, the link on one."""
    body = line_end.join([b"=E3=81=82", b"end"])
    at = len("あ".encode() + line_end)
    note = [*units("お" * 40), line_end, URL, line_end]
    change = insert_decoded(body, "quoted-printable", at, note, line_end)
    lines = change.apply(body).split(line_end)
    assert max(len(line) for line in lines) <= 76
    assert URL in lines
    assert all(line.removesuffix(b"=").count(b"=") % 3 == 0 for line in lines[1:-2])


@pytest.mark.parametrize(
    "body",
    [
        b"<p>a</p></body>",
        b"<p>a</p>=\r\n</body>",
        b"<p>a</p>= \r\n</body>",
        b"<p>=\r\na</p></body>",
        b"<p>a</p>",
        b"<p>a</p>=",
    ],
)
def test_quoted_printable_inside_a_line_stands_between_soft_breaks(body: bytes) -> None:
    """In the middle of a line nothing is added to the text but the note."""
    note = units("<i>お</i>")
    change = insert_decoded(body, "quoted-printable", 8, note, b"\r\n")
    changed = change.apply(body)
    decoded = decode_body(changed, "quoted-printable")
    assert decoded.startswith(b"<p>a</p>" + "<i>お</i>".encode())
    assert changed[: change.offset] + changed[change.offset + len(change.new) :] == body


def test_quoted_printable_keeps_trailing_space() -> None:
    """White space before the insertion would be lost at a hard line end; a soft one keeps it."""
    body = b"a b "
    change = insert_decoded(body, "quoted-printable", 4, [b"\r\n", b"x"], b"\r\n")
    assert change.apply(body) == b"a b =\r\n\r\nx"


def test_quoted_printable_protects_its_own_space_at_a_line_end() -> None:
    """RFC 2045 §6.7 (3): a line does not end in white space."""
    change = insert_decoded(b"a\r\n", "quoted-printable", 3, [b"x", b" ", b"\r\n"], b"\r\n")
    assert change.new == b"x=20\r\n"


@pytest.mark.parametrize("width", [76, 72, 64, 60, 74, 4])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("tail", [b"", b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("at", [0, 1, 2, 100, 299, 300])
def test_base64_keeps_width_line_ends_and_tail(
    width: int, line_end: bytes, tail: bytes, at: int
) -> None:
    """Lines before the change stay; those after it have the width they had."""
    data = bytes(range(256))[:100] * 3
    body = wrapped(data, width, line_end) + tail
    change = insert_decoded(body, "base64", at, [b"note"], b"\r\n")
    changed = change.apply(body)
    assert changed == wrapped(data[:at] + b"note" + data[at:], width, line_end) + tail
    assert change.offset >= at // 3 * 4 - 4 * width


def test_base64_on_one_line() -> None:
    """A body of one short line is wrapped at 76, and is one line again afterwards."""
    body = base64.b64encode(b"short")
    change = insert_decoded(body, "base64", 5, [b"x" * 100], b"\r\n")
    changed = change.apply(body)
    assert [len(line) for line in changed.split(b"\r\n")] == [76, 64]
    assert undo_change(changed, change.undo) == body


@pytest.mark.parametrize(
    "body",
    [
        b"YWJj\r\nZGVmZ2hp\r\namts",
        b"YWJj ZGVm",
        b"YWJj\r\n\r\nZGVm",
        b"YWJjZGVm\r\nZGVm\nZGVmZGVm",
    ],
)
def test_irregular_base64_is_refused(body: bytes) -> None:
    """A form that could not be written again as it was is left alone."""
    with pytest.raises(BodyRefused):
        insert_decoded(body, "base64", 0, [b"x"], b"\r\n")


def test_irregular_base64_before_the_change_stays() -> None:
    """Only what is encoded again must be regular."""
    body = b"YWJj\r\n" + wrapped(b"x" * 90, 60, b"\r\n")
    change = insert_decoded(body, "base64", 93, [b"y"], b"\r\n")
    assert change.apply(body).startswith(b"YWJj\r\n")


@pytest.mark.parametrize(
    "undo", [Undo(3, 99), Undo(99, 1), Undo(0, 4, 9, 9, 76), Undo(0, 3, 0, 1, 76)]
)
def test_record_that_does_not_fit_is_refused(undo: Undo) -> None:
    """A record that points outside the body undoes nothing."""
    with pytest.raises(BodyRefused):
        undo_change(b"YWJj", undo)


@given(
    st.text(st.sampled_from("aあ=.- \t\n\r<>é\u3000"), max_size=200),
    st.text(st.sampled_from("bい= .\n"), min_size=1, max_size=120),
    st.integers(0, 600),
    st.sampled_from(["8bit", "quoted-printable", "base64"]),
)
def test_every_change_can_be_undone(before: str, note: str, position: int, encoding: str) -> None:
    """Whatever the text, the note stands once at its offset and the body comes back."""
    data = before.encode()
    at = min(position, len(data))
    if encoding == "base64":
        body = wrapped(data, 76, b"\n")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(data)
    else:
        body = data
    try:
        change = insert_decoded(body, encoding, at, units(note), b"\n")
    except (BodyRefused, MapError):
        return
    changed = change.apply(body)
    decoded = decode_body(body, encoding)
    assert decode_body(changed, encoding) == decoded[:at] + note.encode() + decoded[at:]
    assert undo_change(changed, change.undo) == body
