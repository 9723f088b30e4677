"""How many events a second become durable, and are applied to log and ledger, on this machine.

    python bench/record.py [--events 20000] [--clients 64]

"flush alone" is the same disk's rate of one-row commits, one after the other: what an inbox
without group commit could do at best. The ratio beside it is what group commit gains.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from ledger.apply import Applier, read_policies
from ledger.checkpoint import LogKey
from ledger.events import Event, link_clicked, link_issued, signup_verified
from ledger.inbox import Announce, Inbox
from ledger.store import Store
from ledger.worker import EmbeddedWorker

START = datetime(2026, 4, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        flushes = flush_rate(Store(f"sqlite:///{directory}/flush.db"))
        store = Store(f"sqlite:///{Path(directory, 'bench.db')}")
        events = make_events(arguments.events)
        took, waits = asyncio.run(submit_all(store, events, arguments.clients))
        rate = len(events) / took
        waits.sort()
        print(f"flush alone       {flushes:10,.0f}/s")
        print(f"submitted durable {rate:10,.0f}/s   {rate / flushes:.1f} x flush alone")
        p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        print(f"  one submit      p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms")
        applier = Applier(store, read_policies(), clock=lambda: datetime.now(UTC))
        started = time.perf_counter()
        count = applier.apply_all()
        applied = count / (time.perf_counter() - started)
        print(f"applied           {applied:10,.0f}/s   {applied / rate:.2f} x submitted")
        store.close()
        beside = Store(f"sqlite:///{Path(directory, 'beside.db')}")
        waits = beside_worker(beside, make_events(arguments.events // 4), Path(directory))
        waits.sort()
        p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        print(f"beside a worker   p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms (4 clients)")
        beside.close()


def beside_worker(store: Store, events: list[Event], directory: Path) -> list[float]:
    """Return how long each submit takes while a worker of this process applies them."""
    worker = EmbeddedWorker(
        store,
        policies=read_policies(),
        log_key=LogKey(bytes(32)),
        installation="bench",
        directory=directory,
        clock=lambda: datetime.now(UTC),
    )
    worker.start()
    _, waits = asyncio.run(submit_all(store, events, 4, worker.announce))
    worker.stop()
    return waits


def make_events(count: int) -> list[Event]:
    """Return what letters bring about: of 20 events 16 links, 3 clicks and 1 signup."""
    events: list[Event] = []
    for number in range(count):
        company, link = f"company{number // 20 % 5}", f"link{number - number % 20 // 16 * 4:012d}"
        if number % 20 == 19:
            event = signup_verified(
                company,
                link,
                START,
                signup_id=f"signup-{number}",
                person_ref="h:" + base32(number),
                verification="email",
                consent_version="2026-01",
                body_digest="",
            )
        elif number % 20 >= 16:
            click = f"click{number}"
            event = link_clicked(company, link, START, click_id=click, click_class="human")
        else:
            event = link_issued(
                company, f"link{number:012d}", START, language="ja", stage="一次", position="技術"
            )
        events.append(event)
    return events


def base32(number: int) -> str:
    """Return the number as 26 base32 characters."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(letters[number >> 5 * place & 31] for place in range(26))


async def submit_all(
    store: Store, events: list[Event], clients: int, announce: Announce | None = None
) -> tuple[float, list[float]]:
    """Return how long it took to submit everything, and how long each submit took."""
    inbox = Inbox(
        store,
        subject_key=bytes(32),
        clock=lambda: datetime.now(UTC),
        random_bytes=os.urandom,
        announce=announce,
    )
    inbox.start()
    await inbox.submit(link_issued("x", "warm", START, language="", stage="", position=""))
    waits: list[float] = []

    async def client(own: list[Event]) -> None:
        for event in own:
            before = time.perf_counter()
            await inbox.submit(event)
            waits.append(time.perf_counter() - before)

    started = time.perf_counter()
    await asyncio.gather(*(client(events[number::clients]) for number in range(clients)))
    took = time.perf_counter() - started
    await asyncio.to_thread(inbox.close)
    return took, waits


def flush_rate(store: Store, count: int = 200) -> float:
    """Return how many one-row commits a second the disk allows."""
    with store.write() as transaction:
        transaction.execute(text("CREATE TABLE flush (number INTEGER)"))
    started = time.perf_counter()
    for number in range(count):
        with store.write() as transaction:
            transaction.execute(text("INSERT INTO flush VALUES (:number)"), {"number": number})
    rate = count / (time.perf_counter() - started)
    store.close()
    return rate


if __name__ == "__main__":
    main()
