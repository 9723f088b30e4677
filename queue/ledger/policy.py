"""Policies: the rule of the service as data, each version with the time from which it is valid.

The rule has changed before and will again, and a replay must decide as was decided then. So a
policy in force is never edited; another one follows it, and `policy_at` finds the one of the time.
The text that companies agreed to is part of it, guarded by its digest. Pure.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from ledger.events import parse_time

# What a company is told before a slot of its expires, where a policy does not say otherwise.
EXPIRY_NOTICE_DAYS: Final = 30

# A hundred years: beyond it a number of days is a slip of the pen, and sums of times overflow.
DAYS_MAX: Final = 36_525

# A number of days or referrals that a policy may ask for.
COUNT_MAX: Final = 1_000_000

# What a policy can have registrations held for; `ledger.holds` says what each means.
HOLDS: Final = ("letter_not_delivered", "own_domain", "disposable_domain", "burst")

# Ids stand in log entries, in tables and on statements.
_ID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class PolicyError(ValueError):
    """The policy data is unusable."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the service's rule; the field names are those of `policies.toml`."""

    id: str
    valid_from: datetime
    threshold: int
    grant: int
    per_link: int
    person_days: int
    hold_days: int
    slot_lifetime_days: int
    text: str
    expiry_notice_days: int = EXPIRY_NOTICE_DAYS
    holds: tuple[str, ...] = ()
    burst_per_hour: int = 0

    @property
    def text_sha256(self) -> str:
        """The digest of the text, as companies can compare it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def hold(self) -> timedelta:
        """How long a referral waits before it counts."""
        return timedelta(days=self.hold_days)

    @property
    def slot_lifetime(self) -> timedelta | None:
        """How long a slot can be used; None for ever."""
        return timedelta(days=self.slot_lifetime_days) if self.slot_lifetime_days else None

    @property
    def expiry_notice(self) -> timedelta:
        """How long before a slot expires its company must have been told."""
        return timedelta(days=self.expiry_notice_days)


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Return the policies of a `policies.toml`, oldest first; raises `PolicyError`."""
    try:
        rows = cast("list[dict[str, Any]]", tomllib.loads(text)["policy"])
        policies = tuple(_policy(dict(row)) for row in rows)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"unusable policy data: {error}") from error
    if not policies or len({policy.id for policy in policies}) != len(policies):
        raise PolicyError("no policy, or two with one id")
    if len({policy.valid_from for policy in policies}) != len(policies):
        raise PolicyError("two policies begin at the same time")
    return tuple(sorted(policies, key=lambda policy: policy.valid_from))


def policy_at(policies: Iterable[Policy], time: datetime) -> Policy:
    """Return the policy in force at this time: the last that had begun, the first before all."""
    every = tuple(policies)
    begun = [policy for policy in every if policy.valid_from <= time]
    if begun:
        return max(begun, key=lambda policy: policy.valid_from)
    return min(every, key=lambda policy: policy.valid_from)


def policies_between(
    policies: Iterable[Policy], start: datetime, end: datetime
) -> tuple[Policy, ...]:
    """Return the policies in force at any time from `start` up to, not including, `end`."""
    ordered = sorted(policies, key=lambda policy: policy.valid_from)
    first = policy_at(ordered, start)
    later = (each for each in ordered if start < each.valid_from < end and each is not first)
    return (first, *later)


def _policy(row: dict[str, Any]) -> Policy:
    digest = row.pop("text_sha256")
    holds = tuple(row.pop("holds", ()))
    policy = Policy(valid_from=parse_time(str(row.pop("valid_from"))), holds=holds, **row)
    if policy.text_sha256 != digest:
        raise PolicyError(f"the text of {policy.id} is not the one its text_sha256 was made of")
    if not _ID.fullmatch(policy.id):
        raise PolicyError(f"not a policy id: {policy.id!r}")
    for name in ("threshold", "grant", "per_link"):
        _check(policy, name, 1, COUNT_MAX)
    for name in ("person_days", "hold_days", "slot_lifetime_days", "expiry_notice_days"):
        _check(policy, name, 0, DAYS_MAX)
    if unknown := set(holds) - set(HOLDS):
        raise PolicyError(f"{policy.id}: there is no hold {min(map(str, unknown))!r}")
    _check(policy, "burst_per_hour", int("burst" in holds), COUNT_MAX)
    return policy


def _check(policy: Policy, name: str, least: int, most: int) -> None:
    value = getattr(policy, name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise PolicyError(f"{policy.id}: {name} is not a number from {least} to {most}")
