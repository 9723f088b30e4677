"""The worker: applies events and runs jobs, as dramatiq announces them or a sweeper finds them.

A broker's messages carry ids only. Losing them, with a process, a wiped broker or a full queue,
costs a second and nothing else: a sweeper looks for events that nobody applied, logs that nobody
signed and jobs that are due, and does the work itself, so that it gets done with no broker at all.
Whatever fails is logged and tried again, ever later but at least every ten minutes.

Stopping: no more sweeps, the running job ends after its batch, what is pending is applied, and the
logs are signed. A worker killed instead leaves all of that to the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol

from dramatiq import Worker as DramatiqWorker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware

from ledger import faults
from ledger.broker import make_actor, make_broker
from ledger.jobs import Jobs
from ledger.store import LedgerError

NAMESPACE: Final = "careerrelay"
# Kinds of jobs that have an actor; others wait for the sweeper.
JOB_KINDS: Final = (
    "issue_statement",
    "mail_checkpoint",
    "deliver_webhook",
    "send_mail",
    "hand_over",
    "recall",
)
# The two queues, behind the namespace.
EVENTS: Final = "events"
JOBS: Final = "jobs"

# One applies, since the store admits one writer; the others run jobs, which wait for other hosts.
THREADS: Final = 3
# Of the sweeper, for jobs that nobody was told of; as many are tried at once.
JOB_THREADS: Final = 4
# A job that was announced is begun within this; later the sweeper takes it for lost.
ANNOUNCED_SECONDS: Final = 2.0

# How long events may gather before the writer's lock is taken. Nobody waits for it (whoever needs
# an outcome at once asks the applier), but every batch, however small, makes submits wait.
GATHER_SECONDS: Final = 0.05

# How long an event that nobody announced, or whose announcement was lost, waits at most.
SWEEP_SECONDS: Final = 1.0

# Announcements that may wait in memory. One job applies everything pending, so more are pointless.
ANNOUNCED_MAX: Final = 64

# After a broker has failed it is left alone for so long; the sweepers go on.
BROKER_AWAY_SECONDS: Final = 5.0

# How often idle threads look up. It bounds how long stopping takes.
IDLE_MS: Final = 200
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 30.0

_log: Final = logging.getLogger(__name__)


class Applies(Protocol):
    """Applies what is pending, `apply_pending` a batch of it."""

    def apply_pending(self) -> int:
        """Apply a batch; return how many events it had."""
        ...

    def apply_all(self) -> int:
        """Apply until nothing is due."""
        ...


class Signs(Protocol):
    """Signs the logs that have grown."""

    def sign_due(self, *, at_once: bool = False) -> int:
        """Sign every log that is due; return how many were signed."""
        ...


class Queue:
    """The broker as those see it who announce: `announce` never raises.

    With a broker in this process it never blocks either; with another it may for seconds, so it is
    for a thread of its own.
    """

    def __init__(self, broker_url: str, namespace: str = NAMESPACE) -> None:
        self._watch = _Watch()
        self.broker: Final = make_broker(broker_url, namespace, self._watch)
        self._names = (f"{namespace}.{EVENTS}", f"{namespace}.{JOBS}")
        events, jobs = self._names
        # What the actors call; set by the worker, nothing where only announcing is done.
        self.apply: Callable[[], None] = lambda: None
        self.run_job: Callable[[str], None] = lambda _job_id: None
        self._apply_events = make_actor(self.broker, "apply_events", events, self._apply)
        self._jobs = {
            name: make_actor(self.broker, name, jobs, self._run, priority=1) for name in JOB_KINDS
        }
        self._away_until = 0.0

    @property
    def failures(self) -> int:
        """How many messages have failed here since the start, each try counted."""
        return self._watch.failures

    @property
    def announced(self) -> int:
        """How many announcements wait in the broker of this process."""
        if not isinstance(self.broker, StubBroker):
            return 0
        waiting: int = self.broker.queues[self._names[0]].qsize()
        return waiting

    def announce(self, event_ids: Sequence[str]) -> None:
        """Ask for these events to be applied soon."""
        if self.announced < ANNOUNCED_MAX:
            self._send(self._apply_events, list(event_ids))

    def announce_job(self, kind: str, job_id: str) -> None:
        """Ask for a job to be run soon."""
        if kind in self._jobs:
            self._send(self._jobs[kind], job_id)

    def start(self) -> Callable[[], None]:
        """Have dramatiq's threads run; return what stops them."""
        worker = DramatiqWorker(self.broker, worker_threads=THREADS, worker_timeout=IDLE_MS)
        worker.start()
        # A queue has a thread that consumes it, and one for its twin with delayed messages. A
        # thread told to stop before it has begun would never end.
        self._watch.wait_for(THREADS + 2 * len(self._names))

        def stop() -> None:
            worker.stop(timeout=int(STOP_SECONDS * 1000))

        return stop

    def join(self) -> None:
        """Return when what was announced in this process so far has ended."""
        for name in self._names:
            if isinstance(self.broker, StubBroker):
                self.broker.join(name, fail_fast=False)
            else:
                self.broker.join(name)

    def close(self) -> None:
        """Let go of the broker."""
        try:
            self.broker.close()
        except Exception as error:
            # Whatever a broken connection says when it is closed.
            _log.info("broker: %s", type(error).__name__)

    def _send(self, actor: Any, argument: object) -> None:
        if time.monotonic() < self._away_until:
            return  # The sweepers find it.
        try:
            actor.send(argument)
        except Exception as error:
            # TRAPS: a dead broker's errors come from two families and more.
            self._away_until = time.monotonic() + BROKER_AWAY_SECONDS
            _log.warning("broker: not announced, the sweeper goes on: %s", type(error).__name__)

    def _apply(self, _event_ids: list[str]) -> None:
        self.apply()

    def _run(self, job_id: str) -> None:
        self.run_job(job_id)


class Worker:
    """Does the work of a store, with the threads of a broker and two sweepers.

    `start` and `stop` are to be called once each, from any one thread.
    """

    def __init__(
        self,
        queue: Queue,
        applier: Applies,
        checkpointer: Signs,
        jobs: Jobs,
        tasks: Sequence[Callable[[], object]] = (),
        waited: Callable[[], float] = lambda: 0.0,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        """`tasks` are called at every sweep: what time makes due. `waited` tells how many
        seconds the oldest pending event has waited.
        """
        self.queue: Final = queue
        self.applier: Final = applier
        self.checkpointer: Final = checkpointer
        self.jobs: Final = jobs
        # How long the oldest event of the last batches had waited.
        self.lag_seconds = 0.0
        self._tasks = tasks
        self._waited = waited
        self._sweep_seconds = sweep_seconds
        self._stopping = threading.Event()
        self._stop_queue: Callable[[], None] = lambda: None
        # One batch at a time in this process: the others would only queue up for the store.
        self._applying = threading.Lock()
        queue.apply = self._announced
        queue.run_job = self._run_job
        jobs.announce = queue.announce_job
        self._pool = ThreadPoolExecutor(JOB_THREADS, "sweeper-job")
        # Jobs that the pool has: added to by the sweeper alone, and one operation at a time.
        self._in_hand: set[str] = set()
        self._sweepers = [
            threading.Thread(target=self._sweep, args=(step,), name=name, daemon=True)
            for name, step in (("sweeper", self._apply), ("sweeper-tasks", self._do_due))
        ]

    @property
    def failures(self) -> int:
        """How many messages have failed here since the start, each try counted."""
        return self.queue.failures

    def start(self) -> None:
        """Return when dramatiq's threads run and the sweepers have begun."""
        self._stop_queue = self.queue.start()
        for sweeper in self._sweepers:
            sweeper.start()

    def stop(self) -> None:
        """Return when the threads have ended, all that could be applied is applied and signed."""
        self._stopping.set()
        for sweeper in self._sweepers:
            if sweeper.is_alive():
                sweeper.join(STOP_SECONDS)
        self._pool.shutdown(wait=True, cancel_futures=True)
        _guarded(self._stop_queue)  # A stranger's message may have killed dramatiq's threads.
        self.queue.close()
        try:
            self.applier.apply_all()
            self.checkpointer.sign_due(at_once=True)
        except LedgerError as error:
            # The rows stay; the next worker applies them.
            _log.warning("worker stopped with work left: %s", error)

    def announce(self, event_ids: Sequence[str]) -> None:
        """Ask for these events to be applied soon; never raises."""
        self.queue.announce(event_ids)

    def join(self) -> None:
        """Return when what was announced in this process so far has ended."""
        self.queue.join()

    def _announced(self) -> None:
        self._stopping.wait(GATHER_SECONDS)
        self._apply()

    def _apply(self) -> None:
        """Apply whatever is pending, the announced events among it, and sign."""
        with self._applying:
            started, applied, waited = time.monotonic(), 0, self._waited()
            while not self._stopping.is_set() and (count := self.applier.apply_pending()):
                applied += count
                faults.reach("worker.applied")
            signed = self.checkpointer.sign_due()
        if applied:
            self.lag_seconds = waited + time.monotonic() - started
            took_ms = (time.monotonic() - started) * 1000
            _log.info("applied=%d signed=%d took_ms=%.1f", applied, signed, took_ms)

    def _do_due(self) -> None:
        """Do what time has made due, and have the jobs run that nobody was told of."""
        for task in self._tasks:
            _guarded(task)
        for job_id in self.jobs.due(ANNOUNCED_SECONDS):
            if job_id not in self._in_hand:
                self._in_hand.add(job_id)
                self._pool.submit(self._run_late, job_id)

    def _run_late(self, job_id: str) -> None:
        _guarded(partial(self._run_job, job_id))
        self._in_hand.discard(job_id)

    def _run_job(self, job_id: str) -> None:
        if not self._stopping.is_set():
            self.jobs.run(job_id)

    def _sweep(self, step: Callable[[], None]) -> None:
        while not self._stopping.wait(self._sweep_seconds):
            _guarded(step)


def _guarded(step: Callable[[], object]) -> None:
    """Take a step; whatever fails is said, and the others go on."""
    try:
        step()
    except LedgerError as error:
        _log.warning("sweeper: %s", error)
    except Exception:
        # A bug in one task must not end the sweeper: without it nothing is found any more.
        _log.exception("sweeper")


class _Watch(Middleware):
    """Counts threads that have begun and jobs that failed; keeps dead letters from piling up."""

    def __init__(self) -> None:
        self.failures = 0
        self._begun = threading.Semaphore(0)

    def wait_for(self, threads: int) -> None:
        """Return when so many threads have begun."""
        deadline = time.monotonic() + START_SECONDS
        for _ in range(threads):
            if not self._begun.acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise LedgerError("dramatiq's threads did not start")

    def after_worker_thread_boot(self, broker: Any, thread: Any) -> None:
        """A worker thread has begun."""
        self._begun.release()

    def after_consumer_thread_boot(self, broker: Any, thread: Any) -> None:
        """A consumer thread has begun."""
        self._begun.release()

    def after_process_message(
        self,
        broker: Any,
        message: Any,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """A job has ended, well or badly. Whatever it raised was caught by dramatiq's thread."""
        if exception is not None:
            self.failures += 1
            _log.error("job %s failed: %r", message.message_id, exception)

    def after_nack(self, broker: Any, message: Any) -> None:
        """A job was given up. The in-memory broker would keep it, and its exception, for ever."""
        if isinstance(broker, StubBroker):
            broker.dead_letters_by_queue[message.queue_name].clear()
