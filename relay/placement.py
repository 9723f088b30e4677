"""Where a note goes in a letter: a decoded offset in each text part, and what stands around it.

In plain text that is a line boundary behind the letter's own words, with an empty line before and
after as fitting. In HTML it is a gap between two tags: behind the paragraph that ends the letter's
own words, inside the table cell or division that holds them, and never inside a comment, script,
style, hidden element, link, quote or signature. Two alternatives of one letter get the note at the
same words. Works on decoded bytes; never changes any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.htmlwords import CONTAINERS, INLINE, Gap, Line, outline
from relay.newest import end_of_own_text
from relay.partcharset import PartCharset
from relay.visible import visible_text

# What stands for the link where a note is read once for all letters.
_ANY_LINK = "https://link.example/"
# An em above and below, as a paragraph; font, size and colour are the letter's.
_DIVISION = '<div style="margin:1em 0">'
_SHIFT = re.compile(rb"[\x0e\x0f]")
# An escape of ISO-2022, or a mark of UTF-8 that is left out where a line begins.
_OTHER_CHARSET = re.compile(rb"\x1b|\xef\xbb\xbf")
# Shorter endings of a line ("敬具", "です。") are met in more than one place.
_SAME_WORDS_MIN_CHARS = 8


class NoPlace(Exception):
    """The part has no words of the writer's own, or no spot where a note could safely stand."""


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in decoded bytes: what is put at `offset` is `before`, the note, then `after`."""

    offset: int
    before: str
    after: str


class PlainSurface:
    """A decoded text/plain body as lines, and the places between them."""

    def __init__(self, body: bytes, charset: PartCharset) -> None:
        self._body = body
        self._charset = charset
        self._raw_lines = body.split(b"\n")
        if not self._raw_lines[-1]:
            self._raw_lines.pop()
        self.lines = _decoded(body, self._raw_lines, charset)

    def place(self, count: int, line_end: str) -> Place:
        """Return the place behind the first `count` lines; raise `NoPlace` if there is none."""
        lines, body = self.lines, self._body
        if not any(line.strip() for line in lines[:count]):
            raise NoPlace
        offset = min(sum(len(line) + 1 for line in self._raw_lines[:count]), len(body))
        if not self._charset.is_ascii_state(body, offset):
            raise NoPlace
        before = line_end if lines[count - 1].strip() else ""
        if body[offset - 1 : offset] != b"\n":
            before = line_end + before
        after = line_end
        if count < len(lines):
            # An empty line that is already there separates well enough.
            after = line_end * 2 if lines[count].strip() else line_end
        elif body[-1:] != b"\n":
            # The last line of the part goes without a line end, as it did.
            after = ""
        return Place(offset, before, after)


class HtmlSurface:
    """A decoded text/html body as visible lines, and the places between its tags."""

    def __init__(self, body: bytes, charset: PartCharset) -> None:
        self._body = body
        self._charset = charset
        self._lines, self._gaps = outline(body, charset)
        self.lines = [line.text for line in self._lines]

    def place(self, count: int, line_end: str) -> Place:
        """Return the place behind the first `count` lines; raise `NoPlace` if there is none."""
        if count == 0:
            raise NoPlace
        lines, body = self._lines, self._body
        stop = lines[count].first_gap if count < len(lines) else len(self._gaps)
        free = [
            gap
            for gap in self._gaps[lines[count - 1].last_gap : stop]
            if gap.is_open and self._charset.is_ascii_state(body, gap.offset)
        ]
        gap = _block_gap(free, lines[count - 1], is_shared=_shares_block(lines, count))
        if gap is not None:
            at_line_start = gap.offset == 0 or body[gap.offset - 1 : gap.offset] == b"\n"
            at_line_end = body[gap.offset : gap.offset + 1] in (b"\r", b"\n")
            before = f"{'' if at_line_start else line_end}{_DIVISION}{line_end}"
            after = f"{line_end}</div>{'' if at_line_end else line_end}"
            return Place(gap.offset, before, after)
        gap = next((gap for gap in free if gap.container in INLINE), None)
        if gap is None:
            raise NoPlace
        return Place(gap.offset, f"<br>{line_end}<br>{line_end}", "")

    def shows(self, place: Place, words: str, link: str = "") -> bool:
        """Tell whether an HTML parser sees the words at the place, and all others as before.

        The outline is a sketch of what browsers do with broken markup; this is the proof. `link` is
        what the words have that no other note has.
        """
        before, behind = self._body[: place.offset], self._body[place.offset :]
        note = place.before + words + place.after
        changed = self._charset.decode(before) + note + self._charset.decode(behind)
        old = visible_text(self._charset.decode(self._body)).split()
        new = visible_text(changed).split()
        added = _words_seen(note, link)
        if len(new) != len(old) + len(added):
            return False
        start = next((i for i, word in enumerate(old) if new[i] != word), len(old))
        # Where the note begins with the word that follows it, the start is found too late.
        starts = range(start, max(start - len(added), 0) - 1, -1)
        return any(old[:at] + added + old[at:] == new for at in starts)


def _words_seen(note: str, link: str) -> list[str]:
    """Return the words an HTML parser sees of a note."""
    if not link:
        return visible_text(note).split()
    # Both are letters and digits to the parser.
    return [
        word.replace(_ANY_LINK, link) for word in _words_but_link(note.replace(link, _ANY_LINK))
    ]


@lru_cache(maxsize=64)  # The note's few templates, with a few line ends around them.
def _words_but_link(note: str) -> tuple[str, ...]:
    return tuple(visible_text(note).split())


def _decoded(body: bytes, raw_lines: Sequence[bytes], charset: PartCharset) -> list[str]:
    """Return the lines as text: as if decoded one by one, at once where that is the same."""
    text = _decoded_at_once(body, charset)
    if text is None:
        return [charset.decode(line.removesuffix(b"\r")) for line in raw_lines]
    return [line.removesuffix("\r") for line in text.split("\n")[: len(raw_lines)]]


def _decoded_at_once(body: bytes, charset: PartCharset) -> str | None:
    """Return all of the text, `None` where its lines alone might read in another way."""
    if charset.codec == "iso2022_jp":
        # Every line begins in ASCII again, but for what is shifted.
        is_clean = body.isascii() and body.count(b"\r") == body.count(b"\r\n")
        return charset.decode(body) if is_clean and not _SHIFT.search(body) else None
    if charset.codec not in ("ascii", "utf-8") or _OTHER_CHARSET.search(body):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def own_counts(surfaces: Sequence[PlainSurface | HtmlSurface]) -> list[int]:
    """Return how many leading lines of each surface are the letter's own text.

    Of two alternatives one often shows better where that ends (a ruler in the text, a cell in the
    HTML): the earlier end counts for both, where its last words are found once in the other.
    """
    counts = [end_of_own_text(surface.lines) for surface in surfaces]
    if len(counts) != 2:
        return counts
    (first, second), (first_count, second_count) = surfaces, counts
    return [
        min(first_count, _same_end(second.lines, second_count, first.lines) or first_count),
        min(second_count, _same_end(first.lines, first_count, second.lines) or second_count),
    ]


def _same_end(lines: Sequence[str], count: int, others: Sequence[str]) -> int:
    """Return the number of other lines up to the words that end these, 0 if not found once."""
    last = next((words for line in reversed(lines[:count]) if (words := _squeezed(line))), "")
    found = [
        index
        for index, line in enumerate(others)
        if line.rstrip()[-1:] == last[-1:] and _end_alike(last, _squeezed(line))
    ]
    return found[0] + 1 if len(found) == 1 else 0


def _squeezed(line: str) -> str:
    return "".join(line.split())


def _end_alike(words: str, others: str) -> bool:
    """Text breaks a paragraph into lines, HTML does not: one ends as the other does."""
    if min(len(words), len(others)) < _SAME_WORDS_MIN_CHARS:
        return False
    return words.endswith(others) or others.endswith(words)


def _block_gap(free: list[Gap], last: Line, *, is_shared: bool) -> Gap | None:
    """Return the gap for a block of ours, `None` if only inline content fits."""
    blocks = [gap for gap in free if gap.container in CONTAINERS]
    # A line that is a paragraph or division of its own is left first; a cell or division that
    # holds several lines, or the whole letter, is not: its width and font should be ours too.
    if last.block not in CONTAINERS or (last.block == b"div" and not is_shared):
        outside = next((gap for gap in blocks if gap.depth < last.block_depth), None)
        if outside is not None:
            return outside
    return blocks[0] if blocks else None


def _shares_block(lines: list[Line], count: int) -> bool:
    """Tell whether the last own line stands in one block with the line before or after it."""
    block = lines[count - 1].block_start
    return any(line.block_start == block for line in lines[max(count - 2, 0) : count + 1 : 2])
