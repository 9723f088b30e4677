"""The store: opening, migrating, failing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, text

from ledger import store_inbox, store_migrate
from ledger.inbox import InboxUnavailable
from ledger.store import SCHEMA_REVISION, RepeatedKey, Store, StoreError, Turnstile
from ledger.store_tables import inbox, metadata
from tests.ledger.parts import issue, store_in, submit

OPEN_AND_SAY_SO = """
import sys
from ledger.store import Store
with Store(sys.argv[1]).write():
    print("opened")
"""

READ_UNTIL_TOLD = """
import sys
from ledger import store_inbox
from ledger.store import Store
with Store(sys.argv[1]).read() as transaction:
    store_inbox.pending_count(transaction)
    print("reading", flush=True)
    sys.stdin.readline()
"""

VALUES = {
    "id": "a.b:1",
    "company": "aozora",
    "body": b"{}",
    "fingerprint": b"f",
    "received_ms": 0,
    "failures": 0,
    "retry_ms": 0,
}
PROJECT = Path(__file__).parents[2]


def row(number: int) -> store_inbox.NewRow:
    """Return an inbox row."""
    return store_inbox.NewRow(f"a.b:{number}", "aozora", b"{}", b"f", 0)


def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    """Database, log and index are readable by their owner only, and every commit is flushed."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        assert transaction.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert transaction.execute(text("PRAGMA synchronous")).scalar() == 2
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.close()


def test_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    """A migrated database is exactly what `store_tables` says, at the revision the code wants."""
    store = store_in(tmp_path)
    store.prepare()
    store.close()
    engine = create_engine(f"sqlite:///{store.path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        config = store_migrate.configuration(connection)
        heads = ScriptDirectory.from_config(config).get_heads()
    engine.dispose()
    assert heads == [SCHEMA_REVISION]


def test_many_processes_open_a_new_store_at_once(tmp_path: Path) -> None:
    """One of them makes the tables, and all of them can write."""
    url = f"sqlite:///{tmp_path}/new.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_SAY_SO, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        answer, errors = process.communicate(timeout=60)
        assert (answer, errors) == ("opened\n", "")


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """What an exception interrupts is not there."""
    store = store_in(tmp_path)

    def interrupted() -> None:
        with store.write() as transaction:
            transaction.execute(insert(inbox), VALUES)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    with store.read() as transaction:
        assert store_inbox.pending_count(transaction) == 0
    store.close()


def test_a_repeated_key_is_not_the_store_being_away(tmp_path: Path) -> None:
    """Inserting an id twice is an error of its own kind, and the store goes on."""
    store = store_in(tmp_path)
    with pytest.raises(RepeatedKey), store.write() as transaction:
        transaction.execute(insert(inbox), [VALUES, VALUES])
    with store.write() as transaction:
        transaction.execute(insert(inbox), VALUES)
    store.close()


def test_rows_are_added_once_and_counted(tmp_path: Path) -> None:
    """Of rows with an id that is there, or is there twice, the first stays."""
    store = store_in(tmp_path)
    assert store_inbox.insert_rows(store, []) == 0
    assert store_inbox.insert_rows(store, [row(1), row(2), row(1)]) == 2
    other = store_inbox.NewRow(row(1).id, "aozora", b"{}", b"other", 0)
    assert store_inbox.insert_rows(store, [other, row(3)]) == 1
    with store.read() as transaction:
        found = store_inbox.fingerprints(transaction, [row(number).id for number in (1, 2, 3)])
    assert found == {row(number).id: b"f" for number in (1, 2, 3)}
    store.close()


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite://", "sqlite:///:memory:", "postgresql://u:hunter2@db/x", "a:b:hunter2"],
)
def test_urls_are_checked_and_secrets_not_told(url: str) -> None:
    """A URL that cannot serve is refused without repeating its password."""
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert "hunter2" not in str(caught.value)


def test_a_store_that_cannot_be_opened_says_where(tmp_path: Path) -> None:
    """No folder, a folder in its place, a file of something else: a `StoreError` with the path."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter").write_bytes(b"Dear Ms. Yamada, " * 100)
    for name in ("none/x.db", "folder", "letter"):
        store = Store(f"sqlite:///{tmp_path}/{name}")
        with pytest.raises(StoreError) as caught, store.write():
            pass
        assert name in caught.value.where
        store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A database of a later version is left alone."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="not one of this version"):
        store_in(tmp_path).prepare()


def test_a_replaced_file_is_noticed(tmp_path: Path) -> None:
    """When the file at the path is another one, that one is written, not the one that is gone."""
    folder, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
        store = store_in(each)
        submit(store, [issue(1 if each == folder else 2)])
        store.close()
    store = store_in(folder)
    submit(store, [issue(3)])
    shutil.rmtree(folder)
    with pytest.raises(StoreError), store.write():
        pass
    elsewhere.rename(folder)
    submit(store, [issue(4)])
    store.close()
    found = sqlite3.connect(store.path)
    assert found.execute("SELECT id FROM inbox").fetchall() == [(issue(2).id,), (issue(4).id,)]
    found.close()


def test_writers_come_in_the_order_of_arrival() -> None:
    """A thread that wants in again waits behind those that came meanwhile."""
    gate = Turnstile()
    order: list[str] = []

    def enter(name: str) -> None:
        with gate:
            order.append(name)

    others = [threading.Thread(target=enter, args=(f"other {n}",)) for n in range(3)]
    with gate:
        for count, other in enumerate(others, start=1):
            other.start()
            while gate.waiting < count:
                pass
    enter("again")
    for other in others:
        other.join()
    assert order == ["other 0", "other 1", "other 2", "again"]


def test_a_new_file_that_another_program_reads_is_away_and_recovers(tmp_path: Path) -> None:
    """While a reader keeps us from switching the file to WAL, it is a store that is away."""
    store = Store(f"sqlite:///{tmp_path}/ledger.db")
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("PRAGMA user_version = 1")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(StoreError, match="locked"):
        store.prepare()
    reader.close()
    store.prepare()
    store.close()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """Without leave to create, a missing file stays missing and an empty one empty."""
    store = Store(f"sqlite:///{tmp_path}/ledger.db", may_create=False)
    with pytest.raises(StoreError, match="No such file"):
        store.prepare()
    store.path.touch()
    with pytest.raises(StoreError, match="holds no tables"):
        store.prepare()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    store.close()


def test_a_schema_that_is_no_text_is_said(tmp_path: Path) -> None:
    """The driver cannot even tell what is wrong with such a file; we can."""
    store = store_in(tmp_path)
    submit(store, [issue(1)])
    store.close()
    raw = store.path.read_bytes()
    store.path.write_bytes(raw.replace(b"NOT NULL", b"NOT N\xccLL"))
    with pytest.raises(StoreError, match="malformed database schema"), store.read():
        pass
    store.close()


def test_a_deleted_file_in_use_is_away_until_the_next_start(tmp_path: Path) -> None:
    """What SQLite left beside a deleted file that a process has open does not spoil the next."""
    store = store_in(tmp_path)
    submit(store, [issue(1)])
    with subprocess.Popen(
        [sys.executable, "-c", READ_UNTIL_TOLD, f"sqlite:///{store.path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == b"reading\n"
        submit(store, [issue(2)])
        store.path.unlink()
        with pytest.raises(InboxUnavailable, match="No such file"):
            submit(store, [issue(3)])
        assert not store.path.exists()
        store.close()
        store = store_in(tmp_path)
        submit(store, [issue(3)])
        with store.read() as transaction:
            assert store_inbox.company_of(transaction, issue(2).id) is None
            assert store_inbox.company_of(transaction, issue(3).id)
        reader.communicate(b"go\n")
    store.close()
    found = sqlite3.connect(store.path)
    assert found.execute("SELECT id FROM inbox").fetchall() == [(issue(3).id,)]
    found.close()
