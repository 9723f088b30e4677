"""The two programs of the crash matrix, run as processes that a test kills.

    player.py submit URL BROKER FOLDER NUMBER    delivers events twice, part by part
    player.py work   URL BROKER FOLDER PORT      applies, signs, runs jobs, until SIGTERM

A submitter reads lines "part parts" and writes the part into `done-NUMBER` when all of it was
answered. One that is started again goes on where the last one was.

`FOLDER` holds what processes leave behind: spill files, checkpoints, how far a submitter is, and
`clock`, which says how many seconds the clock is off.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.apply import Applier
from ledger.checkpoint import Checkpointer
from ledger.events import Event
from ledger.inbox import Inbox, InboxUnavailable
from ledger.jobs import Jobs, Kind
from ledger.policies import read_policies
from ledger.spill import Spill
from ledger.store import Store
from ledger.timetable import ISSUE_STATEMENT, Timetable
from ledger.webhookout import DELIVER_WEBHOOK, Endpoint, Outlet
from ledger.worker import Queue, Worker
from tests.ledger.parts import INSTALLATION, KEY, SUBJECT_KEY, click, signup

CLICKS = 1_000
SIGNUPS = 300
PASSES = 2
TOGETHER = 64
NAMESPACE = "careerrelay-crash"
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
CLAIM_SECONDS = 3
SWEEP_SECONDS = 0.2  # The program's is a second; a test has fourteen workers to wait for.
RETRY_SECONDS = 0.05
STOPPED = 3  # The exit code after SIGTERM.


def events() -> list[Event]:
    """Return what every submitter delivers."""
    return [*(click(n) for n in range(CLICKS)), *(signup(n) for n in range(SIGNUPS))]


def clock_of(folder: Path) -> Callable[[], datetime]:
    """Return a clock that is as wrong as the folder says."""

    def now() -> datetime:
        off = 0
        with contextlib.suppress(OSError, ValueError):
            off = int((folder / "clock").read_text())
        return datetime.now(UTC) + timedelta(seconds=off)

    return now


def submit(url: str, broker: str, folder: Path, number: int) -> None:
    """Deliver each part that is asked for, each event again until it is answered."""
    store, queue, whole = Store(url), Queue(broker, NAMESPACE), events()
    inbox = Inbox(
        store,
        subject_key=SUBJECT_KEY,
        clock=clock_of(folder),
        random_bytes=os.urandom,
        announce=queue.announce,
        spill=Spill(folder / "spill"),
    )
    progress = folder / f"progress-{number}"
    done = set(progress.read_text().split()) if progress.exists() else set[str]()
    handle = os.open(progress, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    stopping = asyncio.Event()

    async def deliver(gate: asyncio.Semaphore, name: str, event: Event) -> None:
        async with gate:
            while not stopping.is_set():
                try:
                    await inbox.submit(event)
                except InboxUnavailable:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    os.write(handle, f"{name}\n".encode())
                    return

    async def run() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        while line := await asyncio.to_thread(sys.stdin.readline):
            part, parts = map(int, line.split())
            todo = [(each, n) for each in range(PASSES) for n in range(part, len(whole), parts)]
            random.Random(number).shuffle(todo)  # noqa: S311 (an order, no secret)
            gate = asyncio.Semaphore(TOGETHER)
            names = {f"{each}/{n}": whole[n] for each, n in todo}
            left = [(name, event) for name, event in names.items() if name not in done]
            await asyncio.gather(*(deliver(gate, *one) for one in left))
            if stopping.is_set():
                break
            (folder / f"done-{number}").write_text(str(part))
        await asyncio.to_thread(inbox.close)

    inbox.start()
    asyncio.run(run())
    sys.exit(STOPPED if stopping.is_set() else 0)


def work(url: str, broker: str, folder: Path, port: int) -> None:
    """Work until SIGTERM."""
    stopping = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    store, now = Store(url), clock_of(folder)
    checkpointer = Checkpointer(store, KEY, installation=INSTALLATION, directory=folder, clock=now)
    jobs = Jobs(store, now, claim_seconds=CLAIM_SECONDS)
    endpoint = Endpoint(
        "hr", f"http://127.0.0.1:{port}/", SECRET, frozenset({"slot.granted"}), ("aozora",)
    )
    outlet = Outlet(store, [endpoint], now)
    applier = Applier(store, read_policies(), clock=now)
    timetable = Timetable(
        store, jobs, applier, checkpointer, now, auditors=lambda _: (), statements=lambda _: ()
    )
    jobs.kinds |= {
        ISSUE_STATEMENT: Kind(timetable.issue, 3600),
        DELIVER_WEBHOOK: Kind(outlet.run, 3600),
    }

    worker = Worker(
        Queue(broker, NAMESPACE),
        applier,
        checkpointer,
        jobs,
        (timetable.tick, outlet.collect),
        sweep_seconds=SWEEP_SECONDS,
    )
    worker.start()
    print("working", flush=True)
    while not stopping.wait(1):
        pass
    worker.stop()


if __name__ == "__main__":
    play = submit if sys.argv[1] == "submit" else work
    play(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
