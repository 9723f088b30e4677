"""The inbox table: events are taken, handed out to be applied, and their outcomes kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, or_, select, update

from ledger.credits import Decision, Outcome
from ledger.events import EventType
from ledger.store import Store, Transaction, as_bytes
from ledger.store_additions import Addition
from ledger.store_tables import inbox

# The longest that an event is put aside: the cap that message brokers impose on delayed messages,
# too.
DEFER_MAX_MS: Final = 600_000

# Built once: putting a statement together costs more than running it.
_PENDING: Final = (
    select(inbox.c.seq, inbox.c.id, inbox.c.body, inbox.c.failures)
    .where(
        inbox.c.decision.is_(None),
        inbox.c.seq > bindparam("after"),
        # Put aside for longer than can be: the clock was ahead then.
        or_(inbox.c.retry_ms <= bindparam("now_ms"), inbox.c.retry_ms > bindparam("latest_ms")),
    )
    .order_by(inbox.c.seq)
    .limit(bindparam("count"))
)
_FINGERPRINTS: Final = select(inbox.c.id, inbox.c.fingerprint).where(
    inbox.c.id.in_(bindparam("ids", expanding=True))
)
_COLUMNS: Final = (
    "id",
    "company",
    "body",
    "fingerprint",
    "received_ms",
    "failures",
    "retry_ms",
)
_DETAIL_COLUMNS: Final = ("event_id", "received_ms", "detail")
_MARK: Final = (
    update(inbox)
    .where(inbox.c.seq == bindparam("at"))
    .values(
        body=b"",
        decision=bindparam("decided"),
        reasons=bindparam("why"),
        open=bindparam("open_after"),
        slots_available=bindparam("slots_after"),
    )
)
_SIGNUPS: Final = select(
    inbox.c.id,
    inbox.c.fingerprint,
    inbox.c.decision,
    inbox.c.reasons,
    inbox.c.open,
    inbox.c.slots_available,
).where(
    inbox.c.company == bindparam("company"),
    inbox.c.decision.is_not(None),
    inbox.c.decision != str(Decision.DROPPED),
    inbox.c.id.startswith(f"{EventType.SIGNUP_VERIFIED}:"),
)


class NewRow(NamedTuple):
    """An event about to be taken."""

    id: str
    company: str
    body: bytes
    fingerprint: bytes
    received_ms: int
    # What was seen of a click, kept for thirty days only.
    detail: bytes = b""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """An event that was taken and is not applied."""

    seq: int
    id: str
    body: bytes
    failures: int


def fingerprints(transaction: Transaction, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the fingerprints on record for those of the ids that are known."""
    found = transaction.execute(_FINGERPRINTS, {"ids": list(ids)})
    return {row.id: as_bytes(row.fingerprint) for row in found}


def insert_rows(store: Store, rows: Sequence[NewRow]) -> int:
    """Add the rows whose ids are not on record yet, all or none; return how many these are."""
    return store.add(*additions(rows)) if rows else 0


def additions(rows: Sequence[NewRow]) -> list[Addition]:
    """Return what that adds: first the rows, then what was seen of clicks."""
    values = [
        (row.id, row.company, row.body, row.fingerprint, row.received_ms, 0, 0) for row in rows
    ]
    found = [Addition("inbox", _COLUMNS, values)]
    if details := [(row.id, row.received_ms, row.detail) for row in rows if row.detail]:
        found.append(Addition("click_detail", _DETAIL_COLUMNS, details))
    return found


def body_of(transaction: Transaction, event_id: str) -> bytes:
    """Return the bytes of an event that is not applied, none when there is no such event."""
    query = select(inbox.c.body).where(inbox.c.id == event_id)
    return as_bytes(transaction.execute(query).scalar() or b"")


def pending(transaction: Transaction, limit: int, now_ms: int, after: int = -1) -> list[PendingRow]:
    """Return the oldest events that are to be applied now, in the order they were taken.

    `after` is a place from which on to look: PostgreSQL walks over every row before it that was
    applied since its last vacuum.
    """
    values = {
        "now_ms": now_ms,
        "latest_ms": now_ms + DEFER_MAX_MS,
        "count": limit,
        "after": after,
    }
    return [
        PendingRow(row.seq, row.id, as_bytes(row.body), row.failures)
        for row in transaction.execute(_PENDING, values)
    ]


def pending_count(transaction: Transaction) -> int:
    """Return how many events are taken and not applied, the deferred ones included."""
    query = select(func.count()).select_from(inbox).where(inbox.c.decision.is_(None))
    return transaction.execute(query).scalar_one()


def mark_applied(transaction: Transaction, outcomes: Sequence[tuple[PendingRow, Outcome]]) -> None:
    """Keep what became of the events; the body goes, the log entry holds the same bytes."""
    values = [
        {
            "at": row.seq,
            "decided": str(outcome.decision),
            "why": " ".join(outcome.reasons),
            "open_after": outcome.open,
            "slots_after": outcome.slots_available,
        }
        for row, outcome in outcomes
    ]
    if values:
        transaction.execute(_MARK, values)


def defer(transaction: Transaction, row: PendingRow, retry_ms: int) -> None:
    """Keep an event that could not be applied from standing in the way until `retry_ms`."""
    statement = (
        update(inbox)
        .where(inbox.c.seq == row.seq, inbox.c.decision.is_(None))
        .values(failures=row.failures + 1, retry_ms=retry_ms)
    )
    transaction.execute(statement)


def defer_company(transaction: Transaction, event_id: str, retry_ms: int) -> None:
    """Keep all events of this one's company from standing in the way until `retry_ms`."""
    company = select(inbox.c.company).where(inbox.c.id == event_id).scalar_subquery()
    transaction.execute(
        update(inbox)
        .where(inbox.c.company == company, inbox.c.decision.is_(None))
        .values(failures=inbox.c.failures + 1, retry_ms=retry_ms)
    )


def signup_rows(transaction: Transaction, company: str) -> list[tuple[Any, ...]]:
    """Return id, fingerprint, decision, reasons and counts of the applied signups, as stored."""
    return [tuple(row) for row in transaction.execute(_SIGNUPS, {"company": company})]


def companies(transaction: Transaction) -> set[str]:
    """Return the companies of the events that were applied."""
    query = select(inbox.c.company).where(inbox.c.decision.is_not(None)).distinct()
    return set(map(str, transaction.execute(query).scalars()))


def company_of(transaction: Transaction, event_id: str) -> str | None:
    """Return the company of the event, None when none of this id was taken."""
    return transaction.execute(select(inbox.c.company).where(inbox.c.id == event_id)).scalar()


def outcome(transaction: Transaction, event_id: str) -> Outcome | None:
    """Return what became of the event, None while it is not applied."""
    query = select(inbox).where(inbox.c.id == event_id, inbox.c.decision.is_not(None))
    row = transaction.execute(query).first()
    if row is None:
        return None
    return Outcome(
        event_id=row.id,
        decision=Decision(row.decision),
        reasons=tuple(row.reasons.split()),
        open=row.open,
        slots_available=row.slots_available,
    )
