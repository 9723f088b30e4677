"""What time makes due: the day in Japan, its checkpoint, mails, statements; holds; deletions."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger import store_log
from ledger.apply import Applier
from ledger.checkpoint import Checkpointer
from ledger.events import INSTALLATION as INSTALLATION_LOG
from ledger.events import Event, EventType, parse
from ledger.jobs import Jobs, Kind
from ledger.statement_store import issue_due
from ledger.store import Store
from ledger.timetable import ISSUE_STATEMENT, MAIL_CHECKPOINT, Timetable
from tests.ledger.parts import INSTALLATION, KEY, POLICIES, letters_and_signups, store_in, submit

# 23:59 in Japan on 30 April.
EVENING = datetime(2026, 4, 30, 14, 59, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class World:
    """A store, a clock, and who gets the checkpoints."""

    store: Store
    folder: Path
    now: datetime = EVENING
    auditors: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def clock(self) -> datetime:
        """Return the time."""
        return self.now

    def applier(self) -> Applier:
        """Return an applier."""
        return Applier(self.store, POLICIES, clock=self.clock)

    def jobs(self) -> Jobs:
        """Return the jobs."""
        return Jobs(self.store, self.clock)

    def timetable(self) -> Timetable:
        """Return the timetable of a worker that has just started."""
        checkpointer = Checkpointer(
            self.store, KEY, installation=INSTALLATION, directory=self.folder, clock=self.clock
        )
        return Timetable(
            self.store,
            self.jobs(),
            self.applier(),
            checkpointer,
            self.clock,
            auditors=lambda log: self.auditors.get(log, ()),
            statements=lambda now: issue_due(self.store, POLICIES, now),
        )

    def log(self, name: str) -> list[Event]:
        """Apply what is pending and return a log."""
        self.applier().apply_all()
        with self.store.read() as transaction:
            return [
                parse(row.body) for rows in store_log.entries(transaction, name) for row in rows
            ]

    def run(self, timetable: Timetable, kind: str) -> int:
        """Run the due jobs of a kind that the timetable itself does; return how many."""
        jobs, count = self.jobs(), 0
        jobs.kinds[kind] = Kind(timetable.issue, 3600)
        for job_id in jobs.due():
            if job_id.startswith(f"{kind}:"):
                count += jobs.run(job_id)
        return count


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world with a company that has a slot."""
    made = World(store_in(tmp_path), tmp_path)
    submit(made.store, letters_and_signups(10))
    made.applier().apply_all()
    yield made
    made.store.close()


def signed(world: World) -> list[tuple[str, str]]:
    """Return log and day of the checkpoints that the installation's log vouches for."""
    return [
        (str(event.data["log"]), event.id.rpartition("/")[2])
        for event in world.log(INSTALLATION_LOG)
        if event.type is EventType.CHECKPOINT_SIGNED
    ]


def test_a_day_begins_once_at_midnight_in_japan(world: World) -> None:
    """However often and by however many workers it is asked for."""
    timetable = world.timetable()
    timetable.tick()
    assert signed(world) == [("aozora", "2026-04-30")]
    for _ in range(3):
        timetable.tick()
    world.timetable().tick()
    assert ("aozora", "2026-05-01") not in signed(world)
    world.now += MINUTE
    for each in (timetable, world.timetable()):
        each.tick()
        each.tick()
    assert [day for log, day in signed(world) if log == "aozora"] == ["2026-04-30", "2026-05-01"]


def test_a_clock_that_is_set_back_begins_no_day_again(world: World) -> None:
    """The day is on record; the next one comes when it comes."""
    world.now += MINUTE
    timetable = world.timetable()
    timetable.tick()
    before = signed(world)
    world.now -= timedelta(minutes=5)
    timetable.tick()
    world.now += timedelta(minutes=5)
    timetable.tick()
    days = [day for log, day in signed(world) if log == "aozora"]
    assert days.count("2026-05-01") == 1
    assert before[0] in signed(world)


def test_each_auditor_gets_a_mail_a_day(world: World) -> None:
    """One job for each, which does not name them."""
    world.auditors = {"aozora": ("one@audit.example", "two@audit.example")}
    for _ in range(2):
        world.timetable().tick()
    mails = [job for job in world.jobs().due() if job.startswith(MAIL_CHECKPOINT)]
    assert len(mails) == 2
    assert not [job for job in mails if "example" in job]


def test_the_month_is_stated_when_it_is_over(world: World) -> None:
    """In April nothing is issued; on the first of May the statement of April is, once."""
    timetable = world.timetable()
    timetable.tick()
    assert world.run(timetable, ISSUE_STATEMENT) == 1
    issued = [e for e in world.log("aozora") if e.type is EventType.STATEMENT_ISSUED]
    assert issued == []
    world.now += MINUTE
    for _ in range(2):
        timetable = world.timetable()
        timetable.tick()
        world.run(timetable, ISSUE_STATEMENT)
    issued = [e for e in world.log("aozora") if e.type is EventType.STATEMENT_ISSUED]
    assert [event.data["month"] for event in issued] == ["2026-04"]


def test_missed_months_are_stated_one_after_the_other(world: World) -> None:
    """A worker that was off for three months catches up at once."""
    world.now += timedelta(days=95)
    timetable = world.timetable()
    timetable.tick()
    assert world.run(timetable, ISSUE_STATEMENT) == 1
    issued = [e for e in world.log("aozora") if e.type is EventType.STATEMENT_ISSUED]
    assert [event.data["month"] for event in issued] == ["2026-04", "2026-05", "2026-06", "2026-07"]
