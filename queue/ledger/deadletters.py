"""What failed for good: shown, tried again or given up by a person, who is named in the log.

An event that cannot be applied is tried again every ten minutes without end; after
`DEAD_FAILURES` tries it is shown here. A job that was given up stays until a person decides.
What was dropped keeps its row (a job's for 90 days), and the log says who dropped it and why.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger import store_inbox, store_jobs
from ledger.events import Event, EventType, installation_event
from ledger.inbox_jobs import row_of
from ledger.store import LedgerError, Store, Transaction
from ledger.store_jobs import DeadRow, JobRow

# By then an event has failed for some twenty minutes.
DEAD_FAILURES: Final = 10


class NotDead(LedgerError):
    """There is no dead event or job of this id."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """How the queue stands. Ages are in seconds; 0 when nothing waits."""

    pending: int
    oldest_seconds: float
    jobs_waiting: int
    jobs_due: int
    dead: int


def queue_state(store: Store, now: datetime) -> QueueState:
    """Return how the queue stands; raises `StoreError`."""
    now_ms = int(now.timestamp() * 1000)
    with store.read() as transaction:
        jobs = store_jobs.counts(transaction)
        return QueueState(
            pending=store_inbox.pending_count(transaction),
            oldest_seconds=_age_seconds(store_jobs.oldest_pending_ms(transaction), now_ms),
            jobs_waiting=jobs.get("waiting", 0),
            jobs_due=store_jobs.due_count(transaction, now_ms),
            dead=jobs.get("dead", 0) + len(store_jobs.dead_events(transaction, DEAD_FAILURES)),
        )


def oldest_seconds(store: Store, now: datetime) -> float:
    """Return how long the oldest pending event has waited, 0 when none does."""
    with store.read() as transaction:
        oldest_ms = store_jobs.oldest_pending_ms(transaction)
    return _age_seconds(oldest_ms, int(now.timestamp() * 1000))


def dead_letters(store: Store) -> list[DeadRow]:
    """Return all dead events and jobs, oldest first."""
    with store.read() as transaction:
        found = [
            *store_jobs.dead_events(transaction, DEAD_FAILURES),
            *store_jobs.dead_jobs(transaction),
        ]
    return sorted(found, key=lambda row: (row.since_ms, row.id))


def find(store: Store, job_id: str) -> tuple[DeadRow, JobRow | None, bytes]:
    """Return a dead letter with its job or the bytes of its event; raises `NotDead`."""
    for row in dead_letters(store):
        if row.id == job_id:
            with store.read() as transaction:
                job = store_jobs.find(transaction, job_id)
                body = b"" if job else store_inbox.body_of(transaction, job_id)
            return row, job, body
    raise NotDead(f"{job_id}: no dead event or job of this id; `careerrelay queue dead list`")


def retry(store: Store, job_id: str, *, by: str, why: str, request: str, now: datetime) -> None:
    """Have a dead event or job tried again now; on record in the same transaction."""
    row, _, body = find(store, job_id)
    with store.write() as transaction:
        if not store_jobs.revive(transaction, job_id, int(now.timestamp() * 1000)):
            raise NotDead(f"{job_id}: was dealt with in between")
        event = _event(EventType.QUEUE_RETRIED, row, body, by, why, request, now)
        _record(transaction, store, event, now)


def drop(store: Store, job_id: str, *, by: str, why: str, request: str, now: datetime) -> None:
    """Give a dead event or job up for good; on record in the same transaction."""
    row, _, _ = find(store, job_id)
    with store.write() as transaction:
        body = store_jobs.drop(transaction, job_id, DEAD_FAILURES)
        if body is None:
            raise NotDead(f"{job_id}: was dealt with in between")
        event = _event(EventType.QUEUE_DROPPED, row, body, by, why, request, now)
        _record(transaction, store, event, now)


def _age_seconds(since_ms: int | None, now_ms: int) -> float:
    return 0.0 if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)


def _event(
    kind: EventType, row: DeadRow, body: bytes, by: str, why: str, request: str, now: datetime
) -> Event:
    data: dict[str, str | int] = {
        "target": row.id,
        "kind": row.kind,
        "failures": row.failures,
        "digest": hashlib.sha256(body).hexdigest(),
        "by": by,
        "why": why,
    }
    return installation_event(kind, now, event_id=request, subject=f"queue:{row.kind}", data=data)


def _record(transaction: Transaction, store: Store, event: Event, now: datetime) -> None:
    row = row_of(event, int(now.timestamp() * 1000), b"")
    store.add_in(transaction, *store_inbox.additions([row]))
