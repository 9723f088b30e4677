"""What became of a message: added lines found where a person would see them."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from relay.compare import Piece, State, compare, message_id_of, subject_of

HEAD = (
    b"Subject: =?utf-8?B?6YG46ICD?=\r\n =?utf-8?B?57WQ5p6c?=\r\nMessage-ID: <1@a.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
)


def plain(text: str) -> bytes:
    """Return a plain letter."""
    return HEAD + b"\r\n" + text.replace("\n", "\r\n").encode()


def encoded(text: str) -> bytes:
    """Return a letter in base64."""
    body = base64.encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    return HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + body


def test_same_message_is_identical() -> None:
    """Nothing is added, removed or marked where nothing changed."""
    found = compare(plain("a\nb\n"), plain("a\nb\n"))
    assert found.identical
    assert (found.added_bytes, found.removed_bytes) == (0, 0)
    assert {piece.state for piece in (*found.fields, *found.parts[0].pieces)} == {State.SAME}


def test_inserted_lines_are_whole_lines() -> None:
    """An insertion is shown from the start of its line, though its end is like the text before."""
    found = compare(plain("hello\n\n-- \nme\n"), plain("hello\n\nnote\nlink\n\n-- \nme\n"))
    assert found.parts[0].pieces == (
        Piece(State.SAME, "hello\n\n"),
        Piece(State.ADDED, "note\nlink\n\n"),
        Piece(State.SAME, "-- \nme\n"),
    )
    assert found.added_bytes == len(b"note\r\nlink\r\n\r\n")
    assert found.removed_bytes == 0
    assert not found.identical


def test_base64_is_compared_as_it_is_read() -> None:
    """Encoded anew behind the insertion, the text still shows one added line."""
    before = "あいうえお\n" * 30
    found = compare(encoded(before + "-- \nme\n"), encoded(before + "note\n-- \nme\n"))
    assert found.parts[0].added == "note\n"
    assert found.removed_bytes > 0


def test_html_is_marked_by_whole_tags() -> None:
    """An added paragraph in one long line starts at its tag."""
    head = HEAD.replace(b"text/plain", b"text/html") + b"\r\n"
    before = head + b"<p>a</p><p>b</p></body>\r\n"
    after = head + b"<p>a</p><p>note</p><p>b</p></body>\r\n"
    assert compare(before, after).parts[0].added == "<p>note</p>"


def test_added_field_is_found_whereever_it_stands() -> None:
    """A new header field is one added line, read as text like the others."""
    found = compare(plain("a\n"), b"X-Career-Relay: v=1\r\n" + plain("a\n"))
    assert found.fields_added == 1
    assert found.fields[0] == Piece(State.ADDED, "X-Career-Relay: v=1")
    assert found.fields[1] == Piece(State.SAME, "Subject: 選考結果")


def test_replaced_and_removed_text_is_shown() -> None:
    """What was there and is gone is shown as removed, before what came."""
    found = compare(plain("one\ntwo\n"), plain("one\nTWO\n"))
    assert found.parts[0].pieces[1:] == (Piece(State.REMOVED, "two\n"), Piece(State.ADDED, "TWO\n"))


def test_unknown_original_claims_nothing() -> None:
    """Without the sent message nothing is marked and nothing is called identical."""
    found = compare(None, plain("a\n"))
    assert not found.identical
    assert found.spans == ()


def test_source_is_the_message_with_marks() -> None:
    """The raw view is the whole message in order, escape characters made visible."""
    found = compare(plain("a\nb\n"), plain("a\n\x1b$B\nb\n"))
    source = found.source()
    assert "".join(piece.text for piece in source).endswith("a\n␛$B\nb\n")
    assert [piece.text for piece in source if piece.state is State.ADDED] == ["␛$B\n"]


def test_subject_and_id_are_read() -> None:
    """Subject as a person reads it, Message-ID as it stands; both empty where there is none."""
    assert (subject_of(plain("")), message_id_of(plain(""))) == ("選考結果", b"<1@a.example>")
    assert (subject_of(b"x"), message_id_of(b"\0")) == ("", b"")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_can_be_compared(before: bytes, after: bytes) -> None:
    """Whatever arrives, comparing never raises, and the counts add up."""
    found = compare(before, after)
    assert found.identical == (before == after)
    assert found.added_bytes + found.same_bytes == len(after)
    assert found.same_bytes == len(before) - found.removed_bytes
    found.source()


@given(st.text(max_size=80), st.text(min_size=1, max_size=20), st.text(max_size=80))
def test_an_insertion_is_found_exactly(before: str, new: str, after: str) -> None:
    """Taking the added pieces out of the text gives the text that was sent."""
    found = compare(plain(before + after), plain(before + new + after))
    for part in found.parts:
        kept = [p.text for p in part.pieces if p.state is not State.ADDED]
        sent = [p.text for p in part.pieces if p.state is not State.REMOVED]
        original = compare(None, plain(before + after)).parts[0].pieces
        arrived = compare(None, plain(before + new + after)).parts[0].pieces
        assert "".join(kept) == "".join(piece.text for piece in original)
        assert "".join(sent) == "".join(piece.text for piece in arrived)
