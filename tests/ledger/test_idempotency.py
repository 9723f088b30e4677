"""Delivered in any order, any number of times, at the same time: counted once."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from ledger import store_ledger
from ledger.apply import Applier
from ledger.credits import Account, Balances, Book, Unit, nonzero
from ledger.events import Event
from ledger.operations import change_confirmed, change_proposed, slot_reserved, slot_used
from ledger.policy import parse_policies
from ledger.rebuild import rebuild_ledgers
from ledger.states import Action
from ledger.steward import Steward
from ledger.store import Store
from tests.ledger.parts import (
    NOW,
    POLICIES,
    applier_on,
    click,
    clock,
    inbox_on,
    issue,
    letters_and_signups,
    signup,
    store_in,
    submit,
)
from tests.ledger.test_holdings import DAY
from tests.ledger.test_policy import policies_text

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


def deliver(store: Store, event: Event, times: int, at_once: int) -> None:
    """Submit an event many times, many of these at the same time."""

    async def run() -> None:
        inbox = inbox_on(store)
        inbox.start()
        try:
            for _ in range(times // at_once):
                await asyncio.gather(*(inbox.submit(event) for _ in range(at_once)))
        finally:
            await asyncio.to_thread(inbox.close)

    asyncio.run(run())


def test_ten_thousand_deliveries_at_the_same_time_are_one_transfer(tmp_path: Path) -> None:
    """Four inboxes and two appliers, each with connections of its own, and one referral."""
    stores = [store_in(tmp_path) for _ in range(6)]
    submit(stores[0], [issue(1)])
    failures: list[BaseException] = []
    done = threading.Event()

    def guarded(work: object, *arguments: object) -> None:
        try:
            assert callable(work)
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    def apply(store: Store) -> None:
        applier = applier_on(store)
        while not done.is_set():
            applier.apply_pending()

    delivering = [
        threading.Thread(target=guarded, args=(deliver, store, signup(1), 2500, 250))
        for store in stores[:4]
    ]
    applying = [threading.Thread(target=guarded, args=(apply, store)) for store in stores[4:]]
    for thread in (*delivering, *applying):
        thread.start()
    for thread in delivering:
        thread.join()
    done.set()
    for thread in applying:
        thread.join()
    assert failures == []
    applier_on(stores[0]).apply_all()
    assert kept(stores[0]) == {
        (Account.CANDIDATES, Unit.REFERRAL): -1,
        (Account.OPEN, Unit.REFERRAL): 1,
    }
    with stores[0].read() as transaction:
        assert len(store_ledger.transfer_rows(transaction, "aozora")) == 2
    for store in stores:
        store.close()


def test_stewards_in_several_processes_count_once(tmp_path: Path) -> None:
    """Threads that all ask for what is due at the same time release each hold once."""
    policies = parse_policies(policies_text(hold_days="14"))
    stores = [store_in(tmp_path) for _ in range(4)]
    submit(stores[0], letters_and_signups(12))
    Applier(stores[0], policies, clock=clock).apply_all()
    start = threading.Barrier(4)

    def work(store: Store) -> None:
        start.wait()
        due = Steward(store).due(NOW + 20 * DAY)
        submit(store, due)
        Applier(store, policies, clock=clock).apply_all()

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (found,) = rebuild_ledgers(stores[0], policies)
    assert found.difference is None
    with stores[0].read() as transaction:
        balances = store_ledger.balances(transaction, "aozora")
    assert balances[Account.OPEN, Unit.REFERRAL] == 2
    assert balances[Account.AVAILABLE, Unit.SLOT] == 1
    assert balances[Account.HELD, Unit.REFERRAL] == 0
    for store in stores:
        store.close()


def test_no_decision_walks_over_what_is_on_record(tmp_path: Path) -> None:
    """Each question that applying asks of a table that grows is answered by an index on what it
    is about, so that the millionth event costs what the first did.
    """
    store = store_in(tmp_path)
    submit(store, happenings())
    asked: list[tuple[str, Sequence[object]]] = []

    def listen(_: object, __: object, statement: str, values: object, *more: object) -> None:
        if statement.startswith("SELECT") and isinstance(values, tuple):
            asked.append((statement, cast("tuple[object, ...]", values)))

    sqlalchemy_event.listen(Engine, "before_cursor_execute", listen)
    try:
        applier_on(store).apply_all()
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", listen)
    looked_up: set[str] = set()
    with store.read() as transaction:
        for statement, values in asked:
            plan = transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(values))
            steps = " ".join(str(row[3]) for row in plan)
            for table in ("referral", "slot", "proposal", "transfer", "posting"):
                if f" {table} " in steps:
                    looked_up.add(table)
                    assert "SCAN" not in steps, statement
                    assert "(company=?)" not in steps, statement
            # The largest index of a log is at the end of its index; ids are looked up one by one.
            if " entry " in steps and "max(" not in statement:
                looked_up.add("entry")
                assert "event_id=?" in steps or "seq=?" in steps, statement
    assert looked_up == {"referral", "slot", "proposal", "entry"}
    store.close()
