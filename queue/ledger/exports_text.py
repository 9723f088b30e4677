"""What the line formats of exports share: text that keeps to its line. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

# Control characters as their pictures (U+2400 ff.), and those without a picture, and what some take
# for line ends, as U+FFFD: so that a line stays one line and steers no terminal.
_PICTURES: Final = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_BLANKS: Final = dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029), 0xFFFD)
_SHOWN: Final = _PICTURES | _BLANKS

# The same in JSON, which has escapes for them; those below U+0020 the library escapes by itself.
_ESCAPED: Final = {code: f"\\u{code:04x}" for code in (0x7F, *_BLANKS)}


def on_one_line(text: str) -> str:
    """Return the text with control characters as pictures of them."""
    return text.translate(_SHOWN)


def data_text(data: Mapping[str, str | int]) -> str:
    """Return an event's data as JSON on one line."""
    return json_text(dict(data))


def json_text(value: object) -> str:
    """Return the value as JSON on one line, for machines and harmless to a terminal."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.translate(_ESCAPED)


def title(kind: str) -> str:
    """Return the type of an event in words: `link.clicked` is "Link clicked"."""
    return kind.replace(".", " ").replace("_", " ").capitalize()
