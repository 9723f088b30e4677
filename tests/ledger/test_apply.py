"""The applier: exactly once, whatever is repeated, raced or killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from ledger import store_ledger, store_log
from ledger.apply import Applier, NotApplied, UnknownEvent
from ledger.credits import Account, Balances, Decision, Outcome, Unit, nonzero
from ledger.events import INSTALLATION, encode, parse
from ledger.fold import rebuild
from ledger.log import leaf_hash, node_hash
from ledger.store import RepeatedKey, Store
from tests.ledger.parts import (
    NOW,
    POLICIES,
    applier_on,
    checkpointer_on,
    click,
    issue,
    letters_and_signups,
    record,
    signup,
    store_in,
    submit,
)

PROJECT = Path(__file__).parents[2]

APPLY = """
import os, sys
from ledger.store import Store
from tests.ledger.parts import applier_on

applier = applier_on(Store(sys.argv[1]))
os.write(1, b"ready\\n")
sys.stdin.readline()
while applier.apply_pending(3):
    os.write(1, b".")
"""


def apply_in_process(store: Store) -> subprocess.Popen[bytes]:
    """Start a process that applies in small batches when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", APPLY, f"sqlite:///{store.path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return process


def tell(process: subprocess.Popen[bytes]) -> None:
    """Let the process begin."""
    assert process.stdin
    process.stdin.write(b"go\n")
    process.stdin.flush()


def log_of(store: Store, company: str = "aozora") -> list[tuple[str, bytes]]:
    """Return the entries of a log."""
    with store.read() as transaction:
        return [
            (row.event_id, row.body)
            for rows in store_log.entries(transaction, company)
            for row in rows
        ]


def balances_of(store: Store, company: str = "aozora") -> Balances:
    """Return what the ledger keeps, after checking it against its transfers and the log."""
    with store.read() as transaction:
        kept = nonzero(store_ledger.balances(transaction, company))
        sums: Balances = {}
        for *_, account, unit, amount in store_ledger.transfer_rows(transaction, company):
            place = (Account(account), Unit(unit))
            sums[place] = sums.get(place, 0) + amount
    assert kept == nonzero(sums) == rebuild(company, log_of(store, company), POLICIES)
    return kept


def slots_and_open(store: Store) -> tuple[int, int]:
    """Return the slots available and the referrals open."""
    found = balances_of(store)
    return (
        found.get((Account.AVAILABLE, Unit.SLOT), 0),
        found.get((Account.OPEN, Unit.REFERRAL), 0),
    )


def test_ten_signups_are_one_slot(tmp_path: Path) -> None:
    """Nine leave nine open; the tenth grants exactly one slot, in its own transaction."""
    store = store_in(tmp_path)
    applier = applier_on(store)
    events = letters_and_signups(10)
    submit(store, events)
    ninth = applier.apply_event(signup(8).id)
    assert (ninth.decision, ninth.open, ninth.slots_available) == ("counted", 9, 0)
    tenth = applier.apply_event(signup(9).id)
    assert (tenth.decision, tenth.open, tenth.slots_available) == ("counted", 0, 1)
    assert slots_and_open(store) == (1, 0)
    kinds = [str(parse(body).type) for _, body in log_of(store)]
    assert kinds[-3:] == ["signup.verified", "referral.counted", "slot.granted"]
    assert kinds.count("referral.counted") == 10
    store.close()


def test_entries_are_the_submitted_bytes(tmp_path: Path) -> None:
    """The log holds the very bytes that were submitted, with the leaf hash of exactly these."""
    store = store_in(tmp_path)
    submit(store, [issue(1), click(1)])
    applier_on(store).apply_all()
    assert log_of(store) == [(event.id, encode(event)) for event in (issue(1), click(1))]
    store.close()


def test_outcomes_stay_the_same(tmp_path: Path) -> None:
    """Asked again, by whomever, an event has the outcome it had when it was applied."""
    store = store_in(tmp_path)
    submit(
        store,
        [
            issue(1),
            signup(1),
            signup(2, of_link=1),
            signup(3),
            signup(4, INSTALLATION, of_link=1),
        ],
    )
    expected = [
        Outcome(issue(1).id, Decision.RECORDED, (), 0, 0),
        Outcome(signup(1).id, Decision.COUNTED, (), 1, 0),
        Outcome(signup(2).id, Decision.DUPLICATE, ("link_already_used",), 1, 0),
        Outcome(signup(3).id, Decision.HELD, ("no_letter_on_record",), 1, 0),
        Outcome(signup(4).id, Decision.UNATTRIBUTED, ("no_valid_link",), 0, 0),
    ]
    for _ in range(2):
        applier = applier_on(store)
        assert [applier.apply_event(each.event_id) for each in expected] == expected
    assert [parse(body).id for _, body in log_of(store, INSTALLATION)] == [signup(4).id]
    store.close()


def test_an_unknown_event_is_said_to_be_unknown(tmp_path: Path) -> None:
    """Nothing is applied for an id that nobody submitted."""
    store = store_in(tmp_path)
    with pytest.raises(UnknownEvent):
        applier_on(store).apply_event("link.clicked:none")
    store.close()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_order_and_repetition_of_jobs_gives_the_same(data: st.DataObject) -> None:
    """Jobs for the same events in any order, repeated, in any batch size: one and the same log."""
    events = [*letters_and_signups(12), signup(20, of_link=1), signup(21), click(3)]
    ids = [event.id for event in events]
    jobs = data.draw(st.lists(st.sampled_from(ids), max_size=12))
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=4))
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(Path(folder))
        submit(store, events)
        applier = applier_on(store)
        for size in sizes:
            applier.apply_pending(size)
        for job in jobs:
            applier.apply_event(job)
            submit(store, [next(event for event in events if event.id == job)])
        applier.apply_all()
        assert slots_and_open(store) == (1, 2)
        assert [name for name, _ in log_of(store) if name in ids] == ids
        assert len(log_of(store)) == len(ids) + 12 + 1 + 1 + 1
        store.close()


def test_eight_threads_on_the_same_events(tmp_path: Path) -> None:
    """Threads with appliers of their own, all asked for all events, agree and count once."""
    store = store_in(tmp_path)
    events = letters_and_signups(30)
    submit(store, events)
    answers: list[list[Outcome]] = []
    start = threading.Barrier(8)

    def work() -> None:
        applier = applier_on(store)
        start.wait()
        answers.append([applier.apply_event(event.id) for event in events])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert slots_and_open(store) == (3, 0)
    store.close()


def test_two_processes_on_one_file(tmp_path: Path) -> None:
    """Two processes applying the same rows at the same time count each once."""
    store = store_in(tmp_path)
    submit(store, letters_and_signups(60))
    processes = [apply_in_process(store) for _ in range(2)]
    for process in processes:
        tell(process)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert slots_and_open(store) == (6, 0)
    store.close()


def test_killed_while_applying(tmp_path: Path) -> None:
    """`kill -9` in the middle of batches, again and again: nothing lost, nothing twice."""
    store = store_in(tmp_path)
    submit(store, letters_and_signups(45))
    for batches in (1, 4, 2, 7):
        process = apply_in_process(store)
        tell(process)
        assert process.stdout
        process.stdout.read(batches)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        slots_and_open(store)
    applier_on(store).apply_all()
    assert slots_and_open(store) == (4, 5)
    assert len(log_of(store)) == 90 + 45 + 4
    store.close()


def test_an_event_that_cannot_be_applied_stops_nobody(tmp_path: Path) -> None:
    """A damaged row is put aside for longer and longer, and applied once it is whole again."""
    store = store_in(tmp_path)
    submit(store, [issue(1), click(1), click(2)])
    times = [NOW]

    def clock() -> datetime:
        return times[0]

    applier = Applier(store, POLICIES, clock=clock)
    change(store, click(1).id, b"damaged")
    assert applier.apply_all() == 2
    with pytest.raises(NotApplied):
        applier.apply_event(click(1).id)
    assert applier.pending_count() == 1
    assert not applier.is_due()
    for minutes in (1, 2, 3):
        times[0] = NOW + timedelta(minutes=minutes)
        assert applier.is_due()
        assert applier.apply_all() == 0
    change(store, click(1).id, encode(click(1)))
    times[0] = NOW + timedelta(minutes=15)
    assert applier.apply_event(click(1).id).decision == "recorded"
    assert [name for name, _ in log_of(store)] == [issue(1).id, click(2).id, click(1).id]
    store.close()


def test_a_log_that_lost_entries_is_not_appended_to(tmp_path: Path) -> None:
    """Where fewer entries are than were signed for, nothing covers that up; others go on."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2)])
    applier = applier_on(store)
    applier.apply_all()
    checkpointer_on(store, tmp_path).sign_due()
    with store.write() as transaction:
        transaction.execute(text("DELETE FROM entry WHERE seq = 1"))
    submit(store, [issue(3), issue(4, "midori")])
    with pytest.raises(NotApplied):
        applier.apply_event(issue(3).id)
    assert applier.apply_event(issue(4).id).decision == "recorded"
    assert len(log_of(store)) == 1
    store.close()


def change(store: Store, event_id: str, body: bytes) -> None:
    """Change the bytes of a row in the inbox."""
    with store.write() as transaction:
        transaction.execute(
            text("UPDATE inbox SET body = :body WHERE id = :id"), {"body": body, "id": event_id}
        )


def test_a_batch_that_was_undone_leaves_no_tree_behind(tmp_path: Path) -> None:
    """What another process applies after a commit that failed here is what we go on from."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2)])
    first, second = applier_on(store), applier_on(store)
    with store.write() as transaction:
        transaction.execute(
            text(
                "CREATE TRIGGER refuse BEFORE UPDATE ON inbox BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )
    with pytest.raises(RepeatedKey):
        first.apply_pending()
    with store.write() as transaction:
        transaction.execute(text("DROP TRIGGER refuse"))
        transaction.execute(text("DELETE FROM inbox WHERE seq = 1"))
    second.apply_all()
    submit(store, [issue(3)])
    first.apply_all()
    assert [name for name, _ in log_of(store)] == [issue(2).id, issue(3).id]
    with store.read() as transaction:
        whole = node_hash(leaf_hash(issue(2).body), leaf_hash(issue(3).body))
        assert store_log.nodes(transaction, "aozora", 1, 0, 1) == {0: whole}
    store.close()


def test_a_clock_that_was_wrong_does_not_put_aside_for_years(tmp_path: Path) -> None:
    """An event put aside while the clock ran ahead is tried again when it is set right."""
    store = store_in(tmp_path)
    submit(store, [click(1)])
    change(store, click(1).id, b"damaged")
    ahead = Applier(store, POLICIES, clock=lambda: NOW + timedelta(days=36500))
    assert ahead.apply_all() == 0
    change(store, click(1).id, encode(click(1)))
    assert applier_on(store).apply_all() == 1
    store.close()


def test_values_of_other_types_stop_nobody(tmp_path: Path) -> None:
    """Whatever types somebody's edit left behind, the other company's events are applied."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2)])
    with store.write() as transaction:
        transaction.execute(text("UPDATE checkpoint SET size = 'x'"))
    submit(store, [issue(3), issue(4, "midori"), click(5)])
    with store.write() as transaction:
        transaction.execute(text("UPDATE inbox SET body = 7 WHERE id = :id"), {"id": click(5).id})
    applier = applier_on(store)
    assert applier.apply_all() == 1
    assert applier.outcome(issue(4, "midori").id)
    assert checkpointer_on(store, tmp_path).sign_due() == 1
    store.close()
