"""A store of revision 0003 gets the states of its referrals and its slots."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine, text

from ledger import store_holdings
from ledger.rebuild import rebuild_ledgers
from ledger.states import ReferralState, SlotState
from ledger.store import Store
from ledger.store_migrate import configuration
from tests.ledger.parts import NOW, POLICIES, applier_on, letters_and_signups, signup, submit

KEPT = ("inbox", "entry", "node", "transfer", "posting", "balance", "referral")


def old_store(path: Path, content: Path) -> None:
    """Make a store of revision 0003 with what another one of today holds."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0003")
    engine.dispose()
    raw = sqlite3.connect(path)
    raw.execute("ATTACH ? AS today", (str(content),))
    for table in KEPT:
        columns = [row[1] for row in raw.execute(f"PRAGMA main.table_info({table})")]
        names = ", ".join(f'"{name}"' for name in columns)
        query = f"INSERT INTO main.{table} ({names}) SELECT {names} FROM today.{table}"  # noqa: S608
        raw.execute(query)
    raw.commit()
    raw.close()


def test_what_was_kept_gets_its_states(tmp_path: Path) -> None:
    """Counted and held referrals and two companies' slots are as if the code had been there."""
    today = Store(f"sqlite:///{tmp_path}/today.db")
    submit(
        today,
        [
            *letters_and_signups(23),
            signup(50),
            signup(51, of_link=2),
            *letters_and_signups(10, "midori", start=100),
        ],
    )
    applier_on(today).apply_all()
    old_store(tmp_path / "old.db", tmp_path / "today.db")
    migrated = Store(f"sqlite:///{tmp_path}/old.db")
    found = rebuild_ledgers(migrated, POLICIES)
    assert [(one.company, one.difference) for one in found] == [("aozora", None), ("midori", None)]
    with migrated.read() as transaction:
        held = store_holdings.referrals(transaction, "aozora", ReferralState.HELD)
        slots = store_holdings.slots(transaction, "aozora")
    assert [one.event_id for one in held] == [signup(50).id]
    assert [(slot.number, slot.state, slot.granted) for slot in slots] == [
        (1, SlotState.AVAILABLE, NOW),
        (2, SlotState.AVAILABLE, NOW),
    ]
    submit(migrated, letters_and_signups(7, start=200))
    applier_on(migrated).apply_all()
    assert [one.difference for one in rebuild_ledgers(migrated, POLICIES)] == [None, None]
    today.close()
    migrated.close()


def test_a_damaged_grant_does_not_stop_the_migration(tmp_path: Path) -> None:
    """Its slots are missing afterwards, which the rebuild names."""
    today = Store(f"sqlite:///{tmp_path}/today.db")
    submit(today, letters_and_signups(10))
    applier_on(today).apply_all()
    with today.write() as transaction:
        transaction.execute(
            text("UPDATE entry SET body = x'00' WHERE event_id LIKE 'slot.granted:%'")
        )
    old_store(tmp_path / "old.db", tmp_path / "today.db")
    migrated = Store(f"sqlite:///{tmp_path}/old.db")
    (found,) = rebuild_ledgers(migrated, POLICIES)
    assert found.difference
    with migrated.read() as transaction:
        assert store_holdings.slots(transaction, "aozora") == []
    today.close()
    migrated.close()
