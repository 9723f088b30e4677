"""What statements need of the tables: entries by id, and when entries came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select

from ledger import store_log
from ledger.store import Transaction, as_bytes
from ledger.store_holdings import milliseconds
from ledger.store_tables import entry, inbox

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Built once: putting a statement together costs more than running it.
# The log is compared afterwards: asked for both, SQLite walks over all of it.
_FOUND: Final = (
    select(entry.c.log, entry.c.seq, entry.c.body)
    .where(entry.c.event_id.in_(bindparam("ids", expanding=True)))
    .order_by(entry.c.seq)
)
_RECEIVED: Final = (
    select(inbox.c.received_ms)
    .join(entry, entry.c.event_id == inbox.c.id)
    .where(entry.c.log == bindparam("log"))
    .order_by(entry.c.seq)
    .limit(1)
)
_CUT: Final = (
    select(func.min(entry.c.seq))
    .join(inbox, inbox.c.id == entry.c.event_id)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.seq >= bindparam("first"),
        inbox.c.received_ms >= bindparam("moment_ms"),
    )
)


def find_entries(transaction: Transaction, log: str, ids: Sequence[str]) -> list[tuple[int, bytes]]:
    """Return index and body of those of the events that are entries of this log, in its order."""
    found = transaction.execute(_FOUND, {"ids": list(ids)})
    return [(index, as_bytes(body)) for owner, index, body in found if owner == log]


def received(transaction: Transaction, log: str) -> datetime | None:
    """Return when the first event of the log came in, None when there is none."""
    found = transaction.execute(_RECEIVED, {"log": log}).scalar()
    return _EPOCH + timedelta(milliseconds=found) if isinstance(found, int) else None


def cut(transaction: Transaction, log: str, first: int, moment: datetime) -> int:
    """Return the index, `first` or later, of the first entry that came in at or after the moment.

    What a rule made stands behind its cause and is not parted from it. Where all came in before,
    it is the size of the log.
    """
    values = {"log": log, "first": first, "moment_ms": milliseconds(moment)}
    found = transaction.execute(_CUT, values).scalar()
    return store_log.size(transaction, log) if found is None else int(found)
