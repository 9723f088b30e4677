"""Tokens: 43 lower-case base32 characters that prove themselves against the key ring.

    key id (1) | link id (16, 80 bit) | tag (26, HMAC-SHA256 cut to 128 bit)

The tag is made by itsdangerous' `Signer` under a key derived for the company. A token says nothing
about anybody and holds no destination. The format is written down in docs/formats.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import Signer, SigningAlgorithm

from signer.base32 import encode_base32, parse_base32
from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState

LINK_ID_CHARS = 16  # 80 bit: 10^9 letters collide with a chance under 10^-6.
TAG_CHARS = 26
TOKEN_CHARS = 1 + LINK_ID_CHARS + TAG_CHARS
TAG_BYTES = 16  # RFC 2104 §5: not less than half of the hash output.
PURPOSE = "token"

_FORM = re.compile(rf"[a-z2-7]{{{TOKEN_CHARS}}}")
_LINK_ID = re.compile(rf"[a-z2-7]{{{LINK_ID_CHARS}}}\Z")
_PREFIX_CHARS = 4 * TOKEN_CHARS  # What of a text is looked at: a token and what got glued to it.


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token proves: whose letter it was in, which one, and the state of its key."""

    company: str
    link_id: str
    key_id: str
    state: KeyState


class _ShortHmac(SigningAlgorithm):
    """HMAC-SHA256 cut to 128 bit (RFC 2104 §5)."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.new(key, value, hashlib.sha256).digest()[:TAG_BYTES]


def make_token(ring: KeyRing, company: str, link_id: str) -> str:
    """Return the token of a letter, signed with the active key."""
    if not _LINK_ID.match(link_id):
        raise ValueError(f"a link id has {LINK_ID_CHARS} characters of a-z, 2-7")
    signed = ring.active.id + link_id
    tag = base64_decode(_signer(ring.active, company).get_signature(signed))
    return signed + encode_base32(tag)


def find_token(text: str) -> str | None:
    """Return what could be a token at the start of `text`, `None` if nothing could.

    Forgiving, since gateways change the letter case, add a full stop or glue text behind.
    """
    head = text[:_PREFIX_CHARS]
    # Only ASCII letters: the Kelvin sign is a "k" to str.lower().
    found = _FORM.match("".join(char.lower() if char.isascii() else "." for char in head))
    return found.group() if found else None


def check_token(ring: KeyRing, token: str, companies: Iterable[str]) -> Claims:
    """Return what `token` claims; `BadToken` unless a key that may verify signed it for a company.

    `token` is what `find_token` returned. Which company it is for is not in it: the keys of all
    are tried, in a few microseconds each.
    """
    if len(token) != TOKEN_CHARS or not _FORM.match(token):
        raise BadToken("malformed")
    signed = token[: 1 + LINK_ID_CHARS]
    try:
        tag = base64_encode(parse_base32(token[1 + LINK_ID_CHARS :]))
    except ValueError as error:
        raise BadToken("malformed") from error
    key = ring.find(token[0])
    if key is None:
        raise BadToken("unknown_key")
    for company in companies:
        if _signer(key, company).verify_signature(signed, tag):
            if key.state is KeyState.REVOKED:
                raise BadToken("revoked")
            return Claims(company, signed[1:], key.id, key.state)
    raise BadToken("bad_tag")


def _signer(key: Key, company: str) -> Signer:
    # Both defaults of the library (SHA-1, "django-concat") are replaced; the key is derived here as
    # "hmac" would do, because ours are kept.
    return Signer(
        key.derive(PURPOSE, company),
        key_derivation="none",
        digest_method=hashlib.sha256,
        algorithm=_ShortHmac(),
    )
