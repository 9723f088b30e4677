"""What the ledger's tests share: a real store, real inbox, real worker, invented happenings."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.apply import Applier
from ledger.broker import EMBEDDED
from ledger.checkpoint import Checkpointer, LogKey
from ledger.clickevents import link_clicked
from ledger.events import Event, letter_delivered, link_issued, signup_verified
from ledger.inbox import Announce, Inbox
from ledger.jobs import Jobs
from ledger.policies import read_policies
from ledger.store import Store
from ledger.worker import Queue, Worker

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
POLICIES = read_policies()
KEY = LogKey(bytes(range(32)))
INSTALLATION = "r.example.jp"
PROJECT = Path(__file__).parents[2]
PROCESSES = 4
SUBJECT_KEY = bytes(range(32, 64))


def clock() -> datetime:
    """The time, which stands still."""
    return NOW


def store_in(folder: Path) -> Store:
    """Return a store on a file in the folder."""
    return Store(f"sqlite:///{folder}/careerrelay.db")


def link(number: int) -> str:
    """Return a link id."""
    return f"link{number:012d}"


def person(number: int) -> str:
    """Return a person's reference."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "h:" + "".join(letters[number >> 5 * place & 31] for place in range(26))


def issue(number: int, company: str = "aozora", time: datetime = NOW) -> Event:
    """Return the event of a letter getting its link."""
    return link_issued(
        company, link(number), time, language="ja", stage="一次", position="エンジニア"
    )


def delivery(number: int, company: str = "aozora", code: int = 250) -> Event:
    """Return the event of a letter being taken by the next hop."""
    return letter_delivered(company, link(number), NOW, code)


def click(number: int, company: str = "aozora") -> Event:
    """Return the event of the first click on a link."""
    name = f"click{number:08d}"
    return link_clicked(company, link(number), NOW, click_id=name, click_class="human")


def signup(
    number: int,
    company: str = "aozora",
    *,
    of_link: int | None = None,
    of_person: int | None = None,
    days: int = 0,
    minutes: int = 0,
    flags: str = "",
) -> Event:
    """Return the event of a confirmed registration, by default one person's by one link."""
    return signup_verified(
        company,
        link(number if of_link is None else of_link),
        NOW + timedelta(days=days, minutes=minutes),
        signup_id=f"signup-{number}",
        person_ref=person(number if of_person is None else of_person),
        verification="email",
        consent_version="2026-01",
        body_digest="",
        flags=flags,
    )


def letters_and_signups(count: int, company: str = "aozora", start: int = 0) -> list[Event]:
    """Return letters with their registrations, one after the other."""
    numbers = range(start, start + count)
    return [event for n in numbers for event in (issue(n, company), signup(n, company))]


def inbox_on(store: Store, announce: Announce | None = None, at: datetime = NOW) -> Inbox:
    """Return an inbox that is not started."""
    return Inbox(
        store,
        subject_key=SUBJECT_KEY,
        clock=lambda: at,
        random_bytes=os.urandom,
        announce=announce,
    )


def submit(
    store: Store, events: Iterable[Event], announce: Announce | None = None, at: datetime = NOW
) -> None:
    """Submit the events in order through an inbox of their own."""

    async def run() -> None:
        inbox = inbox_on(store, announce, at)
        inbox.start()
        try:
            for event in events:
                await inbox.submit(event)
        finally:
            await asyncio.to_thread(inbox.close)

    asyncio.run(run())


def deliver(store: Store, event: Event, times: int, at_once: int) -> None:
    """Submit an event many times, many of these at the same time."""

    async def run() -> None:
        inbox = inbox_on(store)
        inbox.start()
        try:
            for _ in range(times // at_once):
                await asyncio.gather(*(inbox.submit(event) for _ in range(at_once)))
        finally:
            await asyncio.to_thread(inbox.close)

    asyncio.run(run())


def run_together(code: str, url: str) -> list[str]:
    """Run the code in several processes at once and return what they printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True, cwd=PROJECT
        )
        for _ in range(PROCESSES)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return outputs


def applier_on(store: Store) -> Applier:
    """Return an applier."""
    return Applier(store, POLICIES, clock=clock)


def checkpointer_on(store: Store, folder: Path) -> Checkpointer:
    """Return a checkpointer that publishes in the folder."""
    return Checkpointer(store, KEY, installation=INSTALLATION, directory=folder, clock=clock)


def record(store: Store, folder: Path, events: Sequence[Event]) -> None:
    """Submit, apply and sign the events."""
    submit(store, events)
    applier_on(store).apply_all()
    checkpointer_on(store, folder).sign_due(at_once=True)


@contextmanager
def working(store: Store, folder: Path, broker: str = EMBEDDED) -> Generator[Worker]:
    """Run a worker."""
    worker = Worker(
        Queue(broker), applier_on(store), checkpointer_on(store, folder), Jobs(store, clock)
    )
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


Steps = Callable[[Inbox], Awaitable[None]]


def run(store: Store, steps: Steps, **settings: Any) -> None:
    """Run the steps with an inbox that is open meanwhile."""

    async def whole() -> None:
        inbox = Inbox(
            store, subject_key=SUBJECT_KEY, clock=clock, random_bytes=os.urandom, **settings
        )
        inbox.start()
        try:
            await steps(inbox)
        finally:
            await asyncio.to_thread(inbox.close)

    asyncio.run(whole())
    store.close()


def rows(path: Path) -> list[tuple[str, bytes]]:
    """Return the inbox as another program sees it."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT id, body FROM inbox ORDER BY seq").fetchall()
    connection.close()
    return found
