"""RFC 4648 base32, lower case, no padding: it survives mail software that changes letter case."""

from __future__ import annotations

import base64
import binascii

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def encode_base32(data: bytes) -> str:
    """Return the lower-case, unpadded base32 form of `data`."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def parse_base32(text: str) -> bytes:
    """Return the bytes that `text` stands for; `ValueError` unless it is the one form we write.

    The last character of a text has unused bits. Another character there would decode to the same
    bytes, so only the canonical one is taken: no two texts mean the same thing.
    """
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base32") from error
    if encode_base32(data) != text:
        raise ValueError("not the canonical base32 form")
    return data
