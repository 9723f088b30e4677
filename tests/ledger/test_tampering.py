"""What somebody with the database can do to it, and what the audit calls it, on both databases.

Change, delete, insert, swap and truncate, of entries, nodes, checkpoints and transfers. Another
sequencer and a restored backup are in test_backup.py.
"""

# ruff: noqa: S608 (a test puts its own words together)

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import Damage, Finding, verify
from ledger.checkpoint import checkpoint_path
from ledger.log import leaf_hash
from ledger.store import Store
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    POLICIES,
    issue,
    letters_and_signups,
    record,
    signup,
    store_in,
)
from tests.services import postgres_database

# Twelve letters with their signups, a referral for each, and a slot; signed after half of them.
SIZE = 12 * 3 + 1
SIGNED = 18
FOREIGN = issue(999).body
ZEROS = bytes(32)
A, B = 7, 9  # Two places below the first checkpoint, of one kind of event and another.


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    """Return a store with a recorded history."""
    if request.param == "sqlite":
        made = store_in(tmp_path)
        yield recorded(made, tmp_path)
        made.close()
        return
    with postgres_database() as url:
        made = Store(url)
        yield recorded(made, tmp_path)
        made.close()


def recorded(store: Store, folder: Path) -> Store:
    """Record the history, of which a part is signed first."""
    events = letters_and_signups(12)
    record(store, folder, events[:12])
    record(store, folder, events[12:])
    return store


def tamper(store: Store, *statements: tuple[str, dict[str, object]]) -> None:
    """Do to the store what its owner can do."""
    with store.write() as transaction:
        for statement, values in statements:
            transaction.execute(text(statement), values)


def found(store: Store, folder: Path) -> Finding:
    """Return what the audit finds; it must find something."""
    (report,) = verify(
        store,
        policies=POLICIES,
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
    )
    assert report.finding
    return report.finding


def move(
    table: str, column: str, key: str, one: int, other: int
) -> list[tuple[str, dict[str, object]]]:
    """Return the statements that swap a column of two rows."""
    get = f"(SELECT {column} FROM {table} WHERE {key} = "
    return [
        (f"CREATE TABLE kept AS SELECT {column} AS it FROM {table} WHERE {key} = {one}", {}),
        (f"UPDATE {table} SET {column} = {get}{other}) WHERE {key} = {one}", {}),
        (f"UPDATE {table} SET {column} = (SELECT it FROM kept) WHERE {key} = {other}", {}),
        ("DROP TABLE kept", {}),
    ]


Statements = Sequence[tuple[str, dict[str, object]]]

ENTRIES: list[tuple[str, Statements, Damage, int | None]] = [
    (
        "changed",
        [("UPDATE entry SET body = :body WHERE seq = 7", {"body": FOREIGN})],
        Damage.BODY,
        7,
    ),
    (
        "changed with its hash",
        [
            (
                "UPDATE entry SET body = :body, leaf = :leaf WHERE seq = 7",
                {"body": FOREIGN, "leaf": leaf_hash(FOREIGN)},
            )
        ],
        Damage.NODE,
        6,
    ),
    ("deleted", [("DELETE FROM entry WHERE seq = 7", {})], Damage.MISSING, 7),
    ("truncated", [("DELETE FROM entry WHERE seq >= 30", {})], Damage.MISSING, 30),
    (
        "inserted at the end",
        [
            (
                "INSERT INTO entry (log, seq, event_id, body, leaf)"
                f" VALUES ('aozora', {SIZE}, :id, :body, :leaf)",
                {"id": issue(999).id, "body": FOREIGN, "leaf": leaf_hash(FOREIGN)},
            )
        ],
        Damage.NODE,
        36,
    ),
    (
        "inserted between two",
        [
            ("UPDATE entry SET seq = seq + 1000 WHERE seq >= 7", {}),
            ("UPDATE entry SET seq = seq - 999 WHERE seq >= 1007", {}),
            (
                "INSERT INTO entry (log, seq, event_id, body, leaf)"
                " VALUES ('aozora', 7, :id, :body, :leaf)",
                {"id": issue(999).id, "body": FOREIGN, "leaf": leaf_hash(FOREIGN)},
            ),
        ],
        Damage.NODE,
        6,
    ),
    ("two bodies swapped", move("entry", "body", "seq", A, B), Damage.BODY, A),
    (
        "two swapped whole",
        [
            (f"UPDATE entry SET seq = 1000 WHERE seq = {A}", {}),
            (f"UPDATE entry SET seq = {A} WHERE seq = {B}", {}),
            (f"UPDATE entry SET seq = {B} WHERE seq = 1000", {}),
        ],
        Damage.NODE,
        6,
    ),
]

NODES: list[tuple[str, Statements, Damage, int | None]] = [
    (
        "changed",
        [("UPDATE node SET hash = :hash WHERE level = 1 AND idx = 4", {"hash": ZEROS})],
        Damage.NODE,
        8,
    ),
    ("deleted", [("DELETE FROM node WHERE level = 1 AND idx = 4", {})], Damage.NODE, 8),
    (
        "inserted",
        [("INSERT INTO node VALUES ('aozora', 5, 7, :hash)", {"hash": ZEROS})],
        Damage.MISSING,
        SIZE,
    ),
    ("two swapped", move("node", "hash", "level = 1 AND idx", 2, 4), Damage.NODE, 4),
    ("truncated", [("DELETE FROM node WHERE level >= 3", {})], Damage.NODE, 0),
]

CHECKPOINTS: list[tuple[str, Statements, Damage, int | None]] = [
    (
        "root changed",
        [(f"UPDATE checkpoint SET root = :root WHERE size = {SIGNED}", {"root": ZEROS})],
        Damage.CHECKPOINT,
        None,
    ),
    (
        "note changed",
        [(f"UPDATE checkpoint SET note = :note WHERE size = {SIGNED}", {"note": b"x"})],
        Damage.CHECKPOINT,
        None,
    ),
    ("two swapped", move("checkpoint", "note", "size", SIGNED, SIZE), Damage.CHECKPOINT, None),
    (
        "inserted",
        [
            (
                "INSERT INTO checkpoint VALUES ('aozora', 5, :root, :note)",
                {"root": ZEROS, "note": b"x"},
            )
        ],
        Damage.CHECKPOINT,
        None,
    ),
]

TRANSFERS: list[tuple[str, Statements, Damage, int | None]] = [
    ("changed", [("UPDATE posting SET amount = amount * 2", {})], Damage.LEDGER, None),
    (
        "deleted",
        [
            (f"DELETE FROM {table} WHERE {key} = :key", {"key": f"referral.counted:{name}"})
            for name in [signup(3).id.partition(":")[2]]
            for table, key in (("posting", "transfer_key"), ("transfer", "key"))
        ],
        Damage.LEDGER,
        None,
    ),
    (
        "inserted",
        [
            (
                "INSERT INTO transfer (key, company, event_id, rule, policy)"
                " VALUES ('slot.granted:aozora/9', 'aozora', 'slot.granted:aozora/9',"
                " 'slot.granted', '10-for-1@2026-01')",
                {},
            ),
            *(
                (
                    "INSERT INTO posting (transfer_key, account, unit, amount)"
                    " VALUES ('slot.granted:aozora/9', :account, 'SLOT', :amount)",
                    {"account": account, "amount": amount},
                )
                for account, amount in (("service", -1), ("available", 1))
            ),
        ],
        Damage.LEDGER,
        None,
    ),
    (
        "balance raised",
        [("UPDATE balance SET amount = 5 WHERE account = 'available'", {})],
        Damage.LEDGER,
        None,
    ),
]

CASES = [
    pytest.param(statements, kind, seq, id=f"{what} {how}".replace(" ", "-"))
    for what, cases in (
        ("entry", ENTRIES),
        ("node", NODES),
        ("checkpoint", CHECKPOINTS),
        ("transfer", TRANSFERS),
    )
    for how, statements, kind, seq in cases
]


@pytest.mark.parametrize(("statements", "kind", "seq"), CASES)
def test_tampering_is_named(
    store: Store, tmp_path: Path, statements: Statements, kind: Damage, seq: int | None
) -> None:
    """The kind of damage, and the first bad entry where there is one."""
    tamper(store, *statements)
    finding = found(store, tmp_path)
    assert (finding.kind, finding.seq) == (kind, seq), finding


def test_all_checkpoints_deleted_leave_the_published_one(store: Store, tmp_path: Path) -> None:
    """Without any in the store, whoever cuts the log is met by the file."""
    tamper(
        store,
        ("DELETE FROM checkpoint", {}),
        ("DELETE FROM entry WHERE seq >= 30", {}),
        ("DELETE FROM node WHERE level = 1 AND idx >= 15", {}),
    )
    finding = found(store, tmp_path)
    assert (finding.kind, finding.seq) == (Damage.MISSING, 30)


def test_a_published_checkpoint_that_is_changed_is_told(store: Store, tmp_path: Path) -> None:
    """Another size in the file does not bear our signature."""
    path = checkpoint_path(tmp_path, "aozora")
    path.write_bytes(path.read_bytes().replace(f"\n{SIZE}\n".encode(), b"\n12\n"))
    finding = found(store, tmp_path)
    assert finding.kind is Damage.CHECKPOINT
    assert "published" in finding.detail
