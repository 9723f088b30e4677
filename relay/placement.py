"""Where a note goes in a letter: a decoded offset in each text part, and what stands around it.

In plain text that is a line boundary behind the letter's own words, with an empty line before and
after as fitting. In HTML it is a gap between two tags: behind the paragraph that ends the letter's
own words, inside the table cell or division that holds them, and never inside a comment, script,
style, hidden element, link, quote or signature; around it stands what sets the letter's own words:
font, size, colour, margins. Two alternatives of one letter get the note at the same words. Works
on decoded bytes; never changes any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.hazards import find_hazards
from relay.htmlwords import CONTAINERS, EMPHASIS, INLINE, Element, Gap, Line, outline
from relay.lotusnotes import is_doubtful
from relay.newest import end_of_own_text
from relay.partcharset import PartCharset
from relay.typeset import block_tag, closing_tags, inline_tag
from relay.visible import is_readable, visible_text

# What stands for the link where a note is read once for all letters.
_ANY_LINK = "https://link.example/"
# An em above and below, as a paragraph, or none below where an empty line follows. What is typed
# in a form is often shown with its line ends; ours are none.
_DIVISION = '<div style="margin:1em 0{};white-space:normal">'
# A closing word ("敬具", "以上") may stand at the right edge, by itself.
_MODEL_MIN_CHARS = 8
_MODEL_LINES_MAX = 4
# Mail programs set a paragraph by one or two elements.
_SET_BY_MAX = 6
_KEEPS_NO_LINES = '<span style="white-space:normal">'
_LINE_BREAK = re.compile(rb"<br\b[^>]*>", re.IGNORECASE)
# What an empty line is made of, in a paragraph of its own or not.
_EMPTY_LINE = re.compile(rb"<br\b|&nbsp;", re.IGNORECASE)
_SHIFT = re.compile(rb"[\x0e\x0f]")
# An escape of ISO-2022, or a mark of UTF-8 that is left out where a line begins.
_OTHER_CHARSET = re.compile(rb"\x1b|\xef\xbb\xbf")
# Shorter endings of a line ("敬具", "です。") are met in more than one place.
_SAME_WORDS_MIN_CHARS = 8
# An applicant tracking system sets two or three below a letter.
_BUTTONS_MAX = 10


class NoPlace(Exception):
    """The part has no words of the writer's own, or no spot where a note could safely stand."""


class NotShown(NoPlace):
    """Some readers would not see a note there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in decoded bytes: what is put at `offset` is `before`, the note, then `after`."""

    offset: int
    before: str
    after: str


class PlainSurface:
    """A decoded text/plain body as lines, and the places between them."""

    def __init__(self, body: bytes, charset: PartCharset, *, is_flowed: bool = False) -> None:
        """Read the lines; `is_flowed` says that they are format=flowed (RFC 3676)."""
        self._body = body
        self._charset = charset
        self._is_flowed = is_flowed
        self._raw_lines = body.split(b"\n")
        if not self._raw_lines[-1]:
            self._raw_lines.pop()
        self.lines = _decoded(body, self._raw_lines, charset)

    def own_count(self) -> int:
        """Return how many leading lines are the letter's own text."""
        return end_of_own_text(self.lines)

    def place(self, count: int, line_end: str) -> Place:
        """Return the place behind the first `count` lines; raise `NoPlace` if there is none."""
        lines, body = self.lines, self._body
        if not any(line.strip() for line in lines[:count]):
            raise NoPlace
        offset = min(sum(len(line) + 1 for line in self._raw_lines[:count]), len(body))
        if not self._charset.is_ascii_state(body, offset):
            raise NoPlace
        before = line_end if lines[count - 1].strip() else ""
        if before and self._is_flowed and lines[count - 1].endswith(" "):
            before = line_end * 2  # The line goes on in the next one: an empty one ends it.
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
        if not is_readable(charset.decode(body)):
            raise NoPlace  # Nothing could be proved of it: see `shows`.
        self._lines, self._gaps = outline(body, charset)
        self.lines = [line.text for line in self._lines]

    def place(self, count: int, line_end: str) -> Place:
        """Return the place behind the first `count` lines; raise `NoPlace` if there is none."""
        if count == 0:
            raise NoPlace
        last, end = self._lines[count - 1], self._gaps[self._stop(count) - 1].offset
        hazards = find_hazards(self._charset.decode(self._body))
        if hazards.anywhere or any(
            hazards.cuts(self._body[each.start : each.end]) for each in last.around
        ):
            raise NotShown
        free = self._free_gaps(count)
        gap = _block_gap(free, last, is_shared=_shares_block(self._lines, count))
        if gap is None:
            return self._inline_place(free, count, end, line_end)
        empty = len(_EMPTY_LINE.findall(self._body, gap.offset, end))
        # A line of its own paragraph ends with it, any other with a line break.
        if gap.depth == last.block_depth and empty > 1:
            gap = self._behind_break(gap, free)
        return self._division(gap, count, line_end, has_space=empty > 0)

    def own_count(self) -> int:
        """Return how many leading lines are the letter's own text.

        A button below it belongs to it only if the last sentence says that it follows. Raise
        `NoPlace` where there are more than a letter has: each has the lines read once more.
        """
        lines = self._lines
        count = end_of_own_text(self.lines)
        buttons = 0
        while count > 1 and lines[count - 1].is_button and not _leads_on(lines[count - 2]):
            buttons += 1
            if buttons > _BUTTONS_MAX:
                raise NoPlace
            count = end_of_own_text(self.lines[: count - 1])
        follows = 0 < count < len(lines) and _leads_on(lines[count - 1]) and lines[count].is_button
        return count + follows

    def _stop(self, count: int) -> int:
        """Return how many gaps stand before the line behind the first `count` lines."""
        lines = self._lines
        return lines[count].first_gap if count < len(lines) else len(self._gaps)

    def _free_gaps(self, count: int) -> list[Gap]:
        """Return the gaps behind the first `count` lines where a note may stand."""
        last = self._lines[count - 1]
        before = self._lines[count - 2].around if count > 1 else ()
        # A button has a table of its own, and a colour.
        tables = (each.name == b"table" and each not in before for each in last.around)
        depth_max = next((i for i, is_own in enumerate(tables) if is_own and last.is_button), None)
        gaps = self._gaps[last.last_gap : self._stop(count)]
        states = self._charset.ascii_states(self._body, [gap.offset for gap in gaps])
        return [
            gap
            for gap, is_ascii in zip(gaps, states, strict=True)
            if gap.is_open and is_ascii and (depth_max is None or gap.depth <= depth_max)
        ]

    def _behind_break(self, gap: Gap, free: list[Gap]) -> Gap:
        """Return the gap behind the line break that ends the last line, if one stands there."""
        met = _LINE_BREAK.match(self._body, gap.offset)
        return next((each for each in free if met and each.offset == met.end()), gap)

    def _division(self, gap: Gap, count: int, line_end: str, *, has_space: bool) -> Place:
        """Return a place for a division; `has_space` says whether an empty line follows it."""
        body = self._body
        tags = [_DIVISION.format(" 0" if has_space else ""), *self._tags(gap, count, block_tag)]
        outside = "" if _keeps_lines(gap) else line_end
        at_line_start = gap.offset == 0 or body[gap.offset - 1 : gap.offset] == b"\n"
        at_line_end = body[gap.offset : gap.offset + 1] in (b"\r", b"\n")
        return Place(
            gap.offset,
            ("" if at_line_start else outside) + line_end.join([*tags, ""]),
            line_end + closing_tags(tags) + ("" if at_line_end else outside),
        )

    def _inline_place(self, free: list[Gap], count: int, end: int, line_end: str) -> Place:
        """Return a place within a paragraph, between empty lines as fitting."""
        gaps = [gap for gap in free if gap.container in INLINE]
        around = self._lines[count - 1].around
        bold = next((i for i, each in enumerate(around) if each.name in EMPHASIS), len(around))
        plain = [gap for gap in gaps if gap.depth <= bold]
        gap = next(iter(plain or gaps), None)
        if gap is None:
            raise NoPlace
        tags = self._tags(gap, count, inline_tag)
        outside = line_end
        if _keeps_lines(gap):
            tags, outside = [_KEEPS_NO_LINES, *tags], ""
        is_near = count < len(self.lines) and (
            len(_EMPTY_LINE.findall(self._body, gap.offset, end)) == 1
        )
        return Place(
            gap.offset,
            f"<br>{outside}<br>{outside}" + line_end.join([*tags, ""] if tags else []),
            closing_tags(tags) + (f"<br>{outside}" if is_near else ""),
        )

    def _tags(self, gap: Gap, count: int, tag_of: Callable[[Element, str], str]) -> list[str]:
        """Return the tags that set words in the gap as the letter's last paragraph is set."""
        models = [
            line
            for line in self._lines[max(count - _MODEL_LINES_MAX, 0) : count]
            if not (line.is_button or line.text.startswith("> "))
            and (gap.element is None or gap.element in line.around)
        ]
        long = [line for line in models if len(line.text) >= _MODEL_MIN_CHARS]
        if not models:
            return []
        tags = [
            tag_of(each, self._charset.decode(self._body[each.start : each.end]))
            for each in (long or models)[-1].around[gap.depth :]
            if not each.closed_to_notes
        ]
        return [tag for tag in tags if tag][-_SET_BY_MAX:]

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
        return [charset.decode(line.rstrip(b"\r")) for line in raw_lines]
    return [line.rstrip("\r") for line in text.split("\n")[: len(raw_lines)]]


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
    HTML): the earlier end counts for both, where its last words are found once in the other. Raise
    `NoPlace` where it cannot be told of whom the words are.
    """
    counts = [surface.own_count() for surface in surfaces]
    if any(is_doubtful(each.lines[:n]) for each, n in zip(surfaces, counts, strict=True)):
        raise NoPlace
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


def _leads_on(line: Line) -> bool:
    """Tell whether a line says that something follows it."""
    return line.text.rstrip().endswith((":", "："))


def _keeps_lines(gap: Gap) -> bool:
    """Tell whether line ends are seen where the gap is: those around the note had better not be."""
    return gap.element is not None and gap.element.ink.keeps_lines


def _shares_block(lines: list[Line], count: int) -> bool:
    """Tell whether the last own line stands in one block with the line before or after it."""
    block = lines[count - 1].block_start
    return any(line.block_start == block for line in lines[max(count - 2, 0) : count + 1 : 2])
