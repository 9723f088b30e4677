"""The inbox: what shares a commit, and who hears of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from ledger.inbox import COMPANY_SECONDS, Inbox
from tests.ledger.parts import issue, rows, run, store_in

FOREVER = 3600.0  # Seconds; longer than any deadline here.


def test_rows_are_announced_when_they_are_on_disk(tmp_path: Path) -> None:
    """The publisher names each new event once, not in the loop's thread, and not repetitions."""
    store = store_in(tmp_path)
    announced: list[str] = []
    threads: set[int] = set()

    def announce(ids: Sequence[str]) -> None:
        assert set(ids) <= dict(rows(store.path)).keys()
        announced.extend(ids)
        threads.add(threading.get_ident())

    async def steps(inbox: Inbox) -> None:
        for number in (1, 2, 1):
            await inbox.submit(issue(number))

    run(store, steps, announce=announce)
    assert announced == [issue(1).id, issue(2).id]
    assert threading.get_ident() not in threads


def test_who_is_in_no_hurry_shares_a_commit(tmp_path: Path) -> None:
    """Events that nobody waits for go to disk with the next that somebody does, or at the end."""
    store = store_in(tmp_path)
    announced: list[list[str]] = []

    def announce(ids: Sequence[str]) -> None:
        announced.append(list(ids))

    async def steps(inbox: Inbox) -> None:
        patient = [
            asyncio.create_task(inbox.submit(issue(number), company_seconds=FOREVER))
            for number in (1, 2)
        ]
        await asyncio.sleep(0)  # Both are with the inbox now.
        await inbox.submit(issue(3))
        await asyncio.gather(*patient)
        last = asyncio.create_task(inbox.submit(issue(4), company_seconds=FOREVER))
        await asyncio.sleep(0)
        await asyncio.to_thread(inbox.close)
        await last

    run(store, steps, announce=announce)
    assert announced == [[issue(number).id for number in (1, 2, 3)], [issue(4).id]]


def test_who_is_in_no_hurry_is_not_forgotten(tmp_path: Path) -> None:
    """An event that no other joins is on disk in the end, and answered."""
    store = store_in(tmp_path)

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1), company_seconds=COMPANY_SECONDS)

    run(store, steps)
    assert [name for name, _ in rows(store.path)] == [issue(1).id]


def test_the_hurry_of_one_is_that_of_all_before_it(tmp_path: Path) -> None:
    """Whoever may wait the least says when the commit begins; no one waits longer than asked."""
    store = store_in(tmp_path)
    announced: list[list[str]] = []

    def announce(ids: Sequence[str]) -> None:
        announced.append(list(ids))

    async def steps(inbox: Inbox) -> None:
        waits = (FOREVER, COMPANY_SECONDS, FOREVER)
        tasks = [
            asyncio.create_task(inbox.submit(issue(number), company_seconds=wait))
            for number, wait in enumerate(waits)
        ]
        await asyncio.gather(*tasks)

    run(store, steps, announce=announce)
    assert announced == [[issue(number).id for number in range(3)]]
