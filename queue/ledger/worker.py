"""The worker: dramatiq, embedded in the process, applies events as they are announced.

The broker is dramatiq's in-memory one and carries event ids only, so losing it, with the process
or by a full queue, costs a second and no event: the sweeper looks for rows that nobody applied and
for logs that nobody signed, and asks for the same job. All work is done in dramatiq's threads,
where whatever fails is logged and tried again, ever later but at least every ten minutes.

Stopping: no more sweeps, the running job ends after its batch, what is pending is applied, and the
logs are signed. A worker killed instead leaves all of that to the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, Retries

from ledger.apply import Applier
from ledger.checkpoint import Checkpointer, LogKey
from ledger.credits import Policy
from ledger.store import LedgerError, Store

QUEUE: Final = "ledger"

# The store admits one writer, so more threads would only queue up behind it.
THREADS: Final = 1

# How long a job lets events gather before it takes the writer's lock. Nobody waits for it (whoever
# needs an outcome at once asks the applier), but every batch, however small, makes submits wait.
GATHER_SECONDS: Final = 0.05

# How long an event that nobody announced, or whose announcement was lost, waits at most.
SWEEP_SECONDS: Final = 1.0

# Announcements that may wait in memory. One job applies everything pending, so more are pointless.
ANNOUNCED_MAX: Final = 64

RETRY_FIRST_MS: Final = 1_000
RETRY_MAX_MS: Final = 600_000
# After these (some ten minutes) the job is dropped; the sweeper asks for another.
RETRIES_MAX: Final = 10

# How often idle threads look up. It bounds how long stopping takes.
IDLE_MS: Final = 200
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 30.0

_log: Final = logging.getLogger(__name__)


class EmbeddedWorker:
    """Applies and signs in threads of this process, beside an asyncio loop or alone.

    `start` and `stop` are to be called once each, from any one thread.
    """

    def __init__(
        self,
        store: Store,
        *,
        policies: Sequence[Policy],
        log_key: LogKey,
        installation: str,
        directory: Path,
        clock: Callable[[], datetime],
    ) -> None:
        self.applier: Final = Applier(store, policies, clock=clock)
        self.checkpointer: Final = Checkpointer(
            store, log_key, installation=installation, directory=directory, clock=clock
        )
        self._stopping = threading.Event()
        self._watch = _Watch()
        retries = Retries(
            max_retries=RETRIES_MAX, min_backoff=RETRY_FIRST_MS, max_backoff=RETRY_MAX_MS
        )
        # Given explicitly: the default list holds middleware that interrupts threads.
        self._broker = StubBroker(middleware=[retries, self._watch])
        self._actor = dramatiq.Actor(
            self._apply_events,
            broker=self._broker,
            actor_name="apply_events",
            queue_name=QUEUE,
            priority=0,
            options={},
        )
        self._worker = dramatiq.Worker(self._broker, worker_threads=THREADS, worker_timeout=IDLE_MS)
        self._sweeper = threading.Thread(target=self._sweep_loop, name="sweeper", daemon=True)

    @property
    def failures(self) -> int:
        """How many jobs have failed since the start, each try counted."""
        return self._watch.failures

    @property
    def announced(self) -> int:
        """How many announcements wait in the broker."""
        waiting: int = self._broker.queues[QUEUE].qsize()
        return waiting

    def start(self) -> None:
        """Return when dramatiq's threads run and the sweeper has begun."""
        self._worker.start()
        # Two threads consume, the queue and its twin for delayed jobs. A thread told to stop before
        # it has begun would never end.
        self._watch.wait_for(THREADS + 2)
        self._sweeper.start()

    def stop(self) -> None:
        """Return when the threads have ended, all that could be applied is applied and signed."""
        self._stopping.set()
        self._sweeper.join(STOP_SECONDS)
        self._worker.stop(timeout=int(STOP_SECONDS * 1000))
        self._broker.close()
        try:
            self.applier.apply_all()
            self.checkpointer.sign_due(at_once=True)
        except LedgerError as error:
            # The rows stay; the next worker applies them.
            _log.warning("worker stopped with work left: %s", error)

    def announce(self, event_ids: Sequence[str]) -> None:
        """Ask for these events to be applied soon; never blocks and never raises."""
        if self.announced < ANNOUNCED_MAX:
            self._actor.send(list(event_ids))

    def join(self) -> None:
        """Return when the jobs that were announced so far have ended."""
        self._broker.join(QUEUE, fail_fast=False)
        self._worker.join()

    def _apply_events(self, event_ids: list[str]) -> None:
        """The job: whatever is pending, the announced events among it, is applied and signed."""
        self._stopping.wait(GATHER_SECONDS)
        started, applied = time.monotonic(), 0
        while not self._stopping.is_set() and (count := self.applier.apply_pending()):
            applied += count
        signed = self.checkpointer.sign_due()
        if applied:
            took_ms = (time.monotonic() - started) * 1000
            _log.info(
                "applied=%d announced=%d signed=%d took_ms=%.1f",
                applied,
                len(event_ids),
                signed,
                took_ms,
            )

    def _sweep_loop(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                if self.applier.is_due() or self.checkpointer.due():
                    self.announce([])
            except LedgerError as error:
                _log.warning("sweeper: %s", error)


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
        broker.dead_letters_by_queue[QUEUE].clear()
