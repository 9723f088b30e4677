"""The embedded worker: real dramatiq threads on a real store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sqlalchemy import text

from ledger import store_ledger, store_log
from ledger.checkpoint import checkpoint_path
from ledger.credits import Account, Decision, Unit
from ledger.store import Store
from tests.ledger.parts import (
    applier_on,
    inbox_on,
    issue,
    letters_and_signups,
    signup,
    store_in,
    submit,
    working,
)

WAIT_SECONDS = 20.0
PROJECT = Path(__file__).parents[2]

# Submits, applies and signs, all in one process, until it is killed.
WORK_UNTIL_KILLED = """
import asyncio, os, sys
from pathlib import Path
from ledger.store import Store
from tests.ledger.parts import inbox_on, letters_and_signups, working

async def main(store, worker):
    inbox = inbox_on(store, worker.announce)
    inbox.start()
    for event in letters_and_signups(40, start=int(sys.argv[2])):
        await inbox.submit(event)
        os.write(1, b".")

store = Store(f"sqlite:///{sys.argv[1]}/careerrelay.db")
with working(store, Path(sys.argv[1])) as worker:
    asyncio.run(main(store, worker))
    os.write(1, b"!")
    sys.stdin.read()
"""


def threads_of_ours() -> set[str]:
    """Return the names of the threads that a worker or an inbox started."""
    return {
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    }


def wait_until_applied(store: Store, event_id: str) -> None:
    """Wait for the log to hold an event, by looking; the worker is not asked."""
    applier = applier_on(store)
    ended = threading.Event()
    timer = threading.Timer(WAIT_SECONDS, ended.set)
    timer.start()
    while applier.outcome(event_id) is None:
        assert not ended.is_set(), f"{event_id} was not applied"
    timer.cancel()


def test_announced_events_are_applied_by_dramatiq(tmp_path: Path) -> None:
    """Inbox, publisher, broker, worker thread, log, ledger, checkpoint: the whole way."""
    store = store_in(tmp_path)
    with working(store, tmp_path) as worker:
        submit(store, letters_and_signups(10), worker.announce)
        worker.join()
        wait_until_applied(store, signup(9).id)
        outcome = applier_on(store).outcome(signup(9).id)
        assert outcome
        assert (outcome.decision, outcome.slots_available) == (Decision.COUNTED, 1)
        assert worker.failures == 0
    assert checkpoint_path(tmp_path, "aozora").exists()
    store.close()


def test_the_sweeper_finds_what_nobody_announced(tmp_path: Path) -> None:
    """A row whose announcement was lost is applied all the same."""
    store = store_in(tmp_path)
    with working(store, tmp_path):
        submit(store, [issue(1)])
        wait_until_applied(store, issue(1).id)
    store.close()


def test_stopping_applies_and_signs_what_is_left(tmp_path: Path) -> None:
    """After stop nothing is pending, all logs are signed, and no thread of ours is left."""
    before = threads_of_ours()
    store = store_in(tmp_path)
    with working(store, tmp_path) as worker:
        submit(store, letters_and_signups(200), worker.announce)
    assert applier_on(store).pending_count() == 0
    with store.read() as transaction:
        newest = store_log.newest_checkpoint(transaction, "aozora")
        assert newest
        assert newest.size == store_log.size(transaction, "aozora") == 620
    assert threads_of_ours() <= before
    store.close()


def test_stopping_at_once_ends(tmp_path: Path) -> None:
    """A worker stopped before it did anything stops."""
    store = store_in(tmp_path)
    with working(store, tmp_path):
        pass
    store.close()


def test_it_runs_beside_a_loop(tmp_path: Path) -> None:
    """In one process with the inbox's loop: submit, then ask for the outcome, as intakes do."""
    store = store_in(tmp_path)

    async def steps() -> None:
        applier = applier_on(store)
        with working(store, tmp_path) as worker:
            inbox = inbox_on(store, worker.announce)
            inbox.start()
            answers: list[tuple[str, int]] = []
            for number in range(20):
                await inbox.submit(issue(number))
                await inbox.submit(signup(number))
                outcome = await asyncio.to_thread(applier.apply_event, signup(number).id)
                answers.append((outcome.decision, outcome.slots_available))
            assert answers == [("counted", (number + 1) // 10) for number in range(20)]
            await asyncio.to_thread(inbox.close)

    asyncio.run(steps())
    store.close()


def test_failing_jobs_are_counted_and_the_worker_lives(tmp_path: Path) -> None:
    """A store that is broken fails jobs, which are logged; when it is whole again, work goes on."""
    store = store_in(tmp_path)
    submit(store, [issue(1)])
    with working(store, tmp_path) as worker:
        worker.join()
        with store.write() as transaction:
            transaction.execute(text("ALTER TABLE entry RENAME TO gone"))
        submit(store, [issue(2)], worker.announce)
        ended = threading.Event()
        timer = threading.Timer(WAIT_SECONDS, ended.set)
        timer.start()
        while not worker.failures:
            assert not ended.is_set()
        timer.cancel()
        with store.write() as transaction:
            transaction.execute(text("ALTER TABLE gone RENAME TO entry"))
        wait_until_applied(store, issue(2).id)
    store.close()


def test_two_worker_processes_killed_again_and_again(tmp_path: Path) -> None:
    """Two whole processes on one file, killed at any moment: every answered event counts once."""
    answered = 0
    for start in (0, 100):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WORK_UNTIL_KILLED, str(tmp_path), str(start + half)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=PROJECT,
                env={**os.environ, "PYTHONWARNINGS": "error"},
            )
            for half in (0, 50)
        ]
        for process in processes:
            assert process.stdout
            # Whole pairs of letter and signup, some of them applied by now.
            answered += len(process.stdout.read(40)) // 2
        for process in processes:
            process.send_signal(signal.SIGKILL)
            more, _ = process.communicate()
            answered += len(more) // 2
    store = store_in(tmp_path)
    with working(store, tmp_path) as worker:
        for start in (0, 50, 100, 150):
            submit(store, letters_and_signups(40, start=start), worker.announce)
            applier_on(store).apply_event(signup(start + 39).id)
    assert answered >= 80
    with store.read() as transaction:
        # 160 letters and signups, each counted once, and a slot for every ten.
        assert store_log.size(transaction, "aozora") == 160 * 3 + 16
        balances = store_ledger.balances(transaction, "aozora")
    assert balances[Account.OPEN, Unit.REFERRAL] == 0
    assert balances[Account.AVAILABLE, Unit.SLOT] == 16
    store.close()


def test_stopping_with_a_store_that_is_away_ends(tmp_path: Path) -> None:
    """What cannot be applied at the end stays a row, and the next worker applies it."""
    folder, away = tmp_path / "data", tmp_path / "away"
    folder.mkdir()
    store = store_in(folder)
    with working(store, folder) as worker:
        submit(store, [issue(1)])
        folder.rename(away)
        worker.announce([issue(1).id])
        worker.announce([issue(1).id])
    away.rename(folder)
    with working(store, folder):
        wait_until_applied(store, issue(1).id)
    store.close()


def test_announcing_is_bounded(tmp_path: Path) -> None:
    """A worker that does not get on keeps a bounded number of announcements, and loses no event."""
    store = store_in(tmp_path)
    with working(store, tmp_path) as worker:
        submit(store, [issue(1)])
        with store.write():  # Nothing can be applied meanwhile.
            for _ in range(500):
                worker.announce([issue(1).id])
            assert worker.queue.announced <= 64
    assert applier_on(store).pending_count() == 0
    store.close()
