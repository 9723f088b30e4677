"""What time makes due, through the real inbox and applier on a real file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import store_holdings, store_ledger
from ledger.apply import Applier
from ledger.credits import Account, Unit
from ledger.events import Event, EventType
from ledger.operations import slot_reserved, slot_used
from ledger.policy import parse_policies
from ledger.rebuild import rebuild_ledgers
from ledger.states import Slot, SlotState
from ledger.steward import Steward
from ledger.store import Store
from tests.ledger.parts import NOW, letters_and_signups, signup, store_in, submit
from tests.ledger.test_policy import policies_text

DAY = timedelta(days=1)
POLICIES = parse_policies(
    policies_text(threshold="1", hold_days="14", slot_lifetime_days="90", expiry_notice_days="30")
)


def take(store: Store, events: Sequence[Event]) -> list[str]:
    """Submit and apply the events; return what came of each."""
    submit(store, events)
    applier = Applier(store, POLICIES, clock=lambda: NOW)
    found = [applier.apply_event(event.id) for event in events]
    assert [one.difference for one in rebuild_ledgers(store, POLICIES)] == [None]
    return [str(each.decision) for each in found]


def on(store: Store, account: Account) -> int:
    """Return what is on an account."""
    with store.read() as transaction:
        kept = store_ledger.balances(transaction, "aozora")
    return sum(kept.get((account, unit), 0) for unit in Unit)


def slots(store: Store) -> list[Slot]:
    """Return the kept slots."""
    with store.read() as transaction:
        return store_holdings.slots(transaction, "aozora")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one held referral, whose hold is over after fourteen days."""
    made = store_in(tmp_path)
    take(made, letters_and_signups(1))
    return made


@pytest.fixture
def slot_store(store: Store) -> Store:
    """The same when the hold is over: one slot, granted on day fourteen, lasting to day 104."""
    take(store, Steward(store).due(NOW + 14 * DAY))
    return store


def test_a_hold_is_released_when_its_time_is_over(store: Store) -> None:
    """Not before; at its time, whenever the steward looks; the grant follows with it."""
    steward = Steward(store)
    assert steward.due(NOW + 14 * DAY - timedelta(milliseconds=1)) == []
    (event,) = steward.due(NOW + 99 * DAY)
    assert event.time == NOW + 14 * DAY
    assert event.type is EventType.REFERRAL_RELEASED
    assert take(store, [event]) == ["recorded"]
    assert (on(store, Account.HELD), on(store, Account.AVAILABLE)) == (0, 1)
    assert slots(store)[0].granted == NOW + 14 * DAY
    assert steward.due(NOW + 30 * DAY) == []
    store.close()


def test_asked_twice_it_is_done_once(store: Store) -> None:
    """Two stewards with clocks of their own ask for one and the same."""
    first = Steward(store).due(NOW + 15 * DAY)
    second = Steward(store).due(NOW + 16 * DAY)
    assert [event.id for event in first] == [event.id for event in second]
    take(store, first)
    take(store, second)
    assert (on(store, Account.HELD), on(store, Account.AVAILABLE)) == (0, 1)
    store.close()


def test_a_clock_set_back_does_no_harm(slot_store: Store) -> None:
    """What was done stays done, and nothing is due before its time."""
    steward = Steward(slot_store)
    late = steward.due(NOW + 80 * DAY)
    assert [event.type for event in late] == [EventType.SLOT_EXPIRY_NOTICED]
    take(slot_store, late)
    assert steward.due(NOW - 1000 * DAY) == []
    assert steward.due(NOW + 103 * DAY) == []
    # The notice was given on day 80, so the slot lasts to day 110.
    assert slots(slot_store)[0].expires == NOW + 110 * DAY
    again = [event for event in late if take(slot_store, [event])]
    assert again == late
    assert slots(slot_store)[0].expires == NOW + 110 * DAY
    slot_store.close()


def test_a_slot_is_noticed_then_expires(slot_store: Store) -> None:
    """Thirty days before, then at the end."""
    steward = Steward(slot_store)
    assert steward.due(NOW + 74 * DAY - timedelta(seconds=1)) == []
    take(slot_store, steward.due(NOW + 74 * DAY))
    assert steward.due(NOW + 104 * DAY - timedelta(seconds=1)) == []
    take(slot_store, steward.due(NOW + 104 * DAY))
    assert on(slot_store, Account.EXPIRED) == 1
    assert slots(slot_store)[0].state is SlotState.EXPIRED
    assert steward.due(NOW + 9999 * DAY) == []
    slot_store.close()


def reserved(days: int, reservation: str = "a") -> Event:
    """Return a reservation that lasts to a day."""
    time = NOW + 20 * DAY
    until = NOW + days * DAY
    return slot_reserved("aozora", 1, time, reservation=reservation, until=until, by="sato")


def test_a_reservation_runs_out(slot_store: Store) -> None:
    """At its time the slot is available again, and can be reserved anew."""
    take(slot_store, [reserved(34)])
    steward = Steward(slot_store)
    assert steward.due(NOW + 34 * DAY - timedelta(seconds=1)) == []
    (event,) = steward.due(NOW + 40 * DAY)
    assert (event.type, event.time) == (EventType.SLOT_RELEASED, NOW + 34 * DAY)
    take(slot_store, [event])
    assert on(slot_store, Account.AVAILABLE) == 1
    assert take(slot_store, [reserved(50, "b")]) == ["recorded"]
    slot_store.close()


def test_an_expiry_that_comes_too_late_for_a_reservation_comes_again(slot_store: Store) -> None:
    """Asked for and overtaken by a reservation it is refused; after it, it is asked for anew."""
    steward = Steward(slot_store)
    take(slot_store, steward.due(NOW + 74 * DAY))
    expiry = steward.due(NOW + 104 * DAY)
    assert [event.type for event in expiry] == [EventType.SLOT_EXPIRED]
    assert take(slot_store, [reserved(110), *expiry]) == ["recorded", "refused"]
    take(slot_store, steward.due(NOW + 110 * DAY))
    assert take(slot_store, steward.due(NOW + 111 * DAY)) == ["recorded"]
    assert on(slot_store, Account.EXPIRED) == 1
    slot_store.close()


def test_a_used_slot_is_due_for_nothing(slot_store: Store) -> None:
    """A placement that was made does not expire."""
    use = slot_used("aozora", 1, NOW + 21 * DAY, reservation="a", by="sato", request="u")
    assert take(slot_store, [reserved(30), use]) == ["recorded", "recorded"]
    assert Steward(slot_store).due(datetime(2900, 1, 1, tzinfo=UTC)) == []
    slot_store.close()


def test_a_damaged_row_stops_no_other(store: Store) -> None:
    """It is left to the audit; what is due besides it is still brought about."""
    take(store, letters_and_signups(1, start=5))
    with store.write() as transaction:
        transaction.execute(
            text("UPDATE referral SET state = 'lost' WHERE event_id = :id"), {"id": signup(0).id}
        )
    assert [event.subject for event in Steward(store).due(NOW + 20 * DAY)] == [signup(5).subject]
    store.close()


def test_nothing_is_looked_for_by_walking_over_the_tables(store: Store) -> None:
    """What the steward asks every second is answered by the indexes of what is due."""
    queries = {
        "referral_due": "SELECT * FROM referral WHERE due_ms <= 5 ORDER BY due_ms",
        "slot_due": "SELECT * FROM slot WHERE due_ms <= 5 ORDER BY due_ms",
    }
    with store.read() as transaction:
        for index, query in queries.items():
            found = transaction.execute(text(f"EXPLAIN QUERY PLAN {query}"))
            assert f"USING INDEX {index}" in " ".join(str(row[3]) for row in found)
    store.close()
