"""Where a note goes in one text part: a decoded offset, and the text to put there.

In plain text that is a line boundary behind the letter's own words, with an empty line before and
after as fitting. In HTML it is a gap between two tags: behind the paragraph that ends the letter's
own words, inside the table cell or division that holds them, and never inside a comment, script,
style, hidden element, link, quote or signature. Works on decoded bytes; never changes any.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.htmlwords import CONTAINERS, INLINE, Gap, Line, outline
from relay.newest import end_of_own_text
from relay.partcharset import PartCharset

# An em above and below, as a paragraph; font, size and colour are the letter's.
_DIVISION = '<div style="margin:1em 0">'


class NoPlace(Exception):
    """The part has no words of the writer's own, or no spot where a note could safely stand."""


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in decoded bytes: what is put at `offset` is `before`, the note, then `after`."""

    offset: int
    before: str
    after: str


def place_in_text(body: bytes, charset: PartCharset, line_end: str) -> Place:
    """Return where the note goes in a decoded text/plain body; raise `NoPlace` if nowhere."""
    raw_lines = body.split(b"\n")
    if not raw_lines[-1]:
        raw_lines.pop()
    lines = [charset.decode(line.removesuffix(b"\r")) for line in raw_lines]
    count = end_of_own_text(lines)
    if not any(line.strip() for line in lines[:count]):
        raise NoPlace
    offset = min(sum(len(line) + 1 for line in raw_lines[:count]), len(body))
    if not charset.is_ascii_state(body, offset):
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


def place_in_html(body: bytes, charset: PartCharset, line_end: str) -> Place:
    """Return where the note goes in a decoded text/html body; raise `NoPlace` if nowhere."""
    lines, gaps = outline(body, charset)
    count = end_of_own_text([line.text for line in lines])
    if count == 0:
        raise NoPlace
    stop = lines[count].first_gap if count < len(lines) else len(gaps)
    last = lines[count - 1]
    free = [
        gap
        for gap in gaps[last.last_gap : stop]
        if gap.is_open and charset.is_ascii_state(body, gap.offset)
    ]
    gap = _block_gap(free, last, has_company=_shares_block(lines, count))
    if gap is not None:
        opening = "" if body[gap.offset - 1 : gap.offset] in (b"", b"\n") else line_end
        before = f"{opening}{_DIVISION}{line_end}"
        return Place(gap.offset, before, f"{line_end}</div>{line_end}")
    gap = next((gap for gap in free if gap.container in INLINE), None)
    if gap is None:
        raise NoPlace
    return Place(gap.offset, f"<br>{line_end}<br>{line_end}", "")


def _block_gap(free: list[Gap], last: Line, *, has_company: bool) -> Gap | None:
    """Return the gap for a block of ours, `None` if only inline content fits."""
    blocks = [gap for gap in free if gap.container in CONTAINERS]
    # A line that is a paragraph or division of its own is left first; a cell or division that
    # holds several lines, or the whole letter, is not: its width and font should be ours too.
    if last.block not in CONTAINERS or (last.block == b"div" and not has_company):
        outside = next((gap for gap in blocks if gap.depth < last.block_depth), None)
        if outside is not None:
            return outside
    return blocks[0] if blocks else None


def _shares_block(lines: list[Line], count: int) -> bool:
    """Tell whether the last own line stands in one block with the line before or after it."""
    block = lines[count - 1].block_start
    return any(line.block_start == block for line in lines[max(count - 2, 0) : count + 1 : 2])
