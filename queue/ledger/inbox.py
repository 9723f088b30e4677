"""The one way in: an event is a durable row before anyone is answered.

`submit` hands the event to one writer thread, which takes all that wait, writes their events in
one transaction (group commit), and answers after the commit with the disk flushed. The event loop
never blocks. The row is the outbox: a publisher thread announces ids to the worker afterwards,
never inside `submit`.

What is left behind when the process is killed:
- before the commit: nothing, and nobody was answered; the caller's client tries again;
- after the commit, before the answer: the row; the client tries again and meets the same id;
- after the answer, before the announcement: the row; the worker's sweeper finds it;
- after the announcement: the row; where the broker has lost it, the sweeper finds it.

When the store is away a letter hears so within the deadline, and goes out unchanged. What cannot
be asked for again, such as a click, is kept in the spill file (`ledger.spill`) and taken in when
the store is back, in order, once. After a slow failure nobody waits for the store for a second.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger import faults, store_inbox, store_subject
from ledger.events import DERIVED_ONLY, Event, EventError, EventType
from ledger.inbox_errors import EventConflict, InboxError, InboxUnavailable
from ledger.keeper import Keeper, TakeKept, row_of
from ledger.spill import Record, Spill
from ledger.store import RepeatedKey, Store, StoreError

# Who submits catches these; the rest of them is in their own file.
__all__ = ["EventConflict", "Inbox", "InboxError", "InboxUnavailable", "Place"]

# A mail waits for this answer; beyond it the letter passes unchanged.
DEADLINE_SECONDS: Final = 2.0

# Events that may wait for the writer. At 2,000 a second and more this is what two seconds can
# clear: whatever came later would meet the deadline anyway.
WAITING_MAX: Final = 4096

# How long an event that nobody waits for may wait for others to share their commit, which is most
# of its cost. Far below the deadline.
COMPANY_SECONDS: Final = 0.1

# Events in one commit: a few milliseconds of work, beside which the disk's flush stops mattering.
BATCH_EVENTS: Final = 256

# Announcements that may wait for the publisher. More are dropped: the sweeper finds the rows.
ANNOUNCEMENTS_MAX: Final = 1024

# After a failure that took so long, the store is not asked for `AWAY_SECONDS`: a server that is
# silent would hold up everybody for their whole deadline.
SLOW_SECONDS: Final = 0.25
AWAY_SECONDS: Final = 1.0

# Events of what has happened and does not happen again for the asking. A letter's link is not among
# them: without it on record the letter goes out unchanged.
KEEPABLE: Final = frozenset(
    {
        EventType.LINK_CLICKED,
        EventType.CLICK_THINNED,
        EventType.LETTER_DELIVERED,
        EventType.LETTER_REFUSED,
    }
)

# Closing writes what is waiting; a store that hangs does not hold the process longer than this.
CLOSE_SECONDS: Final = 10.0

_log: Final = logging.getLogger(__name__)


class Place(StrEnum):
    """Where an event is on disk."""

    STORE = "store"
    SPILL = "spill"


# Called in the publisher thread with ids of events that are on disk; must not raise.
Announce = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class _Person:
    """The wish for a person's reference in a company's log."""

    company: str
    person: str


_Work = store_inbox.NewRow | _Person
_Result = str | InboxError | None


@dataclass(frozen=True, slots=True)
class _Job:
    """Work for the writer, and the future of the loop that waits for it."""

    work: _Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[str | None]


_Answer = tuple[_Job, _Result]


class Inbox:
    """Takes events, answers when they are on disk; `start` and `close` block shortly."""

    def __init__(
        self,
        store: Store,
        *,
        subject_key: bytes,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        announce: Announce | None = None,
        spill: Spill | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        waiting_max: int = WAITING_MAX,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._store = store
        self._subject_key = subject_key
        self._clock = clock
        self._random_bytes = random_bytes
        self._announce = announce
        self._keeper = Keeper(spill, store, self._tell) if spill else None
        # A moment of the monotonic clock; until then the store is not asked.
        self._away_until = 0.0
        self._away_seconds = away_seconds
        self._deadline_seconds = deadline_seconds
        self._waiting_max = waiting_max
        # Guards the three below; never held during I/O, so a handler may take it.
        self._condition = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._begin = math.inf  # When the writer is to begin, by the monotonic clock.
        self._open = False
        self._announcements: queue.Queue[Sequence[str] | None] = queue.Queue(ANNOUNCEMENTS_MAX)
        self._writer = threading.Thread(target=self._write_loop, name="inbox-writer", daemon=True)
        self._publisher = threading.Thread(
            target=self._publish_loop, name="inbox-publisher", daemon=True
        )

    def start(self) -> None:
        """Start the threads. The store need not be there: it is opened by the first event."""
        self._open = True
        self._writer.start()
        self._publisher.start()
        if self._keeper:
            self._keeper.start()

    def close(self) -> None:
        """Write what was submitted, announce it, stop the threads. To be called once."""
        self._open = False
        self._wake()
        self._writer.join(CLOSE_SECONDS)
        if self._keeper:
            self._keeper.close()
        try:
            self._announcements.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return  # The publisher hangs; the sweeper finds what it did not announce.
        self._publisher.join(CLOSE_SECONDS)

    async def submit(
        self,
        event: Event,
        *,
        company_seconds: float = 0.0,
        detail: bytes = b"",
        deadline_seconds: float | None = None,
        keeping_seconds: float | None = None,
    ) -> Place:
        """Return when the event is on disk: in the store or, if `KEEPABLE`, in the spill file.

        It may wait `company_seconds` longer, for others to share its commit. The same event again
        is fine and stays one row. `detail` is what was seen of a click. The deadline is for the
        store, `keeping_seconds` for the spill file, which comes on top. Raises `EventConflict` when
        another event has its id, `InboxUnavailable` when it could not be made durable.
        """
        if event.type in DERIVED_ONLY:
            raise EventError("type", f"{event.type} follows from a rule and is not reported")
        received_ms = int(self._clock().timestamp() * 1000)
        row = row_of(event, received_ms, detail)
        keeper = self._keeper if event.type in KEEPABLE else None
        if keeper and keeper.is_waiting:
            await keeper.keep_event(row, keeping_seconds)  # Behind those that wait already.
            return Place.SPILL
        try:
            await self._do(row, company_seconds, deadline_seconds)
        except InboxUnavailable as error:
            if keeper is None or error.reason == "closed":
                raise
            await keeper.keep_event(row, keeping_seconds)
            return Place.SPILL
        return Place.STORE

    async def keep(self, kind: str, sealed: bytes, received: datetime) -> None:
        """Return when this is in the spill file, for the handler of its kind to take in later.

        Raises `InboxUnavailable`.
        """
        if self._keeper is None:
            raise InboxUnavailable("store", "there is no spill file")
        await self._keeper.keep(Record(kind, int(received.timestamp() * 1000), sealed))

    def when_kept(self, kind: str, take: TakeKept) -> None:
        """Have `take` called with what was kept as `kind`."""
        if self._keeper:
            self._keeper.take_kept[kind] = take

    async def reference(self, company: str, person: str) -> str:
        """Return the person's `h:` reference in this company's log, the salt behind it on disk.

        `person` is whatever identifies the person to the caller: it is hashed, and not kept.
        Raises `InboxUnavailable`.
        """
        found = await self._do(_Person(company, person))
        return found or ""

    async def _do(
        self, work: _Work, company_seconds: float = 0.0, deadline_seconds: float | None = None
    ) -> str | None:
        deadline = deadline_seconds or self._deadline_seconds
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        now = time.monotonic()
        with self._condition:
            if not self._open:
                raise InboxUnavailable("closed")
            if now < self._away_until:
                raise InboxUnavailable("store", "did not answer a moment ago")
            if len(self._waiting) >= self._waiting_max:
                raise InboxUnavailable("full", f"{self._waiting_max} events are waiting")
            self._waiting.append(job)
            is_full = len(self._waiting) >= BATCH_EVENTS
            begin = now if is_full else now + company_seconds
            if begin < self._begin:  # Else the writer wakes up in time by itself.
                self._begin = begin
                loop.call_soon(self._wake)  # All that came with this one share its commit.
        timer = loop.call_later(deadline, self._give_up, job, deadline)
        try:
            return await job.future
        finally:
            timer.cancel()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _give_up(self, job: _Job, deadline: float) -> None:
        """Answer one that has waited too long; the writer leaves it out if it has not begun."""
        if not job.future.done():
            self._away_until = time.monotonic() + self._away_seconds
            job.future.set_exception(InboxUnavailable("timeout", f"{deadline} s"))

    # ---------------------------------------------------------- the writer thread

    def _write_loop(self) -> None:
        try:
            while jobs := self._take():
                self._write(jobs)
        finally:
            # Only a bug gets here with work left; nobody may wait for a thread that is gone.
            with self._condition:
                self._open = False
                left = list(self._waiting)
                self._waiting.clear()
            _answer([(job, InboxUnavailable("closed")) for job in left])

    def _take(self) -> list[_Job]:
        """Return the jobs of the next transaction; none when the inbox is closed and empty."""
        with self._condition:
            while self._open and (left := self._begin - time.monotonic()) > 0:
                self._condition.wait(None if math.isinf(left) else left)
            count = min(len(self._waiting), BATCH_EVENTS)
            if count == len(self._waiting):
                self._begin = math.inf
            return [self._waiting.popleft() for _ in range(count)]

    def _write(self, jobs: Sequence[_Job]) -> None:
        rows: list[tuple[_Job, store_inbox.NewRow]] = []
        persons: list[tuple[_Job, _Person]] = []
        for job in jobs:
            if not job.future.done():  # Else who wanted it has given up.
                if isinstance(job.work, _Person):
                    persons.append((job, job.work))
                else:
                    rows.append((job, job.work))
        _answer([*self._take_in(rows), *self._refer(persons)])

    def _take_in(self, jobs: Sequence[tuple[_Job, store_inbox.NewRow]]) -> list[_Answer]:
        """Put events on disk and return the answers."""
        rows = [row for _, row in jobs]
        started = time.monotonic()
        faults.reach("inbox.taken")
        try:
            count = store_inbox.insert_rows(self._store, rows)
            # Hardly ever is one on record already, or twice among these.
            known = self._known(rows) if count < len(rows) else None
        except (StoreError, RepeatedKey) as error:
            if time.monotonic() - started > SLOW_SECONDS:
                self._away_until = time.monotonic() + self._away_seconds
            return _refused(jobs, error)
        faults.reach("inbox.written")
        if count:
            self._tell([row.id for row in rows])
        return [(job, _result(row, known)) for job, row in jobs]

    def _known(self, rows: Sequence[store_inbox.NewRow]) -> dict[str, bytes]:
        with self._store.read() as transaction:
            return store_inbox.fingerprints(transaction, [row.id for row in rows])

    def _refer(self, jobs: Sequence[tuple[_Job, _Person]]) -> list[_Answer]:
        """Return the references as answers, their salts on disk."""
        if not jobs:
            return []
        try:
            with self._store.write() as transaction:
                return [
                    (
                        job,
                        store_subject.reference(
                            transaction,
                            self._subject_key,
                            work.company,
                            work.person,
                            self._random_bytes(store_subject.SALT_SIZE_BYTES),
                        ),
                    )
                    for job, work in jobs
                ]
        except (StoreError, RepeatedKey) as error:
            return _refused(jobs, error)

    # ------------------------------------------------------- the publisher thread

    def _tell(self, ids: Sequence[str]) -> None:
        """Have the publisher announce these."""
        if self._announce is None:
            return
        try:
            self._announcements.put_nowait(ids)
        except queue.Full:
            _log.info("inbox: %d events left to the sweeper", len(ids))

    def _publish_loop(self) -> None:
        while (ids := self._announcements.get()) is not None:
            faults.reach("inbox.answered")
            if self._announce:
                self._announce(ids)
            faults.reach("inbox.announced")


def _refused(jobs: Sequence[tuple[_Job, _Work]], error: Exception) -> list[_Answer]:
    _log.warning("inbox: %d events refused: %s", len(jobs), error)
    return [(job, InboxUnavailable("store", str(error))) for job, _ in jobs]


def _result(row: store_inbox.NewRow, known: Mapping[str, bytes] | None) -> _Result:
    """Return the answer for an event; `known` is what is on record, `None` where all are new."""
    if known is None or known.get(row.id) == row.fingerprint:
        return None
    if row.id in known:
        return EventConflict(row.id)
    return InboxUnavailable("store", "the file was replaced meanwhile")


def _answer(results: Sequence[tuple[_Job, _Result]]) -> None:
    """Resolve the futures, each in its own loop, with one wake-up per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, _Result]]] = {}
    for job, result in results:
        by_loop.setdefault(job.loop, []).append((job, result))
    for loop, own in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, own)
        except RuntimeError:
            _log.info("inbox: %d answers had no one left to hear them", len(own))


def _resolve(results: Sequence[tuple[_Job, _Result]]) -> None:
    for job, result in results:
        if job.future.done():
            continue  # The caller gave up.
        if isinstance(result, InboxError):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
