"""What the inbox puts into the spill file while the store is away, and takes in afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from ledger.inbox import Inbox
from ledger.inbox_errors import InboxUnavailable
from ledger.spill import RECORD_MAX_BYTES, Record, Spill
from ledger.store import Store, StoreError
from tests.ledger.parts import NOW, click, issue, rows, run, store_in

WAIT_SECONDS = 20.0


@contextmanager
def away(store: Store) -> Generator[None]:
    """Take the folder of a store away, and bring it back."""
    folder = store.path.parent
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


def test_clicks_are_kept_while_the_store_is_away(tmp_path: Path) -> None:
    """They are answered from the spill file; a letter hears that the store is away."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")

    async def submit(inbox: Inbox) -> None:
        await inbox.submit(issue(0))
        with away(store):
            for number in range(1, 6):
                await inbox.submit(click(number))
            with pytest.raises(InboxUnavailable, match="store"):
                await inbox.submit(issue(9))

    run(store, submit, spill=Spill(tmp_path / "spill"))
    names = [name for name, _ in rows(store.path)]
    assert names == [issue(0).id, *(click(number).id for number in range(1, 6))]


def test_clicks_stay_in_order_behind_those_kept(tmp_path: Path) -> None:
    """While some wait, others go behind them even though the store is back."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")
    spill = Spill(tmp_path / "spill")

    async def steps(inbox: Inbox) -> None:
        with away(store):
            await inbox.submit(click(1))
        await inbox.submit(click(2))

    run(store, steps, spill=spill)
    assert [name for name, _ in rows(store.path)] == [click(1).id, click(2).id]


def test_what_was_taken_in_is_announced(tmp_path: Path) -> None:
    """The worker hears of it like of any other event, and once."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")
    heard: list[str] = []

    async def steps(inbox: Inbox) -> None:
        with away(store):
            await inbox.submit(click(1), detail=b"seen")
        await inbox.submit(click(1), detail=b"seen")

    run(store, steps, spill=Spill(tmp_path / "spill"), announce=heard.extend)
    assert heard == [click(1).id]


def test_an_event_that_nobody_knows_is_set_aside_once(tmp_path: Path) -> None:
    """Not at every try while the store is away; the others are taken in."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")
    spill = Spill(tmp_path / "spill")
    spill.append(Record("event", 1, b"of a newer version"))
    spill.close()

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(1))
        with away(store):
            await inbox.submit(click(1))

    run(store, steps, spill=spill)
    assert [name for name, _ in rows(store.path)] == [issue(1).id, click(1).id]
    (damaged,) = (tmp_path / "spill").glob("*.damaged")
    assert damaged.read_bytes().count(b"\n") == 1


def test_without_a_spill_file_nothing_is_promised(tmp_path: Path) -> None:
    """A click that is nowhere is answered so."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")

    async def steps(inbox: Inbox) -> None:
        with away(store), pytest.raises(InboxUnavailable, match="store"):
            await inbox.submit(click(1))

    run(store, steps)


def test_other_things_are_kept_for_their_handlers(tmp_path: Path) -> None:
    """A handler gets what was kept, with the time, until it has put it away."""
    store = store_in(tmp_path)
    taken: list[tuple[bytes, datetime]] = []
    is_taken = threading.Event()

    def take(payload: bytes, received: datetime) -> bool:
        taken.append((payload, received))
        if len(taken) == 1:
            raise StoreError("store", "is away")
        is_taken.set()
        return True

    async def steps(inbox: Inbox) -> None:
        inbox.when_kept("signup", take)
        await inbox.keep("signup", b"sealed", NOW)
        assert await asyncio.to_thread(is_taken.wait, WAIT_SECONDS)

    run(store, steps, spill=Spill(tmp_path / "spill"))
    assert taken == [(b"sealed", NOW)] * 2


def test_whoever_does_not_wait_for_the_disk_is_kept_all_the_same(tmp_path: Path) -> None:
    """The file is busy for longer than anybody waits: all hear so, and none is missing then."""
    store = store_in(tmp_path)
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def take(_payload: bytes, _received: datetime) -> bool:
        begun.release()
        assert go_on.acquire(timeout=WAIT_SECONDS)
        return True

    async def steps(inbox: Inbox) -> None:
        inbox.when_kept("signup", take)
        await inbox.keep("signup", b"the first", NOW)
        assert await asyncio.to_thread(begun.acquire, True, WAIT_SECONDS)
        await inbox.keep("signup", b"the last, during which nobody may add any", NOW)
        go_on.release()
        assert await asyncio.to_thread(begun.acquire, True, WAIT_SECONDS)
        clicks = (inbox.submit(click(number), keeping_seconds=0.05) for number in range(100))
        found = await asyncio.gather(*clicks, return_exceptions=True)
        go_on.release()
        assert [str(each) for each in found] == ["spill: 0.05 s"] * 100

    run(store, steps, spill=Spill(tmp_path / "spill"))
    assert [name for name, _ in rows(store.path)] == [click(number).id for number in range(100)]


def test_one_that_cannot_be_kept_costs_the_others_nothing(tmp_path: Path) -> None:
    """Of many that come at once only the one that is too large hears so."""
    store = store_in(tmp_path)
    taken: list[bytes] = []

    def take(payload: bytes, _received: datetime) -> bool:
        taken.append(payload)
        return True

    async def steps(inbox: Inbox) -> None:
        inbox.when_kept("signup", take)
        payloads = [b"1", b"2", b"x" * RECORD_MAX_BYTES, b"3"]
        keeping = (inbox.keep("signup", payload, NOW) for payload in payloads)
        found = await asyncio.gather(*keeping, return_exceptions=True)
        assert [isinstance(each, InboxUnavailable) for each in found] == [False, False, True, False]

    run(store, steps, spill=Spill(tmp_path / "spill"))
    assert taken == [b"1", b"2", b"3"]
