"""Events put on record at once, for who has no event loop: the worker itself, and commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ledger import store_inbox
from ledger.events import Event
from ledger.inbox_errors import EventConflict
from ledger.inbox_jobs import row_of
from ledger.store import Store


def report(store: Store, events: Sequence[Event], now: datetime) -> int:
    """Put events on record; return how many were not there before.

    One that is there with another content raises `EventConflict`; the others are on record then.
    Raises `StoreError`.
    """
    received_ms = int(now.timestamp() * 1000)
    rows = [row_of(event, received_ms, b"") for event in events]
    count = store_inbox.insert_rows(store, rows)
    if count < len(rows):
        with store.read() as transaction:
            known = store_inbox.fingerprints(transaction, [row.id for row in rows])
        for row in rows:
            if known.get(row.id) != row.fingerprint:
                raise EventConflict(row.id)
    return count


def report_new(store: Store, event: Event, now: datetime) -> bool:
    """Put an event on record unless one of its id is there; tell whether it was put."""
    received_ms = int(now.timestamp() * 1000)
    return store_inbox.insert_rows(store, [row_of(event, received_ms, b"")]) > 0
