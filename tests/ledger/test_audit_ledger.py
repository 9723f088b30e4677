"""The audit of what is kept beside the log: transfers, balances, claims, answers to signups."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import Damage, Finding, verify
from ledger.store import Store
from ledger.store_ledger import DamagedLedger, load_book
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

EVENTS = [*letters_and_signups(12), click(1), signup(40, of_link=3), issue(90, "midori")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recorded history of two companies."""
    folder = tmp_path_factory.mktemp("recorded")
    store = store_in(folder)
    record(store, folder, EVENTS)
    store.close()
    return folder


def findings(folder: Path, *statements: str) -> dict[str, Finding]:
    """Return what the audit finds, by log, after somebody edited the store."""
    store = store_in(folder)
    tamper(store, *statements)
    reports = verify(
        store,
        policies=POLICIES,
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
    )
    store.close()
    return {report.log: report.finding for report in reports if report.finding}


def tamper(store: Store, *statements: str) -> None:
    """Do to the store what a person with its file can do."""
    with store.write() as transaction:
        transaction.execute(text("PRAGMA defer_foreign_keys = ON"))
        for statement in statements:
            transaction.execute(text(statement))


def test_a_sound_ledger_is_the_logs(recorded: Path) -> None:
    """Untouched, nothing is found."""
    assert findings(recorded) == {}


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE transfer SET rule = 'gift' WHERE key LIKE 'slot%'", "slot.granted:aozora/1"),
        ("UPDATE transfer SET policy = '5-for-1' WHERE key LIKE 'slot%'", "slot.granted:aozora/1"),
        ("UPDATE transfer SET event_id = 'a' WHERE key LIKE 'slot%'", "slot.granted:aozora/1"),
        ("INSERT INTO transfer VALUES ('more', 'aozora', 'e', 'r', 'p')", "more"),
        ("UPDATE posting SET account = 'pocket' WHERE account = 'available'", "pocket"),
        ("UPDATE posting SET unit = 'YEN' WHERE account = 'available'", "YEN"),
        ("UPDATE posting SET amount = 'many' WHERE account = 'available'", "many"),
        ("UPDATE posting SET amount = 9223372036854775807", "9223372036854775807"),
        ("UPDATE balance SET amount = 'many' WHERE account = 'available'", "many"),
        ("UPDATE balance SET account = 'pocket' WHERE account = 'available'", "pocket"),
        ("UPDATE balance SET unit = 'YEN' WHERE account = 'available'", "YEN"),
        ("DELETE FROM referral WHERE link_id = 'link000000000003'", "link000000000003"),
        ("UPDATE referral SET link_id = 'spare' WHERE link_id LIKE '%3'", "spare"),
        ("UPDATE referral SET person_ref = 'h:spare' WHERE link_id LIKE '%3'", "h:spare"),
        ("UPDATE referral SET time_ms = 'then' WHERE link_id LIKE '%3'", "then"),
        ("INSERT INTO referral VALUES ('more', 'aozora', 'l', 'h:x', 0, 'held', 1)", "more"),
        ("UPDATE referral SET state = 'held' WHERE link_id LIKE '%3'", "held"),
        ("UPDATE referral SET due_ms = 5 WHERE link_id LIKE '%3'", "5"),
        ("UPDATE slot SET state = 'used'", "used"),
        ("UPDATE slot SET reservation = 'mine'", "mine"),
        ("UPDATE slot SET expires_ms = 4711", "4711"),
        ("DELETE FROM slot", "slot 1"),
        ("INSERT INTO slot VALUES ('aozora', 2, 'available', 0, 0, '', 0, 0, 0)", "slot 2"),
        ("INSERT INTO proposal VALUES ('e', 'aozora', 'void', 't', 'o', 'w', 0, 0)", "void"),
        ("UPDATE inbox SET decision = 'held' WHERE decision = 'duplicate'", "held"),
        ("UPDATE inbox SET decision = NULL WHERE decision = 'duplicate'", "signup.verified:"),
        ("UPDATE inbox SET fingerprint = 'x' WHERE decision = 'duplicate'", "signup.verified:"),
        ("UPDATE inbox SET slots_available = 8 WHERE decision = 'duplicate'", "8"),
        ("DELETE FROM inbox WHERE decision = 'duplicate'", "signup.verified:"),
    ],
)
def test_what_the_log_does_not_give_is_named(
    recorded: Path, tmp_path: Path, statement: str, named: str
) -> None:
    """Whatever is changed, added or removed, the company is told, and what is not as it was."""
    folder = shutil.copytree(recorded, tmp_path / "copy")
    found = findings(folder, statement)
    assert list(found) == ["aozora"]
    assert found["aozora"].kind is Damage.LEDGER
    assert named in found["aozora"].detail


def test_transfers_that_cancel_out_are_told(recorded: Path, tmp_path: Path) -> None:
    """Two inventions that leave every balance as it was are inventions all the same."""
    folder = shutil.copytree(recorded, tmp_path / "copy")
    found = findings(
        folder,
        "INSERT INTO transfer VALUES ('to', 'aozora', 'e', 'r', 'p'), "
        "('from', 'aozora', 'e', 'r', 'p')",
        "INSERT INTO posting VALUES ('to', 'open', 'REFERRAL', 1), ('to', 'held', 'REFERRAL', -1), "
        "('from', 'open', 'REFERRAL', -1), ('from', 'held', 'REFERRAL', 1)",
    )
    assert found["aozora"].kind is Damage.LEDGER


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO balance VALUES ('akane', 'available', 'SLOT', 7)",
        "INSERT INTO transfer VALUES ('more', 'akane', 'e', 'r', 'p')",
        "INSERT INTO slot VALUES ('akane', 1, 'available', 0, 0, '', 0, 0, 0)",
        "INSERT INTO proposal VALUES ('e', 'akane', 'void', 't', 'o', 'w', 0, 0)",
        "INSERT INTO referral VALUES ('more', 'akane', 'l', 'h:x', 0, 'held', 1)",
        "UPDATE inbox SET company = 'akane' WHERE decision = 'duplicate'",
    ],
)
def test_a_company_without_a_log_is_looked_at_too(
    recorded: Path, tmp_path: Path, statement: str
) -> None:
    """Slots given to a company that has no log at all do not go unseen."""
    folder = shutil.copytree(recorded, tmp_path / "copy")
    assert "akane" in findings(folder, statement)


def test_a_wiped_log_is_remembered_by_the_inbox(tmp_path: Path) -> None:
    """Without its entries, nodes, checkpoints and the published file a log is missed as well."""
    store = store_in(tmp_path)
    submit(store, [issue(1)])
    applier_on(store).apply_all()
    store.close()
    found = findings(tmp_path, "DELETE FROM entry", "DELETE FROM node")
    assert found["aozora"].kind is Damage.MISSING
    assert found["aozora"].event_id == issue(1).id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balance SET amount = 'many' WHERE account = 'available'",
        "UPDATE balance SET account = 'pocket' WHERE account = 'available'",
        "UPDATE referral SET time_ms = 'then' WHERE link_id LIKE '%3'",
        "UPDATE referral SET time_ms = 9223372036854775807 WHERE link_id LIKE '%3'",
    ],
)
def test_a_damaged_ledger_stops_its_company_alone(
    recorded: Path, tmp_path: Path, statement: str
) -> None:
    """What cannot be read is an error of the ledger; the other company's events are applied."""
    store = store_in(shutil.copytree(recorded, tmp_path / "copy"))
    tamper(store, statement)
    late = signup(50, of_person=3, of_link=51)
    submit(store, [late, issue(95, "midori")])
    applier = applier_on(store)
    applier.apply_all()
    assert applier.outcome(late.id) is None
    assert applier.outcome(issue(95, "midori").id)
    with store.read() as transaction, pytest.raises(DamagedLedger, match="aozora"):
        load_book(transaction, "aozora", POLICIES, [late])
    store.close()
