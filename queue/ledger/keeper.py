"""Keeps what cannot be asked for again while the store is away, and takes it in when it is back.

While anything waits in this process's spill file, what may be kept goes there as well, behind it,
so that the order stays. One thread writes all that wait for the file at once: while a mailing is
opened these are hundreds, and each flush of the disk takes its time. Another offers what is in the
file to the store every second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from ledger import store_inbox
from ledger.events import EventError, parse
from ledger.inbox_errors import InboxError, InboxUnavailable
from ledger.inbox_jobs import Job, answer, row_of
from ledger.spill import BATCH_RECORDS, Record, Spill, SpillError
from ledger.store import LedgerError, Store

# How often what was kept is offered to the store again.
DRAIN_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 10.0

# Records that may wait for the disk: more than come in the half second that a click waits for it.
WAITING_MAX: Final = 4096

_EVENT: Final = "event"

_log: Final = logging.getLogger(__name__)

# Called in the keeper's thread with what `keep` was given, and when; what it has done is durable.
# False says that it can never be done, `LedgerError` and `InboxError` that the store is away still.
TakeKept = Callable[[bytes, datetime], bool]


class Keeper:
    """Owns the spill file of a process; `start` and `close` are called once each."""

    def __init__(self, spill: Spill, store: Store, tell: Callable[[Sequence[str]], None]) -> None:
        self._spill = spill
        self._store = store
        self._tell = tell
        # Written before anything of the kind is kept.
        self.take_kept: dict[str, TakeKept] = {}
        # Guards the two below; never held during I/O.
        self._condition = threading.Condition()
        self._waiting: deque[Job[Record]] = deque()
        self._is_open = False
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="inbox-spill", daemon=True)
        self._thread = threading.Thread(target=self._loop, name="inbox-keeper", daemon=True)

    @property
    def is_waiting(self) -> bool:
        """Tell whether something of this process waits for the store."""
        return not self._spill.is_empty or bool(self._waiting)

    def start(self) -> None:
        """Begin with what a process before this one left."""
        self._is_open = True
        self._writer.start()
        self._thread.start()

    def close(self) -> None:
        """Write what waits for the file, offer all once more, and let go of the file."""
        with self._condition:
            self._is_open = False
            self._condition.notify()
        self._writer.join(CLOSE_SECONDS)
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        self._spill.close()

    async def keep_event(self, row: store_inbox.NewRow, max_seconds: float | None) -> None:
        """Return when the event is in the file; raises `InboxUnavailable`.

        After `max_seconds` nobody waits for the disk; the event is in the file when that takes it.
        """
        try:
            async with asyncio.timeout(max_seconds):
                await self.keep(Record(_EVENT, row.received_ms, row.body, row.detail))
        except TimeoutError:
            raise InboxUnavailable("spill", f"{max_seconds} s") from None

    async def keep(self, record: Record) -> None:
        """Return when the record is in the file; raises `InboxUnavailable`."""
        loop = asyncio.get_running_loop()
        job = Job(record, loop, loop.create_future())
        with self._condition:
            if not self._is_open:
                raise InboxUnavailable("closed")
            if len(self._waiting) >= WAITING_MAX:
                raise InboxUnavailable("full", f"{WAITING_MAX} records wait for the spill file")
            self._waiting.append(job)
            self._condition.notify()
        await job.future

    # ---------------------------------------------------------- the thread that writes

    def _write_loop(self) -> None:
        while jobs := self._take():
            self._write(jobs)

    def _take(self) -> list[Job[Record]]:
        """Return the records that wait; none when the keeper is closed and all are written."""
        with self._condition:
            while self._is_open and not self._waiting:
                self._condition.wait()
            count = min(len(self._waiting), BATCH_RECORDS)
            return [self._waiting.popleft() for _ in range(count)]

    def _write(self, jobs: Sequence[Job[Record]]) -> None:
        failure: InboxUnavailable | None = None
        try:
            self._spill.append(*(job.work for job in jobs))
        except SpillError as error:
            failure = InboxUnavailable("spill", str(error))
        except Exception as error:
            # A bug. What comes later needs this thread; its text may be personal.
            _log.error("inbox: %d records not kept by a bug: %s", len(jobs), type(error).__name__)
            failure = InboxUnavailable("spill", type(error).__name__)
        if failure and len(jobs) > 1:  # There may be room for some, or the disk has come round.
            half = len(jobs) // 2
            self._write(jobs[:half])
            self._write(jobs[half:])
            return
        answer([(job, failure) for job in jobs])

    # ---------------------------------------------- the thread that offers to the store

    def _loop(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(DRAIN_SECONDS)
            try:
                if count := self._spill.drain(self._take_in):
                    _log.warning("inbox: %d kept records are in the store now", count)
            except (LedgerError, InboxError, OSError) as error:
                _log.warning("inbox: what was kept waits for the store: %s", error)

    def _take_in(self, records: Sequence[Record]) -> None:
        """Put records where they belong, in their order; with many, half of the time."""
        started = time.monotonic()
        rows: list[store_inbox.NewRow] = []
        unusable: list[Record] = []
        for record in records:
            if record.kind == _EVENT:
                try:
                    event = parse(record.payload)
                except EventError:
                    unusable.append(record)  # Of a newer version, perhaps.
                    continue
                rows.append(row_of(event, record.received_ms, record.detail))
                continue
            self._insert(rows)
            rows = []
            received = datetime.fromtimestamp(record.received_ms / 1000, UTC)
            take = self.take_kept.get(record.kind)
            if take is None or not take(record.payload, received):
                unusable.append(record)
        self._insert(rows)
        for record in unusable:  # Once the store has the others: until then all come again.
            self._spill.set_aside(record)
        if len(records) >= BATCH_RECORDS:
            # More follow. Clicks that are answered meanwhile share the interpreter with it.
            self._closing.wait(time.monotonic() - started)

    def _insert(self, rows: Sequence[store_inbox.NewRow]) -> None:
        if store_inbox.insert_rows(self._store, rows):
            self._tell(list(dict.fromkeys(row.id for row in rows)))
