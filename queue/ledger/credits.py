"""The ledger's rules: which signup is worth a referral, which referral makes a slot.

`Book` is the fold: give it a company's events in log order and it holds balances, referrals, slots
and proposals, and says what follows from each event. The applier feeds it while the log grows, the
audit and a rebuild feed it the finished log, and all get the same because there is no other way to
compute it. Each event is decided by the policy of its own time.
Pure: no clock, no I/O.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from ledger.accounts import (
    Account,
    Balances,
    Posting,
    Transfer,
    Unit,
    nonzero,
    post,
    transfers_of,
)
from ledger.events import (
    DERIVED_ONLY,
    INSTALLATION,
    Event,
    EventError,
    EventType,
    derived,
    link_issued_id,
)
from ledger.holdings import CHANGES, Holdings, Refused, slot_name
from ledger.holds import Before, count_in_hour, delivered_link, hold_reasons
from ledger.policy import Policy, PolicyError, parse_policies, policy_at
from ledger.states import Reason, Referral, ReferralState

# What those who use the ledger need is had from here, wherever it is kept.
__all__ = [
    "Account",
    "Balances",
    "Book",
    "Decision",
    "Outcome",
    "Policy",
    "PolicyError",
    "Posting",
    "Reason",
    "Ruling",
    "Transfer",
    "Unit",
    "nonzero",
    "parse_policies",
    "policy_at",
    "transfers_of",
]


class Decision(StrEnum):
    """What became of an event. What is neither a signup nor refused is merely `RECORDED`."""

    COUNTED = "counted"
    HELD = "held"
    DUPLICATE = "duplicate"
    UNATTRIBUTED = "unattributed"
    RECORDED = "recorded"
    REFUSED = "refused"
    DROPPED = "dropped"  # Given up by a person before it was applied; in no log.


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows from one event."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    derived: tuple[Event, ...] = ()
    transfers: tuple[Transfer, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event came to, as it is kept and answered: the counts are those right after it."""

    event_id: str
    decision: Decision
    reasons: tuple[str, ...]
    open: int
    slots_available: int


@dataclass(slots=True)
class Book:
    """A company's ledger while it is folded; `apply` is the only thing that writes to it.

    `issued` holds the ids of the `letter.link_issued` events, `delivered` the links whose letters
    the next hop took, `links` how often a link was claimed, `people` when a person claimed, `times`
    when anybody did, sorted. A book may be partial: the applier loads only what the events at hand
    can touch.
    """

    company: str
    policies: Sequence[Policy]
    balances: Balances = field(default_factory=dict[tuple[Account, Unit], int])
    issued: set[str] = field(default_factory=set[str])
    delivered: set[str] = field(default_factory=set[str])
    links: dict[str, int] = field(default_factory=dict[str, int])
    people: dict[str, list[datetime]] = field(default_factory=dict[str, list[datetime]])
    times: list[datetime] = field(default_factory=list[datetime])
    holdings: Holdings = field(init=False)

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.company, self.policies)

    def copy(self) -> Book:
        """Return what the book holds now, to compare with what it becomes."""
        made = Book(self.company, self.policies, dict(self.balances))
        made.holdings = self.holdings.copy()
        return made

    def apply(self, event: Event) -> Ruling:
        """Take the next event of the log and return what follows from it."""
        if event.company != self.company:
            raise ValueError(f"event of {event.company} in the book of {self.company}")
        if event.type is EventType.SIGNUP_VERIFIED:
            return self._judge(event)
        if event.type is EventType.LETTER_LINK_ISSUED:
            self.issued.add(event.id)
        elif event.type is EventType.LETTER_DELIVERED:
            self.delivered.add(delivered_link(event.id))
        elif event.type in DERIVED_ONLY:
            raise EventError("type", f"{event.type} follows from a rule and is not reported")
        elif event.type in CHANGES:
            return self._change(event)
        return Ruling(Decision.RECORDED)

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

    def _change(self, event: Event) -> Ruling:
        try:
            self.holdings.change(event)
        except Refused as refused:
            return Ruling(Decision.REFUSED, (refused.reason,))
        transfers = self._post(event)
        granted: tuple[Event, ...] = ()
        if event.type is EventType.REFERRAL_RELEASED:
            granted, more = self._grant(event)
            transfers = (*transfers, *more)
        return Ruling(Decision.RECORDED, derived=granted, transfers=transfers)

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
        self._claim(event, decision, reasons, policy)
        transfers = self._post(first)
        granted, more = self._grant(event)
        return Ruling(decision, reasons, (first, *granted), (*transfers, *more))

    def _claim(
        self, event: Event, decision: Decision, reasons: tuple[Reason, ...], policy: Policy
    ) -> None:
        link_id, person = _text(event, "link_id"), _text(event, "person_ref")
        self.links[link_id] = self.links.get(link_id, 0) + 1
        self.people.setdefault(person, []).append(event.time)
        insort(self.times, event.time)
        self.holdings.referrals[event.id] = Referral(
            event_id=event.id,
            company=self.company,
            link_id=link_id,
            person_ref=person,
            time=event.time,
            state=ReferralState(decision),
            due=event.time + policy.hold if reasons == (Reason.HOLD_PERIOD,) else None,
        )

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
        before = Before(
            is_issued=bool(link_id) and link_issued_id(link_id) in self.issued,
            is_delivered=link_id in self.delivered,
            in_hour=count_in_hour(self.times, event.time),
        )
        held = hold_reasons(event, policy, before)
        return (Decision.HELD, held) if held else (Decision.COUNTED, ())

    def _grant(self, cause: Event) -> tuple[tuple[Event, ...], tuple[Transfer, ...]]:
        """Return the grants that `cause` made due with their transfers, already posted."""
        policy = policy_at(self.policies, cause.time)
        grants: list[Event] = []
        transfers: list[Transfer] = []
        while self.balance(Account.OPEN, Unit.REFERRAL) >= policy.threshold:
            # SERVICE counts what was ever granted, so the number is never used again.
            first = 1 - self.balance(Account.SERVICE, Unit.SLOT)
            name = slot_name(self.company, first)
            data: dict[str, str | int] = {
                "policy": policy.id,
                "cause": cause.id,
                "referrals": policy.threshold,
                "slots": policy.grant,
            }
            grant = derived(EventType.SLOT_GRANTED, cause, data, name=name, subject=f"slot:{name}")
            for number in range(first, first + policy.grant):
                self.holdings.grant(number, cause.time, policy)
            transfers.extend(self._post(grant))
            grants.append(grant)
        return tuple(grants), tuple(transfers)

    def _post(self, event: Event) -> tuple[Transfer, ...]:
        transfers = transfers_of(event, policy_at(self.policies, event.time).id)
        for transfer in transfers:
            post(self.balances, transfer)
        return transfers


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    if not isinstance(value, str):
        raise EventError(f"data.{name}", "is missing or not a string")
    return value
