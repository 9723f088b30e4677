"""What the pages of the outside world show of a letter: a comparison, made ready to be drawn.

Numbers and strings only; the templates decide how it looks. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.compare import Comparison, PartView, Piece, State, subject_of
from relay.sink import Arrival
from relay.undo import NotOurs, restore

# The bar, in per cent of its width.
BAR_WIDTH = 100.0
BAR_GAP = 0.8
SECTION_MIN_WIDTH = 9.0  # Room for its name, on a telephone too.
MARK_MIN_WIDTH = 0.8  # So that one line in a long letter can be seen.
HEADER_WEIGHT = 0.3  # Of what a text of its length gets: it is not what people read.
NOTE_MAX_LINES = 6  # Of the added words, in the list of letters.
RECIPIENTS_SHOWN = 3

_ATTACHMENT = "attachment"
_LINK = re.compile(r"https?://[!-~]+")
# A fragment of a table or list cannot be put into a box of its own.
_BOXABLE = re.compile(r"\s*<(?!(?:t[rdh]|tbody|thead|li|/|body|html|head)\b)[a-z]", re.IGNORECASE)
# What mail programs show by default; the letter's own styles come after it and win.
_FRAME_START = "<!doctype html><style>body{font:16px/1.7 sans-serif;margin:16px}</style>"
_BOX_OPEN = (
    '<div style="outline:3px solid #0c8f6c;outline-offset:5px;border-radius:4px;'
    'background:#e4f5ee;color:#10231c">'
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something was added, on the bar of a letter."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a letter on its bar: `kind` is `header`, `text`, `html` or `attachment`."""

    kind: str
    x: float
    width: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part for the page of a letter; `index` counts the leaves from 0."""

    index: int
    kind: str
    name: str
    size_bytes: int
    identical: bool
    pieces: tuple[Piece, ...]

    @property
    def is_changed(self) -> bool:
        """Something in the part's text differs."""
        return any(piece.state is not State.SAME for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class LetterView:
    """A letter that arrived; `verdict` is `changed`, `identical` or `unknown`.

    `restores`: taking the note out again gives back the message that was sent, byte for byte.
    """

    number: int
    time: datetime
    label: str
    subject: str
    sender: str
    recipients: tuple[str, ...]
    verdict: str
    note: str
    link: str
    sections: tuple[Section, ...]
    comparison: Comparison
    parts: tuple[PartRow, ...]
    restores: bool

    @property
    def places(self) -> int:
        """In how many sections something was added."""
        return sum(bool(section.marks) for section in self.sections)


def view_letter(arrival: Arrival, label: str, comparison: Comparison) -> LetterView:
    """Return what there is to show of a letter."""
    if comparison.before is None:
        verdict = "unknown"
    else:
        verdict = "identical" if comparison.identical else "changed"
    parts = tuple(_part_row(index, part) for index, part in enumerate(comparison.parts))
    note = _note(parts)
    link = _LINK.search(note)
    return LetterView(
        number=arrival.number,
        time=arrival.time,
        label=label,
        subject=subject_of(arrival.message),
        sender=arrival.envelope.sender,
        recipients=arrival.envelope.recipients[:RECIPIENTS_SHOWN],
        verdict=verdict,
        note=note,
        link=link.group() if link else "",
        sections=_sections(comparison, parts),
        comparison=comparison,
        parts=parts,
        restores=verdict == "changed" and _restores(comparison),
    )


def render_html_part(part: PartRow) -> str:
    """Return the HTML as it arrived, with what was added in a box if it is whole elements."""
    rendered = [_FRAME_START]
    for piece in part.pieces:
        if piece.state is State.ADDED and _BOXABLE.match(piece.text):
            rendered.append(f"{_BOX_OPEN}{piece.text}</div>")
        elif piece.state is not State.REMOVED:
            rendered.append(piece.text)
    return "".join(rendered)


def _restores(comparison: Comparison) -> bool:
    """Say whether taking the note out again gives back what was sent, byte for byte."""
    try:
        return restore(comparison.after) == comparison.before
    except NotOurs:
        return False


def _part_row(index: int, part: PartView) -> PartRow:
    kinds = {"text/plain": "text", "text/html": "html"}
    shown = bool(part.pieces) or part.size_bytes == 0
    return PartRow(
        index=index,
        kind=kinds.get(part.content_type, "text") if shown else _ATTACHMENT,
        name=part.filename or part.content_type,
        size_bytes=part.size_bytes,
        identical=part.identical,
        pieces=part.pieces,
    )


def _note(parts: Sequence[PartRow]) -> str:
    """Return the words that were added, to the link; from the plain text if there is any."""
    for part in sorted(parts, key=lambda part: part.kind != "text"):
        added = "".join(piece.text for piece in part.pieces if piece.state is State.ADDED)
        text = re.sub(r"<[^>]*>", " ", added) if part.kind == "html" else added
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        linked = next((at for at, line in enumerate(lines) if _LINK.search(line)), len(lines))
        if lines:
            return "\n".join(lines[: linked + 1][:NOTE_MAX_LINES])
    return ""


def _sections(comparison: Comparison, parts: Sequence[PartRow]) -> tuple[Section, ...]:
    """Lay header and parts out on the bar, as wide as they are long when read."""
    contents: list[tuple[str, tuple[Piece, ...], float]] = []
    if comparison.fields:
        contents.append(("header", comparison.fields, _length(comparison.fields)))
    for part in parts:
        length = part.size_bytes if part.kind == _ATTACHMENT else _length(part.pieces)
        contents.append((part.kind, part.pieces, length))
    least = min(SECTION_MIN_WIDTH, BAR_WIDTH / (2 * len(contents) or 1))
    free = BAR_WIDTH - BAR_GAP * (len(contents) - 1) - least * len(contents)
    # Roots, or an attachment of a megabyte would leave nothing of the letter to be seen.
    weights = [
        length**0.5 * (HEADER_WEIGHT if kind == "header" else 1.0) for kind, _, length in contents
    ]
    scale = max(free, 0.0) / (sum(weights) or 1.0)
    sections: list[Section] = []
    x = 0.0
    for (kind, pieces, _), weight in zip(contents, weights, strict=True):
        width = least + weight * scale
        sections.append(Section(kind, round(x, 2), round(width, 2), _marks(pieces, x, width)))
        x += width + BAR_GAP
    return tuple(sections)


def _length(pieces: Sequence[Piece]) -> float:
    return float(sum(len(piece.text) for piece in pieces if piece.state is not State.REMOVED))


def _marks(pieces: Sequence[Piece], x: float, width: float) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    total = _length(pieces) or 1.0
    position = 0
    for piece in pieces:
        if piece.state is State.REMOVED:
            continue
        if piece.state is State.ADDED:
            wide = min(max(len(piece.text) / total * width, MARK_MIN_WIDTH), width)
            left = min(x + position / total * width, x + width - wide)
            marks.append(Mark(round(left, 2), round(wide, 2)))
        position += len(piece.text)
    return tuple(marks)
