"""The job table: what is to be done once, by whom it is being done, and what failed for good."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, bindparam, func, or_, select, update

from ledger.store import Store, Transaction, as_bytes
from ledger.store_additions import Addition, Value
from ledger.store_log import DROPPED
from ledger.store_tables import inbox, job

# The longest that a job is put off, by a failure or by who runs it.
PUT_OFF_MAX_MS: Final = 600_000

PAYLOAD_MAX_BYTES: Final = 64 * 1024
# Of an error, what an admin reads; the log has all of it.
ERROR_MAX_CHARS: Final = 500

_COLUMNS: Final = (
    "id",
    "kind",
    "payload",
    "state",
    "created_ms",
    "due_ms",
    "failures",
    "error",
)
# Due, or put off for longer than can be: the clock was ahead then.
_IS_DUE: Final = and_(
    job.c.state == "waiting",
    or_(job.c.due_ms <= bindparam("now_ms"), job.c.due_ms > bindparam("latest_ms")),
)
_DUE: Final = (
    select(job.c.id).where(_IS_DUE).order_by(job.c.due_ms, job.c.id).limit(bindparam("count"))
)


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be done once: the same id again is the same job."""

    id: str
    kind: str
    payload: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is kept."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    state: JobState
    created_ms: int
    due_ms: int
    failures: int
    error: str


@dataclass(frozen=True, slots=True)
class DeadRow:
    """Something that failed for good and waits for a person: an event or a job."""

    id: str
    kind: str
    since_ms: int
    failures: int
    error: str


def addition(jobs: Sequence[NewJob], now_ms: int) -> Addition:
    """Return what puts jobs on record, due now, unless they are."""
    rows: list[tuple[Value, ...]] = []
    for one in jobs:
        payload = json.dumps(dict(one.payload), sort_keys=True).encode()
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise ValueError(f"job {one.id}: {len(payload)} bytes, at most {PAYLOAD_MAX_BYTES}")
        state = str(JobState.WAITING)
        rows.append((one.id, one.kind, payload, state, now_ms, now_ms, 0, ""))
    return Addition("job", _COLUMNS, rows)


def add_jobs(store: Store, jobs: Sequence[NewJob], now_ms: int) -> int:
    """Put jobs on record, due now; return how many were not there before."""
    return store.add(addition(jobs, now_ms)) if jobs else 0


def due(transaction: Transaction, now_ms: int, count: int) -> list[str]:
    """Return the ids of the jobs that are due, the longest first."""
    return list(transaction.execute(_DUE, {**_bounds(now_ms), "count": count}).scalars())


def _bounds(now_ms: int) -> dict[str, int]:
    return {"now_ms": now_ms, "latest_ms": now_ms + PUT_OFF_MAX_MS}


def claim(transaction: Transaction, job_id: str, now_ms: int, until_ms: int) -> JobRow | None:
    """Take a job that is due; nobody else gets it before `until_ms`. None when it is not."""
    taken = transaction.execute(
        update(job).where(job.c.id == bindparam("taken"), _IS_DUE).values(due_ms=until_ms),
        {"taken": job_id, **_bounds(now_ms)},
    )
    return find(transaction, job_id) if taken.rowcount else None


def find(transaction: Transaction, job_id: str) -> JobRow | None:
    """Return a job by its id."""
    row = transaction.execute(select(job).where(job.c.id == job_id)).first()
    if row is None:
        return None
    payload = json.loads(as_bytes(row.payload) or b"{}")
    state = JobState(row.state)
    return JobRow(
        row.id, row.kind, payload, state, row.created_ms, row.due_ms, row.failures, row.error
    )


def finish(transaction: Transaction, job_id: str, now_ms: int) -> None:
    """Note that a job is done; what it was about goes."""
    done = {"state": "done", "payload": b"", "due_ms": now_ms, "error": ""}
    transaction.execute(update(job).where(job.c.id == job_id).values(**done))


def fail(transaction: Transaction, row: JobRow, error: str, *, retry_ms: int | None) -> None:
    """Note that a job failed: to be tried again at `retry_ms`, or never by itself."""
    state = JobState.DEAD if retry_ms is None else JobState.WAITING
    transaction.execute(
        update(job)
        .where(job.c.id == row.id)
        .values(
            state=str(state),
            failures=row.failures + 1,
            due_ms=row.due_ms if retry_ms is None else retry_ms,
            error=error[:ERROR_MAX_CHARS],
        )
    )


def counts(transaction: Transaction) -> dict[str, int]:
    """Return how many jobs wait and are dead; of those that ended there may be very many."""
    is_open = job.c.state.in_([str(JobState.WAITING), str(JobState.DEAD)])
    query = select(job.c.state, func.count()).where(is_open).group_by(job.c.state)
    return {str(state): int(count) for state, count in transaction.execute(query)}


def due_count(transaction: Transaction, now_ms: int) -> int:
    """Return how many jobs are due."""
    query = select(func.count()).select_from(job).where(_IS_DUE)
    return transaction.execute(query, _bounds(now_ms)).scalar_one()


def oldest_pending_ms(transaction: Transaction) -> int | None:
    """Return when the event was taken that waits longest to be applied, None when none does."""
    query = select(func.min(inbox.c.received_ms)).where(inbox.c.decision.is_(None))
    return transaction.execute(query).scalar()


def dead_jobs(transaction: Transaction) -> list[DeadRow]:
    """Return the jobs that were given up, oldest first."""
    query = select(job).where(job.c.state == "dead").order_by(job.c.created_ms, job.c.id)
    return [
        DeadRow(row.id, row.kind, row.created_ms, row.failures, row.error)
        for row in transaction.execute(query)
    ]


def dead_events(transaction: Transaction, failures_min: int) -> list[DeadRow]:
    """Return the events that could not be applied again and again, oldest first."""
    query = (
        select(inbox.c.id, inbox.c.received_ms, inbox.c.failures)
        .where(inbox.c.decision.is_(None), inbox.c.failures >= failures_min)
        .order_by(inbox.c.seq)
    )
    return [
        DeadRow(row.id, "apply_events", row.received_ms, row.failures, "cannot be applied")
        for row in transaction.execute(query)
    ]


def revive(transaction: Transaction, job_id: str, now_ms: int) -> bool:
    """Have a dead job, or an event that fails, tried again now; tells whether there was one."""
    again = {"state": "waiting", "failures": 0, "due_ms": now_ms, "created_ms": now_ms}
    dead = job.c.state == "dead"
    done = transaction.execute(update(job).where(job.c.id == job_id, dead).values(**again))
    waiting = inbox.c.decision.is_(None)
    applied = transaction.execute(
        update(inbox).where(inbox.c.id == job_id, waiting).values(failures=0, retry_ms=0)
    )
    return done.rowcount + applied.rowcount > 0


def drop(transaction: Transaction, job_id: str, failures_min: int) -> bytes | None:
    """Give up a dead job or event for good; return what it was about, None when there was none.

    The row stays, with all that is in it.
    """
    row = transaction.execute(
        select(job.c.payload).where(job.c.id == job_id, job.c.state == "dead")
    ).first()
    if row is not None:
        transaction.execute(update(job).where(job.c.id == job_id).values(state="dropped"))
        return as_bytes(row.payload)
    row = transaction.execute(
        select(inbox.c.body).where(
            inbox.c.id == job_id, inbox.c.decision.is_(None), inbox.c.failures >= failures_min
        )
    ).first()
    if row is None:
        return None
    given_up = {"decision": DROPPED, "reasons": "", "open": 0, "slots_available": 0}
    transaction.execute(update(inbox).where(inbox.c.id == job_id).values(**given_up))
    return as_bytes(row.body)
