"""Tokens out of what mail software left of a link: read forgivingly, never guessed.

A link goes through gateways that change letter case, wrap lines, escape characters, glue text to
it or widen its letters. What is taken away here can never be part of a token, so no two tokens
become one, and whatever is found still has to prove itself. Where a text can be read in two ways,
both come out. Everything is bounded: a request holds up nobody, however it is made.

Undone are: percent-encoding, also of what was encoded before; leftovers of quoted-printable (the
soft break `=` and a line end, RFC 2045 §6.7, or `=3D` of one that was encoded again); line ends,
with or without the `>` of a quotation behind them; spaces; full-width letters and digits; invisible
characters (category Cf: zero-width spaces, soft hyphens, marks of direction); upper case.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

TOKEN_CHARS = 43
# A token of full-width letters that was percent-encoded twice has 645 characters; beyond this come
# endless paths.
TEXT_CHARS_MAX = 1024
DECODINGS_MAX = 3  # Encoded by a gateway, by a second one, and by the browser.
# Two ways to read a text at each of two places; more is no damage but noise.
CANDIDATES_MAX = 4

_FORM = re.compile(rf"[a-z2-7]{{{TOKEN_CHARS}}}")
# A token with leftovers of wrapped lines between its characters. Behind each character stands a
# class apart from it, so that there is one way to match and no going back.
_WRAPPED = re.compile(rf"(?<![a-z2-7])(?=((?:[a-z2-7]=?\s{{0,8}}){{{TOKEN_CHARS}}}))")
_LINE_END = re.compile(r"[\r\n]+[>\s|]*")
_GAP = re.compile(r"[=\s]+")
_ENCODED_BREAK = re.compile(r"=3d(?=\s)")

_FULL_WIDTH = {
    **{ord("\uff21") + at: chr(ord("a") + at) for at in range(26)},
    **{ord("\uff41") + at: chr(ord("a") + at) for at in range(26)},
    **{ord("\uff10") + at: chr(ord("0") + at) for at in range(10)},
    ord("\uff1d"): "=",
    ord("\uff05"): "%",
}
# Only ASCII: the Kelvin sign is a "k" to str.lower().
_LOWER = {at: chr(at + 32) for at in range(ord("A"), ord("Z") + 1)} | _FULL_WIDTH


def find_candidates(text: str) -> Iterator[str]:
    """Yield what could be the token in `text`, the most likely first, at most `CANDIDATES_MAX`."""
    if whole := _FORM.match(text):
        yield whole.group()  # With all of it there, nothing is to be mended.
        return
    seen = set[str]()
    for found in _mended(text):
        if found not in seen:
            seen.add(found)
            yield found
        if len(seen) >= CANDIDATES_MAX:
            return


def find_token(text: str) -> str | None:
    """Return the most likely of the candidates, `None` if nothing could be a token."""
    return next(find_candidates(text), None)


def _mended(text: str) -> Iterator[str]:
    plain = _plain(text)
    # "=3D" is a soft break that was encoded again, or one before the characters "3d".
    for reading in (plain, plain.replace("=3d", "")) if "=3d" in plain else (plain,):
        for match in _WRAPPED.finditer(reading):
            yield _GAP.sub("", match.group(1))


def _plain(text: str) -> str:
    text = text[:TEXT_CHARS_MAX]
    for _ in range(DECODINGS_MAX):
        # A "%" in full width is one that was widened with the rest.
        text = text.replace("\uff05", "%")
        if "%" not in text:
            break
        text = unquote(text, errors="replace")
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return _ENCODED_BREAK.sub("", _LINE_END.sub("\n", text.translate(_LOWER)))
