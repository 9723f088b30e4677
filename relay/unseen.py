"""Characters that no reader sees, and what a text is without them."""

from __future__ import annotations

import re

# What no reader sees and no word is spelt with: preheaders are padded with it, long words and links
# are given places to break. Of two dashes that look alike the one is JIS's, the other Windows'.
_AS_SEEN = dict.fromkeys(
    (
        *(0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF),
        *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)),
        *(*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    )
) | {0x301C: "～", 0x2212: "－", 0x2016: "∥"}
# Looked for first: to translate a text takes a hundred times as long.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2016\u202a-\u202e\u2060-\u206f\u2212\u301c"
    "\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)


def as_seen(text: str) -> str:
    """Return a text without what no reader sees, and with one form of dashes that look alike."""
    if text.isascii() or not _UNSEEN.search(text):
        return text
    return text.translate(_AS_SEEN)
