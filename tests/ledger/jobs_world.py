"""A store with jobs, a clock that is set, and what runs them: for tests of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ledger import store_jobs
from ledger.jobs import JobFailed, Jobs, Kind
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob
from tests.ledger.parts import NOW


@dataclass(slots=True)
class World:
    """A store with its jobs, and a clock that a test moves."""

    store: Store
    now: datetime = NOW
    done: list[str] = field(default_factory=list[str])
    fails: JobFailed | None = None

    def jobs(self, give_up_seconds: int = 7200) -> Jobs:
        """Return jobs of the kind `test`, which run as told."""
        jobs = Jobs(self.store, lambda: self.now)
        jobs.kinds["test"] = Kind(self._run, give_up_seconds)
        return jobs

    def row(self, job_id: str) -> JobRow:
        """Return a job as it is kept."""
        with self.store.read() as transaction:
            found = store_jobs.find(transaction, job_id)
        assert found
        return found

    def _run(self, row: JobRow) -> None:
        if self.fails:
            raise self.fails
        self.done.append(row.id)


def job(number: int, kind: str = "test") -> NewJob:
    """Return a job."""
    return NewJob(f"test:{number}", kind, {"number": number})
