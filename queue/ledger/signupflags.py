"""What a registration's address may be noted for, as words of a closed set; never the address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

OWN_DOMAIN: Final = "own_domain"  # It is at a domain of the company that sent the letter.
DISPOSABLE_DOMAIN: Final = "disposable_domain"  # It is at one for throw-away addresses.
SIGNUP_FLAGS: Final = (OWN_DOMAIN, DISPOSABLE_DOMAIN)


def join_flags(flags: Iterable[str]) -> str:
    """Return those of the flags that there are, each once, in their order, as they are stored."""
    given = set(flags)
    return " ".join(flag for flag in SIGNUP_FLAGS if flag in given)
