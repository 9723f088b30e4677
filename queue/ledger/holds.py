"""Holds: what makes a registration wait for two people instead of counting at once.

Each hold rests on what is in the log before the registration, or in its own entry, so that every
replay finds the same ones. A policy names those it applies (`holds`): one without them decides as
was decided before there were any. Nothing is dropped in silence: a held registration is on record
with its reasons, and people release or reject it. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.events import Event, EventType
from ledger.policy import Policy
from ledger.signupflags import SIGNUP_FLAGS
from ledger.states import Reason

# A letter that brings thirty of a company's applicants to register within an hour is possible,
# and so is somebody who writes registrations.
BURST_PERIOD: Final = timedelta(hours=1)

# RFC 5321 §4.2.1: the server has done what it was asked.
_DELIVERED_CODES: Final = frozenset(map(str, range(200, 300)))


@dataclass(frozen=True, slots=True)
class Before:
    """What the log says, before a registration, about its letter and its hour."""

    is_issued: bool
    is_delivered: bool
    in_hour: int  # Referrals of the company, held ones too.


def hold_reasons(event: Event, policy: Policy, before: Before) -> tuple[Reason, ...]:
    """Return why the registration is held under this policy; empty when it counts."""
    found: list[Reason] = []
    if not before.is_issued:
        found.append(Reason.NO_LETTER_ON_RECORD)
    elif not before.is_delivered and Reason.LETTER_NOT_DELIVERED in policy.holds:
        found.append(Reason.LETTER_NOT_DELIVERED)
    text = event.data.get("flags")
    flags = text.split() if isinstance(text, str) else ()
    found.extend(Reason(flag) for flag in SIGNUP_FLAGS if flag in flags and flag in policy.holds)
    if Reason.BURST in policy.holds and before.in_hour >= policy.burst_per_hour:
        found.append(Reason.BURST)
    if policy.hold_days:
        found.append(Reason.HOLD_PERIOD)
    return tuple(found)


def delivered_link(event_id: str) -> str:
    """Return the link of the letter that was delivered by a `letter.delivered` event of this id."""
    link_id, _, code = event_id.partition(":")[2].partition("/")
    return link_id if code in _DELIVERED_CODES else ""


def delivered_ids(link_id: str) -> list[str]:
    """Return every id that the event of this link's letter being delivered can have."""
    return [f"{EventType.LETTER_DELIVERED}:{link_id}/{code}" for code in _DELIVERED_CODES]


def count_in_hour(times: Sequence[datetime], time: datetime) -> int:
    """Return how many of the times, which are sorted, are in the hour that ends at `time`."""
    return bisect_right(times, time) - bisect_right(times, time - BURST_PERIOD)
