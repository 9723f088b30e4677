"""Tokens: 43 lower-case base32 characters that prove themselves against the key ring.

    key id (1) | link id (16, 80 bit) | tag (26, HMAC-SHA256 cut to 128 bit)

The tag is made by a signing algorithm of itsdangerous under a key derived for the company. A token
says nothing about anybody and holds no destination. The format is written down in docs/formats.md.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from itsdangerous.signer import SigningAlgorithm

from signer.base32 import encode_base32, parse_base32
from signer.damage import TOKEN_CHARS, find_candidates, find_token
from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState
from signer.links import LINK_ID_CHARS

# Who opens links finds all of it here.
__all__ = [
    "LINK_ID_CHARS",
    "TOKEN_CHARS",
    "Claims",
    "Reading",
    "check_token",
    "find_token",
    "make_token",
    "read_link",
    "read_token",
]

TAG_CHARS = 26
TAG_BYTES = 16  # RFC 2104 §5: not less than half of the hash output.
PURPOSE = "token"

_FORM = re.compile(rf"[a-z2-7]{{{TOKEN_CHARS}}}")
_LINK_ID = re.compile(rf"[a-z2-7]{{{LINK_ID_CHARS}}}\Z")

assert TOKEN_CHARS == 1 + LINK_ID_CHARS + TAG_CHARS


class Claims(NamedTuple):
    """What a token proves: whose letter it was in, which one, and the state of its key."""

    company: str
    link_id: str
    key_id: str
    state: KeyState
    token: str = ""


class Reading(NamedTuple):
    """What a token says, and what of it is proved.

    `company` is whose key made it, `None` where none did; `state` that of its key, `None` for an
    unknown one; `refusal` the reason in `BadToken`, empty for a good token.
    """

    key_id: str
    link_id: str
    state: KeyState | None
    company: str | None
    refusal: str


class _ShortHmac(SigningAlgorithm):
    """HMAC-SHA256 cut to 128 bit (RFC 2104 §5)."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        # Not `hmac.digest`, which lets other threads run: one may do so for milliseconds.
        return hmac.new(key, value, "sha256").digest()[:TAG_BYTES]


# Without the library's `Signer` around it: its keys and texts are not ours, its tags are base64.
_ALGORITHM = _ShortHmac()


def make_token(ring: KeyRing, company: str, link_id: str) -> str:
    """Return the token of a letter, signed with the active key."""
    if not _LINK_ID.match(link_id):
        raise ValueError(f"a link id has {LINK_ID_CHARS} characters of a-z, 2-7")
    signed = ring.active.id + link_id
    key = ring.active.derive(PURPOSE, company)
    return signed + encode_base32(_ALGORITHM.get_signature(key, signed.encode()))


def check_token(ring: KeyRing, token: str, companies: Iterable[str]) -> Claims:
    """Return what `token` claims; `BadToken` unless a key that may verify signed it for a company.

    `token` is what `find_token` returned. Which company it is for is not in it: the keys of all
    are tried, in a few microseconds each. Tags are compared in constant time; what else the time
    may tell is in the token for everyone to read: its form, and the id of its key.
    """
    reading = read_token(ring, token, companies)
    if reading.refusal:
        raise BadToken(reading.refusal)
    return _claims(reading, token)


def read_link(ring: KeyRing, text: str, companies: Sequence[str]) -> Claims:
    """Return what the token in `text` claims, whatever mail software did to it.

    Of the ways to read it the first that proves itself counts. `BadToken` says why the most likely
    one does not; its reason is `damaged` where nothing could be a token.
    """
    refusal = "damaged"
    for token in find_candidates(text):
        reading = read_token(ring, token, companies)
        if not reading.refusal:
            return _claims(reading, token)
        if refusal == "damaged" or reading.company is not None:
            refusal = reading.refusal
    raise BadToken(refusal)


def read_token(ring: KeyRing, token: str, companies: Iterable[str]) -> Reading:
    """Return all there is to say about a token, good or not."""
    if len(token) != TOKEN_CHARS or not _FORM.match(token):
        return Reading("", "", None, None, "malformed")
    key_id, link_id = token[0], token[1 : 1 + LINK_ID_CHARS]
    try:
        tag = parse_base32(token[1 + LINK_ID_CHARS :])
    except ValueError:
        return Reading(key_id, link_id, None, None, "malformed")
    key = ring.find(key_id)
    if key is None:
        return Reading(key_id, link_id, None, None, "unknown_key")
    company = _signed_for(key, key_id + link_id, tag, companies)
    refusal = ""
    if company is None:
        refusal = "bad_tag"
    elif key.state is KeyState.REVOKED:
        refusal = "revoked"
    elif link_id in ring.revoked_links:
        refusal = "link_revoked"
    return Reading(key_id, link_id, key.state, company, refusal)


def _claims(reading: Reading, token: str) -> Claims:
    assert reading.company is not None
    assert reading.state is not None
    return Claims(reading.company, reading.link_id, reading.key_id, reading.state, token)


def _signed_for(key: Key, signed: str, tag: bytes, companies: Iterable[str]) -> str | None:
    value = signed.encode()
    for company in companies:
        if _ALGORITHM.verify_signature(key.derive(PURPOSE, company), value, tag):
            return company
    return None
