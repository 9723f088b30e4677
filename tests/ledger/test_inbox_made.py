"""Events that the inbox's writer makes: on record like others, and a bug in one is its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger import store_inbox
from ledger.events import Event
from ledger.inbox import Inbox, Place
from ledger.inbox_errors import InboxUnavailable
from ledger.spill import Spill
from ledger.store import Store
from ledger.store_inbox import NewRow
from tests.ledger.parts import click, issue, rows, run, store_in

SECONDS = 20.0


async def submit(inbox: Inbox, number: int) -> Place:
    """Submit a click that the writer makes."""

    def make() -> tuple[Event, bytes]:
        return click(number), b"{}"

    return await inbox.submit_made(make, deadline_seconds=SECONDS, keeping_seconds=SECONDS)


def test_an_event_is_made_beside_the_loop_and_is_the_same(tmp_path: Path) -> None:
    """The event loop goes on meanwhile; submitted as it is, the same event is no other one."""
    store = store_in(tmp_path)
    threads: list[int] = []

    def make() -> tuple[Event, bytes]:
        threads.append(threading.get_ident())
        return click(1), b"{}"

    async def steps(inbox: Inbox) -> None:
        place = await inbox.submit_made(make, deadline_seconds=SECONDS, keeping_seconds=SECONDS)
        assert place is Place.STORE
        assert await inbox.submit(click(1)) is Place.STORE

    run(store, steps)
    assert rows(store.path) == [(click(1).id, click(1).body)]
    assert threading.get_ident() not in threads


def test_a_bug_in_one_costs_the_others_nothing(tmp_path: Path) -> None:
    """Who could not be made hears why; all that came with it are on record, and the inbox works."""
    store = store_in(tmp_path)

    def broken() -> tuple[Event, bytes]:
        raise ZeroDivisionError("on purpose")

    async def steps(inbox: Inbox) -> None:
        bad = inbox.submit_made(broken, deadline_seconds=SECONDS, keeping_seconds=SECONDS)
        found = await asyncio.gather(
            submit(inbox, 1), bad, submit(inbox, 2), return_exceptions=True
        )
        assert found[0] is found[2] is Place.STORE
        assert isinstance(found[1], ZeroDivisionError)
        await submit(inbox, 3)

    run(store, steps, spill=Spill(tmp_path / "spill"))
    assert [name for name, _ in rows(store.path)] == [click(number).id for number in (1, 2, 3)]


def test_a_bug_in_storing_costs_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was in it hears that it was not stored; who comes later is."""
    store = store_in(tmp_path)
    insert, calls = store_inbox.insert_rows, list[int]()

    def broken_once(to: Store, new: Sequence[NewRow]) -> int:
        calls.append(len(new))
        if len(calls) == 1:
            raise ZeroDivisionError("on purpose")
        return insert(to, new)

    monkeypatch.setattr(store_inbox, "insert_rows", broken_once)

    async def steps(inbox: Inbox) -> None:
        with pytest.raises(InboxUnavailable, match="ZeroDivisionError"):
            await inbox.submit(issue(1))
        assert await inbox.submit(issue(2)) is Place.STORE

    run(store, steps)
    assert [name for name, _ in rows(store.path)] == [issue(2).id]


def test_while_the_store_is_away_it_is_kept(tmp_path: Path) -> None:
    """What the writer made and could not store is in the spill file, and in the store once."""
    (tmp_path / "data").mkdir()
    store = store_in(tmp_path / "data")

    async def steps(inbox: Inbox) -> None:
        await inbox.submit(issue(0))
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        try:
            places = [await submit(inbox, number) for number in range(1, 4)]
        finally:
            (tmp_path / "elsewhere").rename(tmp_path / "data")
        assert places == [Place.SPILL] * 3

    run(store, steps, spill=Spill(tmp_path / "spill"))
    names = [name for name, _ in rows(store.path)]
    assert names == [issue(0).id, *(click(number).id for number in range(1, 4))]


def test_clicks_of_one_moment_share_a_commit(tmp_path: Path) -> None:
    """So it is what a mailing brings that decides how many commits there are, not a clock."""
    store = store_in(tmp_path)
    announced: list[list[str]] = []

    def announce(ids: Sequence[str]) -> None:
        announced.append(list(ids))

    async def steps(inbox: Inbox) -> None:
        await asyncio.gather(*(submit(inbox, number) for number in range(30)))
        await submit(inbox, 30)

    run(store, steps, announce=announce)
    assert announced == [[click(number).id for number in range(30)], [click(30).id]]
