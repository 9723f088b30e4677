"""How far readers of the logs have come: a name and the place of the next entry."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from ledger.store import Transaction
from ledger.store_tables import progress


def position(transaction: Transaction, name: str) -> int | None:
    """Return the place of the next entry for this reader; None for a new one."""
    return transaction.execute(select(progress.c.position).where(progress.c.name == name)).scalar()


def positions(transaction: Transaction, prefix: str) -> dict[str, int]:
    """Return the places of all readers whose names begin so."""
    query = select(progress.c.name, progress.c.position).where(progress.c.name.startswith(prefix))
    return {str(name): int(found) for name, found in transaction.execute(query)}


def move(transaction: Transaction, name: str, to: int) -> None:
    """Note that the reader has done with all before `to`."""
    moved = transaction.execute(update(progress).where(progress.c.name == name).values(position=to))
    if not moved.rowcount:
        transaction.execute(insert(progress).values(name=name, position=to))
