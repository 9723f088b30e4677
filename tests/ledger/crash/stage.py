"""The stage of the crash matrix: starts the players, kills them, and counts what is left.

Four submitters deliver each of 1,000 clicks and 300 signups twice, so each is delivered at least
eight times; two workers apply them. Whatever happened, the record must hold exactly these.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ledger import store_inbox, store_jobs, store_ledger, store_log, store_progress
from ledger.audit import verify
from ledger.credits import Account, Unit
from ledger.faults import VARIABLE
from ledger.store import LedgerError, Store
from ledger.worker import Queue
from tests.ledger.crash.player import CLICKS, NAMESPACE, SIGNUPS, STOPPED
from tests.ledger.crash.servers import Postgres, Program
from tests.ledger.parts import INSTALLATION, KEY, POLICIES, applier_on, issue, submit
from tests.serverthread import answering

PROJECT = Path(__file__).parents[3]
PLAYER = str(Path(__file__).with_name("player.py"))
SUBMITTERS = 4
WORKERS = 2
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.05
DISTURBED_SECONDS = 2.0

# Where a submitter can be killed: before and after the event is on disk, before and after the
# publisher told the broker.
SUBMIT_POINTS = ("inbox.taken", "inbox.written", "inbox.answered", "inbox.announced")
SPILL_POINTS = ("spill.kept", "spill.taken_in")
# Where a worker can: before and after the batch is on disk, around the checkpoint, around a job.
WORK_POINTS = (
    "applier.written",
    "applier.committed",
    "worker.applied",
    "checkpoint.published",
    "checkpoint.signed",
    "job.claimed",
    "job.done",
)


def faults(points: Sequence[str]) -> list[str]:
    """Return a kill and a SIGTERM at every point."""
    return [f"{point}:1{how}" for point in points for how in ("", ":term")]


class Player:
    """A process, and the fault it was started with."""

    def __init__(self, command: Sequence[str], fault: str, output: Path) -> None:
        self.fault = fault
        with output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, PLAYER, *command],
                cwd=PROJECT,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'queue'}",
                    VARIABLE: fault,
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def say(self, line: str) -> None:
        """Write a line to the process."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # It has just ended, and is started again.
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def has_ended(self) -> bool:
        """Tell whether the process has ended, as its fault wants it; anything else is a failure."""
        code = self.process.poll()
        if code is None:
            return False
        expected = (0, STOPPED) if self.fault.endswith(":term") else (-9,)
        assert self.fault, (self.process.args, code)
        assert code in expected, (self.process.args, self.fault, code)
        self._close()
        return True

    def stop(self) -> None:
        """End it as an admin does."""
        self._close()
        self.process.terminate()
        # The last: it had not come so far as to hear signals.
        assert self.process.wait(PATIENCE_SECONDS) in (0, STOPPED, -signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._close()
        self.process.kill()
        self.process.wait()

    def _close(self) -> None:
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()


@dataclass(slots=True)
class Stage:
    """One installation, and the processes that play on it."""

    url: str
    broker: str
    folder: Path
    port: int
    delivered: list[str]
    submit_faults: list[str] = field(default_factory=list[str])
    fired: list[str] = field(default_factory=list[str])
    _submitters: dict[int, Player] = field(default_factory=dict[int, Player])
    _workers: list[Player] = field(default_factory=list[Player])

    def play(
        self,
        part: int,
        parts: int,
        fault: str = "",
        disturbance: AbstractContextManager[object] | None = None,
    ) -> None:
        """Deliver a part of the events and apply them, the first worker with this fault.

        A disturbance is there before the first of them is delivered. With a fault this returns when
        it has struck: what the process left lying meets the next ones.
        """
        self._stop_workers()
        self._workers = [self._worker(fault)]
        line = f"{part} {parts}"
        for number in range(SUBMITTERS):
            if number not in self._submitters:
                self._submitters[number] = self._submitter(number)
        with disturbance or nullcontext():
            for player in self._submitters.values():
                player.say(line)
            time.sleep(DISTURBED_SECONDS if disturbance else 0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_over(part) or not (fault or self._is_quiet()):
            assert time.monotonic() < deadline, (part, fault, self.submit_faults)
            for number, player in self._submitters.items():
                if player.has_ended():
                    self.fired.append(player.fault)
                    self._submitters[number] = again = self._submitter(number)
                    again.say(line)
            for place, player in enumerate(self._workers):
                if player.has_ended():
                    self.fired.append(player.fault)
                    self._workers[place] = self._worker("")
            while not fault and len(self._workers) < WORKERS:
                self._workers.append(self._worker(""))
            time.sleep(LOOK_SECONDS)
        if fault:
            assert fault in self.fired

    def disturb(self, disturbances: Sequence[AbstractContextManager[object]]) -> None:
        """Deliver a part of the events during each disturbance, the first during none."""
        parts = len(disturbances) + 1
        self.play(0, parts)  # From now on the submitters run, and take what they are given at once.
        for part, disturbance in enumerate(disturbances, 1):
            self.play(part, parts, disturbance=disturbance)
        self.end()

    @contextmanager
    def clock(self, seconds: int) -> Generator[None]:
        """Set the clock of all players back, or ahead, for good."""
        (self.folder / "clock").write_text(str(seconds))
        yield

    def end(self) -> None:
        """Stop all as an admin does."""
        self._stop_workers()
        for player in self._submitters.values():
            player.stop()
        self._submitters.clear()

    def kill(self) -> None:
        """End whatever runs."""
        for player in (*self._workers, *self._submitters.values()):
            player.kill()

    def _stop_workers(self) -> None:
        for player in self._workers:
            player.stop()
        self._workers = []

    def _submitter(self, number: int) -> Player:
        fault = self.submit_faults.pop(0) if self.submit_faults else ""
        command = ["submit", self.url, self.broker, str(self.folder), str(number)]
        return Player(command, fault, self.folder / "submit.log")

    def _worker(self, fault: str) -> Player:
        command = ["work", self.url, self.broker, str(self.folder), str(self.port)]
        return Player(command, fault, self.folder / "work.log")

    def _is_over(self, part: int) -> bool:
        """Tell whether every submitter has delivered the part, and the worker's fault struck."""
        if any(player.fault for player in self._workers):
            return False
        done = (self.folder / f"done-{number}" for number in range(SUBMITTERS))
        return all(path.exists() and path.read_text() == str(part) for path in done)

    def results(self) -> dict[str, int | bool]:
        """Count what is in the record, and audit it."""
        store = Store(self.url)
        with store.read() as transaction:
            ids = [
                row.event_id for rows in store_log.entries(transaction, "aozora") for row in rows
            ]
            balances = store_ledger.balances(transaction, "aozora")
            transfers = store_ledger.transfer_rows(transaction, "aozora")
        sums = [sum(row[-1] for row in transfers if row[-2] == unit) for unit in (*map(str, Unit),)]
        reports = verify(
            store,
            policies=POLICIES,
            public_key=KEY.public,
            installation=INSTALLATION,
            directory=self.folder,
        )
        store.close()
        assert len(ids) == len(set(ids))
        kinds = [event_id.partition(":")[0] for event_id in ids]
        return {
            "clicks": kinds.count("link.clicked"),
            "signups": kinds.count("signup.verified"),
            "counted": kinds.count("referral.counted"),
            "slots": balances[Account.AVAILABLE, Unit.SLOT],
            "granted": kinds.count("slot.granted"),
            "webhooks": len(set(self.delivered)),
            "sums_zero": not any(sums),
            # The audit folds the log anew and compares it with what is kept.
            "verified": not [report.finding for report in reports if report.finding],
        }

    def _is_quiet(self) -> bool:
        """Tell whether nothing waits: no record in a spill file, no event, no job."""
        if any(path.stat().st_size for path in self.folder.glob("spill/*.jsonl")):
            return False
        store = Store(self.url)
        try:
            with store.read() as transaction:
                waiting = store_inbox.pending_count(transaction)
                jobs = store_jobs.counts(transaction).get("waiting", 0)
                # The outlet has looked at all of the log.
                read = store_progress.position(transaction, "webhook:hr:aozora")
                behind = store_log.size(transaction, "aozora") - (read or 0)
        except LedgerError:
            return False
        finally:
            store.close()
        return not waiting and not jobs and not behind


@contextmanager
def stage(url: str, broker: str, folder: Path) -> Generator[Stage]:
    """Set a stage: the letters are on record already, so that each signup has its own."""
    store = Store(url)
    submit(store, [issue(number) for number in range(SIGNUPS)])
    applier_on(store).apply_all()
    with store.write() as transaction:  # A new endpoint hears of what happens from now on.
        store_progress.move(transaction, "webhook:hr:aozora", 0)
    store.close()
    delivered: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            delivered.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    made = Stage(url, broker, folder, server.server_port, delivered)
    with answering(server):
        try:
            yield made
        finally:
            made.kill()


EXPECTED: dict[str, int | bool] = {
    "clicks": CLICKS,
    "signups": SIGNUPS,
    "counted": SIGNUPS,
    "slots": SIGNUPS // 10,
    "granted": SIGNUPS // 10,
    "webhooks": SIGNUPS // 10,
    "sums_zero": True,
    "verified": True,
}


def play_kills(scene: Stage) -> None:
    """Kill processes at every step, SIGKILL and SIGTERM: in each part another worker."""
    scene.submit_faults = faults(SUBMIT_POINTS)
    to_submit, to_work = list(scene.submit_faults), faults(WORK_POINTS)
    parts = len(to_work) + 1
    for part, fault in enumerate(to_work):
        scene.play(part, parts, fault)
    scene.play(len(to_work), parts)
    scene.end()
    assert sorted(scene.fired) == sorted([*to_submit, *to_work])


def play_disturbances(scene: Stage, server: Postgres, broker: Program) -> None:
    """Disturb everything the processes depend on, while they deliver."""
    disturbances = [
        broker.killed(),
        emptied(scene.broker),
        broker.silent(),
        server.killed(),
        server.disk_full(),
        scene.clock(-86_400),
    ]
    scene.disturb(disturbances)


@contextmanager
def emptied(broker: str) -> Generator[None]:
    """Delete all messages."""
    queue = Queue(broker, NAMESPACE)
    queue.broker.flush_all()
    queue.close()
    yield


def show(what: str, results: dict[str, int | bool]) -> None:
    """Print a row of the table."""
    print(f"| {what} | " + " | ".join(f"{value}" for value in results.values()) + " |")
