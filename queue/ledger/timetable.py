"""What time makes due: checkpoints and their mail, statements, ends of holds, clicks, deletions.

The day begins at midnight in Japan. What it asks for is done once, whoever does it and however
often, because every event and job has an id made of what it is about; a worker that was off at
midnight does it when it starts. A clock that is set back finds it done.
"""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from ledger import store_log
from ledger.apply import Applier
from ledger.attribution import ATTRIBUTION_DAYS
from ledger.checkpoint import Checkpointer
from ledger.checkpointmail import digest_of
from ledger.events import Event, EventType, installation_event
from ledger.inbox_errors import EventConflict
from ledger.jobs import Jobs
from ledger.reclassify import Reclassifier
from ledger.report import report, report_new
from ledger.retention import purge
from ledger.steward import Steward
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob

JAPAN: Final = timezone(timedelta(hours=9), "JST")  # Without summer time since 1951.

# Ends of holds and of slots are days and weeks away; a minute more is nothing.
STEWARD_EVERY: Final = timedelta(minutes=1)

# Stretches of clicks that are looked at in one go; after a long rest the rest follows.
STRETCHES_MAX: Final = 20

ISSUE_STATEMENT: Final = "issue_statement"
MAIL_CHECKPOINT: Final = "mail_checkpoint"

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

_log: Final = logging.getLogger(__name__)


class Timetable:
    """Asks for what is due; `tick` is for one thread."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        applier: Applier,
        checkpointer: Checkpointer,
        clock: Callable[[], datetime],
        *,
        auditors: Callable[[str], Sequence[str]],
        statements: Callable[[datetime], Sequence[Event]],
        attribution_days: int = ATTRIBUTION_DAYS,
    ) -> None:
        """`auditors` gives the addresses that a log's checkpoint is mailed to, `statements` the
        events of those statements that are due. See `ledger.attribution` for the days.
        """
        self._store = store
        self._jobs = jobs
        self._applier = applier
        self._checkpointer = checkpointer
        self._clock = clock
        self._auditors = auditors
        self._statements = statements
        self._steward = Steward(store)
        self._reclassifier = Reclassifier(store, attribution_days)
        self._looked = _BEGINNING
        self._day: date | None = None

    def tick(self) -> None:
        """Do what is due; raises `LedgerError`, and then does it again with the next call."""
        now = self._clock()
        if not timedelta(0) <= now - self._looked < STEWARD_EVERY:
            report(self._store, self._steward.due(now), now)
            self._look_at_clicks(now)
            self._looked = now
        day = now.astimezone(JAPAN).date()
        if day != self._day:
            self._begin(day, now)
            self._day = day

    def issue(self, _row: JobRow) -> None:
        """Issue the statements of the months that are over: the job. Raises `LedgerError`.

        Each begins where the one before ended, so they come one after the other.
        """
        now = self._clock()
        self._applier.apply_all()  # What came in before the month's end is in the log.
        while due := self._statements(now):
            if not sum(report_new(self._store, event, now) for event in due):
                return  # Another process was faster.
            self._applier.apply_all()

    def _begin(self, day: date, now: datetime) -> None:
        self._checkpointer.sign_due(at_once=True)
        self._jobs.add(NewJob(f"{ISSUE_STATEMENT}:{day}", ISSUE_STATEMENT, {}))
        for log, newest in self._newest().items():
            report_new(self._store, _signed(log, newest, day, now), now)
            for address in self._auditors(log):
                # By a digest: rows and broker name nobody.
                name = digest_of(address)
                payload: dict[str, str | int] = {"log": log, "day": str(day), "auditor": name}
                job = f"{MAIL_CHECKPOINT}:{log}/{day}/{name}"
                self._jobs.add(NewJob(job, MAIL_CHECKPOINT, payload))
        counts = purge(self._store, now)
        _log.info("day %s has begun; deleted: %s", day, counts)

    def _look_at_clicks(self, now: datetime) -> None:
        for _ in range(STRETCHES_MAX):
            due = self._reclassifier.due(now)
            if not due:
                return
            # Another process may have seen more, or less: what it said first stands.
            with contextlib.suppress(EventConflict):
                report(self._store, due, now)

    def _newest(self) -> dict[str, store_log.CheckpointRow]:
        with self._store.read() as transaction:
            found = {
                log: store_log.newest_checkpoint(transaction, log)
                for log in store_log.names(transaction)
            }
        return {log: row for log, row in found.items() if row is not None}


def _signed(log: str, row: store_log.CheckpointRow, day: date, now: datetime) -> Event:
    """Return the event by which the installation's log vouches for the others."""
    data: dict[str, str | int] = {
        "log": log,
        "size": row.size,
        "root": base64.b64encode(row.root).decode(),
    }
    kind = EventType.CHECKPOINT_SIGNED
    return installation_event(kind, now, event_id=f"{log}/{day}", subject=f"log:{log}", data=data)
