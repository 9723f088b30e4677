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
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger import faults, store_inbox, store_subject
from ledger.events import DERIVED_ONLY, Event, EventError, EventType
from ledger.inbox_errors import EventConflict, InboxError, InboxUnavailable
from ledger.inbox_jobs import (
    Answer,
    Job,
    Make,
    Making,
    Person,
    Work,
    answer,
    made,
    refused,
    result,
    row_of,
)
from ledger.keeper import Keeper, TakeKept
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
        self._waiting: deque[Job[Work]] = deque()
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
        row = row_of(event, self._now_ms(), detail)
        if event.type not in KEEPABLE:
            await self._hand_over(row, company_seconds, deadline_seconds)
            return Place.STORE
        return await self._store_or_keep(row, company_seconds, deadline_seconds, keeping_seconds)

    async def submit_made(
        self, make: Make, *, deadline_seconds: float, keeping_seconds: float
    ) -> Place:
        """Return when the event that `make` returns is on disk, as `submit` does; of `KEEPABLE`.

        It is made in the writer's thread: many in a row take a fraction of the time that each one
        takes between a server's answers. Raises what `submit` and `make` raise.
        """
        work = Making(make, self._now_ms())
        return await self._store_or_keep(work, 0.0, deadline_seconds, keeping_seconds)

    async def _store_or_keep(
        self,
        work: store_inbox.NewRow | Making,
        company_seconds: float,
        deadline_seconds: float | None,
        keeping_seconds: float | None,
    ) -> Place:
        keeper = self._keeper
        if keeper and keeper.is_waiting:
            await keeper.keep_event(made(work), keeping_seconds)  # Behind those that wait already.
            return Place.SPILL
        try:
            await self._hand_over(work, company_seconds, deadline_seconds)
        except InboxUnavailable as error:
            if keeper is None or error.reason == "closed":
                raise
            await keeper.keep_event(made(work), keeping_seconds)
            return Place.SPILL
        return Place.STORE

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)

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
        found = await self._hand_over(Person(company, person))
        return found or ""

    def _hand_over(
        self, work: Work, company_seconds: float = 0.0, deadline_seconds: float | None = None
    ) -> asyncio.Future[str | None]:
        """Have the writer do it; return what ends with its answer, or after the deadline."""
        deadline = deadline_seconds or self._deadline_seconds
        loop = asyncio.get_running_loop()
        job = Job[Work](work, loop, loop.create_future())
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
                loop.call_soon(self._wake)  # What comes in the same turn shares its commit.
        job.timer = loop.call_later(deadline, self._give_up, job, deadline)
        return job.future

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _give_up(self, job: Job[Work], deadline: float) -> None:
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
            answer([(job, InboxUnavailable("closed")) for job in left])

    def _take(self) -> list[Job[Work]]:
        """Return the jobs of the next transaction; none when the inbox is closed and empty."""
        with self._condition:
            while self._open and (left := self._begin - time.monotonic()) > 0:
                self._condition.wait(None if math.isinf(left) else left)
            count = min(len(self._waiting), BATCH_EVENTS)
            if count == len(self._waiting):
                self._begin = math.inf
            return [self._waiting.popleft() for _ in range(count)]

    def _write(self, jobs: Sequence[Job[Work]]) -> None:
        rows: list[tuple[Job[Work], store_inbox.NewRow]] = []
        persons: list[tuple[Job[Work], Person]] = []
        failed: list[Answer] = []
        for job in jobs:
            if job.future.done():
                continue  # Who wanted it has given up.
            if isinstance(job.work, Person):
                persons.append((job, job.work))
                continue
            try:
                rows.append((job, made(job.work)))
            except Exception as error:
                failed.append((job, error))  # A bug in one costs the others nothing.
        try:
            done = [*self._take_in(rows), *self._refer(persons)]
        except Exception as error:
            # A bug. Mail and clicks that come later need this thread; its text may be personal.
            _log.error("inbox: %d events refused by a bug: %s", len(jobs), type(error).__name__)
            unable = InboxUnavailable("store", type(error).__name__)
            done = [(job, unable) for job, _ in (*rows, *persons)]
        answer([*failed, *done])

    def _take_in(self, jobs: Sequence[tuple[Job[Work], store_inbox.NewRow]]) -> list[Answer]:
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
            return refused([job for job, _ in jobs], error)
        faults.reach("inbox.written")
        if count:
            self._tell([row.id for row in rows])
        return [(job, result(row, known)) for job, row in jobs]

    def _known(self, rows: Sequence[store_inbox.NewRow]) -> dict[str, bytes]:
        with self._store.read() as transaction:
            return store_inbox.fingerprints(transaction, [row.id for row in rows])

    def _refer(self, jobs: Sequence[tuple[Job[Work], Person]]) -> list[Answer]:
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
            return refused([job for job, _ in jobs], error)

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
