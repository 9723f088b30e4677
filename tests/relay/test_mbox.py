"""The streaming reader of mbox files, on files by `mailbox`, by hand and by chance."""

from __future__ import annotations

import mailbox
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mbox import CHUNK_SIZE_BYTES, LOOK_MAX_BYTES, Slot, read_slot, read_slots

FROM = b"From hr@example.jp Mon Jan  6 09:00:00 2025\n"


def letter(text: bytes, *fields: bytes) -> bytes:
    """Return a message with a text."""
    head = b"".join(field + b"\n" for field in (b"Subject: result", *fields))
    return head + b"\n" + text


def stored(*messages: bytes) -> bytes:
    """Return an mbox of messages as they are, unquoted."""
    return b"".join(FROM + message + b"\n" for message in messages)


def quoted(message: bytes) -> bytes:
    """Return a message quoted as mboxrd does it."""
    return re.sub(rb"^(>*From )", rb">\1", message, flags=re.MULTILINE)


def read(path: Path, offset: int = 0, number: int = 1) -> list[tuple[Slot, bytes]]:
    """Return all that is read of a file."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        slots = list(read_slots(file.fileno(), size, offset, number))
        return [(slot, read_slot(file.fileno(), slot)) for slot in slots]


def messages_of(folder: Path, data: bytes) -> list[bytes]:
    """Return the messages in an mbox with these bytes."""
    path = folder / "box"
    path.write_bytes(data)
    return [message for _, message in read(path)]


def test_what_mailbox_has_written_comes_back(tmp_path: Path) -> None:
    """The standard library's files are read, and its quoting is undone."""
    originals = [
        letter(b"Hello\nFrom here on\nFrom there\n"),
        letter(b"\xe3\x81\x82 8 bit\n\nFrom me to you\n", b"X-Long: " + b"x" * 5000),
        letter(b"no line end"),
    ]
    box = mailbox.mbox(tmp_path / "written")
    for original in originals:
        box.add(original)
    box.close()
    found = [message for _, message in read(tmp_path / "written")]
    assert [message.rstrip(b"\n") for message in found] == [
        original.rstrip(b"\n") for original in originals
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"From the start\n",
        b"a\n\nFrom a@example.jp Mon Jan  6 09:00:00 2025\nSubject: forged\n\n",
        b">From once\n>>From twice\n",
        b"",
        b"\n\n\n",
    ],
)
def test_mboxrd_gives_back_the_very_bytes(tmp_path: Path, text: bytes) -> None:
    """Quoting of any depth is undone by one."""
    message = letter(text)
    assert messages_of(tmp_path, stored(quoted(message), quoted(letter(b"b\n")))) == [
        message,
        letter(b"b\n"),
    ]


def test_a_length_that_is_true_spans_lines_that_look_like_a_beginning(tmp_path: Path) -> None:
    """mboxcl2 quotes nothing: what it counts is the text, `>From ` in it as it was written."""
    text = b"forwarded:\n\n" + FROM + b"Subject: inner\n\n>From quoted by hand\n"
    message = letter(text, b"Content-Length: %d" % len(text))
    assert messages_of(tmp_path, stored(message, letter(b"next\n"))) == [
        letter(text),
        letter(b"next\n"),
    ]


@pytest.mark.parametrize("length", [b"3", b"40", b"999999", b"99999999999999999999", b"-1", b"x"])
def test_a_length_that_is_wrong_is_not_believed(tmp_path: Path, length: bytes) -> None:
    """It leads to no beginning of a message, so the `From ` lines are right."""
    message = letter(b"one\n", b"Content-Length: " + length)
    found = messages_of(tmp_path, stored(message, letter(b"two\n"), letter(b"three\n")))
    assert [one.split(b"\n\n", 1)[1] for one in found] == [b"one\n", b"two\n", b"three\n"]


def test_fields_that_count_bytes_of_the_file_are_taken_off(tmp_path: Path) -> None:
    """Content-Length and Lines are the writer's; in the text they are words."""
    text = b"Lines: 5\nContent-Length: 7\n"
    message = letter(text, b"Lines: 2", b"Content-Length: %d" % len(text), b"Status: RO")
    assert messages_of(tmp_path, stored(message)) == [letter(text, b"Status: RO")]


@pytest.mark.parametrize(
    "line",
    [
        b"From our side all is well.",
        b"From 10:00 to 11:00 we are closed.",
        b"From Monday on, see below",
        b"From: nobody",
        b"From",
    ],
)
def test_a_sentence_does_not_begin_a_message(tmp_path: Path, line: bytes) -> None:
    """Letters hold such lines, also behind an empty one, and not every writer quotes them."""
    message = letter(b"Hello,\n\n" + line + b"\nand so on\n")
    assert messages_of(tmp_path, stored(message, letter(b"x\n"))) == [message, letter(b"x\n")]


@pytest.mark.parametrize(
    "line",
    [
        b"From - Mon Jan 06 09:00:00 2025",
        b"From 1819999999999@xxx Mon Jan 06 09:00:00 +0000 2025",
        b"From MAILER-DAEMON Mon Jan  6 09:00:00 2025",
        b"From a b@example.jp Mon Jan  6 09:00 JST 2025 remote from x",
        b"From ???@??? Mon Jan 06 09:00:00 2025",
        b"From nobody",
        b"From hr@example.jp 2025-01-06 09:00:00",
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_beginnings_of_many_writers_are_known(tmp_path: Path, line: bytes, line_end: bytes) -> None:
    """Thunderbird, Gmail, mail servers and old programs date the line each in its own way."""
    data = (stored(letter(b"one\n")) + line + b"\n" + letter(b"two\n")).replace(b"\n", line_end)
    found = messages_of(tmp_path, data)
    assert found == [letter(text).replace(b"\n", line_end) for text in (b"one\n", b"two\n")]


def test_a_dated_line_needs_no_empty_one_before_it(tmp_path: Path) -> None:
    """Some writers leave it out."""
    data = FROM + letter(b"one\n") + FROM + letter(b"two\n")
    assert messages_of(tmp_path, data) == [letter(b"one\n"), letter(b"two\n")]


def test_what_stands_before_the_first_line_is_told_apart(tmp_path: Path) -> None:
    """A message that has lost its `From ` line is one, numbered like all others."""
    found = messages_of(tmp_path, letter(b"headless\n") + b"\n" + stored(letter(b"two\n")))
    assert found == [letter(b"headless\n"), letter(b"two\n")]
    assert messages_of(tmp_path, b"\n\n" + stored(letter(b"one\n"))) == [letter(b"one\n")]
    assert messages_of(tmp_path, b"") == []


@pytest.mark.parametrize("shift", range(-8, 9))
@pytest.mark.parametrize("where", [CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES - LOOK_MAX_BYTES])
def test_a_beginning_is_found_where_two_chunks_meet(tmp_path: Path, where: int, shift: int) -> None:
    """Once, wherever the reading stops for a moment."""
    head = FROM + letter(b"")
    first = letter(b"x" * (where + shift - len(head) - 2) + b"\n")
    assert messages_of(tmp_path, stored(first, letter(b"two\n"))) == [first, letter(b"two\n")]


def test_one_line_of_any_length_is_a_line(tmp_path: Path) -> None:
    """Takeout writes attachments on one line."""
    message = letter(b"x" * (3 * CHUNK_SIZE_BYTES) + b" From here\n")
    assert messages_of(tmp_path, stored(message, letter(b"y\n"))) == [message, letter(b"y\n")]


def text_of_pieces(pieces: Iterable[bytes]) -> bytes:
    """Return a text of pieces with a line end behind the last."""
    return b"".join(pieces) + b"\n"


TEXTS = st.lists(
    st.sampled_from([b"From ", b">", b"\n", b"x", b"\r\n", b"\0", b"Subject: y\n", FROM]),
    max_size=12,
).map(text_of_pieces)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_any_messages_come_back_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes]
) -> None:
    """What mboxrd has quoted is read byte for byte, from the start and from each message on."""
    path = tmp_path_factory.getbasetemp() / "any"
    originals = [letter(text) for text in texts]
    path.write_bytes(stored(*map(quoted, originals)))
    found = read(path)
    assert [message for _, message in found] == originals
    for index, (slot, _) in enumerate(found):
        assert slot.number == index + 1
        assert read(path, slot.offset, slot.number) == found[index:]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(TEXTS, st.binary(max_size=40)), max_size=8).map(b"".join))
def test_any_bytes_are_read_to_their_end(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Slots follow one another without a gap, whatever the file is."""
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    slots = [slot for slot, _ in read(path)]
    assert [slot.end for slot in slots[:-1]] == [slot.offset for slot in slots[1:]]
    assert not slots or slots[-1].end == len(data)
