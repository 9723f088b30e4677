"""Delivered in any order, any number of times, at the same time: counted once."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import store_ledger
from ledger.credits import Account, Balances, Book, Unit, nonzero
from ledger.events import Event
from ledger.operations import change_confirmed, change_proposed, slot_reserved, slot_used
from ledger.rebuild import rebuild_ledgers
from ledger.states import Action
from ledger.store import Store
from tests.ledger.parts import (
    NOW,
    POLICIES,
    applier_on,
    click,
    issue,
    letters_and_signups,
    run_together,
    signup,
    store_in,
    submit,
)
from tests.ledger.test_holdings import DAY
from tests.services import postgres_database

LETTERS = [issue(number) for number in range(12)]
# Twelve that count, two that are held for want of a letter: whatever order, they come to the same.
SIGNUPS = [signup(number) for number in (*range(12), 40, 41)]


def kept(store: Store) -> Balances:
    """Return what is kept, after checking that it is what the log gives."""
    assert [one.difference for one in rebuild_ledgers(store, POLICIES)] == [None]
    with store.read() as transaction:
        return nonzero(store_ledger.balances(transaction, "aozora"))


def once_in_order() -> Balances:
    """Return what the signups come to, each delivered once."""
    book = Book("aozora", POLICIES)
    for event in (*LETTERS, *SIGNUPS):
        book.apply(event)
    return nonzero(book.balances)


@settings(max_examples=15, deadline=None)
@given(
    st.permutations(SIGNUPS),
    st.lists(st.sampled_from(SIGNUPS), max_size=20),
    st.lists(st.integers(1, 7), max_size=6),
)
def test_any_order_and_repetition_comes_to_the_same(
    order: list[Event], again: list[Event], sizes: list[int]
) -> None:
    """Registrations of different people by different links, shuffled and repeated."""
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(Path(folder))
        submit(store, [*LETTERS, *order])
        applier = applier_on(store)
        for size in sizes:
            applier.apply_pending(size)
        submit(store, again)
        applier.apply_all()
        submit(store, again)
        applier.apply_all()
        assert kept(store) == once_in_order()
        store.close()


def happenings() -> list[Event]:
    """Return events that depend on one another in every way."""
    propose = [
        change_proposed("aozora", action, target, NOW, by="sato", why="x", request=f"r{number}")
        for number, (action, target) in enumerate(
            (
                (Action.RELEASE, signup(40).id),
                (Action.REJECT, signup(40).id),
                (Action.REVERSE, signup(0).id),
                (Action.VOID, "aozora/1"),
            )
        )
    ]
    book = Book("aozora", POLICIES)
    for event in (*LETTERS, *SIGNUPS, *propose):
        book.apply(event)
    confirm = [
        change_confirmed("aozora", book.holdings.proposals[one.id], NOW, by=by, why="y")
        for one in propose
        for by in ("sato", "suzuki")
    ]
    until = NOW + 7 * DAY
    return [
        *letters_and_signups(11),
        signup(40),
        signup(50, of_link=3),
        signup(51, of_person=4),
        click(1),
        *propose,
        *confirm,
        slot_reserved("aozora", 1, NOW, reservation="a", until=until, by="sato"),
        slot_used("aozora", 1, NOW, reservation="a", by="sato", request="u"),
    ]


@settings(max_examples=25, deadline=None)
@given(st.permutations(happenings()), st.lists(st.integers(1, 9), max_size=6))
def test_whatever_the_order_the_log_gives_what_is_kept(
    order: list[Event], sizes: list[int]
) -> None:
    """Decisions before what they are about, uses before grants: a partial book decides as a
    whole one does.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(Path(folder))
        submit(store, order)
        applier = applier_on(store)
        for size in sizes:
            applier.apply_pending(size)
        applier.apply_all()
        found = kept(store)
        assert sum(found.values()) == 0
        assert found.get((Account.HELD, Unit.REFERRAL), 0) >= 0
        assert applier.pending_count() == 0
        store.close()


DELIVER = """
import sys
from ledger.store import Store
from tests.ledger.parts import applier_on, deliver, signup
store = Store(sys.argv[1])
deliver(store, signup(1), 2500, 250)
print(applier_on(store).apply_all())
"""


def test_ten_thousand_deliveries_at_the_same_time_are_one_transfer(tmp_path: Path) -> None:
    """By four processes, which apply what they find as well: one referral."""
    store = store_in(tmp_path)
    delivered_often(store, f"sqlite:///{store.path}")


@pytest.mark.services
def test_ten_thousand_deliveries_are_one_transfer_on_postgresql() -> None:
    """As on SQLite."""
    with postgres_database() as url:
        delivered_often(Store(url), url)


def delivered_often(store: Store, url: str) -> None:
    """Play the ten thousand deliveries, and look at what they came to."""
    submit(store, [issue(1)])
    applied = run_together(DELIVER, url)
    assert sum(map(int, applied)) == 2  # The letter, and the registration once.
    assert kept(store) == {
        (Account.CANDIDATES, Unit.REFERRAL): -1,
        (Account.OPEN, Unit.REFERRAL): 1,
    }
    with store.read() as transaction:
        assert len(store_ledger.transfer_rows(transaction, "aozora")) == 2
    store.close()
