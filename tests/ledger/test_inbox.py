"""The inbox: durable before answered, later when the store is away, never blocking."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import store_subject
from ledger.events import Event, EventError, EventType, derived, encode
from ledger.inbox import EventConflict, Inbox, InboxUnavailable, Place
from tests.ledger.parts import (
    NOW,
    SUBJECT_KEY,
    inbox_on,
    issue,
    rows,
    run,
    signup,
    store_in,
    submit,
)

NOBODY = 65534


SUBMIT_AND_WAIT = """
import asyncio, os, sys
from pathlib import Path
from ledger.store import Store
from tests.ledger.parts import inbox_on, issue

async def main():
    inbox = inbox_on(Store(sys.argv[1]))
    inbox.start()
    await asyncio.gather(*(inbox.submit(issue(number)) for number in range(50)))
    os.write(1, b"answered\\n")
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def held_by_another(path: Path) -> Generator[None]:
    """Hold the database's lock as another program would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextlib.contextmanager
def disk_full() -> Generator[None]:
    """Let no file of this process grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def ordinary_user(folder: Path) -> Generator[None]:
    """Be the folder's owner without root's powers, whoever runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def set_modes(folder: Path, files: int, itself: int) -> None:
    """Change what may be done with a folder and its files."""
    folder.chmod(0o700)
    for path in folder.iterdir():
        path.chmod(files)
    folder.chmod(itself)


async def refused(inbox: Inbox, event: Event) -> str:
    """Return the reason for which the inbox does not take the event."""
    with pytest.raises(InboxUnavailable) as caught:
        await inbox.submit(event)
    return caught.value.reason


def test_an_answer_means_a_row(tmp_path: Path) -> None:
    """When submit returns, another program finds the event's exact bytes in the file."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1))
        assert rows(store.path) == [(issue(1).id, encode(issue(1)))]

    run(store, steps)


def test_the_same_event_is_one_row(tmp_path: Path) -> None:
    """Submitted again, later, at the same moment or after a restart, it stays one row."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await asyncio.gather(*(inbox.submit(issue(1)) for _ in range(20)))
        await inbox.submit(issue(1, time=NOW.replace(hour=23)))

    run(store, steps)
    submit(store_in(tmp_path), [issue(1)])
    assert rows(store.path) == [(issue(1).id, encode(issue(1)))]


def test_another_event_of_the_id_is_a_conflict(tmp_path: Path) -> None:
    """The first one stands, also within one batch, and the others of the batch are taken."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        others = [signup(1), signup(1, "midori"), issue(2)]
        answers = await asyncio.gather(*map(inbox.submit, others), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Place, EventConflict, Place]
        with pytest.raises(EventConflict):
            await inbox.submit(signup(1, of_link=7))

    run(store, steps)
    assert [name for name, _ in rows(store.path)] == [signup(1).id, issue(2).id]


def test_a_locked_store_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """While another program holds the lock we say so in time; afterwards we write again."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1))
        with held_by_another(store.path):
            assert await refused(inbox, issue(2)) == "store"
        await inbox.submit(issue(2))

    run(store, steps, away_seconds=0)
    assert len(rows(store.path)) == 2


def test_nobody_waits_for_a_store_that_was_silent(tmp_path: Path) -> None:
    """After a slow failure the next hear so at once; mail goes on, with nothing of ours in it."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        with store.write():  # The writer stands at the door, and nobody else has to.
            assert await refused(inbox, issue(1)) == "timeout"
            started = asyncio.get_running_loop().time()
            assert await refused(inbox, issue(2)) == "store"
            assert asyncio.get_running_loop().time() - started < 0.2

    run(store, steps, deadline_seconds=0.2, away_seconds=60)


def test_a_full_disk_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """What did not fit is refused and not there; with room again the same inbox writes."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1))
        with disk_full():
            assert await refused(inbox, issue(2)) == "store"
        assert len(rows(store.path)) == 1
        await inbox.submit(issue(2))

    run(store, steps)
    assert len(rows(store.path)) == 2


def test_a_store_that_appears_later_is_used(tmp_path: Path) -> None:
    """The inbox starts without its folder and needs no restart when it is there."""
    folder = tmp_path / "later"
    store = store_in(folder)

    async def steps(inbox: Inbox) -> None:
        assert await refused(inbox, issue(1)) == "store"
        folder.mkdir()
        await inbox.submit(issue(1))

    run(store, steps)
    assert len(rows(store.path)) == 1


def test_a_read_only_store_is_unavailable_and_recovers() -> None:
    """A file without write permission is refused and used again when it has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = store_in(folder)
        submit(store, [issue(1)])
        store.close()

        async def steps(inbox: Inbox) -> None:
            set_modes(folder, 0o400, 0o500)
            assert await refused(inbox, issue(2)) == "store"
            set_modes(folder, 0o600, 0o700)
            await inbox.submit(issue(2))

        with ordinary_user(folder):
            run(store, steps)
        assert len(rows(store.path)) == 2


def test_waiting_is_bounded_in_time_and_number(tmp_path: Path) -> None:
    """Behind a store that hangs, callers hear `timeout`, and `full` when too many wait."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        with store.write():  # The writer stands at the door.
            first = asyncio.create_task(inbox.submit(issue(1)))
            answers = [asyncio.create_task(refused(inbox, issue(number))) for number in range(2, 8)]
            reasons = await asyncio.gather(*answers)
            assert set(reasons) == {"timeout", "full"}
            with pytest.raises(InboxUnavailable):
                await first
        await inbox.submit(issue(9))

    run(store, steps, deadline_seconds=0.2, waiting_max=3, away_seconds=0)
    names = [name for name, _ in rows(store.path)]
    # What was given up before its transaction began is not written any more.
    assert names[-1] == issue(9).id
    assert len(names) <= 5


def test_the_loop_goes_on_while_the_store_hangs(tmp_path: Path) -> None:
    """Other tasks of the loop run while events wait for the disk."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        with store.write():
            waiting = asyncio.create_task(inbox.submit(issue(1)))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

    run(store, steps)


def test_a_caller_that_gives_up_hurts_nobody(tmp_path: Path) -> None:
    """A cancelled submit leaves the others of its batch alone."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        with store.write():
            tasks = [asyncio.create_task(inbox.submit(issue(number))) for number in range(10)]
            await asyncio.sleep(0)
            tasks[3].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1

    run(store, steps)
    assert {issue(number).id for number in range(10) if number != 3} <= dict(
        rows(store.path)
    ).keys()


def test_a_closed_inbox_says_so_and_has_written_everything(tmp_path: Path) -> None:
    """Closing keeps what was submitted; afterwards nothing is taken."""
    store = store_in(tmp_path)

    async def steps() -> None:
        inbox = inbox_on(store)
        assert await refused(inbox, issue(0)) == "closed"
        inbox.start()
        tasks = [asyncio.create_task(inbox.submit(issue(number))) for number in range(600)]
        await asyncio.sleep(0)
        await asyncio.to_thread(inbox.close)
        await asyncio.gather(*tasks)
        assert await refused(inbox, issue(0)) == "closed"

    asyncio.run(steps())
    assert len(rows(store.path)) == 600
    store.close()


def test_what_rules_make_is_not_taken(tmp_path: Path) -> None:
    """Nobody can submit a counted referral."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        with pytest.raises(EventError):
            await inbox.submit(derived(EventType.REFERRAL_COUNTED, signup(1), {}))

    run(store, steps)


def test_references_are_stable_apart_and_erasable(tmp_path: Path) -> None:
    """A person is one `h:` reference per company, and nobody's after erasure."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        hanako = await inbox.reference("aozora", "hanako@example.jp")
        assert hanako == await inbox.reference("aozora", "hanako@example.jp")
        assert hanako != await inbox.reference("midori", "hanako@example.jp")
        assert hanako != await inbox.reference("aozora", "taro@example.jp")
        assert hanako.startswith("h:")
        with store.write() as transaction:
            assert store_subject.erase(transaction, SUBJECT_KEY, "hanako@example.jp")
            assert not store_subject.erase(transaction, SUBJECT_KEY, "hanako@example.jp")
        assert hanako != await inbox.reference("aozora", "hanako@example.jp")

    run(store, steps)
    for path in tmp_path.iterdir():
        assert b"hanako" not in path.read_bytes()


def test_killed_after_the_answer_nothing_is_lost(tmp_path: Path) -> None:
    """`kill -9` right after submit returned: every answered event is there after a restart."""
    store = store_in(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", SUBMIT_AND_WAIT, f"sqlite:///{store.path}"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"answered\n"
        process.send_signal(signal.SIGKILL)
    submit(store, [issue(99)])
    assert {name for name, _ in rows(store.path)} == {
        issue(number).id for number in (*range(50), 99)
    }
    store.close()


@pytest.mark.parametrize("value", ["'text'", "1000000000000000", "x'00'"])
def test_a_damaged_row_is_no_end_of_the_inbox(tmp_path: Path, value: str) -> None:
    """An edited fingerprint makes a conflict of that one event; others are taken as before."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1))
        with store.write() as transaction:
            transaction.execute(text(f"UPDATE inbox SET fingerprint = {value}"))  # noqa: S608
        with pytest.raises(EventConflict):
            await inbox.submit(issue(1))
        await inbox.submit(issue(2))

    run(store, steps)
    assert len(rows(store.path)) == 2
