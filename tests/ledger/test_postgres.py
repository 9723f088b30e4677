"""The same record on PostgreSQL: inbox, applier, log, ledger, audit, several processes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from ledger import store_inbox, store_ledger, store_log, store_shapes
from ledger.audit import Damage, LogReport, verify
from ledger.credits import Account, Unit
from ledger.store import RepeatedKey, Store, StoreError
from ledger.store_log import EntryRow
from ledger.store_shapes import ShapeRow
from ledger.store_tables import metadata
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    POLICIES,
    PROCESSES,
    applier_on,
    click,
    issue,
    letters_and_signups,
    record,
    run_together,
    signup,
    submit,
)
from tests.services import postgres_database

pytestmark = pytest.mark.services

OPEN = """
import sys
from ledger.store import Store
with Store(sys.argv[1]).write():
    print("opened")
"""

APPLY = """
import sys
from ledger.store import Store
from tests.ledger.parts import applier_on
store = Store(sys.argv[1])
print(applier_on(store).apply_all())
"""


@pytest.fixture
def url() -> Generator[str]:
    """Return the URL of an empty database."""
    with postgres_database() as found:
        yield found


@pytest.fixture
def store(url: str) -> Generator[Store]:
    """Return a store in it."""
    opened = Store(url)
    yield opened
    opened.close()


def audit(store: Store, folder: Path) -> list[LogReport]:
    """Return the audit of all logs."""
    return verify(
        store,
        policies=POLICIES,
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
    )


def cut_connections(store: Store) -> None:
    """Have the server end all connections to the database but the one that asks for it."""
    others = "FROM pg_stat_activity WHERE pid != pg_backend_pid()"
    with store.write() as transaction:
        cut = f"SELECT pg_terminate_backend(pid) {others} AND datname = current_database()"
        transaction.execute(text(cut))


def test_migrations_make_the_tables_of_the_code(store: Store) -> None:
    """A migrated database is exactly what `store_tables` says."""
    with store.write() as transaction:
        assert compare_metadata(MigrationContext.configure(transaction), metadata) == []


def test_many_processes_open_a_new_database_at_once(url: str) -> None:
    """One of them makes the tables, the others wait for it."""
    assert run_together(OPEN, url) == ["opened\n"] * PROCESSES


def test_ten_signups_make_a_slot_and_all_of_it_is_proved(store: Store, tmp_path: Path) -> None:
    """Submitted, applied, signed, audited; twice the same changes nothing."""
    for _ in range(2):
        record(store, tmp_path, [*letters_and_signups(10), click(1)])
    with store.read() as transaction:
        balances = store_ledger.balances(transaction, "aozora")
        assert store_log.size(transaction, "aozora") == 32
    assert (balances[Account.OPEN, Unit.REFERRAL], balances[Account.AVAILABLE, Unit.SLOT]) == (0, 1)
    reports = audit(store, tmp_path)
    assert [(report.log, report.entries, report.finding) for report in reports] == [
        ("aozora", 32, None)
    ]


def test_damage_is_named(store: Store, tmp_path: Path) -> None:
    """A changed entry is found in its place."""
    record(store, tmp_path, letters_and_signups(10))
    with store.write() as transaction:
        change = "UPDATE entry SET body = 'x'::bytea WHERE seq = 7"
        transaction.execute(text(change))
    (report,) = audit(store, tmp_path)
    assert report.finding
    assert (report.finding.kind, report.finding.seq) == (Damage.BODY, 7)


def test_several_processes_apply_each_event_once(store: Store, url: str, tmp_path: Path) -> None:
    """One sequencer however many workers: the log has no fork and no event twice."""
    submit(store, letters_and_signups(200))
    applied = [int(output) for output in run_together(APPLY, url)]
    assert sum(applied) == 400
    with store.read() as transaction:
        assert store_log.size(transaction, "aozora") == 200 * 3 + 20
    record(store, tmp_path, [])
    assert [report.finding for report in audit(store, tmp_path)] == [None]


def test_writers_come_one_at_a_time(store: Store, url: str) -> None:
    """A second process that wants to write is told so in time; reading goes on."""
    other = Store(url)
    with store.write() as transaction:
        assert store_inbox.pending_count(transaction) == 0
        with pytest.raises(StoreError, match="lock timeout"), other.write():
            pass
        with other.read() as reading:
            assert store_inbox.pending_count(reading) == 0
    with other.write():
        pass
    other.close()


def test_taking_events_does_not_wait_for_the_applier(store: Store, url: str) -> None:
    """Mail waits for inserts, so they go on while another process applies."""
    other = Store(url)
    with other.write():
        submit(store, [issue(1)])
    assert applier_on(other).apply_all() == 1
    other.close()


def test_reading_sees_one_snapshot(store: Store, url: str) -> None:
    """What is committed meanwhile is not seen in an audit that runs."""
    store.prepare()
    other = Store(url)
    with store.read() as transaction:
        before = store_inbox.pending_count(transaction)
        submit(other, [issue(1)])
        assert store_inbox.pending_count(transaction) == before == 0
    other.close()


def test_repeated_keys_are_told_apart(store: Store) -> None:
    """Something that would happen twice is no failure of the database."""

    def add() -> None:
        with store.write() as transaction:
            transaction.execute(text("INSERT INTO subject_salt VALUES ('a'::bytea, 'b'::bytea)"))

    add()
    with pytest.raises(RepeatedKey):
        add()


def test_it_comes_back_after_its_connections_were_cut(store: Store) -> None:
    """A server that is restarted cuts all connections; the next transaction has a fresh one."""
    submit(store, [issue(1)])
    cut_connections(store)
    submit(store, [signup(1)])
    assert applier_on(store).apply_all() == 2


def test_a_connection_that_is_cut_in_the_middle_of_a_log_is_told(store: Store) -> None:
    """What a driver says while rows come in is a failure of the store like any other."""
    events = [click(number) for number in range(2 * store_log.CHUNK_ENTRIES)]
    with store.write() as transaction:
        rows = [EntryRow(seq, event.id, event.body, b"") for seq, event in enumerate(events)]
        store_log.insert_entries(transaction, "aozora", rows)
    read: list[int] = []

    def walk() -> None:
        with store.read() as transaction:
            for rows in store_log.entries(transaction, "aozora"):
                read.append(len(rows))
                cut_connections(store)

    with pytest.raises(StoreError, match="connection"):
        walk()
    assert read == [store_log.CHUNK_ENTRIES]


def test_shapes_add_up(store: Store) -> None:
    """Counts of several processes are added, days widened."""

    def row(day: str, seen: int) -> ShapeRow:
        return ShapeRow("aozora", "shape", "ja", seen, 1, 0, day, day)

    def add(rows: Sequence[ShapeRow]) -> None:
        store_shapes.add_shapes(store, rows)

    add([row("2026-04-02", 3)])
    add([row("2026-04-01", 2)])
    with store.read() as transaction:
        (found,) = store_shapes.read_shapes(transaction)
    assert (found.seen, found.first_day, found.last_day) == (5, "2026-04-01", "2026-04-02")


def test_failures_name_no_password() -> None:
    """A server that is not there is a store error that says where, without secrets."""
    store = Store("postgresql+psycopg://user:hunter2@127.0.0.1:1/none")
    with pytest.raises(StoreError) as caught, store.read():
        pass
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1/none" in str(caught.value)
    store.close()


def test_threads_of_one_process_all_get_to_write(store: Store) -> None:
    """None of them is turned away while another writes."""
    order: list[int] = []

    def write(number: int) -> None:
        with store.write():
            order.append(number)

    with store.write():
        threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert sorted(order) == list(range(5))
