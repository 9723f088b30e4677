"""What waits for a writing thread, and how it is answered, in the event loop it came from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ledger.events import Event, encode, fingerprint
from ledger.inbox_errors import EventConflict, InboxUnavailable
from ledger.store_inbox import NewRow

# Makes an event, and what was seen of it: the same ones each time. It waits for nothing.
Make = Callable[[], tuple[Event, bytes]]

_log: Final = logging.getLogger(__name__)


class Person(NamedTuple):
    """The wish for a person's reference in a company's log."""

    company: str
    person: str


class Making(NamedTuple):
    """An event that is made when it is written."""

    make: Make
    received_ms: int


Work = NewRow | Making | Person
Result = str | Exception | None
W = TypeVar("W")


@dataclass(slots=True)
class Job(Generic[W]):
    """Work for a writer, the future of the loop that waits for it, and its deadline's timer."""

    work: W
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[str | None]
    timer: asyncio.TimerHandle | None = None  # Touched by the loop alone.


Answer = tuple[Job[Any], Result]


def row_of(event: Event, received_ms: int, detail: bytes) -> NewRow:
    """Return the event as it is put on record."""
    body, digest = encode(event), fingerprint(event)
    return NewRow(event.id, event.company, body, digest, received_ms, detail)


def made(work: NewRow | Making) -> NewRow:
    """Return the event as it is put on record; raises what its making does."""
    if isinstance(work, NewRow):
        return work
    event, detail = work.make()
    return row_of(event, work.received_ms, detail)


def refused(jobs: Sequence[Job[Any]], error: Exception) -> list[Answer]:
    """Return the answers to jobs that the store did not take."""
    _log.warning("inbox: %d events refused: %s", len(jobs), error)
    return [(job, InboxUnavailable("store", str(error))) for job in jobs]


def result(row: NewRow, known: Mapping[str, bytes] | None) -> Result:
    """Return the answer for an event; `known` is what is on record, `None` where all are new."""
    if known is None or known.get(row.id) == row.fingerprint:
        return None
    if row.id in known:
        return EventConflict(row.id)
    return InboxUnavailable("store", "the file was replaced meanwhile")


def answer(results: Sequence[Answer]) -> None:
    """Resolve the futures, each in its own loop, with one wake-up per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for job, found in results:
        by_loop.setdefault(job.loop, []).append((job, found))
    for loop, own in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, own)
        except RuntimeError:
            _log.info("inbox: %d answers had no one left to hear them", len(own))


def _resolve(results: Sequence[Answer]) -> None:
    for job, found in results:
        if job.timer:
            job.timer.cancel()
        if job.future.done():
            continue  # The caller gave up.
        if isinstance(found, Exception):
            job.future.set_exception(found)
        else:
            job.future.set_result(found)
