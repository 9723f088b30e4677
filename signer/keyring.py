"""The key ring: one key signs, all that are not revoked verify.

A key goes `next -> active -> verify-only -> revoked`. A ring is an immutable value; changing it
gives another ring, which `signer.keyring_file` writes. Key ids are one base32 character, are never
used again, and stand in every token, so that a token names its key. A ring knows as well which
single links are revoked (`signer.revocations`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from signer.base32 import ALPHABET
from signer.errors import KeyRingError

SECRET_BYTES = 32  # As long as the SHA-256 output: a longer HMAC key adds nothing (RFC 2104 §3).
KEYS_MAX = len(ALPHABET)  # A key id is one base32 character.


class KeyState(StrEnum):
    """Where a key stands in its life."""

    NEXT = "next"
    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring. `secret` never appears in a representation.

    The times say when it came into each state; a ring that was written by an earlier version has
    none but the first.
    """

    id: str
    secret: bytes = field(repr=False)
    state: KeyState
    created: datetime
    activated: datetime | None = None
    retired: datetime | None = None
    revoked: datetime | None = None

    def derive(self, purpose: str, company: str) -> bytes:
        """Return the 32-byte key for one purpose and company (HMAC-SHA256, RFC 2104)."""
        return _derive(self.secret, salt_for(purpose, company))


def salt_for(purpose: str, company: str) -> bytes:
    """Return the salt that keeps purposes and companies apart; a NUL cannot be in either name."""
    return f"careerrelay.{purpose}.v1\0{company}".encode()


@lru_cache(maxsize=4096)  # A few purposes times the companies of one installation.
def _derive(secret: bytes, salt: bytes) -> bytes:
    return hmac.new(secret, salt, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys, oldest first, and the ids of revoked links. Exactly one key is active."""

    keys: tuple[Key, ...]
    revoked_links: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        ids = [key.id for key in self.keys]
        if len(set(ids)) != len(ids):
            raise KeyRingError("two keys have the same id")
        if any(len(key_id) != 1 or key_id not in ALPHABET for key_id in ids):
            raise KeyRingError("a key id is one character of a-z, 2-7")
        if any(len(key.secret) != SECRET_BYTES for key in self.keys):
            raise KeyRingError(f"a secret has {SECRET_BYTES} bytes")
        active = sum(key.state is KeyState.ACTIVE for key in self.keys)
        if active != 1:
            raise KeyRingError(f"one key must be active, {active} are")

    @classmethod
    def generate(
        cls, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> KeyRing:
        """Return a ring with one active key."""
        return cls((Key(ALPHABET[0], random_bytes(SECRET_BYTES), KeyState.ACTIVE, now, now),))

    @property
    def active(self) -> Key:
        """The key that signs."""
        return next(key for key in self.keys if key.state is KeyState.ACTIVE)

    def find(self, key_id: str) -> Key | None:
        """Return the key with this id, revoked or not."""
        return next((key for key in self.keys if key.id == key_id), None)

    def verifying(self) -> tuple[Key, ...]:
        """Return the keys that may verify, newest first."""
        return tuple(key for key in reversed(self.keys) if key.state is not KeyState.REVOKED)

    def with_new_key(
        self, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> KeyRing:
        """Return the ring with one more key in state `next`."""
        if len(self.keys) >= KEYS_MAX:
            raise KeyRingError(f"the ring is full: it has had {KEYS_MAX} keys; make another ring")
        key_id = next(char for char in ALPHABET if self.find(char) is None)
        key = Key(key_id, random_bytes(SECRET_BYTES), KeyState.NEXT, now)
        return replace(self, keys=(*self.keys, key))

    def with_activated(self, key_id: str, now: datetime) -> KeyRing:
        """Return the ring in which this `next` key signs and the one before it only verifies."""
        key, before = self._known(key_id), self.active
        if key.state is not KeyState.NEXT:
            raise KeyRingError(f"key {key_id!r} is {key.state}, not next")
        return self._with(
            replace(key, state=KeyState.ACTIVE, activated=now),
            replace(before, state=KeyState.VERIFY_ONLY, retired=now),
        )

    def with_revoked(self, key_id: str, now: datetime) -> KeyRing:
        """Return the ring in which every token of this key is refused."""
        key = self._known(key_id)
        if key.state is KeyState.ACTIVE:
            raise KeyRingError(f"key {key_id!r} is active: activate another one first")
        if key.state is KeyState.REVOKED:
            raise KeyRingError(f"key {key_id!r} is revoked already")
        return self._with(replace(key, state=KeyState.REVOKED, revoked=now))

    def _known(self, key_id: str) -> Key:
        key = self.find(key_id)
        if key is None:
            raise KeyRingError(f"no key {key_id!r} in the ring")
        return key

    def _with(self, *changed: Key) -> KeyRing:
        by_id = {key.id: key for key in changed}
        return replace(self, keys=tuple(by_id.get(key.id, key) for key in self.keys))
