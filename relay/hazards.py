"""Whether a letter's own styles could hide the note from some readers, or cut it off.

Everything that says so is looked for, and little of it is understood: in doubt the letter is left
alone. A rule that hides whatever it names by tag (`a{display:none}`, `td div{…}`, `p:last-child`)
may hide ours. A box of a fixed height that cuts off what is too long has no room for it. And what
stands in a comment for Outlook alone is the letter there, and would lack it.

Pure, never raises, linear in its input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from relay.styles import SHEET_ELEMENT

# A sheet of a newsletter has some ten thousand characters; beyond this nothing is looked for.
SHEETS_SIZE_MAX_CHARS = 100_000
# A link's words, or a button's, in such a comment; a letter is longer.
COMMENT_WORDS_MIN_CHARS = 40

_SIGNS = re.compile(r"<style|\[if", re.IGNORECASE)
_NOTE = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_RULE = re.compile(r"(?<![^{};])([^{};]++)\{([^{}]*+)\}")
_HIDES = re.compile(
    r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|opacity\s*:\s*0(?![.\d]*[1-9])"
    r"|font-size\s*:\s*0(?![.\d]*[1-9])|(?:max-)?height\s*:\s*0(?![.\d]*[1-9])"
    r"|text-indent\s*:\s*-\d{3}|font\s*:\s*0(?:px)?/)"
)
_CUTS = re.compile(r"(?<![\w-])overflow(?:-y)?\s*:\s*(?:hidden|clip)|-webkit-line-clamp\s*:\s*\d")
_HEIGHT = re.compile(
    r"(?<![\w-])(?:max-)?height\s*:\s*0*(?:[2-9]|[1-9]\d)(?![\d.]*%)|-webkit-line-clamp\s*:\s*\d"
)
# Only while a pointer is on it, or behind words that are not the letter's.
_NEVER_LASTING = re.compile(r":(?:hover|active|focus|visited|before|after)|::")
_NAMED = re.compile(r"[.#]([\w-]+)|\[\s*(?:class|id)\b")
_EXCEPT = re.compile(r":not\([^)]*\)?")
_TAG_NAME = re.compile(r"[a-z][a-z0-9]*|\*|")
# What the note is made of, and what may stand around it.
_OURS = frozenset(
    "a div span p td th tr tbody table center font body html section main article b strong em i"
    " small u big tt br * ".split(" ")
)
_CLASSES = re.compile(rb"""\bclass\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_CONDITIONAL = re.compile(
    r"<!(?:--)?\[if\b([^\]<]{0,200}+)\]>(.*?)(?:<!\[endif\]|\Z)", re.IGNORECASE | re.DOTALL
)
_OUTLOOK = re.compile(r"[^!]*(?:mso|ie)[^!]*", re.IGNORECASE)
_NO_WORDS = re.compile(
    r"<(style|xml|script|title)\b.*?(?:</\1|\Z)|<[^<>]*+>?|&[#\w]{1,10};|\s",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Hazards:
    """What in a letter may keep the note from being seen."""

    anywhere: bool
    """Whatever is put into it."""
    cutting: frozenset[str]
    """Classes and ids whose elements cut off what is too long for them."""

    def cuts(self, tag: bytes) -> bool:
        """Tell whether an element of this start tag cuts off what it has no room for."""
        text = tag.decode("latin-1").lower()
        if _CUTS.search(text) and _HEIGHT.search(text):
            return True
        names = b" ".join(map(b"".join, _CLASSES.findall(tag))).decode("latin-1").lower().split()
        return not self.cutting.isdisjoint(names)


NONE = Hazards(anywhere=False, cutting=frozenset())


def find_hazards(html: str) -> Hazards:
    """Return the hazards of a letter."""
    if not _SIGNS.search(html):
        return NONE
    sheets = " ".join(found[1] for found in SHEET_ELEMENT.finditer(html))[
        :SHEETS_SIZE_MAX_CHARS
    ].lower()
    hides = False
    cutting: set[str] = set()
    for selectors, said in _RULE.findall(_NOTE.sub("", sheets)):
        is_hiding = _HIDES.search(said) is not None
        is_cutting = _CUTS.search(said) is not None and _HEIGHT.search(said) is not None
        if not (is_hiding or is_cutting):
            continue
        for selector in selectors.split(","):
            last = (_EXCEPT.sub("", selector).split() or [""])[-1].rpartition(">")[2]
            named = _NAMED.search(last)
            if named is not None:
                if is_cutting and named[1]:
                    cutting.add(named[1])
            elif not _NEVER_LASTING.search(last):
                tag = _TAG_NAME.match(last)
                hides = hides or (tag is not None and tag[0] in _OURS)
    return Hazards(hides or _is_for_outlook(html), frozenset(cutting))


def _is_for_outlook(html: str) -> bool:
    """Tell whether a comment for Outlook alone holds as many words as a letter has."""
    return any(
        _OUTLOOK.fullmatch(condition) and len(_NO_WORDS.sub("", content)) >= COMMENT_WORDS_MIN_CHARS
        for condition, content in _CONDITIONAL.findall(html)
    )
