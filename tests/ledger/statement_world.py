"""A store with months of everything that a statement tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ledger import store_log
from ledger.apply import Applier
from ledger.credits import Book
from ledger.events import Event
from ledger.log import frontier_of, root
from ledger.operations import change_confirmed, change_proposed, slot_reserved, slot_used
from ledger.statement import Month
from ledger.statement_store import issue_due
from ledger.states import Action
from ledger.store import Store
from tests.ledger.parts import NOW, POLICIES, letters_and_signups, signup, store_in, submit

APRIL, MAY, JUNE = Month(2026, 4), Month(2026, 5), Month(2026, 6)
DAY = timedelta(days=1)


def take(store: Store, events: Sequence[Event], at: datetime) -> None:
    """Submit the events at a time and apply them."""
    submit(store, events, at=at)
    Applier(store, POLICIES, clock=lambda: at).apply_all()


def entries_of(store: Store) -> list[tuple[str, bytes]]:
    """Return the log as an auditor has it."""
    with store.read() as transaction:
        return [
            (row.event_id, row.body)
            for rows in store_log.entries(transaction, "aozora")
            for row in rows
        ]


def root_at(store: Store, size: int) -> bytes:
    """Return the root of the log's first entries."""
    with store.read() as transaction:
        return root(frontier_of(size, store_log.node_reader(transaction, "aozora")))


def everything() -> list[Event]:
    """Return a month in which all kinds of things happen."""
    until = NOW + 7 * DAY
    release, reject, reverse = (
        change_proposed("aozora", action, signup(n).id, NOW, by="sato", why="x", request=f"r{n}")
        for action, n in ((Action.RELEASE, 40), (Action.REJECT, 41), (Action.REVERSE, 3))
    )
    before = [
        *letters_and_signups(23),
        *(signup(n) for n in (40, 41, 42)),
        signup(43, of_link=3),
        release,
        reject,
        reverse,
    ]
    book = Book("aozora", POLICIES)
    for event in before:
        book.apply(event)
    return [
        *before,
        *(
            change_confirmed("aozora", book.holdings.proposals[each.id], NOW, by="suzuki", why="y")
            for each in (release, reject, reverse)
        ),
        slot_reserved("aozora", 1, NOW, reservation="a", until=until, by="sato"),
        slot_used("aozora", 1, NOW, reservation="a", by="sato", request="u"),
        slot_reserved("aozora", 2, NOW, reservation="b", until=until, by="sato"),
    ]


def eventful(folder: Path) -> Store:
    """Return a store with an eventful April."""
    made = store_in(folder)
    take(made, everything(), NOW)
    return made


def issued(store: Store, now: datetime) -> list[str]:
    """Issue all that is due and return the ids."""
    ids: list[str] = []
    while due := issue_due(store, POLICIES, now):
        take(store, due, now)
        ids.extend(event.id for event in due)
    return ids
