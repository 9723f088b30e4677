"""The steward: what time alone makes due, as events that it asks for.

Holds that are over, reservations that ran out, notices before an expiry, expiries. It reads the
kept dates and writes nothing: the events go through the inbox like all others, and the book checks
each against what it holds. Their ids follow from what is due. So it may run late, twice, in
several processes or with a clock that was set back: each happens once, and none too early.

Ends and time-outs bear the time they were due at, so that the policy of that time decides what
follows; notices and expiries bear the time they were given at, because a notice counts from there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ledger import store_holdings
from ledger.events import Event
from ledger.operations import expiry_noticed, hold_over, reservation_over, slot_expired
from ledger.states import Referral, Slot, SlotState
from ledger.store import Store

# Of each kind at once: after a long rest the rest follows with the next calls.
DUE_MAX: Final = 500


class Steward:
    """Says what is due in a store. Thread-safe; any number may work on one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, now: datetime) -> list[Event]:
        """Return what is due and not done, the longest due first; raises `StoreError`.

        What was returned is returned again until it is applied. A row that is damaged is left to
        the audit.
        """
        with self._store.read() as transaction:
            found = [
                *map(_end_of_hold, store_holdings.due_referrals(transaction, now, DUE_MAX)),
                *(
                    _next_of_slot(company, slot, now)
                    for company, slot in store_holdings.due_slots(transaction, now, DUE_MAX)
                ),
            ]
        return sorted(filter(None, found), key=lambda event: event.time)


def _end_of_hold(referral: Referral) -> Event | None:
    return hold_over(referral, referral.due) if referral.due else None


def _next_of_slot(company: str, slot: Slot, now: datetime) -> Event | None:
    """Return what time wants of the slot next; one thing at a time."""
    if slot.state is SlotState.RESERVED and slot.until and slot.until <= now:
        return reservation_over(company, slot, slot.until)
    if slot.noticed is None:
        return expiry_noticed(company, slot, now)
    return slot_expired(company, slot, now)
