"""Links: one per letter, the same one when the letter is sent again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from signer.base32 import encode_base32
from signer.keyring import KeyRing

LINK_ID_CHARS = 16  # 80 bit: 10^9 letters collide with a chance under 10^-6.
LINK_ID_BYTES = 10  # 80 bit, 16 base32 characters: see signer.tokens.
URL_CHARS_MAX = 75  # RFC 2045 §6.7 allows 76 columns with the soft break; longer ones get wrapped.


def derive_link_id(
    ring: KeyRing, company: str, sender: str, recipients: Iterable[str], message_digest: bytes
) -> str:
    """Return the link id (16 base32 characters) of a letter.

    It follows from the company, the envelope and the message alone, so a retry gets the same one;
    and it is an HMAC under our key, so nobody can tell from it what it was made of. The order of
    the recipients does not count, nor does one that is named twice, nor the case of a domain.
    """
    key = ring.active.derive("link-id", company)
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for field in (_octets(sender), *sorted(set(map(_octets, recipients))), message_digest):
        # With its length in front, no two lists of fields read the same.
        mac.update(len(field).to_bytes(4, "big") + field)
    return encode_base32(mac.digest()[:LINK_ID_BYTES])


def _octets(address: str) -> bytes:
    # RFC 5321 §2.4: the local part is the receiver's own, the domain is the same in any case.
    local_part, at, domain = address.rpartition("@")
    # Addresses are octets to some mail systems; those that are no UTF-8 come as half surrogates.
    return (local_part + at + domain.lower()).encode("utf-8", "surrogateescape")


def link_url(base_url: str, token: str) -> str:
    """Return the URL that carries the token; `base_url` ends in a slash."""
    return base_url + token
