"""RFC 4648 base32, lower case, no padding: it survives mail software that changes letter case."""

from __future__ import annotations

import base64
import re

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

_FORM = re.compile(rf"[{ALPHABET}]*")
# Python reads numbers to the base 32 itself, many times faster than its base64 module does; its
# digits are 0 to 9 and a to v.
_DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")


def encode_base32(data: bytes) -> str:
    """Return the lower-case, unpadded base32 form of `data`."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def parse_base32(text: str) -> bytes:
    """Return the bytes that `text` stands for; `ValueError` unless it is the one form we write.

    The last character of a text has unused bits. Another character there would decode to the same
    bytes, so only the canonical one is taken: no two texts mean the same thing.
    """
    size, unused_bits = divmod(5 * len(text), 8)
    if not _FORM.fullmatch(text) or unused_bits >= 5:
        raise ValueError("not base32")
    number = int(text.translate(_DIGITS) or "0", 32)
    if number & ((1 << unused_bits) - 1):
        raise ValueError("not the canonical base32 form")
    return (number >> unused_bits).to_bytes(size, "big")
