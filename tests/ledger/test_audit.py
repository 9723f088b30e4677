"""The audit finds what was done to a store and says where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import Damage, Finding, LogReport, verify
from ledger.checkpoint import Checkpoint, LogKey, checkpoint_path, sign_checkpoint
from ledger.events import INSTALLATION as INSTALLATION_LOG
from ledger.log import EMPTY, append, leaf_hash
from ledger.store import Store, StoreError
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    POLICIES,
    applier_on,
    click,
    issue,
    letters_and_signups,
    record,
    signup,
    store_in,
    submit,
)

# The first of these is entry 0; letters and signups of twelve, what follows from them, and a slot.
EVENTS = [*letters_and_signups(12), click(1), signup(40, of_link=3)]
SIZE = 12 * 3 + 1 + 1 + 2


def audit(store: Store, folder: Path) -> dict[str, LogReport]:
    """Return the reports by log."""
    reports = verify(
        store,
        policies=POLICIES,
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
    )
    return {report.log: report for report in reports}


def tamper(store: Store, *statements: str, **values: object) -> None:
    """Do to the store what a person with its file can do."""
    with store.write() as transaction:
        for statement in statements:
            transaction.execute(text(statement), values)


def found_after(folder: Path, *statements: str, **values: object) -> Finding:
    """Return what the audit finds in Aozora's log after tampering with a recorded history."""
    store = store_in(folder)
    record(store, folder, [issue(90), *EVENTS[:6], issue(91, "midori")])
    record(store, folder, EVENTS[6:])
    tamper(store, "PRAGMA defer_foreign_keys = ON", *statements, **values)
    reports = audit(store, folder)
    store.close()
    if "company = 'aozora'" in " ".join(statements) or "log = 'aozora'" in " ".join(statements):
        assert reports["midori"].finding is None
    finding = reports["aozora"].finding
    assert finding is not None
    return finding


def test_a_sound_store_is_verified(tmp_path: Path) -> None:
    """Every log has its entries, its root and a checkpoint of the same size."""
    store = store_in(tmp_path)
    assert audit(store, tmp_path) == {}
    record(store, tmp_path, [*EVENTS, issue(91, "midori"), signup(92, INSTALLATION_LOG)])
    reports = audit(store, tmp_path)
    assert sorted(reports) == [INSTALLATION_LOG, "aozora", "midori"]
    for report in reports.values():
        assert report.finding is None
        assert report.checkpoint_size == report.entries
    assert reports["aozora"].entries == SIZE
    assert reports["midori"].root == leaf_hash(issue(91, "midori").body)
    store.close()


def test_young_entries_are_verified_by_the_tree(tmp_path: Path) -> None:
    """What was appended since the last checkpoint is checked, and said not to be signed."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    submit(store, [issue(2)])
    applier_on(store).apply_all()
    report = audit(store, tmp_path)["aozora"]
    assert (report.entries, report.checkpoint_size, report.finding) == (2, 1, None)
    store.close()


def test_a_changed_byte_in_the_file_is_named(tmp_path: Path) -> None:
    """One bit of one entry's bytes, turned over in the SQLite file itself."""
    store = store_in(tmp_path)
    record(store, tmp_path, EVENTS)
    with store.write() as transaction:
        # The inbox rows are emptied when applied; overwrite what is left of them on free pages.
        assert transaction.execute(text("SELECT max(length(body)) FROM inbox")).scalar() == 0
    store.close()
    raw = store.path.read_bytes()
    body = issue(5).body
    assert body in raw
    place = raw.rindex(body) + body.index("エンジニア".encode())
    for start in range(len(raw)):
        # Every copy of the bytes, should the file hold stale ones, too.
        if raw.startswith(body, start):
            place = start + body.index("エンジニア".encode())
            raw = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
    store.path.write_bytes(raw)
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert finding.kind is Damage.BODY
    assert finding.event_id == issue(5).id
    store.close()


@pytest.mark.parametrize("seq", [0, 1, 7, SIZE])
def test_a_changed_body_is_named(tmp_path: Path, seq: int) -> None:
    """The entry whose bytes are not those that were hashed, also the first and the last."""
    finding = found_after(
        tmp_path,
        "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'aozora', 'midori') AS BLOB)"
        " WHERE log = 'aozora' AND seq = :seq",
        seq=seq,
    )
    assert (finding.kind, finding.seq) == (Damage.BODY, seq)
    assert finding.event_id


@pytest.mark.parametrize(
    ("value", "seq"), [("'text'", 3), ("7", 3), ("x''", 3), ("zeroblob(70000)", 3)]
)
def test_a_body_of_another_kind_is_named(tmp_path: Path, value: str, seq: int) -> None:
    """Text, a number, nothing and far too much in place of the bytes."""
    finding = found_after(
        tmp_path,
        f"UPDATE entry SET body = {value} WHERE log = 'aozora' AND seq = :seq",  # noqa: S608
        seq=seq,
    )
    assert (finding.kind, finding.seq) == (Damage.BODY, seq)


def test_a_changed_leaf_is_told_from_a_changed_body(tmp_path: Path) -> None:
    """When the node above agrees with the body, the stored leaf hash is what was changed."""
    finding = found_after(
        tmp_path, "UPDATE entry SET leaf = zeroblob(32) WHERE log = 'aozora' AND seq = 6"
    )
    assert (finding.kind, finding.seq) == (Damage.NODE, 6)


@pytest.mark.parametrize("change", ["UPDATE node SET hash = zeroblob(32)", "DELETE FROM node"])
def test_a_bad_node_is_named(tmp_path: Path, change: str) -> None:
    """A changed or missing node, with the entries below it."""
    finding = found_after(tmp_path, f"{change} WHERE log = 'aozora' AND level = 2 AND idx = 3")
    assert (finding.kind, finding.seq) == (Damage.NODE, 12)
    assert "entries 12 to 15" in finding.detail


def test_a_deleted_last_entry_is_missed(tmp_path: Path) -> None:
    """The checkpoint vouches for more entries than there are."""
    finding = found_after(
        tmp_path, "DELETE FROM entry WHERE log = 'aozora' AND seq = :last", last=SIZE
    )
    assert (finding.kind, finding.seq) == (Damage.MISSING, SIZE)


def test_a_deleted_last_entry_is_missed_without_checkpoints(tmp_path: Path) -> None:
    """Without any checkpoint the inbox still knows what was applied."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2), issue(3)])
    applier_on(store).apply_all()
    tamper(store, "DELETE FROM entry WHERE seq = 2")
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert (finding.kind, finding.seq, finding.event_id) == (Damage.MISSING, 2, issue(3).id)
    store.close()


def test_a_deleted_entry_is_named(tmp_path: Path) -> None:
    """A gap has a place, and the event a name as long as the inbox knows it."""
    finding = found_after(tmp_path, "DELETE FROM entry WHERE log = 'aozora' AND seq = 4")
    assert (finding.kind, finding.seq, finding.event_id) == (Damage.MISSING, 4, issue(1).id)


def test_a_deleted_log_is_missed(tmp_path: Path) -> None:
    """A log of which nothing is left is remembered by its published checkpoint."""
    finding = found_after(
        tmp_path,
        "DELETE FROM entry WHERE log = 'aozora'",
        "DELETE FROM node WHERE log = 'aozora'",
        "DELETE FROM checkpoint WHERE log = 'aozora'",
        "DELETE FROM inbox WHERE company = 'aozora'",
    )
    assert (finding.kind, finding.seq) == (Damage.MISSING, 0)


def test_a_rewritten_history_is_not_the_signed_one(tmp_path: Path) -> None:
    """Whoever rewrites an entry and all hashes above it cannot make the signature fit."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2)])
    record(store, tmp_path, [issue(3), issue(4)])
    bodies = [issue(number).body for number in (1, 2, 9, 4)]
    frontier = EMPTY
    for seq, body in enumerate(bodies):
        values = {"seq": seq, "body": body, "leaf": leaf_hash(body)}
        tamper(store, "UPDATE entry SET body = :body, leaf = :leaf WHERE seq = :seq", **values)
        frontier, nodes = append(frontier, leaf_hash(body))
        for node in nodes:
            tamper(
                store,
                "UPDATE node SET hash = :hash WHERE level = :level AND idx = :idx",
                hash=node.hash,
                level=node.level,
                idx=node.index,
            )
    tamper(store, "UPDATE entry SET event_id = :id WHERE seq = 2", id=issue(9).id)
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert (finding.kind, finding.seq) == (Damage.ROOT, 2)
    assert "so far 2 are" in finding.detail
    store.close()


@pytest.mark.parametrize(
    "change", ["root = zeroblob(32)", "note = zeroblob(99)", "size = size + 1000"]
)
def test_a_bad_checkpoint_is_told(tmp_path: Path, change: str) -> None:
    """A checkpoint that we did not sign, or that its row contradicts."""
    finding = found_after(
        tmp_path,
        f"UPDATE checkpoint SET {change} WHERE log = 'aozora'",  # noqa: S608
    )
    assert finding.kind is Damage.CHECKPOINT


def test_a_checkpoint_of_another_key_is_told(tmp_path: Path) -> None:
    """A published checkpoint signed by somebody else is not believed."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    other = Checkpoint(f"{INSTALLATION}/aozora", 1, leaf_hash(issue(1).body))
    note = sign_checkpoint(other, LogKey(bytes(32)))
    checkpoint_path(tmp_path, "aozora").write_bytes(note)
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert finding.kind is Damage.CHECKPOINT
    store.close()


def test_two_roots_for_one_size_are_told(tmp_path: Path) -> None:
    """Two checkpoints of ours that contradict each other: the log was forked."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    other = Checkpoint(f"{INSTALLATION}/aozora", 1, leaf_hash(issue(2).body))
    checkpoint_path(tmp_path, "aozora").write_bytes(sign_checkpoint(other, KEY))
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert (finding.kind, "two roots" in finding.detail) == (Damage.CHECKPOINT, True)
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balance SET amount = 7 WHERE company = 'aozora' AND account = 'available'",
        "DELETE FROM balance WHERE company = 'aozora' AND account = 'available'",
        "UPDATE posting SET amount = 7 WHERE account = 'available'",
        "DELETE FROM posting WHERE account = 'available'",
    ],
)
def test_a_ledger_that_is_not_the_logs_is_told(tmp_path: Path, statement: str) -> None:
    """Balances and transfers that the log does not give."""
    finding = found_after(tmp_path, statement)
    assert finding.kind is Damage.LEDGER
    assert "available" in finding.detail


def test_an_entry_filed_under_another_name_is_told(tmp_path: Path) -> None:
    """The id beside an entry must be the one within it, readable as text or not."""
    for name in ("'letter.link_issued:other'", "CAST(x'ff00' AS TEXT)"):
        folder = tmp_path / str(len(name))
        folder.mkdir()
        finding = found_after(
            folder,
            f"UPDATE entry SET event_id = {name} WHERE log = 'aozora' AND seq = 0",  # noqa: S608
        )
        assert finding.seq in (0, SIZE + 1)
        assert finding.kind in (Damage.LEDGER, Damage.MISSING)


def test_a_derived_entry_cut_off_is_told(tmp_path: Path) -> None:
    """Without checkpoints, a log that ends before what its last signup came to is not whole."""
    store = store_in(tmp_path)
    submit(store, [issue(1), signup(1)])
    applier_on(store).apply_all()
    tamper(store, "DELETE FROM entry WHERE seq = 2")
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert (finding.kind, finding.seq) == (Damage.LEDGER, 2)
    store.close()


def test_nodes_without_their_entries_are_told(tmp_path: Path) -> None:
    """An entry removed from log and inbox is betrayed by the node it completed."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2)])
    applier_on(store).apply_all()
    tamper(store, "DELETE FROM entry WHERE seq = 1", "DELETE FROM inbox WHERE seq = 2")
    finding = audit(store, tmp_path)["aozora"].finding
    assert finding
    assert (finding.kind, finding.seq) == (Damage.MISSING, 1)
    store.close()


def test_a_damaged_index_is_told(tmp_path: Path) -> None:
    """By an index the applier finds what it has already; one bit of it counts like an entry's."""
    store = store_in(tmp_path)
    record(store, tmp_path, EVENTS)
    store.close()
    raw = store.path.read_bytes()
    places = [m.start() for m in re.finditer(re.escape(issue(5).id.encode()), raw)]
    findings = 0
    for place in places:
        store.path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        try:
            findings += bool(audit(store, tmp_path)["aozora"].finding)
        except StoreError as error:
            findings += "integrity" in str(error)
        store.close()
    assert findings == len(places) >= 4
