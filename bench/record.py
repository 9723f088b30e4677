"""What the record costs on this machine, on SQLite and PostgreSQL, beside what a plain loop costs.

    python bench/record.py [--quick] [--only sqlite|postgres] [--postgres URL-without-database]

Each store: 200 callers submit at once (p50, p99 of an answer, which means: on disk); what they
submitted is applied in batches into log and ledger; and again from 10,000 to 1,000,000 entries,
for the cost of one more event. Then a proof, and the audit of all of it. Beside them, in the same
run: one-row commits one after the other, a loop that inserts the same rows a hundred to a commit
with nothing else, and dramatiq's own rate of messages that do nothing. `--quick` stops at 100,000.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import secrets
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import dramatiq
import psycopg
from dramatiq.brokers.stub import StubBroker
from psycopg import sql
from sqlalchemy import text

from ledger import store_inbox, store_log
from ledger.apply import BATCH_EVENTS, Applier
from ledger.audit import verify
from ledger.checkpoint import Checkpointer, LogKey
from ledger.clickevents import link_clicked
from ledger.events import (
    Event,
    letter_delivered,
    link_issued,
    signup_verified,
)
from ledger.inbox import Inbox
from ledger.inbox_jobs import row_of
from ledger.policies import read_policies
from ledger.proofs import prove_inclusion
from ledger.store import Store

START = datetime(2026, 4, 1, tzinfo=UTC)
KEY = LogKey(bytes(32))
INSTALLATION = "bench"
CALLERS = 200
SUBMITTED = 20_000
TEN_THOUSAND, MILLION = 10_000, 1_000_000
PROOFS = 500
NOOPS = 20_000
# Rows put into the inbox at once while a log is grown; what is measured is applying them.
FILL = 5_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--postgres", default="root@127.0.0.1:5432")
    arguments = parser.parse_args()
    top = MILLION // 10 if arguments.quick else MILLION
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "postgres":
            measure("SQLite", f"sqlite:///{folder}/bench.db", Path(folder), top)
        if arguments.only != "sqlite":
            with postgres_database(arguments.postgres) as url:
                place = Path(folder, "postgres")
                place.mkdir()
                measure("PostgreSQL", url, place, top)
    print(f"dramatiq no-op    {noop_rate():10,.0f}/s")


@contextmanager
def postgres_database(server: str) -> Generator[str]:
    """Make a database and yield its URL."""
    name = sql.Identifier(f"careerrelay_bench_{secrets.token_hex(4)}")
    with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
    try:
        yield f"postgresql+psycopg://{server}/{name.as_string().strip(chr(34))}"
    finally:
        with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def measure(title: str, url: str, folder: Path, top: int) -> None:
    """Measure one store."""
    print(f"\n{title}")
    store = Store(url)
    flushes, plain = flush_rate(store), insert_rate(store)
    print(f"one row a commit  {flushes:10,.0f}/s")
    print(f"plain insert loop {plain:10,.0f}/s   {BATCH_EVENTS} to a commit, nothing else")
    events = make_events()
    took, waits = asyncio.run(submit_all(store, list(islice(events, SUBMITTED)), CALLERS))
    rate = SUBMITTED / took
    waits.sort()
    p50, p99 = (waits[len(waits) * share // 100] * 1000 for share in (50, 99))
    print(f"submitted         {rate:10,.0f}/s   {rate / flushes:.1f} x one row a commit")
    print(f"  an answer       p50 {p50:.1f} ms, p99 {p99:.1f} ms, {CALLERS} callers at once")
    applier = Applier(store, read_policies(), clock=now)
    started = time.perf_counter()
    applied = applier.apply_all()
    rate = applied / (time.perf_counter() - started)
    print(f"applied           {rate:10,.0f}/s   {rate / plain:.2f} x plain insert loop")
    grow(store, applier, events, SUBMITTED, top)
    checkpointer = Checkpointer(store, KEY, installation=INSTALLATION, directory=folder, clock=now)
    checkpointer.sign_due(at_once=True)
    settle(url)
    prove_some(store)
    audit(store, folder)
    store.close()


def grow(store: Store, applier: Applier, events: Iterator[Event], size: int, top: int) -> None:
    """Apply more and more, and print what one more costs along the way.

    Of five times ten thousand the middle one: a server's own checkpoint falls on some of them.
    """
    costs: list[float] = []
    first = 0.0
    places = (2 * TEN_THOUSAND + size, MILLION // 10, MILLION // 2, top)
    while size < top:
        for _ in range(TEN_THOUSAND // FILL):
            ms = int(START.timestamp() * 1000)
            rows = [row_of(event, ms, b"") for event in islice(events, FILL)]
            for place in range(0, FILL, 500):
                store_inbox.insert_rows(store, rows[place : place + 500])
        started = time.perf_counter()
        applier.apply_all()
        costs.append((time.perf_counter() - started) / TEN_THOUSAND * 1e6)
        size += TEN_THOUSAND
        cost = statistics.median(costs[-5:])
        first = first or cost
        if size in places:
            times = f"{cost:6.0f} us each, {cost / first:.2f} x the first"
            print(f"  at {size:9,} events {times}; {memory_mib():.0f} MiB")


def settle(url: str) -> None:
    """Have PostgreSQL do what it does by itself within minutes, when a log grows over months."""
    driver, _, place = url.partition("://")
    if driver.startswith("postgresql"):
        with psycopg.connect(f"postgresql://{place}", autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


def prove_some(store: Store) -> None:
    """Print what a proof takes, the reading of entry and checkpoint included."""
    with store.read() as transaction:
        log = max(store_log.names(transaction), key=lambda name: store_log.size(transaction, name))
        size = store_log.size(transaction, log)
        prove_inclusion(transaction, log, 0)
        started = time.perf_counter()
        for number in range(PROOFS):
            prove_inclusion(transaction, log, number * 7919 % size)
        took = (time.perf_counter() - started) / PROOFS
    print(f"one proof         {took * 1000:10.2f} ms   of {size:,} entries")


def audit(store: Store, folder: Path) -> None:
    """Print what the audit of everything takes, and how much memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    reports = verify(
        store,
        policies=read_policies(),
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
    )
    took = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    entries = sum(report.entries for report in reports)
    assert not any(report.finding for report in reports)
    print(f"audit             {took:10.1f} s    {entries:,} entries, {entries / took:,.0f}/s")
    print(f"  memory          {before / 1024:.0f} MiB before, {grown:.0f} more for it")


def memory_mib() -> float:
    """Return the memory of this process, in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def make_events() -> Iterator[Event]:
    """Yield what letters bring about: of 40 events 16 links, 16 deliveries, 7 clicks, 1 signup."""
    for group in count():
        company = f"company{group % 5}"
        links = [f"link{group * 16 + number:012d}" for number in range(16)]
        for link in links:
            yield link_issued(company, link, START, language="ja", stage="一次", position="技術")
            yield letter_delivered(company, link, START, 250)
        for number, link in enumerate(links[:7]):
            click = f"click{group}-{number}"
            yield link_clicked(company, link, START, click_id=click, click_class="human")
        yield signup_verified(
            company,
            links[0],
            START,
            signup_id=f"signup-{group}",
            person_ref="h:" + base32(group),
            verification="email",
            consent_version="2026-01",
            body_digest="",
        )


def base32(number: int) -> str:
    """Return the number as 26 base32 characters."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(letters[number >> 5 * place & 31] for place in range(26))


async def submit_all(store: Store, events: list[Event], callers: int) -> tuple[float, list[float]]:
    """Return how long it took to submit everything, and how long each submit took."""
    inbox = Inbox(store, subject_key=bytes(32), clock=now, random_bytes=os.urandom)
    inbox.start()
    await inbox.submit(link_issued("x", "warm", START, language="", stage="", position=""))
    waits: list[float] = []

    async def caller(own: list[Event]) -> None:
        for event in own:
            before = time.perf_counter()
            await inbox.submit(event)
            waits.append(time.perf_counter() - before)

    started = time.perf_counter()
    await asyncio.gather(*(caller(events[number::callers]) for number in range(callers)))
    took = time.perf_counter() - started
    await asyncio.to_thread(inbox.close)
    return took, waits


def flush_rate(store: Store, commits: int = 200) -> float:
    """Return how many one-row commits a second the disk allows."""
    with store.write() as transaction:
        transaction.execute(text("CREATE TABLE flush (number INTEGER)"))
    started = time.perf_counter()
    for number in range(commits):
        with store.write() as transaction:
            transaction.execute(text("INSERT INTO flush VALUES (:number)"), {"number": number})
    return commits / (time.perf_counter() - started)


def insert_rate(store: Store, rows: int = 10_000) -> float:
    """Return how many events of the usual size a loop inserts, as many to a commit as we apply."""
    binary = "BYTEA" if "postgresql" in store.where else "BLOB"
    with store.write() as transaction:
        columns = f"(log TEXT, seq INTEGER, event_id TEXT, body {binary}, leaf {binary})"
        transaction.execute(text(f"CREATE TABLE plain {columns}"))
    bodies = [event.body for event in islice(make_events(), rows)]
    statement = text("INSERT INTO plain VALUES ('x', :seq, :id, :body, :leaf)")
    started = time.perf_counter()
    for first in range(0, rows, BATCH_EVENTS):
        with store.write() as transaction:
            for seq, body in enumerate(bodies[first : first + BATCH_EVENTS], first):
                values = {"seq": seq, "id": f"event:{seq}", "body": body, "leaf": body[:32]}
                transaction.execute(statement, values)
    return rows / (time.perf_counter() - started)


def noop_rate() -> float:
    """Return how many messages a second dramatiq sends and runs that do nothing, in one process."""
    broker = StubBroker(middleware=[])
    actor = dramatiq.Actor(
        lambda _ids: None,
        broker=broker,
        actor_name="noop",
        queue_name="noop",
        priority=0,
        options={},
    )
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    started = time.perf_counter()
    for _ in range(NOOPS):
        actor.send([])
    broker.join("noop", fail_fast=False)
    rate = NOOPS / (time.perf_counter() - started)
    worker.stop()
    return rate


if __name__ == "__main__":
    main()
