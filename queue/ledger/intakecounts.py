"""What the intake counts while it runs, for whoever watches it; each value is of a closed set.

No company, no link, no person and nothing that came in with a request is among them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import StrEnum


class What(StrEnum):
    """What is counted: the name of the metric, which docs/admin/running.md explains."""

    LINKS = "links_followed"
    CLICKS = "clicks"
    RECORDS = "click_records"
    REGISTRATIONS = "registrations"


class Outcome(StrEnum):
    """`What.LINKS`: what a link was when somebody followed it; with the reasons of `BadToken`."""

    WHOLE = "whole"
    MENDED = "mended"  # It came through damaged, and was read all the same.
    DAMAGED = "damaged"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_TAG = "bad_tag"
    REVOKED = "revoked"
    LINK_REVOKED = "link_revoked"


class Kept(StrEnum):
    """`What.RECORDS`: what became of the record of a click."""

    STORE = "store"
    SPILL = "spill"  # The store was away; it is taken in when it is back.
    THINNED = "thinned"  # One of many of its network in a minute, of which the number is kept.
    LOST = "lost"  # As far as is known when the candidate is sent on.


class Step(StrEnum):
    """`What.REGISTRATIONS`: what people did on our own pages."""

    RECEIVED = "received"
    NOT_KEPT = "not_kept"  # The address wants no mail, or has had enough of it today.
    CONFIRMED = "confirmed"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    DELETED = "deleted"
    EXPIRED = "expired"  # A link of our mail was too old.
    BROKEN = "broken"  # Or did not come through.


# Hears what was counted, its value, and how many there were; never raises.
Hear = Callable[[str, str, int], None]


class Counts:
    """Counts of one process since its start, for one event loop.

    `hear` is told once in a turn of the loop: a mailing that is opened makes many counts in one.
    """

    def __init__(self, hear: Hear | None = None) -> None:
        self._told: Counter[tuple[What, str]] = Counter()
        self._new: Counter[tuple[What, str]] = Counter()
        self._hear = hear

    def add(self, what: What, how: str) -> None:
        """Count one."""
        if not self._new:
            asyncio.get_running_loop().call_soon(self._tell)
        self._new[what, how] += 1

    def __getitem__(self, key: tuple[What, str]) -> int:
        """Return how many there were."""
        return self._told[key] + self._new[key]

    def _tell(self) -> None:
        new, self._new = self._new, Counter()
        self._told.update(new)
        if self._hear is not None:
            for (what, how), count in new.items():
                self._hear(what, how, count)
