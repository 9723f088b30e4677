"""What erasing touches in the tables: signups are looked through, records of erasure are taken in.

SQLite keeps deleted bytes in three places: in the pages (`secure_delete` overwrites them), in the
write-ahead file until it begins anew, and in copies that somebody made. `scrub` sees to the second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, func, insert, select

from ledger.events import Event, encode, fingerprint
from ledger.store import Store, Transaction, as_bytes
from ledger.store_tables import click_detail, entry, inbox

# Types of events that may hold a reference to a person begin with this. The two strings are the
# range of all that do, in the order of bytes.
_PERSONAL: Final = "signup."
_PERSONAL_END: Final = "signup/"

# Rows fetched at once.
CHUNK_ROWS: Final = 1_000

# Far more than writers have under way at a time.
OVERLAP_ROWS: Final = 10_000

# How long the write-ahead file is waited for. Mail waits as well, and its patience is twice that.
SCRUB_WAIT_SECONDS: Final = 1.0


def newest(transaction: Transaction) -> int:
    """Return the place in the inbox of the newest event."""
    return transaction.execute(select(func.max(inbox.c.seq))).scalar() or 0


def signups(transaction: Transaction) -> Iterator[tuple[str, bytes]]:
    """Yield log and body of every event that may name a person, also of those not applied yet."""
    applied = select(entry.c.log, entry.c.body).where(_is_personal(transaction, entry.c.event_id))
    waiting = select(inbox.c.company, inbox.c.body).where(
        inbox.c.decision.is_(None), inbox.c.id.startswith(_PERSONAL)
    )
    for query in (applied, waiting):
        rows = transaction.execute(query.execution_options(yield_per=CHUNK_ROWS))
        for log, body in rows:
            yield str(log), as_bytes(body)


def signups_since(transaction: Transaction, seq: int) -> Iterator[tuple[str, bytes]]:
    """Yield the same of the events that were taken in since `newest` was `seq`, and of a few more.

    A server commits the rows of several writers in another order than it numbers them.
    """
    query = (
        select(inbox.c.company, entry.c.body, inbox.c.body)
        .join(entry, entry.c.event_id == inbox.c.id, isouter=True)
        .where(inbox.c.seq > seq - OVERLAP_ROWS, inbox.c.id.startswith(_PERSONAL))
    )
    for log, applied, waiting in transaction.execute(query):
        yield str(log), as_bytes(applied or waiting or b"")


def details_of_links(
    transaction: Transaction, links: Collection[str], since_ms: int = 0
) -> set[str]:
    """Return the ids of clicks on these links of which details are kept, received since then."""
    if not links:
        return set()
    query = (
        select(click_detail.c.event_id, entry.c.body, inbox.c.body)
        .join(entry, entry.c.event_id == click_detail.c.event_id, isouter=True)
        .join(inbox, inbox.c.id == click_detail.c.event_id, isouter=True)
        .where(click_detail.c.received_ms >= since_ms)
    )
    # The body of an applied event is in the log, that of a waiting one in the inbox.
    marks = [f'"link_id":"{link}"'.encode() for link in links]
    found: set[str] = set()
    for event_id, applied, waiting in transaction.execute(
        query.execution_options(yield_per=CHUNK_ROWS)
    ):
        body = as_bytes(applied or waiting or b"")
        if any(mark in body for mark in marks):
            found.add(event_id)
    return found


def delete_details(transaction: Transaction, event_ids: Collection[str]) -> int:
    """Delete the details of these clicks; return how many there were."""
    ids, total = sorted(event_ids), 0
    for start in range(0, len(ids), CHUNK_ROWS):
        some = ids[start : start + CHUNK_ROWS]
        done = transaction.execute(delete(click_detail).where(click_detail.c.event_id.in_(some)))
        total += done.rowcount
    return total


def take_in(transaction: Transaction, events: Sequence[Event], received_ms: int) -> None:
    """Take events in as part of this transaction; the worker applies them as any others."""
    values = [
        {
            "id": event.id,
            "company": event.company,
            "body": encode(event),
            "fingerprint": fingerprint(event),
            "received_ms": received_ms,
            "failures": 0,
            "retry_ms": 0,
        }
        for event in events
    ]
    transaction.execute(insert(inbox), values)


def scrub(store: Store) -> bool:
    """Empty the write-ahead file; tell whether that was possible, or there is none.

    It is not while somebody reads, or the file is away: then the next one does it. A server's files
    are its own affair.
    """
    files = store.files()
    if not files:
        return True
    try:
        with closing(sqlite3.connect(files[0], timeout=SCRUB_WAIT_SECONDS)) as connection:
            # A row: whether it was kept from it, and two numbers of pages.
            found = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return found is not None and found[0] == 0


def _is_personal(transaction: Transaction, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that an id is of such a type, in a form that uses the index."""
    if transaction.dialect.name == "sqlite":
        return and_(column >= _PERSONAL, column < _PERSONAL_END)
    # Elsewhere strings may sort by the rules of a language, which skip punctuation.
    return func.starts_with(column, _PERSONAL)
