"""Accounts and transfers: the double entry that every credit is kept in.

A transfer moves whole units between accounts of one company and sums to zero in each unit; it is
never changed, and a mistake is corrected by another one. Every transfer comes from one event, and
its key, the event's id, makes it happen once. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger.events import Event, EventError, EventType


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
class _Move:
    """`amount` is the name of the event's data field that says how many; empty for one."""

    unit: Unit
    source: Account
    target: Account
    amount: str = ""


# What each event moves when the book lets it. An event that is not here moves nothing.
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
        _Move(Unit.SLOT, Account.SERVICE, Account.AVAILABLE, "slots"),
    ),
    EventType.SLOT_RESERVED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.RESERVED),),
    EventType.SLOT_USED: (_Move(Unit.SLOT, Account.RESERVED, Account.USED),),
    EventType.SLOT_RELEASED: (_Move(Unit.SLOT, Account.RESERVED, Account.AVAILABLE),),
    EventType.SLOT_VOIDED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.VOIDED),),
    EventType.SLOT_EXPIRED: (_Move(Unit.SLOT, Account.AVAILABLE, Account.EXPIRED),),
}

Balances = dict[tuple[Account, Unit], int]


def transfers_of(event: Event, policy: str) -> tuple[Transfer, ...]:
    """Return what the event moves: at most one transfer, with a posting pair per unit."""
    postings: list[Posting] = []
    for move in _MOVES.get(event.type, ()):
        if amount := _amount(event, move.amount):
            postings.append(Posting(move.source, move.unit, -amount))
            postings.append(Posting(move.target, move.unit, amount))
    if not postings:
        return ()
    return (Transfer(event.id, event.company, event.id, event.type, policy, tuple(postings)),)


def post(balances: Balances, transfer: Transfer) -> None:
    """Add the transfer to the balances."""
    for posting in transfer.postings:
        place = (posting.account, posting.unit)
        balances[place] = balances.get(place, 0) + posting.amount


def nonzero(balances: Balances) -> Balances:
    """Return the balances without those that are zero."""
    return {place: amount for place, amount in balances.items() if amount}


def _amount(event: Event, name: str) -> int:
    if not name:
        return 1
    value = event.data.get(name)
    if not isinstance(value, int) or value < 0:
        raise EventError(f"data.{name}", "is not a count")
    return value
