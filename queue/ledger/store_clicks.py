"""What was seen of clicks, kept beside the log for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.dialects import postgresql, sqlite

from ledger.store import Transaction
from ledger.store_tables import click_detail


@dataclass(frozen=True, slots=True)
class DetailRow:
    """What was seen of the click that is on record as `event_id`."""

    event_id: str
    received_ms: int
    detail: bytes


def insert_details(transaction: Transaction, rows: Sequence[DetailRow]) -> None:
    """Keep details; what is kept of a click already stays."""
    if not rows:
        return
    dialect = postgresql if transaction.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(click_detail).on_conflict_do_nothing()
    transaction.execute(
        statement,
        [
            {"event_id": row.event_id, "received_ms": row.received_ms, "detail": row.detail}
            for row in rows
        ],
    )
