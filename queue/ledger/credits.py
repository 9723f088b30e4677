"""The ledger's rules: which signup is worth a referral, which referral makes a slot.

Double entry: a transfer moves whole units between accounts of one company and sums to zero in each
unit; it is never changed, and a mistake is corrected by another one. Every transfer comes from one
event of the log by one rule under one policy, and its key, the event's id, makes it happen once.

`Book` is the fold: give it a company's events in log order and it holds the balances and says what
follows from each event. The applier feeds it while the log grows, the audit feeds it the finished
log, and both get the same balances because there is no other way to compute them.
Pure: no clock, no I/O.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from ledger.events import (
    DERIVED_ONLY,
    INSTALLATION,
    Event,
    EventError,
    EventType,
    derived,
    link_issued_id,
    parse_time,
)


class Unit(StrEnum):
    """What is counted."""

    REFERRAL = "REFERRAL"
    SLOT = "SLOT"


class Account(StrEnum):
    """The accounts of a company. `CANDIDATES` and `SERVICE` are where units come from.

    They go negative by design: their balance is what was ever issued.
    """

    CANDIDATES = "candidates"
    HELD = "held"
    OPEN = "open"
    REDEEMED = "redeemed"
    SERVICE = "service"
    AVAILABLE = "available"
    RESERVED = "reserved"
    USED = "used"
    VOIDED = "voided"
    EXPIRED = "expired"


class Decision(StrEnum):
    """What became of an event. All but signups are merely `RECORDED`."""

    COUNTED = "counted"
    HELD = "held"
    DUPLICATE = "duplicate"
    UNATTRIBUTED = "unattributed"
    RECORDED = "recorded"


class Reason(StrEnum):
    """Why a signup was not simply counted."""

    LINK_ALREADY_USED = "link_already_used"
    PERSON_ALREADY_COUNTED = "person_already_counted"
    NO_LETTER_ON_RECORD = "no_letter_on_record"
    HOLD_PERIOD = "hold_period"
    NO_VALID_LINK = "no_valid_link"


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


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of a transfer."""

    account: Account
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement; `key` is unique over all transfers."""

    key: str
    company: str
    event_id: str
    rule: str
    policy: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        sums: dict[Unit, int] = {}
        for posting in self.postings:
            sums[posting.unit] = sums.get(posting.unit, 0) + posting.amount
        if any(sums.values()):
            raise ValueError(f"transfer {self.key} does not sum to zero")


@dataclass(frozen=True, slots=True)
class Claim:
    """A signup's claim to its link and person: nobody else is credited for them."""

    event_id: str
    company: str
    link_id: str
    person_ref: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows from one event."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    derived: tuple[Event, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event came to, as it is kept and answered: the counts are those right after it."""

    event_id: str
    decision: Decision
    reasons: tuple[str, ...]
    open: int
    slots_available: int


@dataclass(frozen=True, slots=True)
class _Move:
    """`amount` is the name of the event's data field that says how many; empty for one."""

    unit: Unit
    source: Account
    target: Account
    amount: str = ""


_SLOTS: Final = "slots"

# What each event moves. An event that is not here moves nothing.
_MOVES: Final[dict[EventType, tuple[_Move, ...]]] = {
    EventType.REFERRAL_COUNTED: (_Move(Unit.REFERRAL, Account.CANDIDATES, Account.OPEN),),
    EventType.REFERRAL_HELD: (_Move(Unit.REFERRAL, Account.CANDIDATES, Account.HELD),),
    EventType.REFERRAL_RELEASED: (_Move(Unit.REFERRAL, Account.HELD, Account.OPEN),),
    # Of a held referral; a duplicate was never in an account and says 0 here.
    EventType.REFERRAL_REJECTED: (
        _Move(Unit.REFERRAL, Account.HELD, Account.CANDIDATES, "from_held"),
    ),
    # After a grant this leaves OPEN negative; the next referral fills it.
    EventType.REFERRAL_REVERSED: (_Move(Unit.REFERRAL, Account.OPEN, Account.CANDIDATES),),
    EventType.SLOT_GRANTED: (
        _Move(Unit.REFERRAL, Account.OPEN, Account.REDEEMED, "referrals"),
        _Move(Unit.SLOT, Account.SERVICE, Account.AVAILABLE, _SLOTS),
    ),
    EventType.SLOT_RESERVED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.RESERVED, _SLOTS),),
    EventType.SLOT_USED: (_Move(Unit.SLOT, Account.RESERVED, Account.USED, _SLOTS),),
    EventType.SLOT_RELEASED: (_Move(Unit.SLOT, Account.RESERVED, Account.AVAILABLE, _SLOTS),),
    EventType.SLOT_VOIDED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.VOIDED, _SLOTS),),
    EventType.SLOT_EXPIRED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.EXPIRED, _SLOTS),),
}

Balances = dict[tuple[Account, Unit], int]


@dataclass(slots=True)
class Book:
    """A company's ledger while it is folded; `apply` is the only thing that writes to it.

    `issued` holds the ids of the `letter.link_issued` events, `links` how often a link was
    claimed, `people` when a person claimed. A book may be partial: the applier loads only what the
    events at hand can touch.
    """

    company: str
    policies: Sequence[Policy]
    balances: Balances = field(default_factory=dict[tuple[Account, Unit], int])
    issued: set[str] = field(default_factory=set[str])
    links: dict[str, int] = field(default_factory=dict[str, int])
    people: dict[str, list[datetime]] = field(default_factory=dict[str, list[datetime]])

    def apply(self, event: Event) -> Ruling:
        """Take the next event of the log and return what follows from it."""
        if event.company != self.company:
            raise ValueError(f"event of {event.company} in the book of {self.company}")
        if event.type is EventType.SIGNUP_VERIFIED:
            return self._judge(event)
        if event.type is EventType.LETTER_LINK_ISSUED:
            self.issued.add(event.id)
            return Ruling(Decision.RECORDED)
        if event.type in DERIVED_ONLY:
            raise EventError("type", f"{event.type} follows from a rule and is not reported")
        transfers = self._post(event)
        granted = self._grant(event) if transfers else ()
        return Ruling(
            Decision.RECORDED,
            derived=granted,
            transfers=(*transfers, *(t for one in granted for t in transfers_of(one))),
        )

    def balance(self, account: Account, unit: Unit) -> int:
        """Return what is on an account."""
        return self.balances.get((account, unit), 0)

    def outcome(self, event: Event, ruling: Ruling) -> Outcome:
        """Return what is answered for an event that was applied just now."""
        return Outcome(
            event_id=event.id,
            decision=ruling.decision,
            reasons=tuple(map(str, ruling.reasons)),
            open=self.balance(Account.OPEN, Unit.REFERRAL),
            slots_available=self.balance(Account.AVAILABLE, Unit.SLOT),
        )

    def _judge(self, event: Event) -> Ruling:
        if self.company == INSTALLATION:
            return Ruling(Decision.UNATTRIBUTED, (Reason.NO_VALID_LINK,))
        policy = policy_at(self.policies, event.time)
        decision, reasons = self._decide(event, policy)
        why: dict[str, str | int] = {"policy": policy.id, "signup": event.id}
        if decision is Decision.DUPLICATE:
            data = {**why, "reasons": " ".join(reasons), "from_held": 0}
            return Ruling(decision, reasons, (derived(EventType.REFERRAL_REJECTED, event, data),))
        if decision is Decision.HELD:
            first = derived(EventType.REFERRAL_HELD, event, {**why, "reasons": " ".join(reasons)})
        else:
            first = derived(EventType.REFERRAL_COUNTED, event, why)
        self._post(first)
        claim = Claim(
            event.id, self.company, _text(event, "link_id"), _text(event, "person_ref"), event.time
        )
        self.links[claim.link_id] = self.links.get(claim.link_id, 0) + 1
        self.people.setdefault(claim.person_ref, []).append(claim.time)
        follows = (first, *self._grant(event))
        transfers = tuple(transfer for one in follows for transfer in transfers_of(one))
        return Ruling(decision, reasons, follows, transfers, claim)

    def _decide(self, event: Event, policy: Policy) -> tuple[Decision, tuple[Reason, ...]]:
        link_id, period = _text(event, "link_id"), timedelta(days=policy.person_days)
        duplicate: list[Reason] = []
        if self.links.get(link_id, 0) >= policy.per_link:
            duplicate.append(Reason.LINK_ALREADY_USED)
        earlier = self.people.get(_text(event, "person_ref"), ())
        # Both directions: registrations may be reported out of order.
        if any(abs(event.time - time) < period for time in earlier):
            duplicate.append(Reason.PERSON_ALREADY_COUNTED)
        if duplicate:
            return Decision.DUPLICATE, tuple(duplicate)
        held: list[Reason] = []
        if not link_id or link_issued_id(link_id) not in self.issued:
            held.append(Reason.NO_LETTER_ON_RECORD)
        if policy.hold_days:
            held.append(Reason.HOLD_PERIOD)
        return (Decision.HELD, tuple(held)) if held else (Decision.COUNTED, ())

    def _grant(self, cause: Event) -> tuple[Event, ...]:
        """Return the grants that `cause` made due, already posted."""
        policy = policy_at(self.policies, cause.time)
        grants: list[Event] = []
        while self.balance(Account.OPEN, Unit.REFERRAL) >= policy.threshold:
            # SERVICE counts what was ever granted, so the number is never used again.
            number = 1 - self.balance(Account.SERVICE, Unit.SLOT)
            name = f"{self.company}/{number}"
            data: dict[str, str | int] = {
                "policy": policy.id,
                "cause": cause.id,
                "referrals": policy.threshold,
                "slots": policy.grant,
            }
            grant = derived(EventType.SLOT_GRANTED, cause, data, name=name, subject=f"slot:{name}")
            self._post(grant)
            grants.append(grant)
        return tuple(grants)

    def _post(self, event: Event) -> tuple[Transfer, ...]:
        transfers = transfers_of(event)
        for transfer in transfers:
            post(self.balances, transfer)
        return transfers


def transfers_of(event: Event) -> tuple[Transfer, ...]:
    """Return what the event moves: at most one transfer, with a posting pair per unit."""
    postings: list[Posting] = []
    for move in _MOVES.get(event.type, ()):
        if amount := _amount(event, move.amount):
            postings.append(Posting(move.source, move.unit, -amount))
            postings.append(Posting(move.target, move.unit, amount))
    if not postings:
        return ()
    policy = _text(event, "policy")
    return (Transfer(event.id, event.company, event.id, event.type, policy, tuple(postings)),)


def post(balances: Balances, transfer: Transfer) -> None:
    """Add the transfer to the balances."""
    for posting in transfer.postings:
        place = (posting.account, posting.unit)
        balances[place] = balances.get(place, 0) + posting.amount


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Return the policies of a `policies.toml`; raises `PolicyError`."""
    try:
        rows = cast("list[dict[str, Any]]", tomllib.loads(text)["policy"])
        policies = tuple(_policy(dict(row)) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"unusable policy data: {error}") from error
    if not policies or len({policy.id for policy in policies}) != len(policies):
        raise PolicyError("no policy, or two with one id")
    return policies


def policy_at(policies: Iterable[Policy], time: datetime) -> Policy:
    """Return the policy in force at this time: the last that had begun, the first before all."""
    ordered = sorted(policies, key=lambda policy: policy.valid_from)
    begun = [policy for policy in ordered if policy.valid_from <= time]
    return begun[-1] if begun else ordered[0]


def _policy(row: dict[str, Any]) -> Policy:
    digest = row.pop("text_sha256")
    if hashlib.sha256(str(row["text"]).encode()).hexdigest() != digest:
        raise PolicyError(f"the text of {row['id']} is not the one its text_sha256 was made of")
    policy = Policy(valid_from=parse_time(str(row.pop("valid_from"))), **row)
    if policy.threshold < 1 or policy.grant < 1 or policy.per_link < 1:
        raise PolicyError(f"{policy.id}: threshold, grant and per_link start at 1")
    return policy


def _amount(event: Event, name: str) -> int:
    if not name:
        return 1
    value = event.data.get(name)
    if not isinstance(value, int) or value < 0:
        raise EventError(f"data.{name}", "is not a count")
    return value


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    if not isinstance(value, str):
        raise EventError(f"data.{name}", "is missing or not a string")
    return value
