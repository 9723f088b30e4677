"""The audit: is every log what it was, and is the ledger what the logs say?

For each log one walk over the stored bytes: every leaf, node and root is computed again and
compared with what is stored and with every checkpoint, in the table and in its file; the ledger is
folded anew and compared with the transfers and balances kept. The first damage is named with its
place and kind. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ledger import audit_ledger, store_inbox, store_ledger, store_log
from ledger.checkpoint import CheckpointError, checkpoint_path, log_origin, open_checkpoint
from ledger.credits import Policy
from ledger.events import is_company
from ledger.fold import Fold, event_id_of
from ledger.log import EMPTY, Frontier, append, leaf_hash, node_hash, root
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
    frontier: Frontier = EMPTY
    good_size: int = 0
    ledger_finding: Finding | None = None
    expected: dict[tuple[int, int], bytes] = field(default_factory=dict[tuple[int, int], bytes])


@dataclass(frozen=True, slots=True)
class _Trusted:
    """What the audit measures by."""

    policies: Sequence[Policy]
    public_key: bytes
    installation: str
    published: Mapping[str, bytes]
    witnesses: Mapping[str, Sequence[Witness]]


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
    trusted = _Trusted(policies, public_key, installation, published, witnesses)
    with store.read() as transaction:
        # A log that is gone is remembered by its published checkpoint, by the inbox, and by what
        # the ledger holds for its company.
        logs = published.keys() | witnesses.keys() | store_inbox.companies(transaction)
        logs |= store_ledger.companies(transaction) | set(store_log.names(transaction))
        reports = [_verify_log(transaction, log, trusted) for log in sorted(logs)]
        # Last, because it names no entry. A damaged index hides what was counted already.
        if not any(report.finding for report in reports):
            if problem := store.problem(transaction):
                raise StoreError(store.where, f"integrity check: {problem}")
    return reports


def _read_published(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from error


def _verify_log(transaction: Transaction, log: str, trusted: _Trusted) -> LogReport:
    walk = _Walk(log, {}, Fold(log, trusted.policies))
    finding: Finding | None = None
    try:
        # Damage to the entries is told first, and a bad checkpoint last: the good ones still serve.
        bad_checkpoint = _read_checkpoints(transaction, walk, trusted)
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
        first = walk.frontier.size
        for row in rows:
            if row.seq != walk.frontier.size:
                raise _missing(transaction, walk, f"the next entry in the store is {row.seq}")
            leaf = leaf_hash(row.body)
            if leaf != row.leaf:
                raise _bad_leaf(transaction, walk, row, leaf)
            _check_fold(walk, row)
            walk.frontier, completed = append(walk.frontier, leaf)
            for node in completed:
                walk.expected[node.level, node.index] = node.hash
            signed = walk.signed.get(walk.frontier.size)
            if signed is not None:
                _check_nodes(transaction, walk, first)
                first = walk.frontier.size
                _check_root(walk, signed)
        _check_nodes(transaction, walk, first)


def _check_fold(walk: _Walk, row: store_log.EntryRow) -> None:
    """Fold the entry; what is wrong there is told only if the tree turns out to be whole."""
    if walk.ledger_finding is None:
        try:
            walk.fold.feed(row.event_id, row.body)
        except ValueError as error:
            walk.ledger_finding = Finding(Damage.LEDGER, str(error), row.seq, row.event_id)


def _check_nodes(transaction: Transaction, walk: _Walk, first: int) -> None:
    """Compare the stored nodes that the entries from `first` on completed."""
    size, level = walk.frontier.size, 1
    while size >> level:
        low, high = first >> level, size >> level
        stored = store_log.nodes(transaction, walk.log, level, low, high) if low < high else {}
        for index in range(low, high):
            if stored.get(index) != walk.expected.pop((level, index), None):
                seq, last = index << level, ((index + 1) << level) - 1
                what = "is not the hash of" if index in stored else "is missing above"
                detail = f"node at level {level}, index {index} {what} entries {seq} to {last}"
                raise _Damaged(Damage.NODE, detail, seq)
        level += 1


def _check_root(walk: _Walk, signed: bytes) -> None:
    size = walk.frontier.size
    if root(walk.frontier) != signed:
        detail = f"the first {size} entries are not those signed for; so far {walk.good_size} are"
        raise _Damaged(Damage.ROOT, detail, walk.good_size)
    walk.good_size = size


def _check_end(transaction: Transaction, walk: _Walk) -> None:
    largest = max(walk.signed, default=0)
    if largest > walk.frontier.size:
        raise _missing(transaction, walk, f"{largest} entries were signed for")
    if store_log.node_count(transaction, walk.log) != walk.frontier.size - len(
        walk.frontier.hashes
    ):
        raise _missing(transaction, walk, "there are nodes above entries that are not there")
    if event_id := store_log.applied_without_entry(transaction, walk.log):
        detail = "an applied event is in no log"
        raise _Damaged(Damage.MISSING, detail, walk.frontier.size, event_id)


def _check_ledger(transaction: Transaction, walk: _Walk) -> Finding | None:
    try:
        walk.fold.end()
    except ValueError as error:
        return Finding(Damage.LEDGER, str(error), walk.frontier.size)
    detail = audit_ledger.difference(transaction, walk.log, walk.fold)
    return Finding(Damage.LEDGER, detail) if detail else None


def _missing(transaction: Transaction, walk: _Walk, detail: str) -> _Damaged:
    """Return the damage of the entry after the walk's last being gone, named where we can."""
    gone = store_log.applied_without_entry(transaction, walk.log)
    return _Damaged(Damage.MISSING, detail, walk.frontier.size, gone or "")


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
