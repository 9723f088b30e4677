"""What became of a message on its way: the bytes before and after, laid side by side.

For people who want to see it: which lines were added, in which part, and that all the rest is the
same. It reads both messages with the map the splicer uses and marks differences in the text as a
person reads it (transfer encoding and charset undone) as well as in the raw bytes. It judges
nothing and proves nothing; `relay.undo` does that. Pure; never raises, whatever the bytes are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from relay.charset import decode_header, decode_text
from relay.mimemap import MapError, MessageMap, Part, body_of, map_message

# difflib takes quadratic time; what is left after the common beginning and end of a letter with
# one note in it is a handful of lines, and a base64 part of 30 KiB has 400.
LINES_COMPARED_MAX = 2_000
TEXT_MAX_CHARS = 200_000  # What is shown of one part; a letter has two thousand.
_FIELD_END = re.compile(rb"\r?\n(?![ \t])")
# ISO-2022-JP is full of escape characters: they are shown as ␛, not sent to a screen.
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_Line = TypeVar("_Line", bytes, str)


class State(StrEnum):
    """What became of a piece of a message."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with one state."""

    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets in the message that arrived: bytes that were not in the one sent."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PartView:
    """One leaf part: its type, whether it is the same, its text in pieces (none if not text)."""

    content_type: str
    filename: str
    size_bytes: int
    identical: bool
    pieces: tuple[Piece, ...]

    @property
    def added(self) -> str:
        """All that was added to the part, as text."""
        return "".join(piece.text for piece in self.pieces if piece.state is State.ADDED)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A message that arrived, beside the one that was sent (`None`: not known)."""

    before: bytes | None
    after: bytes
    identical: bool
    spans: tuple[Span, ...]
    removed_bytes: int
    fields: tuple[Piece, ...]
    parts: tuple[PartView, ...]

    @property
    def added_bytes(self) -> int:
        """How many bytes of the arrived message are not from the sent one."""
        return sum(span.end - span.start for span in self.spans)

    @property
    def same_bytes(self) -> int:
        """How many bytes of the arrived message are the sent one's."""
        return len(self.after) - self.added_bytes

    @property
    def fields_added(self) -> int:
        """How many header fields are new."""
        return sum(piece.state is State.ADDED for piece in self.fields)

    def source(self) -> tuple[Piece, ...]:
        """Return the raw message that arrived in pieces, cut to what can be shown."""
        pieces: list[Piece] = []
        position = 0
        for span in (*self.spans, Span(len(self.after), len(self.after))):
            pieces.append(Piece(State.SAME, _raw_text(self.after[position : span.start])))
            pieces.append(Piece(State.ADDED, _raw_text(self.after[span.start : span.end])))
            position = span.end
        return _shown([piece for piece in pieces if piece.text])


def compare(before: bytes | None, after: bytes) -> Comparison:
    """Return the comparison of a message that was sent with the one that arrived."""
    after_map = _map(after)
    before_map = after_map if before is None or before == after else _map(before)
    spans, removed = _byte_spans(before, after)
    return Comparison(
        before=before,
        after=after,
        identical=before == after,
        spans=spans,
        removed_bytes=removed,
        fields=_compare_fields(before_map, after_map),
        parts=_compare_parts(before_map, after_map),
    )


def subject_of(message: bytes) -> str:
    """Return the subject as a person reads it, `""` if there is none or no reading the header."""
    mapped = _map(message)
    value = mapped.header("subject") if mapped else None
    return decode_header(value) if value is not None else ""


def message_id_of(message: bytes) -> bytes:
    """Return the Message-ID with its angle brackets, `b""` if there is none."""
    mapped = _map(message)
    return ((mapped.header("message-id") if mapped else None) or b"").strip()


def _map(message: bytes) -> MessageMap | None:
    try:
        return map_message(message)
    except MapError:
        return None


# ---------------------------------------------------------------- bytes


def _byte_spans(before: bytes | None, after: bytes) -> tuple[tuple[Span, ...], int]:
    """Return what is new in `after`, by lines, and how many bytes of `before` are gone."""
    if before is None or before == after:
        return (), 0
    old = before.splitlines(keepends=True)
    new = after.splitlines(keepends=True)
    offsets = [0]
    for line in new:
        offsets.append(offsets[-1] + len(line))
    spans: list[Span] = []
    removed = 0
    for start, end, old_start, old_end in _changes(old, new):
        gone = b"".join(old[old_start:old_end])
        came = b"".join(new[start:end])
        # A line that was only continued is not a line that was replaced.
        head, tail = _common_ends(gone, came)
        removed += len(gone) - head - tail
        if len(came) > head + tail:
            spans.append(Span(offsets[start] + head, offsets[end] - tail))
    return tuple(spans), removed


def _changes(old: Sequence[_Line], new: Sequence[_Line]) -> list[tuple[int, int, int, int]]:
    """Return the runs that differ, as (start, end) in `new` and (start, end) in `old`."""
    head, tail = _common_ends(old, new)
    old_end, new_end = len(old) - tail, len(new) - tail
    if max(old_end, new_end) - head > LINES_COMPARED_MAX:
        return [(head, new_end, head, old_end)]
    matcher = difflib.SequenceMatcher(None, old[head:old_end], new[head:new_end], autojunk=False)
    return [
        (head + new_from, head + new_to, head + old_from, head + old_to)
        for what, old_from, old_to, new_from, new_to in matcher.get_opcodes()
        if what != "equal"
    ]


def _common_ends(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """Return how many items both begin with, and how many of the others both end with."""
    shorter = min(len(old), len(new))
    head = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail


# ---------------------------------------------------------------- header and parts


def _compare_fields(before: MessageMap | None, after: MessageMap | None) -> tuple[Piece, ...]:
    if after is None:
        return ()
    new = _fields(after)
    old = _fields(before) if before is not None else new
    return _line_pieces(old, new)


def _fields(mapped: MessageMap) -> list[str]:
    lines: list[str] = []
    for field in _FIELD_END.split(mapped.message[: mapped.root.body_start].rstrip(b"\r\n")):
        name, _, value = field.partition(b":")
        lines.append(f"{name.decode('ascii', 'replace')}: {decode_header(value)}")
    return lines


def _compare_parts(before: MessageMap | None, after: MessageMap | None) -> tuple[PartView, ...]:
    if after is None:
        return ()
    new = list(after.leaves())
    old = list(before.leaves()) if before is not None else new
    if before is None or len(old) != len(new):
        return tuple(_view(None, None, after, part) for part in new)
    return tuple(_view(before, was, after, part) for was, part in zip(old, new, strict=True))


def _view(before: MessageMap | None, was: Part | None, after: MessageMap, part: Part) -> PartView:
    raw = after.message[part.body_start : part.body_end]
    raw_was = before.message[was.body_start : was.body_end] if before and was else raw
    text = _text_of(after, part)
    text_was = _text_of(before, was) if before and was else text
    pieces = _text_pieces(text_was, text) if text is not None and text_was is not None else ()
    return PartView(
        content_type=part.content_type,
        filename=part.filename or "",
        size_bytes=len(raw),
        identical=raw == raw_was,
        pieces=_shown(pieces),
    )


def _text_of(mapped: MessageMap, part: Part) -> str | None:
    if not part.content_type.startswith("text/") or part.disposition == "attachment":
        return None
    try:
        body = body_of(mapped, part)
    except MapError:
        return None
    return decode_text(body, part.parameters.get("charset")).replace("\r\n", "\n")


# ---------------------------------------------------------------- text


def _text_pieces(old: str, new: str) -> tuple[Piece, ...]:
    """Return `new` in pieces: one insertion to the character, anything else by lines."""
    if old == new:
        return (Piece(State.SAME, new),) if new else ()
    head, tail = _common_ends(old, new)
    if head + tail < len(old):
        return _line_pieces(old.splitlines(keepends=True), new.splitlines(keepends=True))
    head = _settle(new, head, len(new) - len(old))
    end = head + len(new) - len(old)
    pieces = (
        Piece(State.SAME, new[:head]),
        Piece(State.ADDED, new[head:end]),
        Piece(State.SAME, new[end:]),
    )
    return tuple(piece for piece in pieces if piece.text)


def _settle(new: str, start: int, length: int) -> int:
    """Return where the insertion starts best: at the start of a line or tag, if it can be seen so.

    Where what was added begins like what follows it, it could have been put in at several places
    with the same result; a person expects whole lines and whole tags.
    """
    first = start
    while first > 0 and new[first - 1] == new[first + length - 1]:
        first -= 1
    places = range(start, first - 1, -1)
    line = next((at for at in places if at == 0 or new[at - 1] == "\n"), None)
    tag = next((at for at in places if new[at] == "<"), start)
    return tag if line is None else line


def _line_pieces(old: list[str], new: list[str]) -> tuple[Piece, ...]:
    """Return the lines of both, joined in the order of `new`, removed ones before their heirs."""
    pieces: list[Piece] = []
    position = 0
    for start, end, old_start, old_end in _changes(old, new):
        pieces += (Piece(State.SAME, line) for line in new[position:start])
        pieces += (Piece(State.REMOVED, line) for line in old[old_start:old_end])
        pieces += (Piece(State.ADDED, line) for line in new[start:end])
        position = end
    pieces += (Piece(State.SAME, line) for line in new[position:])
    return tuple(pieces)


def _raw_text(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return text.translate(_CONTROL_PICTURES)


def _shown(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return the first `TEXT_MAX_CHARS` characters of the pieces."""
    shown: list[Piece] = []
    left = TEXT_MAX_CHARS
    for piece in pieces:
        if left <= 0:
            break
        shown.append(Piece(piece.state, piece.text[:left]))
        left -= len(piece.text)
    return tuple(shown)
