"""What a style says of the text in an element: hidden, quoted, or too small or pale to be seen.

Preheaders are hidden in a dozen ways, each for the sake of another mail program. Size and colour
are inherited: a cell of size 0 around paragraphs of a size of their own (as MJML writes every cell)
hides nothing, and white words on a dark bar are read. In doubt text is seen: what is wrongly left
out could be an invitation.

Of style sheets only single selectors (`.preheader`, `#hint`, `td.hint`) outside of `@media` are
known. Pure, never raises, linear in its input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

# A style of Word has some two hundred characters, a sheet of a newsletter some ten thousand.
STYLE_SIZE_MAX_CHARS = 1_000
SHEET_SIZE_MAX_CHARS = 100_000
# A preheader is set in 0 or 1 px; nobody sets what is to be read in 2.
TINY_SIZE_MAX_PX = 2.0
# White (#ffffff) on a page of #f8f8f8 is not seen; #767676 on white is the palest that may be.
CONTRAST_MIN = 16
# #666666 on white beside #222222, and #8f9bc7 on #161d36 beside #d6dcf5, have 0.7 of its contrast.
FAINT_MAX = 0.8
# What is moved this far to the left or up is off every screen.
OFF_SCREEN_MIN_PX = 900

Colour = tuple[int, int, int]
_CLEAR: Colour = (-1, -1, -1)
_NAMES: dict[str, Colour] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "snow": (255, 250, 250),
    "whitesmoke": (245, 245, 245),
    "transparent": _CLEAR,
}
_HEX = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-f])")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,6}))?")
_NAME = re.compile(r"[a-z]{3,20}")
_SIZE = re.compile(r"(?<![\w.#])(-?\d{0,6}\.?\d{1,6})(px|pt|em|rem|ex|%|in|cm|mm)?(?![\w.])")
_PIXELS = {"px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "ex": 8.0, "%": 0.16}
# Outlook draws a blue line beside a quote, Yahoo another blue, Gmail a hair line in grey.
_QUOTE_LINE = re.compile(
    r"(?:blue|#0000ff|#1010ff|rgb\(16, ?16, ?255\)).{0,20}\b(?:1|1\.5|2|2\.25)p[tx]\b"
    r"|\b(?:1|1\.5|2|2\.25)p[tx]\b.{0,20}(?:blue|#0000ff|#1010ff|rgb\(16, ?16, ?255\))"
)
_HAIR_LINE = re.compile(r"(?=.*\b1px\b)(?=.*(?:#ccc\b|#cccccc\b|rgb\(204, ?204, ?204\)))")
# The line that Outlook draws above the header it quotes.
_DIVIDER_LINE = re.compile(r"#(?:e1e1e1|b5c4df)|rgb\((?:225, ?225, ?225|181, ?196, ?223)\)")
_IMAGE = re.compile(r"url\(|gradient\(")
_OLDER = frozenset({b"color", b"bgcolor", b"background"})
_BRACE = re.compile(r"[{}]")
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*)?[.#][\w-]+\Z")
_TAG_SELECTOR = re.compile(r"[a-z][a-z0-9]*\Z")
# No search starts over at what an earlier one has read: many beginnings cost no more than one.
SHEET_ELEMENT = re.compile(r"<style\b[^<>]*+>(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Style:
    """What a style attribute says; `None` where it says nothing of a property."""

    hides: bool = False
    shows: bool = False
    """A `display` of its own that is not `none`: a style sheet does not hide the element."""
    is_quote: bool = False
    is_indent: bool = False
    is_divider: bool = False
    is_tiny: bool | None = None
    colour: Colour | None = None
    background: Colour | None = None
    has_background: bool = False
    keeps_lines: bool | None = None
    has_no_margin: bool = False
    """Above and below: a paragraph is then a line."""

    @property
    def leaves_ink(self) -> bool:
        """Tell whether text is set as outside of the element."""
        return (
            self.is_tiny is None
            and self.colour is None
            and not self.has_background
            and self.keeps_lines is None
        )


class Ink(NamedTuple):
    """How text is set where an element stands; each property is inherited."""

    is_tiny: bool = False
    colour: Colour | None = (0, 0, 0)
    background: Colour | None = (255, 255, 255)
    """`None` is one that we cannot tell."""
    keeps_lines: bool = False
    is_seen: bool = True

    def is_fainter(self, other: Ink) -> bool:
        """Tell whether it has clearly less contrast than another; unknown colours have not."""
        is_known = None not in (self.colour, self.background, other.colour, other.background)
        return is_known and _contrast(self) < FAINT_MAX * _contrast(other)


PAPER = Ink()


class Sheet(NamedTuple):
    """What the style sheets of a letter hide, where they keep line ends, and whether they colour
    anything."""

    hidden: frozenset[str] = frozenset()
    has_backgrounds: bool = False
    keeping: frozenset[str] = frozenset()

    def hides(self, tag: str, names: str | None, identity: str | None) -> bool:
        """Tell whether an element of this tag, class attribute and id is hidden."""
        return bool(self.hidden) and _is_selected(self.hidden, tag, names, identity)

    def keeps_lines(self, tag: str, names: str | None, identity: str | None) -> bool:
        """Tell whether line ends are seen in an element of this tag, class attribute and id."""
        if not self.keeping:
            return False
        return tag in self.keeping or _is_selected(self.keeping, tag, names, identity)

    def ink_in(self, tag: bytes, attributes: Mapping[bytes, bytes], ink: Ink) -> Ink:
        """Return how text is set in an element, before its own style is read."""
        if not self.keeping:
            return ink
        names, identity = (attributes.get(key, b"").decode("latin-1") for key in (b"class", b"id"))
        keeps = self.keeps_lines(tag.decode("latin-1"), names, identity)
        return ink._replace(keeps_lines=True) if keeps else ink


def _is_selected(
    selectors: frozenset[str], tag: str, names: str | None, identity: str | None
) -> bool:
    own = [f".{name}" for name in (names or "").lower().split()]
    if identity:
        own.append(f"#{identity.lower()}")
    return any(each in selectors or tag + each in selectors for each in own)


def ink_within(ink: Ink, style: Style, *, may_be_coloured: bool = False) -> Ink:
    """Return how text is set inside an element; a style sheet may colour its background."""
    if style.leaves_ink and not may_be_coloured:
        return ink
    is_tiny = ink.is_tiny if style.is_tiny is None else style.is_tiny
    colour = ink.colour if style.colour is None else style.colour
    background = ink.background
    if style.has_background:
        background = style.background
    elif may_be_coloured:
        background = None
    keeps_lines = ink.keeps_lines if style.keeps_lines is None else style.keeps_lines
    is_seen = not is_tiny and not _is_pale(colour, background)
    return Ink(is_tiny, colour, background, keeps_lines, is_seen)


def _contrast(ink: Ink) -> int:
    return sum(abs(a - b) for a, b in zip(ink.colour or (), ink.background or (), strict=True))


def _is_pale(colour: Colour | None, background: Colour | None) -> bool:
    if colour == _CLEAR:
        return True
    if colour is None or background is None:
        return False
    return all(abs(a - b) < CONTRAST_MIN for a, b in zip(colour, background, strict=True))


@lru_cache(maxsize=1024)  # A letter has a handful of styles, on every paragraph the same.
def read_style(text: str) -> Style:
    """Return what a style attribute says."""
    said: dict[str, str] = {}
    for declaration in text[:STYLE_SIZE_MAX_CHARS].lower().split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            said[name.strip()] = value.replace("!important", "").strip()
    display = said.get("display")
    background = said.get("background-color", said.get("background"))
    colour = said.get("color")
    white_space = said.get("white-space")
    return Style(
        hides=_hides(said),
        shows=display is not None and display != "none",
        is_quote=_is_quote(said),
        is_indent=said.get("border") in ("none", "medium none", "0", "0px", "none 0px")
        and "border-left" not in said,
        is_divider=_DIVIDER_LINE.search(said.get("border-top", "")) is not None,
        is_tiny=_is_tiny(said),
        colour=None if colour is None else _colour(colour),
        # An image or a gradient hides the colour beneath.
        background=None if background is None or _IMAGE.search(background) else _colour(background),
        has_background=background is not None and background not in ("none", "transparent"),
        keeps_lines=None if white_space is None else white_space.startswith("pre"),
        has_no_margin=_has_no_margin(said),
    )


def _hides(said: dict[str, str]) -> bool:
    get = said.get
    if (
        get("display") == "none"
        or get("visibility") in ("hidden", "collapse")
        or get("mso-hide") == "all"
        or _pixels(get("opacity", "")) == 0
        or _pixels(get("max-height", "")) == 0
        or (_pixels(get("text-indent", "")) or 0) <= -OFF_SCREEN_MIN_PX
    ):
        return True
    if get("overflow", "").startswith("hidden"):
        sizes = (get(name, "") for name in ("height", "width", "max-width"))
        if any((size := _pixels(each)) is not None and size <= 1 for each in sizes):
            return True
    if get("position") in ("absolute", "fixed"):
        return any((_pixels(get(at, "")) or 0) <= -OFF_SCREEN_MIN_PX for at in ("left", "top"))
    return False


def _has_no_margin(said: dict[str, str]) -> bool:
    # Above, right, below, left; the third is as the first where it is not said.
    sizes = said.get("margin", "").split() or ["?"]
    above = said.get("margin-top", sizes[0])
    below = said.get("margin-bottom", sizes[2] if len(sizes) > 2 else sizes[0])
    return _pixels(above) == 0 and _pixels(below) == 0


def _is_quote(said: dict[str, str]) -> bool:
    line = said.get("border-left", "")
    if not line:
        return False
    if _HAIR_LINE.match(line):
        return "ex" in said.get("padding-left", said.get("padding", ""))
    return _QUOTE_LINE.search(line) is not None


def _is_tiny(said: dict[str, str]) -> bool | None:
    if "font-size" in said:
        size = _pixels(said["font-size"])
        # In words ("small") or relative to a size that we do not know.
        return False if size is None else size < TINY_SIZE_MAX_PX
    for met in _SIZE.finditer(said.get("font", "")[:80]):
        # `font: 400 14px/1.5 …` begins with a weight, `font:0/0 a` with a size.
        if met[2] or float(met[1]) == 0:
            return (_pixels(met[0]) or 0) < TINY_SIZE_MAX_PX
    return None


def _pixels(value: str) -> float | None:
    """Return a size in pixels, about, `None` where the value is none."""
    met = _SIZE.match(value)
    return None if met is None else float(met[1]) * _PIXELS.get(met[2] or "px", 40.0)


def _colour(value: str) -> Colour | None:
    met = _HEX.search(value)
    if met is not None:
        digits = met[1] if len(met[1]) > 4 else "".join(digit * 2 for digit in met[1])
        if digits[6:] == "00":
            return _CLEAR
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    met = _RGB.search(value)
    if met is not None:
        if met[4] is not None and met[4].strip("0.") == "":
            return _CLEAR
        return int(met[1]), int(met[2]), int(met[3])
    names = (_NAMES[name] for name in _NAME.findall(value) if name in _NAMES)
    return next(names, None)


def with_attributes(style: Style, attributes: Mapping[str, str | None]) -> Style:
    """Return a style with what older attributes say (`<font color>`, `bgcolor`, `background`)."""
    colour, background = attributes.get("color"), attributes.get("bgcolor")
    if colour is not None and style.colour is None:
        style = replace(style, colour=_attribute_colour(colour))
    if background is not None and not style.has_background:
        style = replace(style, background=_attribute_colour(background), has_background=True)
    if "background" in attributes:
        style = replace(style, background=None, has_background=True)
    return style


def with_older(style: Style, attributes: Mapping[bytes, bytes]) -> Style:
    """Return a style with what older attributes say, of all those of an element."""
    older = {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in attributes.items()
        if name in _OLDER
    }
    return with_attributes(style, older) if older else style


def _attribute_colour(value: str) -> Colour | None:
    value = value.strip().lower()
    return _colour(value) or _colour(f"#{value}")


def read_sheet(css: str) -> Sheet:
    """Return what style sheets say that is of use here."""
    text = _without_comments(css[:SHEET_SIZE_MAX_CHARS]).lower()
    hidden: dict[str, bool] = {}
    keeping: dict[str, bool] = {}
    for selectors, declarations in _rules(text):
        style = read_style(declarations)
        if style.hides or style.shows:
            for selector in selectors.split(","):
                if _SELECTOR.match(selector.strip()):
                    hidden[selector.strip()] = style.hides
        if style.keeps_lines is not None:
            for selector in selectors.split(","):
                if _SELECTOR.match(selector.strip()) or _TAG_SELECTOR.match(selector.strip()):
                    keeping[selector.strip()] = style.keeps_lines
    return Sheet(_told(hidden), "background" in text, _told(keeping))


def read_sheets_in(html: str) -> Sheet:
    """Return what the style sheets in HTML say, without a parser."""
    return read_sheet("\n".join(found[1] for found in SHEET_ELEMENT.finditer(html)))


def _told(said: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(selector for selector, is_so in said.items() if is_so)


def _without_comments(css: str) -> str:
    # One that never ends hides all behind it; a pattern would look for its end from each beginning.
    first, *others = css.replace("<!--", " ").replace("-->", " ").split("/*")
    return " ".join([first, *(other.partition("*/")[2] for other in others)])


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Yield selectors and declarations of each rule outside of `@media` and its like."""
    position = 0
    while (brace := css.find("{", position)) >= 0:
        selectors = css[position:brace].rpartition(";")[2].strip()
        if not selectors.startswith("@"):
            end = css.find("}", brace)
            if end < 0:
                return
            yield selectors, css[brace + 1 : end]
            position = end + 1
            continue
        depth = 0
        for met in _BRACE.finditer(css, brace):
            depth += 1 if met[0] == "{" else -1
            if depth == 0:
                position = met.end()
                break
        else:
            return
