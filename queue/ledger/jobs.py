"""Jobs: what is done once besides applying events, tried again until it works or is given up.

The row is the truth; a broker only says that there is one. Whoever runs a job claims it first, for
as long as its kind may take; a process that is killed in between loses the claim when that time is
over, and the job is run again. So a job may be done twice after a kill, never not at all: mail and
webhooks carry an id by which the receiver tells.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger import faults, store_jobs
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob

# TRAPS: RabbitMQ takes messages back from a consumer after 30 minutes, and dramatiq's delayed ones
# sit in the worker's memory: nothing waits longer than this between two tries.
RETRY_MAX_MS: Final = store_jobs.PUT_OFF_MAX_MS
RETRY_FIRST_MS: Final = 1_000
# Up to a fifth less, so that a hundred jobs that failed together do not come back together.
JITTER: Final = 0.2

# Longer than any of them may take: mail and webhooks have limits of a minute and less.
CLAIM_SECONDS: Final = 120
# A job of a kind that is not known here may be known to a newer process that is about to start.
UNKNOWN_GIVE_UP_SECONDS: Final = 24 * 3600
# Jobs that one look finds; the next look is a second later.
DUE_MAX: Final = 100

_log: Final = logging.getLogger(__name__)


class JobFailed(Exception):
    """The job could not be done; `is_final` says that trying again is of no use."""

    def __init__(self, what: str, *, is_final: bool = False) -> None:
        super().__init__(what)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of a kind are run, and for how long they are tried."""

    run: Callable[[JobRow], None]
    give_up_seconds: int


class Jobs:
    """The jobs of a store. Thread-safe; any number of processes may run them."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, claim_seconds: int = CLAIM_SECONDS
    ) -> None:
        self._store = store
        self._clock = clock
        self._claim_ms = claim_seconds * 1000
        # Both set before the first job is added: the kinds, and who tells the workers of a new one.
        self.kinds: dict[str, Kind] = {}
        self.announce: Callable[[str, str], None] = lambda _kind, _job_id: None

    def add(self, *jobs: NewJob) -> int:
        """Put jobs on record, due now, and announce them; return how many are new."""
        count = store_jobs.add_jobs(self._store, jobs, self._now_ms())
        for one in jobs if count else ():
            self.announce(one.kind, one.id)
        return count

    def due(self, late_seconds: float = 0) -> list[str]:
        """Return the ids of the jobs that have been due for so long."""
        with self._store.read() as transaction:
            return store_jobs.due(transaction, self._now_ms() - int(late_seconds * 1000), DUE_MAX)

    def run(self, job_id: str) -> bool:
        """Run a job if it is due and nobody has it; tell whether it was run."""
        now_ms = self._now_ms()
        with self._store.write() as transaction:
            row = store_jobs.claim(transaction, job_id, now_ms, now_ms + self._claim_ms)
        if row is None:
            return False
        faults.reach("job.claimed")
        kind = self.kinds.get(row.kind)
        try:
            if kind is None:
                raise JobFailed(f"no such kind of job here: {row.kind}")
            kind.run(row)
        except Exception as error:
            # Everything: a bug in one job must not stop the others, nor be lost.
            self._failed(row, kind, error)
            return True
        faults.reach("job.done")
        with self._store.write() as transaction:
            store_jobs.finish(transaction, job_id, self._now_ms())
        _log.info("job %s done", job_id)
        return True

    def _failed(self, row: JobRow, kind: Kind | None, error: Exception) -> None:
        now_ms = self._now_ms()
        give_up_seconds = kind.give_up_seconds if kind else UNKNOWN_GIVE_UP_SECONDS
        is_final = isinstance(error, JobFailed) and error.is_final
        retry_ms = None if is_final else now_ms + _delay_ms(row.failures)
        if retry_ms is not None and retry_ms > row.created_ms + give_up_seconds * 1000:
            retry_ms = None
        with self._store.write() as transaction:
            store_jobs.fail(transaction, row, _shown(error), retry_ms=retry_ms)
        log = _log.error if retry_ms is None else _log.warning
        again = "given up" if retry_ms is None else f"again in {(retry_ms - now_ms) / 1000:.0f} s"
        log("job %s failed, %s: %s", row.id, again, _shown(error))

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def _delay_ms(failures: int) -> int:
    # The shift is bounded, since the count of failures is not.
    delay = min(RETRY_FIRST_MS << min(failures, 20), RETRY_MAX_MS)
    return int(delay * random.uniform(1 - JITTER, 1))  # noqa: S311 (spreads load, no secret)


def _shown(error: Exception) -> str:
    """Return the error without what may be personal: only our own say more than their kind."""
    return str(error) if isinstance(error, JobFailed) else type(error).__name__
