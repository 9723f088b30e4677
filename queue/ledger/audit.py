"""The audit: is every log what it was, and is the ledger what the logs say?

For each log one walk over the stored bytes: every leaf, node and root is computed again and
compared with what is stored and with every checkpoint, in the table and in its file; the ledger is
folded anew and compared with the transfers and balances kept. The first damage is named with its
place and kind. Nothing is written.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from ledger import audit_ledger, store_inbox, store_ledger, store_log
from ledger.checkpoint import CheckpointError, checkpoint_path, log_origin, open_checkpoint
from ledger.credits import Policy
from ledger.events import is_company
from ledger.fold import Fold, event_id_of
from ledger.log import EMPTY, Frontier, Run, extend, leaf_hash, node_hash, root
from ledger.store import Store, StoreError, Transaction
from ledger.witness import Witness


class Damage(StrEnum):
    """Kinds of damage, in the order in which one hides the other."""

    BODY = "body"  # An entry's bytes are not those that were hashed.
    MISSING = "missing"  # An entry that was there is gone.
    NODE = "node"  # A stored hash is not the hash of what is below it.
    ROOT = "root"  # The tree is whole, but not the one that was signed.
    CHECKPOINT = "checkpoint"  # A checkpoint is not signed by us, or not about this log.
    LEDGER = "ledger"  # What is kept of the ledger does not follow from the log.


@dataclass(frozen=True, slots=True)
class Finding:
    """The first damage of a log. `seq` and `event_id` say where, as far as that can be told."""

    kind: Damage
    detail: str
    seq: int | None = None
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class LogReport:
    """What the audit has to say about one log."""

    log: str
    entries: int
    root: bytes
    checkpoint_size: int
    finding: Finding | None


class _Damaged(Exception):
    """Ends the walk over a log."""

    def __init__(
        self, kind: Damage, detail: str, seq: int | None = None, event_id: str = ""
    ) -> None:
        super().__init__(detail)
        self.finding: Final = Finding(kind, detail, seq, event_id)


@dataclass(slots=True)
class _Walk:
    """Where the walk over one log is."""

    log: str
    signed: dict[int, bytes]
    fold: Fold
    # The first event that was applied and is in no log; empty when there is none.
    lost: str
    frontier: Frontier = EMPTY
    good_size: int = 0
    ledger_finding: Finding | None = None
    # Completed and not compared yet.
    runs: list[Run] = field(default_factory=list[Run])
    # The sizes that were signed, in order.
    sizes: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class _Trusted:
    """What the audit measures by."""

    policies: Sequence[Policy]
    public_key: bytes
    installation: str
    published: Mapping[str, bytes]
    witnesses: Mapping[str, Sequence[Witness]]
    lost: Mapping[str, str]


def verify(
    store: Store,
    *,
    policies: Sequence[Policy],
    public_key: bytes,
    installation: str,
    directory: Path,
    witnesses: Mapping[str, Sequence[Witness]] = MappingProxyType({}),
) -> list[LogReport]:
    """Return a report for every log, on one snapshot of the store; raises `StoreError`.

    `witnesses` are checkpoints of each log that were kept outside: they count like our own.

    May run beside a worker: the published checkpoints are read before the snapshot is taken, so
    none is about entries that the snapshot does not have.
    """
    prefix = checkpoint_path(directory, "").name
    published = {
        log: _read_published(path)
        for path in directory.glob(f"{prefix}*")
        if is_company(log := path.name.removeprefix(prefix))  # And no copy somebody made.
    }
    with store.read() as transaction:
        lost = store_log.applied_without_entry(transaction)
        trusted = _Trusted(policies, public_key, installation, published, witnesses, lost)
        # A log that is gone is remembered by its published checkpoint, by the inbox, and by what
        # the ledger holds for its company.
        logs = published.keys() | witnesses.keys() | store_inbox.companies(transaction)
        logs |= store_ledger.companies(transaction) | set(store_log.names(transaction))
        # The storage itself is looked at beside it, and told last, because that names no entry.
        with ThreadPoolExecutor(1) as beside, _no_collection():
            problem = beside.submit(_problem, store)
            reports = [_verify_log(transaction, log, trusted) for log in sorted(logs)]
        # A damaged index hides what was counted already.
        if problem.result() and not any(report.finding for report in reports):
            raise StoreError(store.where, f"integrity check: {problem.result()}")
    return reports


@contextmanager
def _no_collection() -> Generator[None]:
    """Leave garbage collection be: nothing here is cyclic, and it takes a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _problem(store: Store) -> str | None:
    with store.read() as transaction:
        return store.problem(transaction)


def _read_published(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from error


def _verify_log(transaction: Transaction, log: str, trusted: _Trusted) -> LogReport:
    walk = _Walk(log, {}, Fold(log, trusted.policies), trusted.lost.get(log, ""))
    finding: Finding | None = None
    try:
        # Damage to the entries is told first, and a bad checkpoint last: the good ones still serve.
        bad_checkpoint = _read_checkpoints(transaction, walk, trusted)
        walk.sizes = sorted(walk.signed)
        _walk_entries(transaction, walk)
        _check_end(transaction, walk)
        finding = bad_checkpoint or walk.ledger_finding or _check_ledger(transaction, walk)
    except _Damaged as damaged:
        finding = damaged.finding
    except CheckpointError as error:
        finding = Finding(Damage.CHECKPOINT, str(error))  # No log of ours can bear this name.
    return LogReport(
        log=log,
        entries=walk.frontier.size,
        root=root(walk.frontier),
        checkpoint_size=max(walk.signed, default=0),
        finding=finding,
    )


def _read_checkpoints(transaction: Transaction, walk: _Walk, trusted: _Trusted) -> Finding | None:
    """Collect the roots that were signed, by size; return what is wrong with the first bad one."""
    origin = log_origin(trusted.installation, walk.log)
    notes: list[tuple[str, bytes, store_log.CheckpointRow | None]] = [
        (f"checkpoint of size {row.size} in the store", row.note, row)
        for row in store_log.checkpoints(transaction, walk.log)
    ]
    if note := trusted.published.get(walk.log):
        notes.append(("published checkpoint", note, None))
    notes += [
        (f"checkpoint in {one.name}", one.note, None) for one in trusted.witnesses.get(walk.log, ())
    ]
    bad: Finding | None = None
    for name, note, row in notes:
        try:
            found = open_checkpoint(note, origin, trusted.public_key)
        except CheckpointError as error:
            bad = bad or Finding(Damage.CHECKPOINT, f"{name}: {error}")
            continue
        if row and (row.size, row.root) != (found.size, found.root):
            bad = bad or Finding(Damage.CHECKPOINT, f"{name}: its row and its note disagree")
        if walk.signed.setdefault(found.size, found.root) != found.root:
            bad = bad or Finding(Damage.CHECKPOINT, f"{name}: two roots were signed for one size")
    return bad


def _walk_entries(transaction: Transaction, walk: _Walk) -> None:
    for rows in store_log.entries(transaction, walk.log):
        # A row out of its place ends the walk; what is before it is looked at first.
        first = walk.frontier.size
        good = next(
            (place for place, row in enumerate(rows) if row.seq != first + place), len(rows)
        )
        for part in _parts(rows[:good], walk):
            _walk_part(transaction, walk, part)
        _check_runs(transaction, walk)
        if good < len(rows):
            raise _missing(walk, f"the next entry in the store is {rows[good].seq}")


def _parts(
    rows: Sequence[store_log.EntryRow], walk: _Walk
) -> Iterator[Sequence[store_log.EntryRow]]:
    """Cut the rows wherever a size was signed."""
    first = walk.frontier.size
    cuts = [size - first for size in walk.sizes if first < size <= first + len(rows)]
    for start, end in pairwise([0, *cuts, len(rows)]):
        if start < end:
            yield rows[start:end]


def _walk_part(transaction: Transaction, walk: _Walk, rows: Sequence[store_log.EntryRow]) -> None:
    leaves = [leaf_hash(row.body) for row in rows]
    if leaves != [row.leaf for row in rows]:
        _walk_bad(transaction, walk, rows, leaves)
    for row in rows:
        _check_fold(walk, row)
    walk.frontier, runs = extend(walk.frontier, leaves)
    walk.runs.extend(runs)
    signed = walk.signed.get(walk.frontier.size)
    if signed is not None:
        _check_root(transaction, walk, signed)


def _walk_bad(
    transaction: Transaction,
    walk: _Walk,
    rows: Sequence[store_log.EntryRow],
    leaves: Sequence[bytes],
) -> NoReturn:
    """Name the first row whose leaf is not its own, or what is damaged before it."""
    bad = next(place for place, row in enumerate(rows) if row.leaf != leaves[place])
    walk.frontier, runs = extend(walk.frontier, leaves[:bad])
    walk.runs.extend(runs)
    _check_runs(transaction, walk)
    raise _bad_leaf(transaction, walk, rows[bad], leaves[bad])


def _check_fold(walk: _Walk, row: store_log.EntryRow) -> None:
    """Fold the entry; what is wrong there is told only if the tree turns out to be whole."""
    if walk.ledger_finding is None:
        try:
            walk.fold.feed(row.event_id, row.body)
        except ValueError as error:
            walk.ledger_finding = Finding(Damage.LEDGER, str(error), row.seq, row.event_id)


def _check_runs(transaction: Transaction, walk: _Walk) -> None:
    """Compare the stored nodes with those that the entries so far have completed."""
    for run in walk.runs:
        end = run.first + len(run.hashes)
        stored = store_log.nodes(transaction, walk.log, run.level, run.first, end)
        if tuple(stored.values()) != run.hashes or len(stored) != len(run.hashes):
            raise _bad_node(run, stored)
    walk.runs.clear()


def _bad_node(run: Run, stored: Mapping[int, bytes]) -> _Damaged:
    index = next(
        index for index, one in enumerate(run.hashes, run.first) if stored.get(index) != one
    )
    seq, last = index << run.level, ((index + 1) << run.level) - 1
    what = "is not the hash of" if index in stored else "is missing above"
    detail = f"node at level {run.level}, index {index} {what} entries {seq} to {last}"
    return _Damaged(Damage.NODE, detail, seq)


def _check_root(transaction: Transaction, walk: _Walk, signed: bytes) -> None:
    size = walk.frontier.size
    if root(walk.frontier) != signed:
        _check_runs(transaction, walk)
        detail = f"the first {size} entries are not those signed for; so far {walk.good_size} are"
        raise _Damaged(Damage.ROOT, detail, walk.good_size)
    walk.good_size = size


def _check_end(transaction: Transaction, walk: _Walk) -> None:
    largest = max(walk.signed, default=0)
    if largest > walk.frontier.size:
        raise _missing(walk, f"{largest} entries were signed for")
    if store_log.node_count(transaction, walk.log) != walk.frontier.size - len(
        walk.frontier.hashes
    ):
        raise _missing(walk, "there are nodes above entries that are not there")
    if event_id := walk.lost:
        detail = "an applied event is in no log"
        raise _Damaged(Damage.MISSING, detail, walk.frontier.size, event_id)


def _check_ledger(transaction: Transaction, walk: _Walk) -> Finding | None:
    try:
        walk.fold.end()
    except ValueError as error:
        return Finding(Damage.LEDGER, str(error), walk.frontier.size)
    detail = audit_ledger.difference(transaction, walk.log, walk.fold)
    return Finding(Damage.LEDGER, detail) if detail else None


def _missing(walk: _Walk, detail: str) -> _Damaged:
    """Return the damage of the entry after the walk's last being gone, named where we can."""
    return _Damaged(Damage.MISSING, detail, walk.frontier.size, walk.lost)


def _bad_leaf(
    transaction: Transaction, walk: _Walk, row: store_log.EntryRow, leaf: bytes
) -> _Damaged:
    """Tell a changed body from a changed leaf hash by the node above, if it is there."""
    index = row.seq >> 1
    above = store_log.nodes(transaction, walk.log, 1, index, index + 1).get(index)
    if above is not None:
        pair: list[bytes] = []
        for rows in store_log.entries(transaction, walk.log, index * 2):
            pair.extend(one.leaf for one in rows[:2])
            break
        pair[row.seq & 1] = leaf
        if len(pair) == 2 and node_hash(pair[0], pair[1]) == above:
            detail = "the stored leaf hash is not that of the entry"
            return _Damaged(Damage.NODE, detail, row.seq, row.event_id)
    detail = "the entry's bytes are not those that were hashed"
    return _Damaged(Damage.BODY, detail, row.seq, event_id_of(row.body) or row.event_id)
