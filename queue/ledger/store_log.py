"""The log tables: entries, complete tree nodes and checkpoints; rows are only ever inserted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Select, Table, bindparam, false, func, insert, or_, select

from ledger.log import Frontier, Node, NodeReader, frontier_of
from ledger.store import LedgerError, Transaction, as_bytes
from ledger.store_tables import checkpoint, entry, inbox, node

# What stands for the decision on an event that a person gave up: it is in no log.
DROPPED: Final = "dropped"

# Entries read at once when a whole log is walked: a few megabytes.
CHUNK_ENTRIES: Final = 4096


# Built once: putting a statement together costs more than running it.
_SIZE: Final = select(func.max(entry.c.seq)).where(entry.c.log == bindparam("log"))
_LEAF: Final = select(entry.c.leaf).where(
    entry.c.log == bindparam("log"), entry.c.seq == bindparam("at")
)
_NODE: Final = select(node.c.hash).where(
    node.c.log == bindparam("log"),
    node.c.level == bindparam("at_level"),
    node.c.idx == bindparam("at"),
)
_NODES: Final = (
    select(node.c.idx, node.c.hash)
    .where(
        node.c.log == bindparam("log"),
        node.c.level == bindparam("at_level"),
        node.c.idx >= bindparam("first"),
        node.c.idx < bindparam("last"),
    )
    .order_by(node.c.idx)
)
_NEWEST: Final = (
    select(checkpoint)
    .where(checkpoint.c.log == bindparam("log"))
    .order_by(checkpoint.c.size.desc())
    .limit(1)
)
# Asked for the log as well, SQLite walks over all of it instead of looking up the few ids.
_ISSUED: Final = select(entry.c.event_id, entry.c.log).where(
    entry.c.event_id.in_(bindparam("ids", expanding=True))
)
# In the drivers' own words. Bytes, because damaged text is not readable as text, and must be named
# all the same.
_ENTRIES: Final = {
    "sqlite": "SELECT seq, CAST(event_id AS BLOB), body, leaf FROM entry"
    " WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?",
    "postgresql": "SELECT seq, convert_to(event_id, 'UTF8'), body, leaf FROM entry"
    " WHERE log = %s AND seq > %s ORDER BY seq LIMIT %s",
}


def _each(table: Table) -> Select[tuple[str]]:
    """Return a query for the logs in a table: a look into an index for each, not at every row."""
    first = select(func.min(table.c.log).label("log")).cte(f"{table.name}_logs", recursive=True)
    after = select(func.min(table.c.log)).where(table.c.log > first.c.log).scalar_subquery()
    found = first.union_all(select(after).where(first.c.log.is_not(None)))
    return select(found.c.log).where(found.c.log.is_not(None))


_NAMES: Final = {table.name: _each(table) for table in (entry, node, checkpoint)}
_LOGS: Final = _NAMES["entry"].subquery()
_SIZES: Final = select(
    _LOGS.c.log,
    select(func.max(entry.c.seq)).where(entry.c.log == _LOGS.c.log).scalar_subquery(),
    select(func.max(checkpoint.c.size)).where(checkpoint.c.log == _LOGS.c.log).scalar_subquery(),
)

# In the driver's words, to be put together to one question.
_BODY_AT: Final = "SELECT -1, seq, body FROM entry WHERE log = {0} AND seq = {0}"
_LEAF_AT: Final = "SELECT 0, seq, leaf FROM entry WHERE log = {0} AND seq = {0}"
_NODE_AT: Final = "SELECT level, idx, hash FROM node WHERE log = {0} AND level = {0} AND idx = {0}"


class EntryRow(NamedTuple):
    """One entry as stored."""

    seq: int
    event_id: str
    body: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint as stored."""

    size: int
    root: bytes
    note: bytes


class DamagedLog(LedgerError):
    """The log is not what it was: nothing is appended or signed until someone has looked."""


class MissingNode(DamagedLog):
    """A node that must be there is not."""

    def __init__(self, log: str, level: int, index: int) -> None:
        super().__init__(f"log {log}: no node at level {level}, index {index}")


class LogShrunk(DamagedLog):
    """The log has fewer entries than were signed for; appending would hide that."""

    def __init__(self, log: str, found: int, signed: int) -> None:
        super().__init__(f"log {log}: {found} entries, but {signed} were signed for")


def size(transaction: Transaction, log: str) -> int:
    """Return the number of entries, taking the last one's place for it; raises `DamagedLog`."""
    last = transaction.execute(_SIZE, {"log": log}).scalar()
    return 0 if last is None else _place(log, last) + 1


def names(transaction: Transaction) -> list[str]:
    """Return the ids of all logs that have an entry, a node or a checkpoint, in order."""
    return sorted(
        {str(name) for query in _NAMES.values() for name in transaction.execute(query).scalars()}
    )


def sizes(transaction: Transaction) -> dict[str, tuple[object, object]]:
    """Return for each log with an entry its last entry's place and the size that was signed last.

    As they are stored, whatever somebody put there; None where nothing was signed.
    """
    return {str(log): (last, signed) for log, last, signed in transaction.execute(_SIZES)}


def node_reader(transaction: Transaction, log: str) -> NodeReader:
    """Return a reader of this log's complete nodes; it raises `MissingNode`."""

    def read(level: int, index: int) -> bytes:
        query = _NODE if level else _LEAF
        found = transaction.execute(query, {"log": log, "at_level": level, "at": index}).scalar()
        if found is None:
            raise MissingNode(log, level, index)
        return as_bytes(found)

    return read


def nodes_at(
    transaction: Transaction, log: str, asked: Iterable[tuple[int, int]], bodies: Sequence[int] = ()
) -> tuple[NodeReader, dict[int, bytes]]:
    """Return a reader of these complete nodes, and entries' bodies by place, all read at once.

    A server's answer takes longer than a proof. The reader raises `MissingNode`.
    """
    mark = "?" if transaction.dialect.paramstyle == "qmark" else "%s"
    body, leaf, inner = (one.format(mark) for one in (_BODY_AT, _LEAF_AT, _NODE_AT))
    queries, values = [body] * len(bodies), [value for seq in bodies for value in (log, seq)]
    for level, index in asked:
        queries.append(inner if level else leaf)
        values += [log, level, index] if level else [log, index]
    found: dict[tuple[int, int], bytes] = {}
    if queries:
        cursor = transaction.exec_driver_sql(" UNION ALL ".join(queries), tuple(values))
        found = {(level, index): as_bytes(each) for level, index, each in cursor}

    def read(level: int, index: int) -> bytes:
        if (level, index) not in found:
            raise MissingNode(log, level, index)
        return found[level, index]

    return read, {index: each for (level, index), each in found.items() if level < 0}


def frontier(transaction: Transaction, log: str, known: Frontier | None = None) -> Frontier:
    """Return what appending to the log needs; raises `LogShrunk` or `MissingNode`.

    `known` is an earlier answer: it is still the answer when the log has the same size.
    """
    found = size(transaction, log)
    newest = newest_checkpoint(transaction, log)
    if newest and newest.size > found:
        raise LogShrunk(log, found, newest.size)
    if known and known.size == found:
        return known
    return frontier_of(found, node_reader(transaction, log))


def insert_entries(transaction: Transaction, log: str, rows: Sequence[EntryRow]) -> None:
    """Append entries; their places must be the next ones."""
    if rows:
        transaction.execute(
            insert(entry),
            [
                {
                    "log": log,
                    "seq": row.seq,
                    "event_id": row.event_id,
                    "body": row.body,
                    "leaf": row.leaf,
                }
                for row in rows
            ],
        )


def insert_nodes(transaction: Transaction, log: str, nodes: Sequence[Node]) -> None:
    """Add the nodes that new entries completed."""
    if nodes:
        transaction.execute(
            insert(node),
            [{"log": log, "level": n.level, "idx": n.index, "hash": n.hash} for n in nodes],
        )


def entries(transaction: Transaction, log: str, start: int = 0) -> Iterator[list[EntryRow]]:
    """Yield the entries from `start` on in chunks, in order, whatever gaps there are."""
    query, after = _ENTRIES[transaction.dialect.name], start - 1
    while True:
        rows = [
            EntryRow(
                seq, event_id.decode(errors="backslashreplace"), as_bytes(body), as_bytes(leaf)
            )
            for seq, event_id, body, leaf in _fetch(transaction, query, (log, after, CHUNK_ENTRIES))
        ]
        if not rows:
            return
        yield rows
        after = rows[-1].seq


def _fetch(
    transaction: Transaction, query: str, values: Sequence[object]
) -> Sequence[Sequence[Any]]:
    """Return the driver's own rows: of a million, the library's take longer than their hashes."""
    driver: Any = transaction.connection.driver_connection
    # A server's rows come as bytes that need not be read as text first.
    binary = {} if transaction.dialect.name == "sqlite" else {"binary": True}
    with contextlib.closing(driver.cursor(**binary)) as cursor:
        cursor.execute(query, values)
        return cast("Sequence[Sequence[Any]]", cursor.fetchall())


def nodes(
    transaction: Transaction, log: str, level: int, first: int, last: int
) -> dict[int, bytes]:
    """Return the stored nodes of a level from index `first` up to, not including, `last`."""
    values = {"log": log, "at_level": level, "first": first, "last": last}
    return {index: as_bytes(found) for index, found in _raw(transaction, _NODES, values)}


def node_count(transaction: Transaction, log: str) -> int:
    """Return how many nodes the log has above level 0."""
    query = select(func.count()).select_from(node).where(node.c.log == log)
    return transaction.execute(query).scalar_one()


def insert_checkpoint(transaction: Transaction, log: str, row: CheckpointRow) -> None:
    """Keep a signed checkpoint."""
    transaction.execute(
        insert(checkpoint).values(log=log, size=row.size, root=row.root, note=row.note)
    )


def checkpoints(transaction: Transaction, log: str) -> list[CheckpointRow]:
    """Return all checkpoints of the log, the smallest size first."""
    query = select(checkpoint).where(checkpoint.c.log == log).order_by(checkpoint.c.size)
    return [
        CheckpointRow(row.size, as_bytes(row.root), as_bytes(row.note))
        for row in transaction.execute(query)
    ]


def newest_checkpoint(transaction: Transaction, log: str) -> CheckpointRow | None:
    """Return the checkpoint of the largest size; raises `DamagedLog`."""
    row = transaction.execute(_NEWEST, {"log": log}).first()
    if row is None:
        return None
    return CheckpointRow(_place(log, row.size), as_bytes(row.root), as_bytes(row.note))


def issued_links(transaction: Transaction, log: str, event_ids: Iterable[str]) -> set[str]:
    """Return those of the event ids that are entries of this log."""
    found = transaction.execute(_ISSUED, {"ids": list(event_ids)})
    return {event_id for event_id, owner in found if owner == log}


def place_of(transaction: Transaction, log: str, event_id: str) -> int | None:
    """Return the place of the event in this log, None when it is not in it."""
    query = select(entry.c.seq).where(entry.c.event_id == event_id, entry.c.log == log)
    found = transaction.execute(query).scalar()
    return None if found is None else _place(log, found)


def body_at(transaction: Transaction, log: str, seq: int) -> bytes | None:
    """Return the stored bytes of an entry, None when there is none."""
    query = select(entry.c.body).where(entry.c.log == log, entry.c.seq == seq)
    found = transaction.execute(query).scalar()
    return None if found is None else as_bytes(found)


def entries_of(
    transaction: Transaction, log: str, start: int, end: int, types: Iterable[str]
) -> list[tuple[int, str]]:
    """Return place and event id of the entries of some types, from `start` up to before `end`."""
    of_types = or_(false(), *(entry.c.event_id.startswith(f"{kind}:") for kind in types))
    query = (
        select(entry.c.seq, entry.c.event_id)
        .where(entry.c.log == log, entry.c.seq >= start, entry.c.seq < end, of_types)
        .order_by(entry.c.seq)
    )
    return [(_place(log, seq), str(event_id)) for seq, event_id in transaction.execute(query)]


def applied_without_entry(transaction: Transaction) -> dict[str, str]:
    """Return for each log the first of its events that was applied and is in no log."""
    present = select(entry.c.seq).where(entry.c.event_id == inbox.c.id).exists()
    first = (
        select(func.min(inbox.c.seq))
        .where(inbox.c.decision.is_not(None), inbox.c.decision != DROPPED, ~present)
        .group_by(inbox.c.company)
    )
    lost = list(transaction.execute(first).scalars())
    query = select(inbox.c.company, inbox.c.id).where(inbox.c.seq.in_(lost))
    return {str(company): str(event_id) for company, event_id in transaction.execute(query)}


def _raw(
    transaction: Transaction, query: Select[Any], values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """Return the driver's own rows: of a million, the library's take longer than their hashes."""
    cursor = transaction.execute(query, values).cursor
    return cursor.fetchall() if cursor is not None else ()


def _place(log: str, found: object) -> int:
    """Return a place or size that was read; raises `DamagedLog` for what is no number."""
    if not isinstance(found, int):
        raise DamagedLog(f"log {log}: not a place in a log: {found!r}")
    return found
