"""HTML as the text a person sees: what is hidden, quoted or only for machines is left out.

Built on selectolax (lexbor). Block elements, table cells and line breaks become lines, so
that the rules for plain text apply. Left out are head, scripts, styles, comments, preheaders
and anything styled away. Another person wrote what is quoted: a blockquote, Gmail's and Yahoo's
quote or what stands beside Outlook's blue line becomes one quote mark on a line of its own, which
tells the rules for plain text that an attribution above it is none of the writer's words; what
follows Outlook's reply divider is left out.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from relay.styles import (
    PAPER,
    Ink,
    Sheet,
    Style,
    ink_within,
    read_sheet,
    read_style,
    with_attributes,
)

# A letter has a few hundred elements, a newsletter a few thousand. More is not a letter.
NODES_MAX = 20_000
# The parser takes time with the square of the depth: 50,000 nested elements hold it for seconds.
# Mail programs nest some dozens, long Outlook threads a few hundred.
DEPTH_MAX = 1_000

# What stands for a quote, whatever its size.
QUOTE_MARK = ">"

_DROPPED = frozenset(
    "head script style title template noscript svg object iframe select textarea rt rp".split()
)
_BLOCKS = frozenset(
    "address article aside body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header"
    " hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split()
)
_DIVIDERS = frozenset({"div", "hr", "span"})
_LINES = frozenset({"p", "div"})
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 table ul ol hr".split())
_QUOTE_CLASS = re.compile(
    r"\b(?:gmail_attr|moz-cite-prefix|protonmail_quote|zmail_extra)|yahoo_quoted", re.IGNORECASE
)
_QUOTE_ID = re.compile(r"OLK_SRC_BODY_SECTION|yahoo_quoted", re.IGNORECASE)
_GMAIL_QUOTE = re.compile(r"\bgmail_(?:quote|extra)", re.IGNORECASE)
# Where Outlook, its mobile editions and Windows Mail put the reply; all behind it is history.
_DIVIDER_ID = re.compile(
    r"divRplyFwdMsg|appendonsend|mail-editor-reference-message-container|reply-intro", re.IGNORECASE
)
_TAG = re.compile(r"<(/?)(?!(?:br|img|hr|meta|input|link|wbr|col|li|p|td|tr|tbody|th)\b)[a-zA-Z]")
_STYLE_TAG = re.compile(r"<style\b", re.IGNORECASE)
# A tag has a dozen attributes; a picture in its address is wrapped into some hundred lines.
ATTRIBUTES_MAX = 2000
_LONG_TAG = re.compile(r"<[a-zA-Z/][^<>]{4000,}")
_BLANK_LINES = re.compile(r"\n{3,}")
# Between two wide characters the end of a source line is no space to the reader.
_WIDE = r"[\u3001-\u9fff\uf900-\ufaff\uff01-\uffef\U00020000-\U0003ffff]"
_WIDE_LINE_END = re.compile(rf"(?<={_WIDE})[ \t]*[\r\n][ \t\r\n]*(?={_WIDE})")
# All white space but single spaces, which stay as they are.
_SPACES = re.compile(r"[\t\r\n\f\u00a0][ \t\r\n\f\u00a0]*| [ \t\r\n\f\u00a0]+")


def _has_too_many_attributes(html: str) -> bool:
    """Tell whether a tag has more attributes than a letter needs: parsers choke on them."""
    return any(
        len(met[0].split(maxsplit=ATTRIBUTES_MAX)) > ATTRIBUTES_MAX
        for met in _LONG_TAG.finditer(html)
    )


def is_readable(html: str) -> bool:
    """Tell whether `html` is small and flat enough to be read at all."""
    is_large = html.count("<") > 2 * NODES_MAX
    return not (is_large or _is_too_deep(html) or _has_too_many_attributes(html))


def visible_text(html: str) -> str:
    """Return what a person reads of `html`, lines separated by LF. Never raises.

    What is too large or nested too deep for a letter is not read and gives no text.
    """
    if not is_readable(html):
        return ""
    parser = LexborHTMLParser(html)
    body = parser.body
    if body is None:
        return ""
    writer = _Writer(_sheet_of(parser) if _STYLE_TAG.search(html) else Sheet())
    writer.walk(body)
    lines = [line.strip() for line in "".join(writer.out).split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _sheet_of(parser: LexborHTMLParser) -> Sheet:
    return read_sheet("\n".join(node.text() for node in parser.css("style")))


def _is_too_deep(html: str) -> bool:
    if html.count("<") <= DEPTH_MAX:
        return False
    depth = 0
    for tag in _TAG.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > DEPTH_MAX:
            return True
        depth = max(depth, 0)
    return False


class _Writer:
    """Collects the visible text of a tree, without recursion: mail nests thousands of tables."""

    def __init__(self, sheet: Sheet) -> None:
        self.out: list[str] = []
        self._sheet = sheet
        self._line_is_empty = True
        # A paragraph that holds a space that does not break is an empty line.
        self._is_blank = False

    def walk(self, root: LexborNode) -> None:
        """Write the visible text under `root`, up to a reply divider."""
        # A name among the nodes is where the block of that name ends.
        stack: list[tuple[LexborNode | str, Ink]] = [(root, PAPER)]
        seen = 0
        while stack:
            node, ink = stack.pop()
            if isinstance(node, str):
                self._end_block(node)
                continue
            tag = node.tag or ""
            seen += 1
            if seen > NODES_MAX:
                return
            if tag == "-text":
                if ink.is_seen:
                    self._text(node.text_content or "", keeps_lines=ink.keeps_lines)
            elif tag == "br":
                self._newline()
            elif not tag.startswith(("-", "!")) and tag not in _DROPPED:
                # Asked for once: each time the parser's library makes another dictionary.
                attributes = node.attributes
                has_space = True
                names, identity = attributes.get("class"), attributes.get("id")
                if self._sheet.keeps_lines(tag, names, identity):
                    ink = ink._replace(keeps_lines=True)
                if attributes or tag == "blockquote":
                    style = read_style(attributes.get("style") or "")
                    if tag in _DIVIDERS and _is_divider(attributes, style):
                        return
                    if self._is_hidden(tag, attributes, style):
                        continue
                    if _is_quote(node, tag, attributes, style):
                        self._quote()
                        continue
                    ink = self._ink_within(ink, attributes, style)
                    # Word makes a paragraph without space around it of each line that is typed.
                    has_space = not (style.has_no_margin or (names or "").startswith("Mso"))
                if tag in _BLOCKS:
                    self._start_block()
                    stack.append((tag if has_space or tag != "p" else "div", ink))
                    if tag == "pre":
                        ink = ink._replace(keeps_lines=True)
                children = [(child, ink) for child in node.iter(include_text=True)]
                children.reverse()
                stack += children

    def _is_hidden(self, tag: str, attributes: dict[str, str | None], style: Style) -> bool:
        if style.hides or "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        names, identity = attributes.get("class"), attributes.get("id")
        return not style.shows and self._sheet.hides(tag, names, identity)

    def _ink_within(self, ink: Ink, attributes: dict[str, str | None], style: Style) -> Ink:
        if "bgcolor" in attributes or "color" in attributes or "background" in attributes:
            style = with_attributes(style, attributes)
        may_be_coloured = self._sheet.has_backgrounds and (
            "class" in attributes or "id" in attributes
        )
        return ink_within(ink, style, may_be_coloured=may_be_coloured)

    def _text(self, text: str, *, keeps_lines: bool) -> None:
        if keeps_lines and "\n" in text:
            first, *others = text.replace("\r\n", "\n").split("\n")
            self._text(first, keeps_lines=False)
            for line in others:
                self._newline()
                self._text(line, keeps_lines=False)
            return
        if not text.isascii():
            text = _WIDE_LINE_END.sub("", text)
        is_space = "\xa0" in text
        text = _SPACES.sub(" ", text)
        if self._line_is_empty:
            text = text.lstrip(" ")
            self._is_blank = self._is_blank or (not text and is_space)
        if text:
            self.out.append(text)
            self._line_is_empty = self._is_blank = False

    def _newline(self) -> None:
        self.out.append("\n")
        self._line_is_empty = True
        self._is_blank = False

    def _quote(self) -> None:
        self._start_block()
        self.out.append(QUOTE_MARK)
        self._newline()

    def _start_block(self) -> None:
        if not self._line_is_empty:
            self._newline()

    def _end_block(self, tag: str) -> None:
        if not self._line_is_empty or (self._is_blank and tag in _LINES):
            self._newline()
        if tag in _PARAGRAPHS:
            self._newline()


def _is_quote(node: LexborNode, tag: str, attributes: dict[str, str | None], style: Style) -> bool:
    """Tell whether what another person wrote stands in an element."""
    names = attributes.get("class") or ""
    if tag == "blockquote":
        # Gmail's and Outlook's button for more indentation makes one, too.
        return not style.is_indent or bool(names) or "type" in attributes or "cite" in attributes
    if style.is_quote or _QUOTE_CLASS.search(names):
        return True
    if names and _GMAIL_QUOTE.search(names):
        return not _holds_answers(node)
    identity = attributes.get("id")
    return identity is not None and _QUOTE_ID.search(identity) is not None


def _holds_answers(quote: LexborNode) -> bool:
    """Tell whether Gmail's division of a reply marks what is quoted by a blockquote inside.

    Then what stands between its blockquotes is the writer's answer. A forwarded message has none.
    """
    for child in quote.iter():
        if child.tag == "br" or _QUOTE_CLASS.search(child.attributes.get("class") or ""):
            continue
        return child.tag == "blockquote"
    return False


def _is_divider(attributes: dict[str, str | None], style: Style) -> bool:
    identity = attributes.get("id")
    return style.is_divider or (identity is not None and _DIVIDER_ID.search(identity) is not None)
