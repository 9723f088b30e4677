"""The errors of this package; each carries what was found, never a secret."""

from __future__ import annotations


class SignerError(Exception):
    """The base of every error raised here."""


class KeyRingError(SignerError):
    """The key ring or its file cannot be used; the text says what is wrong and what to do."""


class BadToken(SignerError):
    """A token is not one of ours, or no longer is.

    `reason` is `malformed`, `unknown_key`, `revoked`, `link_revoked`, `bad_tag` or,
    of a text that holds none, `damaged`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token is refused: {reason}")
        self.reason = reason
