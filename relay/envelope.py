"""The envelope: sender and recipients as agreed in the SMTP dialogue (RFC 5321 §2.3.1), never from headers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender and recipients of one transaction, as the peer wrote them, without angle brackets.

    The null sender of RFC 5321 §4.5.5 is `""`.
    """

    sender: str
    recipients: tuple[str, ...]


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case, `""` for the null sender or a bare local part."""
    return address.rpartition("@")[2].lower() if "@" in address else ""
