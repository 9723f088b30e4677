"""Sealing: what may be personal and must lie on disk for a while is encrypted there.

Fernet (AES-128-CBC with HMAC-SHA256) of the cryptography library, under a key derived from one
that is kept apart from the database, and for one purpose only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class SealError(ValueError):
    """The bytes were not sealed with this key for this purpose."""


class Seal:
    """Seals and opens under one key for one purpose."""

    def __init__(self, key: bytes, purpose: str) -> None:
        derived = hmac.digest(key, f"careerrelay seal\n{purpose}".encode(), hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, plain: bytes) -> bytes:
        """Return the bytes sealed."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; raises `SealError`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SealError("not sealed with this key") from None
