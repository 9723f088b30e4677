"""Revoked links: single ones, and those of a batch of letters that should not have gone out.

A revoked link still leads a candidate to the friendly front page; nothing is credited for it any
more. An immutable value; `signer.revocations_file` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from signer.errors import KeyRingError
from signer.links import LINK_ID_CHARS

# Letters of a mistaken mailing, many times over; the file stays under 4 MiB and is read in a tenth
# of a second. Who has more of them revokes the key.
LINKS_MAX = 100_000
WHY_CHARS_MAX = 200
_LINK_ID = re.compile(rf"[a-z2-7]{{{LINK_ID_CHARS}}}")
_WHY = re.compile(rf"[^\x00-\x1f\x7f]{{1,{WHY_CHARS_MAX}}}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Links of one company that were revoked together, when, and why."""

    company: str
    revoked: datetime
    why: str
    links: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.revoked.tzinfo is None:
            raise KeyRingError("`revoked` of a batch lacks a time zone")
        if not _WHY.fullmatch(self.why):
            raise KeyRingError(f"a reason is 1 to {WHY_CHARS_MAX} characters on one line")
        for link_id in self.links:
            if not is_link_id(link_id):
                raise KeyRingError(f"not a link id: {link_id[:40]!r}")


@dataclass(frozen=True, slots=True)
class Revocations:
    """All batches, oldest first."""

    batches: tuple[Batch, ...] = ()
    link_ids: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = frozenset(link for batch in self.batches for link in batch.links)
        if len(found) > LINKS_MAX:
            raise KeyRingError(
                f"{len(found)} revoked links; the limit is {LINKS_MAX}: revoke the key instead"
            )
        object.__setattr__(self, "link_ids", found)

    def with_batch(
        self, company: str, links: Iterable[str], now: datetime, why: str
    ) -> Revocations:
        """Return these and the links that are not among them yet."""
        new = tuple(link for link in dict.fromkeys(links) if link not in self.link_ids)
        if not new:
            return self
        return Revocations((*self.batches, Batch(company, now, why, new)))

    def find(self, link_id: str) -> Batch | None:
        """Return the batch in which this link was revoked."""
        return next((batch for batch in self.batches if link_id in batch.links), None)


def is_link_id(text: str) -> bool:
    """Tell whether the text has the form of a link id."""
    return bool(_LINK_ID.fullmatch(text))
