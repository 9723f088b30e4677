"""What the worker finds out about clicks afterwards, once, wherever it is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger import store_log, store_progress
from ledger.apply import Applier
from ledger.checkpoint import Checkpointer
from ledger.clickdetail import raw_detail
from ledger.clickevents import link_clicked
from ledger.clicks import network_of
from ledger.events import Event, letter_delivered, link_issued
from ledger.inbox_jobs import row_of
from ledger.jobs import Jobs
from ledger.policies import read_policies
from ledger.reclassify import DUE_MAX, ENTRIES_MAX, SETTLED, Reclassifier
from ledger.report import report
from ledger.store import Store
from ledger.store_inbox import insert_rows
from ledger.timetable import STEWARD_EVERY, Timetable
from tests.ledger.intake_world import LINK_ID, NOON
from tests.ledger.parts import KEY, store_in

LATER = NOON + timedelta(hours=1)


def issued(link_id: str = LINK_ID, time: datetime = NOON) -> Event:
    """Return a letter's link."""
    return link_issued("aozora", link_id, time, language="ja", stage="document", position="sales")


def click(
    name: str, seconds: float, *, link_id: str = LINK_ID, kind: str = "human", signals: str = ""
) -> Event:
    """Return a click so many seconds after noon."""
    time = NOON + timedelta(seconds=seconds)
    return link_clicked("aozora", link_id, time, click_id=name, click_class=kind, signals=signals)


def put(store: Store, events: Sequence[Event], networks: Sequence[str] = ()) -> None:
    """Put events, with the networks that clicks came from, into the log."""
    details = [raw_detail("GET", {}, network_of(address)) for address in networks]
    details += [b""] * (len(events) - len(details))
    pairs = zip(events, details, strict=True)
    insert_rows(store, [row_of(event, 0, detail) for event, detail in pairs])
    Applier(store, read_policies(), clock=lambda: LATER).apply_all()


def seen(events: Sequence[Event]) -> list[tuple[str, str, str, str]]:
    """Return what events say: the click, from, to, and why."""
    return [
        (
            str(event.data["click"]).removeprefix("link.clicked:"),
            str(event.data["from"]),
            str(event.data["to"]),
            str(event.data["signals"]),
        )
        for event in events
    ]


@pytest.mark.parametrize(
    ("seconds", "is_soon"), [(-30, True), (0, True), (10, True), (11, False), (3000, False)]
)
def test_clicks_around_the_delivery_are_scanners(
    tmp_path: Path, seconds: int, is_soon: bool
) -> None:
    """Nobody has read a letter within ten seconds of the next hop's 250, or before it."""
    store = store_in(tmp_path)
    put(store, [issued(), letter_delivered("aozora", LINK_ID, NOON, 250), click("c", seconds)])
    found = seen(Reclassifier(store).due(LATER))
    assert found == ([("c", "human", "scanner", "soon_after_delivery")] if is_soon else [])
    store.close()


def test_without_delivery_nothing_is_said(tmp_path: Path) -> None:
    """A letter that no next hop has taken says nothing about when it could be read."""
    store = store_in(tmp_path)
    put(store, [issued(), click("c", 1)])
    assert Reclassifier(store).due(LATER) == []
    store.close()


def test_earlier_signals_stay(tmp_path: Path) -> None:
    """What was seen at once stands beside what was found out, in the fixed order."""
    store = store_in(tmp_path)
    first = click("c", 1, kind="unknown", signals="no_language,unheard_of")
    put(store, [issued(), letter_delivered("aozora", LINK_ID, NOON, 250), first])
    found = seen(Reclassifier(store).due(LATER))
    assert found == [("c", "unknown", "scanner", "no_language,soon_after_delivery")]
    store.close()


def test_all_clicks_of_a_crowd_are_seen(tmp_path: Path) -> None:
    """The first of several networks is as odd as the last; one much later is a person's."""
    store = store_in(tmp_path)
    clicks = [click(f"c{at}", seconds) for at, seconds in enumerate((60, 70, 80, 900))]
    addresses = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.1"]
    put(store, clicks, addresses)
    found = seen(Reclassifier(store).due(LATER))
    assert [(name, to) for name, _, to, _ in found] == [(f"c{at}", "unknown") for at in range(3)]
    store.close()


@pytest.mark.parametrize(("days", "is_old"), [(7, True), (8, False)])
def test_old_link_keeps_its_class(tmp_path: Path, days: int, is_old: bool) -> None:
    """A person who comes back after the time is over is a person, and the event says what is."""
    store = store_in(tmp_path)
    put(store, [issued(time=NOON - timedelta(days=8)), click("c", 0)])
    found = seen(Reclassifier(store, days).due(LATER))
    assert found == ([("c", "human", "human", "old_link")] if is_old else [])
    store.close()


def test_fresh_clicks_wait(tmp_path: Path) -> None:
    """A click is looked at when what it is measured by is there."""
    store = store_in(tmp_path)
    put(store, [issued(), click("c", 0), letter_delivered("aozora", LINK_ID, NOON, 250)])
    reclassifier = Reclassifier(store)
    early = NOON + SETTLED - timedelta(seconds=1)
    assert reclassifier.due(early) == []
    assert len(reclassifier.due(NOON + SETTLED)) == 1
    store.close()


def test_what_is_due_stays_due_until_it_is_on_record(tmp_path: Path) -> None:
    """A worker that dies before reporting, or a second one, asks for the same; then for no more."""
    store = store_in(tmp_path)
    put(store, [issued(), letter_delivered("aozora", LINK_ID, NOON, 250), click("c", 1)])
    first = Reclassifier(store).due(LATER)
    again = Reclassifier(store).due(LATER + timedelta(hours=1))
    assert [one.id for one in first] == [one.id for one in again] == ["click.reclassified:c"]
    assert (report(store, first, LATER), report(store, again, LATER)) == (1, 0)
    assert Reclassifier(store).due(LATER) == []
    with store.read() as transaction:
        assert store_progress.position(transaction, "clicks/aozora") == 3
    store.close()


def test_timetable_asks_for_it(tmp_path: Path) -> None:
    """The worker's tick puts on record what was found out; the next one has nothing to add."""
    store = store_in(tmp_path)
    put(store, [issued(), letter_delivered("aozora", LINK_ID, NOON, 250), click("c", 1)])
    now = [LATER]
    applier = Applier(store, read_policies(), clock=lambda: now[0])
    timetable = Timetable(
        store,
        Jobs(store, lambda: now[0]),
        applier,
        Checkpointer(
            store, KEY, installation="r.example.jp", directory=tmp_path, clock=lambda: now[0]
        ),
        lambda: now[0],
        auditors=lambda log: (),
        statements=lambda moment: (),
    )
    timetable.tick()
    now[0] += STEWARD_EVERY
    timetable.tick()
    applier.apply_all()
    with store.read() as transaction:
        rows = [row for chunk in store_log.entries(transaction, "aozora") for row in chunk]
    assert [row.event_id for row in rows if "reclassified" in row.event_id] == [
        "click.reclassified:c"
    ]
    store.close()


def test_clock_that_was_ahead_holds_nobody_up(tmp_path: Path) -> None:
    """A click from the future is passed over, and those behind it are looked at."""
    store = store_in(tmp_path)
    events = [click("future", 10**7), letter_delivered("aozora", LINK_ID, NOON, 250), click("c", 1)]
    put(store, events)
    found = seen(Reclassifier(store).due(LATER))
    assert [name for name, *_ in found] == ["c"]
    store.close()


def test_a_long_log_is_read_in_stretches(tmp_path: Path) -> None:
    """However much there is, a call returns a bounded number, and in the end all are found."""
    store = store_in(tmp_path)
    quiet = [click(f"q{at}", 1000, link_id="b" * 16) for at in range(ENTRIES_MAX + 10)]
    hasty = [click(f"h{at}", 1) for at in range(DUE_MAX + 1)]
    put(store, [*quiet, letter_delivered("aozora", LINK_ID, NOON, 250), *hasty])
    reclassifier = Reclassifier(store)
    sizes: list[int] = []
    while due := reclassifier.due(LATER):
        sizes.append(len(due))
        report(store, due, LATER)
    assert sum(sizes) == len(hasty)
    assert max(sizes) <= DUE_MAX
    store.close()
