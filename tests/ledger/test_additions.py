"""Rows that are only added, on both databases: whole, in their order, once, and all or none."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger import store_inbox
from ledger.inbox_jobs import row_of
from ledger.store import Store, StoreError
from ledger.store_additions import Addition
from ledger.store_inbox import NewRow
from ledger.store_tables import click_detail
from tests.ledger.parts import issue, store_in
from tests.services import postgres_database

# What JSON, SQL and the drivers have words of their own for.
ODD = "'\"\\ %s ? {} $1 \u0001\u2028\ud7ff\U0001f600 null"
BYTES = bytes(range(256))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    """Return an empty store."""
    if request.param == "sqlite":
        made = store_in(tmp_path)
        yield made
        made.close()
        return
    with postgres_database() as url:
        made = Store(url)
        yield made
        made.close()


def row(number: int, detail: bytes = b"") -> NewRow:
    """Return an event about to be taken."""
    return row_of(issue(number), 1_000 + number, detail)


def taken(store: Store) -> list[tuple[str, bytes]]:
    """Return what was taken, in the order of its numbers."""
    with store.read() as transaction:
        return [(one.id, one.body) for one in store_inbox.pending(transaction, 1_000, 10_000)]


def test_rows_come_back_whole_and_in_order(store: Store) -> None:
    """Several hundred in one call have the numbers of their order, which is that of the log."""
    rows = [row(number) for number in (*range(300, 0, -1), *range(301, 400))]
    assert store_inbox.insert_rows(store, rows) == len(rows)
    assert taken(store) == [(one.id, one.body) for one in rows]


def test_odd_values_come_back_as_they_were(store: Store) -> None:
    """Neither quotes nor placeholders nor any byte means something to the database."""
    odd = NewRow(f"letter.link_issued:{ODD}", "aozora", BYTES, bytes(32), 2**53 - 1, BYTES)
    assert store_inbox.insert_rows(store, [odd]) == 1
    assert taken(store) == [(odd.id, BYTES)]
    with store.read() as transaction:
        assert transaction.execute(select(click_detail.c.detail)).scalar_one() == BYTES


def test_what_is_on_record_stays(store: Store) -> None:
    """The same id again adds nothing, whatever stands beside it; new ones are counted."""
    first = row(1)
    assert store_inbox.insert_rows(store, [first]) == 1
    other = NewRow(first.id, "other", b"another", bytes(32), 5)
    assert store_inbox.insert_rows(store, [other, row(2), row(2)]) == 1
    assert taken(store) == [(first.id, first.body), (row(2).id, row(2).body)]


def test_two_tables_get_theirs_together_or_not_at_all(store: Store) -> None:
    """Where the second addition fails there is nothing of the first, and the store goes on."""
    rows = store_inbox.additions([row(1, b"{}")])
    with pytest.raises(StoreError):
        store.add(rows[0], Addition("no_such_table", ("id",), [("a",)]))
    assert taken(store) == []
    assert store.add(*rows) == 1
    assert len(taken(store)) == 1


def test_rows_can_be_part_of_a_transaction(store: Store) -> None:
    """In a transaction of somebody else's they stay or go with it."""
    with store.write() as transaction:
        store.add_in(transaction, *store_inbox.additions([row(1, b"{}")]))
        transaction.rollback()
    assert taken(store) == []
    with store.write() as transaction:
        store.add_in(transaction, *store_inbox.additions([row(1, b"{}")]))
    assert len(taken(store)) == 1
