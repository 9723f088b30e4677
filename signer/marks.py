"""Marks: the MAC in the header of a letter we changed; nobody can forge it to switch us off."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from signer.base32 import encode_base32
from signer.keyring import Key, KeyRing

MARK_BYTES = 16  # 128 bit, 26 base32 characters.


def make_mark(ring: KeyRing, company: str, message_id: bytes, link_id: str) -> str:
    """Return the MAC (26 base32 characters) over Message-ID, company and link id."""
    return _mark(ring.active, company, message_id, link_id)


def check_mark(
    ring: KeyRing, companies: Iterable[str], message_id: bytes, link_id: str, mac: str
) -> str | None:
    """Return the company whose mark this is, `None` if it is nobody's."""
    for key in ring.verifying():
        for company in companies:
            expected = _mark(key, company, message_id, link_id)
            if hmac.compare_digest(expected.encode(), mac.encode()):
                return company
    return None


def _mark(key: Key, company: str, message_id: bytes, link_id: str) -> str:
    content = link_id.encode() + b"\0" + message_id.strip()
    return encode_base32(
        hmac.new(key.derive("mark", company), content, hashlib.sha256).digest()[:MARK_BYTES]
    )
