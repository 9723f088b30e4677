"""Runs of a log's hashes and entries, as tiles are made of them; only read."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from ledger.store import Transaction, as_bytes
from ledger.store_log import DamagedLog
from ledger.store_tables import entry, node

_LEAVES: Final = (
    select(entry.c.leaf)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.seq >= bindparam("first"),
        entry.c.seq < bindparam("end"),
    )
    .order_by(entry.c.seq)
)
_BODIES: Final = (
    select(entry.c.body)
    .where(
        entry.c.log == bindparam("log"),
        entry.c.seq >= bindparam("first"),
        entry.c.seq < bindparam("end"),
    )
    .order_by(entry.c.seq)
)
_NODES: Final = (
    select(node.c.hash)
    .where(
        node.c.log == bindparam("log"),
        node.c.level == bindparam("at_level"),
        node.c.idx >= bindparam("first"),
        node.c.idx < bindparam("end"),
    )
    .order_by(node.c.idx)
)


def hashes(transaction: Transaction, log: str, level: int, first: int, count: int) -> list[bytes]:
    """Return the complete nodes of a level from `first` on; raises `DamagedLog` for a gap."""
    values = {"log": log, "first": first, "end": first + count, "at_level": level}
    query = _NODES if level else _LEAVES
    return _whole(
        log, count, [as_bytes(each) for each in transaction.execute(query, values).scalars()]
    )


def bodies(transaction: Transaction, log: str, first: int, count: int) -> list[bytes]:
    """Return the entries from `first` on; raises `DamagedLog` for a gap."""
    values = {"log": log, "first": first, "end": first + count}
    found = [as_bytes(each) for each in transaction.execute(_BODIES, values).scalars()]
    return _whole(log, count, found)


def _whole(log: str, count: int, found: list[bytes]) -> list[bytes]:
    if len(found) != count:
        raise DamagedLog(f"log {log}: {len(found)} of {count} entries or nodes are there")
    return found
