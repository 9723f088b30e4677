"""Deleting rows that have served their time, in small transactions, whatever the clock did."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, delete, select, true, update

from ledger.store import Store
from ledger.store_tables import click_detail, job

# Rows deleted in one transaction: a few milliseconds, since mail waits meanwhile.
CHUNK_ROWS: Final = 1_000

# Jobs that nothing more happens to. Those that failed for good stay until somebody has looked.
_ENDED: Final = ("done", "dropped")


def purge_details(store: Store, *, before_ms: int, latest_ms: int) -> int:
    """Delete what was seen of clicks received before `before_ms`; return how many these were.

    Rows later than `latest_ms` were written while the clock was ahead. They are dated back to it,
    so that they end in time as well.
    """
    return _purge(
        store, click_detail.c.event_id, click_detail.c.received_ms, true(), before_ms, latest_ms
    )


def purge_jobs(store: Store, *, before_ms: int, latest_ms: int) -> int:
    """Delete ended jobs created before `before_ms`; return how many these were."""
    is_over = job.c.state.in_(_ENDED)
    return _purge(store, job.c.id, job.c.created_ms, is_over, before_ms, latest_ms)


def _purge(
    store: Store,
    key: Column[Any],
    time: Column[Any],
    is_over: ColumnElement[bool],
    before_ms: int,
    latest_ms: int,
) -> int:
    table = key.table
    early = update(table).where(time > latest_ms, is_over).values({time: latest_ms})
    old = select(key).where(time < before_ms, is_over).order_by(time).limit(CHUNK_ROWS)
    with store.write() as transaction:
        transaction.execute(early)
    # A crash between two chunks leaves the rest to the next purge.
    total = 0
    while True:
        with store.write() as transaction:
            keys = list(transaction.execute(old).scalars())
            if keys:
                transaction.execute(delete(table).where(key.in_(keys)))
        total += len(keys)
        if len(keys) < CHUNK_ROWS:
            return total
