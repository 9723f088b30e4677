"""Sealing: what may be personal and must lie on disk for a while is encrypted there.

Fernet (AES-128-CBC with HMAC-SHA256) of the cryptography library, under a key derived from one
that is kept apart from the database, and for one purpose only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealError(ValueError):
    """The bytes were not sealed with this key for this purpose."""


class RingSeal:
    """Seals under the newest of several keys, opens what any of them sealed; for one purpose."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        """`keys` go from the oldest to the newest; `ValueError` when there is none."""
        fernets = [_fernet(key, purpose) for key in reversed(keys)]
        # It tries them in this order, and seals with the first.
        self._fernet = MultiFernet(fernets)
        self._newest = fernets[0]

    def close(self, plain: bytes) -> bytes:
        """Return the bytes sealed."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; raises `SealError`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SealError("not sealed with these keys") from None

    def renew(self, sealed: bytes) -> bytes | None:
        """Return the same under the newest key, None where it is already; raises `SealError`."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return self.close(self.open(sealed))
        return None


class Seal(RingSeal):
    """Seals and opens under one key for one purpose."""

    def __init__(self, key: bytes, purpose: str) -> None:
        super().__init__((key,), purpose)


def _fernet(key: bytes, purpose: str) -> Fernet:
    derived = hmac.digest(key, f"careerrelay seal\n{purpose}".encode(), hashlib.sha256)
    return Fernet(base64.urlsafe_b64encode(derived))
