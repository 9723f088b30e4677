"""HTML as the text a person sees: what is hidden, quoted or only for machines is left out.

Built on selectolax (lexbor). Block elements, table cells and line breaks become lines, so
that the rules for plain text apply. Left out are head, scripts, styles, comments, preheaders
and anything styled away; quoted history (blockquote, Gmail's and Yahoo's quote, what follows
Outlook's reply divider) is left out, because another person wrote it.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

# A letter has a few hundred elements, a newsletter a few thousand. More is not a letter.
NODES_MAX = 20_000
# The parser takes time with the square of the depth: 50,000 nested elements hold it for seconds.
# Mail programs nest some dozens, long Outlook threads a few hundred.
DEPTH_MAX = 1_000

_DROPPED = frozenset(
    "head script style title template noscript svg object iframe select textarea blockquote".split()
)
_BLOCKS = frozenset(
    "address article aside body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header"
    " hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split()
)
_DIVIDERS = frozenset({"div", "hr", "span"})
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 table ul ol hr".split())
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0*)?\s*(?:;|!|$)"
    r"|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|!|$)|max-height\s*:\s*0(?:px)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_QUOTE_CLASS = re.compile(
    r"\b(?:gmail_quote|gmail_attr|gmail_extra|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra)",
    re.IGNORECASE,
)
# Where Outlook, its mobile editions and Windows Mail put the reply; all behind it is history.
_DIVIDER_ID = re.compile(
    r"divRplyFwdMsg|appendonsend|mail-editor-reference-message-container|reply-intro", re.IGNORECASE
)
_DIVIDER_STYLE = re.compile(
    r"border:none;\s*border-top:\s*solid\s*#(?:E1E1E1|B5C4DF)", re.IGNORECASE
)
_TAG = re.compile(r"<(/?)(?!(?:br|img|hr|meta|input|link|wbr|col|li|p|td|tr|tbody|th)\b)[a-zA-Z]")
_BLANK_LINES = re.compile(r"\n{3,}")
# All white space but single spaces, which stay as they are.
_SPACES = re.compile(r"[\t\r\n\f\u00a0][ \t\r\n\f\u00a0]*| [ \t\r\n\f\u00a0]+")


def visible_text(html: str) -> str:
    """Return what a person reads of `html`, lines separated by LF. Never raises.

    What is too large or nested too deep for a letter is not read and gives no text.
    """
    if html.count("<") > 2 * NODES_MAX or _is_too_deep(html):
        return ""
    body = LexborHTMLParser(html).body
    if body is None:
        return ""
    writer = _Writer()
    writer.walk(body)
    lines = [line.strip() for line in "".join(writer.out).split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


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

    def __init__(self) -> None:
        self.out: list[str] = []
        self._line_is_empty = True

    def walk(self, root: LexborNode) -> None:
        """Write the visible text under `root`, up to a reply divider."""
        # A name among the nodes is where the block of that name ends.
        stack: list[LexborNode | str] = [root]
        seen = 0
        while stack:
            node = stack.pop()
            if isinstance(node, str):
                self._end_block(node)
                continue
            tag = node.tag or ""
            seen += 1
            if seen > NODES_MAX:
                return
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag == "br":
                self._newline()
            elif not tag.startswith(("-", "!")) and tag not in _DROPPED:
                # Asked for once: each time the parser's library makes another dictionary.
                attributes = node.attributes
                if attributes:
                    if tag in _DIVIDERS and _is_divider(attributes):
                        return
                    if _is_left_out(attributes):
                        continue
                if tag in _BLOCKS:
                    self._start_block()
                    stack.append(tag)
                children = list(node.iter(include_text=True))
                children.reverse()
                stack += children

    def _text(self, text: str) -> None:
        text = _SPACES.sub(" ", text)
        if self._line_is_empty:
            text = text.lstrip(" ")
        if text:
            self.out.append(text)
            self._line_is_empty = False

    def _newline(self) -> None:
        self.out.append("\n")
        self._line_is_empty = True

    def _start_block(self) -> None:
        if not self._line_is_empty:
            self._newline()

    def _end_block(self, tag: str) -> None:
        if not self._line_is_empty:
            self._newline()
        if tag in _PARAGRAPHS:
            self._newline()


def _is_left_out(attributes: dict[str, str | None]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style, label = attributes.get("style"), attributes.get("class")
    if style and _HIDDEN_STYLE.search(style):
        return True
    return label is not None and _QUOTE_CLASS.search(label) is not None


def _is_divider(attributes: dict[str, str | None]) -> bool:
    label, style = attributes.get("id"), attributes.get("style")
    if label and _DIVIDER_ID.search(label):
        return True
    # The pattern asks for this word, and hardly any style has it.
    return (
        style is not None
        and "top" in style.lower()
        and _DIVIDER_STYLE.search(style.replace(" ;", ";")) is not None
    )
