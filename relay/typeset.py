"""Tags that set the note's words as the letter's own words are set: font, size, colour, edges.

They are made of the letter's tags: its classes, so that its style sheet holds for the note as well,
and of its styles what sets words. What would make the note bold, centred, framed or hidden is left
out. Pure: text in, text out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from relay.htmlwords import Element, read_attributes

# RFC 5322 §2.1.1: a line has at most 998 octets, and each tag is one.
TAG_MAX_BYTES = 900

_LOOK = frozenset(
    "font font-family font-size color background background-color line-height"
    " letter-spacing".split()
)
_EDGES = frozenset(
    f"{name}{side}"
    for name in ("margin", "padding")
    for side in ("", "-left", "-right", "-top", "-bottom")
) | {"width", "max-width"}
_FONT_ATTRIBUTES = ("face", "size", "color")
_CLASS = re.compile(r"[\w .:-]{1,120}", re.ASCII)
# Such a class may hide what it is given to on another screen.
_FICKLE = re.compile(r"hid|show|only|desktop|mobile|phone|visib|print|screen", re.IGNORECASE)
_SPANS = frozenset({b"span", b"font"})
_PARAGRAPHS = frozenset({b"p", b"div", b"pre"})
# What may set the words in it without being a paragraph.
_HOLDERS = frozenset(b"blockquote center dd dl li ol section table tbody td th tr ul".split())


def block_tag(element: Element, tag: str) -> str:
    """Return a tag that sets words as the element with this tag does; none if it sets nothing."""
    name = element.name
    if name in _PARAGRAPHS:
        return _copy(element, tag, name.decode(), _LOOK | _EDGES)
    return _copy(element, tag, "div", _LOOK) if name in _HOLDERS else inline_tag(element, tag)


def inline_tag(element: Element, tag: str) -> str:
    """Return a tag for use within a paragraph that sets words as the element does, or none."""
    return _copy(element, tag, element.name.decode(), _LOOK) if element.name in _SPANS else ""


def closing_tags(tags: Sequence[str]) -> str:
    """Return what closes the tags."""
    return "".join(f"</{tag[1:-1].partition(' ')[0]}>" for tag in reversed(tags))


def _copy(element: Element, tag: str, name: str, properties: frozenset[str]) -> str:
    """Return a tag of this name with those attributes of the element that set words."""
    # The bytes of other charsets are masked where the letter is read: here they count.
    attributes = {
        key.decode(): html.unescape(" ".join(value.decode().split()))
        for key, value in read_attributes(tag.encode(), 1 + len(element.name))[1].items()
    }
    copied: dict[str, str] = {}
    if name == "font":
        copied = {key: attributes[key] for key in _FONT_ATTRIBUTES if key in attributes}
    names = attributes.get("class", "")
    if name.encode() == element.name and _CLASS.fullmatch(names) and not _FICKLE.search(names):
        copied["class"] = names
    declarations = [
        declaration.strip()
        for declaration in attributes.get("style", "").split(";")
        if declaration.partition(":")[0].strip().lower() in properties and declaration.isprintable()
    ]
    # Our line ends are not to be seen, whatever its name or class says of those in there.
    if name == "pre" or (element.ink.keeps_lines and (copied or name == "p")):
        declarations.append("white-space:normal")
    copied["style"] = ";".join(declarations)
    said = "".join(f' {key}="{html.escape(value)}"' for key, value in copied.items() if value)
    whole = f"<{name}{said}>" if said or name == "p" else ""
    return whole if len(whole.encode("ascii", "xmlcharrefreplace")) <= TAG_MAX_BYTES else ""
