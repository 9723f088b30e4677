"""The visible lines of an HTML body with the byte offsets between them where a note may stand.

A small tokenizer (after the WHATWG one, as far as placing needs it) over decoded bytes whose
multi-byte characters are masked, so that offsets are true and no half of a kanji is taken for a
tag. It never builds a tree and never raises; what it does not understand (a tag that never ends,
an unclosed comment) ends the scan, and only gaps before it are offered. Quotes and signatures
known by their markup come out as quoted lines and signature marks, so that text rules see them;
of each line it is known in which elements its words stand, and whether it is a button.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import NamedTuple

from relay.partcharset import PartCharset
from relay.styles import PAPER, Ink, Style, ink_within, read_sheets_in, read_style, with_older

# Deeper than any letter; a stack that grows without end is an attack on the time we have.
DEPTH_MAX = 200

_MARKUP = re.compile(rb"<(?:(!--)|(/?)([A-Za-z][^\s/>]*+)|([!?/]))")
# HTML Standard §13.2.5.32 to 38. Behind "=" a value must follow: a quote that is never closed runs
# to the end of the document and must not be read as the beginning of another attribute.
_ATTRIBUTE = re.compile(
    rb"[\s/]*+(=[^\s/>=]*+|[^\s/>=]++)"
    rb"(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)|(?=>))|(?!\s*+=))"
)
_TAG_END = re.compile(rb"[\s/]*+>")
_COMMENT_END = re.compile(rb"--!?>")
# All white space but single spaces, which stay as they are.
_SPACES = re.compile(r"[\t\r\n\f][ \t\r\n\f]*| [ \t\r\n\f]+")

_VOID = frozenset(
    b"area base br col embed hr img input link meta param source track wbr o:p".split()
)
_RAW_TEXT = frozenset(b"script style title textarea xmp iframe noembed noframes plaintext".split())
_HIDDEN = frozenset(b"head template select svg math object audio video canvas map rt rp".split())
_BLOCKS = frozenset(
    b"address article aside blockquote body center dd details div dl dt fieldset figure footer form"
    b" h1 h2 h3 h4 h5 h6 header hr html li main nav ol p pre section table tbody td tfoot th thead"
    b" tr ul".split()
)
# Where a block of ours may stand, and where only text and line breaks of ours may.
CONTAINERS = frozenset(b"article body center div footer form main section td th".split())
_TABLE = frozenset(b"table tbody td tfoot th thead tr".split())
EMPHASIS = frozenset(b"b strong i em u small big tt".split())
INLINE = EMPHASIS | {b"p", b"span", b"font"}
_CLOSES_ITSELF = frozenset(b"p li td th tr dd dt".split())
_QUOTE_MARK = re.compile(
    rb"gmail_quote|yahoo_quoted|protonmail_quote|tutanota_quote|moz-cite-prefix|gmail_attr"
    rb"|OLK_SRC_BODY_SECTION|zmail_extra|ms-outlook-mobile-reference-message",
    re.IGNORECASE,
)
# Where Outlook, its mobile editions and Windows Mail put the reply: all behind it is history.
_DIVIDER_MARK = re.compile(
    rb"divRplyFwdMsg|appendonsend|mail-editor-reference-message-container|reply-intro",
    re.IGNORECASE,
)
_DIVIDERS = frozenset(b"div span".split())
_SELECTED = frozenset({b"class", b"id"})
_SIGNATURE_MARK = re.compile(
    rb"gmail_signature|moz-signature|AppleMailSignature|(?:\A|[\s_-])signature(?:\Z|[\s_-])"
    rb"|protonmail_signature|ms-outlook-mobile-signature|x_Signature\b",
    re.IGNORECASE,
)
_FOOTER_MARK = re.compile(
    rb"(?:\A|[\s_-])(?:footer|disclaimer|legal|unsubscribe)(?:\Z|[\s_-])", re.IGNORECASE
)
# A link that is set as one, by itself or by a style sheet.
_BUTTON_MARK = re.compile(rb"(?:\A|[\s_-])(?:button|btn|cta)(?:\Z|[\s_-])", re.IGNORECASE)
_BUTTON_STYLE = re.compile(
    rb"(?<![\w-])(?:display\s*:\s*(?:inline-)?block|padding|background)", re.IGNORECASE
)
# An ATS sets what is not the letter in small faint type: 12 px or less, a grey of any darkness or
# what has less contrast than the letter.
_SMALL = re.compile(
    rb"(?:font-size\s*:\s*|(?<![\w-])font\s*:[^;]{0,40}?(?<![\w.]))"
    rb"(?:(?:[5-9]|1[0-2])(?:\.\d+)?px|[4-9](?:\.\d+)?pt|x*-?small)"
)
_GREY = re.compile(
    rb"(?<![\w-])color\s*:\s*(?:gr[ae]y|#([4-9a-c])[0-9a-f]?(?:\1[0-9a-f]?){2}\b"
    rb"|#[6-9a-b][0-9a-f][6-9a-b][0-9a-f][6-9a-b][0-9a-f]\b)"
)
# Above this many lines small print is a preheader or a heading, not the end of a letter.
_SMALL_PRINT_AFTER_LINES = 3


@dataclass(slots=True, eq=False)
class Element:
    """An open element; its tag is at `start` to `end`."""

    name: bytes
    start: int
    end: int = 0
    hidden: bool = False
    quoted: bool = False
    closed_to_notes: bool = False
    is_button: bool = False
    ink: Ink = PAPER


class Gap(NamedTuple):
    """A byte offset between two tokens: `container` and `depth` say which element it lies in."""

    offset: int
    container: bytes
    depth: int
    is_open: bool
    element: Element | None


@dataclass(slots=True)
class Line:
    """One visible line: `first_gap` gaps were passed before it, gap `last_gap` follows its end.

    `block` is the element that breaks the line, `block_start` the offset of its tag. Most of its
    words stand in the elements `around`, the outermost first; of a button all of them do.
    """

    text: str
    first_gap: int
    last_gap: int
    block: bytes
    block_depth: int
    block_start: int
    around: tuple[Element, ...] = ()
    around_chars: int = 0
    is_button: bool = False


class _Outliner:
    def __init__(self, body: bytes, charset: PartCharset) -> None:
        self.body = body
        self.charset = charset
        self.masked = charset.mask(body)
        self.stack: list[Element] = []
        self.gaps: list[Gap] = []
        self.lines: list[Line] = []
        # The words of the last line, which is not copied for each of them.
        self.pieces: list[str] = []
        self.fresh = True  # The next visible text begins a line.
        self.is_over = False  # Behind a reply divider, where others wrote.
        # How the longest piece of text is set: that is the letter.
        self.letter_ink = PAPER
        self.letter_chars = 0
        # Of a style sheet only that is read: what it may colour is taken for seen.
        self.sheet = read_sheets_in(charset.decode(body) if b"white-space" in body else "")
        self.has_backgrounds = b"background" in body

    def run(self) -> None:
        position = 0
        while (met := _MARKUP.search(self.masked, position)) is not None:
            if met.start() > position:
                self._text(position, met.start())
            end = self._markup(met)
            if end is None:
                return
            position = end
            self._gap(position)
        if position < len(self.body):
            self._text(position, len(self.body))

    def _markup(self, met: re.Match[bytes]) -> int | None:
        """Take in one tag or comment; return the offset behind it, `None` if it never ends."""
        if met[1]:
            # `<!-->` is a whole comment to a browser.
            end = _COMMENT_END.search(self.masked, met.end() - 2)
            return end.end() if end else None
        if met[4]:
            end_at = self.masked.find(b">", met.end())
            return end_at + 1 if end_at != -1 else None
        position, attributes = read_attributes(self.masked, met.end())
        if position is None:
            return None
        name = met[3].lower()
        if met[2]:
            self._close(name)
            return position
        return self._open(name, attributes, met.start(), position)

    def _open(
        self, name: bytes, attributes: dict[bytes, bytes], start: int, end: int
    ) -> int | None:
        if name in _RAW_TEXT:
            closing = re.compile(rb"</" + re.escape(name) + rb"[\s/>]", re.IGNORECASE)
            found = closing.search(self.masked, end)
            if found is None:
                return None
            tag_end = self.masked.find(b">", found.start())
            return tag_end + 1 if tag_end != -1 else None
        if name in _TABLE and name != b"table" and all(e.name != b"table" for e in self.stack):
            # HTML Standard §13.2.6.4.7: a cell outside a table is ignored.
            return end
        if name in _BLOCKS or name == b"br":
            self.fresh = True
        if name in _VOID:
            if name == b"hr":
                self._divide(attributes)
            return end
        self._close_implied(name)
        if name == b"body":
            # Browsers close a forgotten `<head>` here.
            self.stack.clear()
        if len(self.stack) >= DEPTH_MAX:
            return None
        outer = self.stack[-1] if self.stack else None
        is_quote = name == b"blockquote"
        is_signature = hidden = is_button = False
        ink = self.sheet.ink_in(name, attributes, outer.ink if outer else PAPER)
        if attributes or name == b"footer":
            label = attributes.get(b"class", b"") + b" " + attributes.get(b"id", b"")
            raw_style = attributes.get(b"style", b"")
            style = read_style(raw_style.decode("latin-1"))
            if name in _DIVIDERS:
                self._divide(attributes)
            ink = self._ink_within(ink, style, attributes)
            # Gmail's and Outlook's button for more indentation makes a blockquote, too.
            is_indent = style.is_indent and attributes.keys() <= {b"style"}
            is_quote = (
                (is_quote and not is_indent)
                or style.is_quote
                or style.is_divider
                or _QUOTE_MARK.search(label) is not None
            )
            is_signature = _SIGNATURE_MARK.search(label) is not None or self._is_footer(
                name, label, raw_style, ink
            )
            hidden = b"hidden" in attributes or style.hides
            is_button = (
                name == b"a"
                and (_BUTTON_STYLE.search(raw_style) or _BUTTON_MARK.search(label)) is not None
            )
        if name == b"pre":
            ink = ink._replace(keeps_lines=True)
        element = Element(
            name,
            start,
            end,
            hidden=hidden or name in _HIDDEN or (outer is not None and outer.hidden),
            quoted=is_quote or self.is_over or (outer is not None and outer.quoted),
            closed_to_notes=is_signature
            or name in (b"a", b"button", b"label", b"ruby")
            or (outer is not None and outer.closed_to_notes),
            is_button=is_button or name == b"button" or (outer is not None and outer.is_button),
            ink=ink,
        )
        if is_signature and not element.quoted and not element.hidden:
            self.lines.append(self._line("-- "))
            self.fresh = True
        self.stack.append(element)
        return end

    def _ink_within(self, ink: Ink, style: Style, attributes: dict[bytes, bytes]) -> Ink:
        style = with_older(style, attributes)
        may_be_coloured = self.has_backgrounds and not _SELECTED.isdisjoint(attributes)
        return ink_within(ink, style, may_be_coloured=may_be_coloured)

    def _divide(self, attributes: dict[bytes, bytes]) -> None:
        """End the letter at a reply divider, as `visible` does."""
        outer = self.stack[-1] if self.stack else None
        if outer is None or not (outer.hidden or outer.quoted):
            style = read_style(attributes.get(b"style", b"").decode("latin-1"))
            is_marked = _DIVIDER_MARK.search(attributes.get(b"id", b"")) is not None
            self.is_over = self.is_over or style.is_divider or is_marked

    def _is_footer(self, name: bytes, label: bytes, style: bytes, ink: Ink) -> bool:
        if len(self.lines) < _SMALL_PRINT_AFTER_LINES or name not in _BLOCKS:
            return False
        return (
            name == b"footer"
            or _FOOTER_MARK.search(label) is not None
            or self._is_small_print(style.lower(), ink)
        )

    def _is_small_print(self, style: bytes, ink: Ink) -> bool:
        return _SMALL.search(style) is not None and (
            _GREY.search(style) is not None or ink.is_fainter(self.letter_ink)
        )

    def _close(self, name: bytes) -> None:
        if name in (b"p", b"br"):
            # A stray `</p>` is an empty paragraph.
            self.fresh = True
        if name in (b"body", b"html"):
            # What follows is still shown; only its place in the source is odd.
            return
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index].name == name:
                self.fresh = self.fresh or name in _BLOCKS
                del self.stack[index:]
                return
            # HTML Standard §13.2.4.2 (element in scope): no end tag but a table's own reaches out
            # of a table cell.
            if self.stack[index].name in (b"td", b"th") and name not in _TABLE:
                return

    def _close_implied(self, name: bytes) -> None:
        """An opening tag closes what cannot hold it: `<p>` a paragraph, `<tr>` a cell."""
        if not self.stack:
            return
        top = self.stack[-1].name
        if top == b"p" and name in _BLOCKS:
            self.stack.pop()
        elif top in _CLOSES_ITSELF and name == top:
            self.stack.pop()
        elif top in (b"td", b"th") and name in (b"td", b"th", b"tr", b"tbody"):
            self.stack.pop()
            if name in (b"tr", b"tbody") and self.stack and self.stack[-1].name == b"tr":
                self.stack.pop()

    def _text(self, start: int, end: int) -> None:
        raw = self.body[start:end]
        top = self.stack[-1] if self.stack else None
        if raw.strip() and not (top and (top.hidden or not top.ink.is_seen)):
            text = html.unescape(self.charset.decode(raw))
            # No gap stands between the lines of one text: a note has no place there.
            texts = text.split("\n") if top and top.ink.keeps_lines else [text]
            for index, each in enumerate(texts):
                self.fresh = self.fresh or index > 0
                words = _SPACES.sub(" ", each)
                if words.strip(" \xa0\u200b\u200c\u200d\ufeff"):
                    self._words(words)
        self._gap(end)

    def _words(self, words: str) -> None:
        top = self.stack[-1] if self.stack else None
        is_button = top is not None and top.is_button
        if self.fresh:
            quoted = self.is_over or (top is not None and top.quoted)
            self.lines.append(self._line("> " if quoted else ""))
            self.lines[-1].is_button = is_button
            self.fresh = False
            words = words.lstrip(" ")
        line = self.lines[-1]
        self.pieces.append(words)
        line.last_gap = len(self.gaps)
        line.is_button = line.is_button and is_button
        if len(words) > line.around_chars:
            line.around, line.around_chars = tuple(self.stack), len(words)
            if len(words) > self.letter_chars:
                self.letter_ink = top.ink if top else PAPER
                self.letter_chars = len(words)

    def end_line(self) -> None:
        """Put the text of the last line together."""
        if self.pieces:
            self.lines[-1].text += "".join(self.pieces)
            self.pieces.clear()

    def _line(self, text: str) -> Line:
        self.end_line()
        depth = len(self.stack)
        while depth and self.stack[depth - 1].name not in _BLOCKS:
            depth -= 1
        block = self.stack[depth - 1] if depth else Element(b"body", 0)
        return Line(text, len(self.gaps), len(self.gaps), block.name, depth, block.start)

    def _gap(self, offset: int) -> None:
        outer = self.stack[-1] if self.stack else None
        is_open = not self.is_over and (
            outer is None
            or not (outer.hidden or outer.quoted or outer.closed_to_notes or not outer.ink.is_seen)
        )
        name = outer.name if outer else b"body"
        # `<head>` and what browsers move out of a table are no places to stand.
        name = b"body" if name == b"html" else name
        self.gaps.append(Gap(offset, name, len(self.stack), is_open, outer))


def outline(body: bytes, charset: PartCharset) -> tuple[list[Line], list[Gap]]:
    """Return the visible lines of a decoded HTML body and the gaps between its tokens."""
    outliner = _Outliner(body, charset)
    outliner.run()
    outliner.end_line()
    return outliner.lines, outliner.gaps


def read_attributes(masked: bytes, position: int) -> tuple[int | None, dict[bytes, bytes]]:
    """Return the offset behind the tag (`None` if it never ends) and its attributes."""
    attributes: dict[bytes, bytes] = {}
    while True:
        end = _TAG_END.match(masked, position)
        if end is not None:
            return end.end(), attributes
        met = _ATTRIBUTE.match(masked, position)
        if met is None or met.end() == len(masked):
            return None, attributes
        value = next((group for group in (met[2], met[3], met[4]) if group is not None), b"")
        attributes.setdefault(met[1].lower(), value)
        position = met.end()
