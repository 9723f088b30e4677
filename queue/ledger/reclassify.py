"""What is found out about clicks afterwards: when their letter was delivered, and who else came.

A candidate waits for the redirect, so nothing is looked up then. Minutes later the worker reads the
logs on, and where that changes what is known of a click, it asks for an event that says so
(`click.reclassified`); the click itself stays as it was recorded. How far it has read is kept in
the store and moves on only when all events of a stretch are on record. So it may be killed at any
point, run late, twice, or in several processes: each event has an id made of its click's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ledger import store_clicks, store_inbox, store_log, store_progress
from ledger.attribution import ATTRIBUTION_DAYS
from ledger.clickevents import click_reclassified
from ledger.clicks import NETWORKS_FEW, WINDOW
from ledger.events import INSTALLATION, Event, EventError, EventType, link_issued_id, make_id, parse
from ledger.signals import Signal, judge_click
from ledger.store import Store, Transaction

# After the next hop's 250 a letter still has a way to go and to be opened; scanners on that way are
# done within seconds. A click before the 250 is that of a scanner on the next hop.
SOON: Final = timedelta(seconds=10)
# By then the letter's own event is in the log, and other scanners of the link have come.
SETTLED: Final = timedelta(minutes=5)
# Entries of a log that are read at once: a few hundredths of a second.
ENTRIES_MAX: Final = 5_000
# Events of one call; the rest comes with the next ones.
DUE_MAX: Final = 500
# RFC 5321 §4.3.2: what a server says to a message that it takes.
_DELIVERED_CODES: Final = ("250", "251", "252")


class Reclassifier:
    """Says which clicks are seen otherwise now. Any number may work on one store."""

    def __init__(self, store: Store, attribution_days: int = ATTRIBUTION_DAYS) -> None:
        self._store = store
        self._period = timedelta(days=attribution_days)

    def due(self, now: datetime) -> list[Event]:
        """Return events that are not on record, at most `DUE_MAX`; raises `LedgerError`.

        What was returned is returned again until it is on record. To be called until nothing comes.
        """
        with self._store.read() as transaction:
            logs = [log for log in store_log.names(transaction) if log != INSTALLATION]
        found: list[Event] = []
        for log in logs:
            while not found and self._read_on(log, now, found):
                pass  # A stretch without news is done with at once.
            if found:
                break
        return found[:DUE_MAX]

    def _read_on(self, log: str, now: datetime, found: list[Event]) -> bool:
        """Add what the next stretch of a log gives; tell whether there may be another."""
        name = f"clicks/{log}"
        with self._store.read() as transaction:
            start = store_progress.position(transaction, name) or 0
            clicks, end = _stretch(transaction, log, start, now)
            events = self._judge_all(transaction, log, clicks, now)
            known = _known(transaction, events)
        found += [event for event in events if event.id not in known]
        if found or end == start:
            return False
        with self._store.write() as transaction:
            # Another process may have come further meanwhile.
            if (store_progress.position(transaction, name) or 0) == start:
                store_progress.move(transaction, name, end)
        return True

    def _judge_all(
        self, transaction: Transaction, log: str, clicks: Sequence[Event], now: datetime
    ) -> list[Event]:
        links = sorted({str(click.data["link_id"]) for click in clicks})
        issued = store_clicks.times(transaction, log, [link_issued_id(link) for link in links])
        codes = [_delivered_id(link, code) for link in links for code in _DELIVERED_CODES]
        delivered = store_clicks.times(transaction, log, codes)
        crowded = _crowded(clicks, store_clicks.networks(transaction, [one.id for one in clicks]))
        events: list[Event] = []
        for click in clicks:
            link = str(click.data["link_id"])
            times = [delivered.get(_delivered_id(link, code)) for code in _DELIVERED_CODES]
            more: set[Signal] = set()
            if any(time is not None and click.time <= time + SOON for time in times):
                more.add(Signal.SOON_AFTER_DELIVERY)
            if (begun := issued.get(link_issued_id(link))) and click.time - begun > self._period:
                more.add(Signal.OLD_LINK)
            if click.id in crowded:
                more.add(Signal.SEVERAL_NETWORKS)
            if event := _seen_otherwise(click, more, now):
                events.append(event)
        return events


def _stretch(
    transaction: Transaction, log: str, start: int, now: datetime
) -> tuple[list[Event], int]:
    """Return the clicks that come next, and the place behind what was read."""
    clicks: list[Event] = []
    end = start
    mark = f"{EventType.LINK_CLICKED}:"
    for rows in store_log.entries(transaction, log, start):
        for row in rows:
            click = _parse(row.body) if row.event_id.startswith(mark) else None
            # One from the future would hold up all others: the clock was ahead then.
            if click and timedelta(0) <= now - click.time < SETTLED:
                return clicks, end
            if click and {"link_id", "class", "signals"} <= click.data.keys():
                clicks.append(click)
            end = row.seq + 1
            if end - start >= ENTRIES_MAX or len(clicks) >= DUE_MAX:
                return clicks, end
    return clicks, end


def _parse(body: bytes) -> Event | None:
    try:
        return parse(body)
    except EventError:
        return None  # The audit names it.


def _crowded(clicks: Sequence[Event], networks: dict[str, str]) -> set[str]:
    """Return the clicks around which, within a minute, many networks asked for the same link."""
    by_link: dict[str, list[Event]] = {}
    for click in clicks:
        by_link.setdefault(str(click.data["link_id"]), []).append(click)
    found: set[str] = set()
    for group in by_link.values():
        if len({networks.get(one.id, "") for one in group} - {""}) <= NETWORKS_FEW:
            continue
        for click in group:
            near = [one for one in group if abs(one.time - click.time) < WINDOW]
            if len({networks.get(one.id, "") for one in near} - {""}) > NETWORKS_FEW:
                found.add(click.id)
    return found


def _seen_otherwise(click: Event, more: set[Signal], now: datetime) -> Event | None:
    before = {Signal(name) for name in str(click.data["signals"]).split(",") if name in _NAMES}
    if more <= before:
        return None
    judged = judge_click(before | more)
    return click_reclassified(
        click, now, click_class=judged.click_class, signals=map(str, judged.signals)
    )


_NAMES: Final = frozenset(Signal)


def _known(transaction: Transaction, events: Sequence[Event]) -> set[str]:
    return set(store_inbox.fingerprints(transaction, [event.id for event in events]))


def _delivered_id(link_id: str, code: str) -> str:
    return make_id(EventType.LETTER_DELIVERED, f"{link_id}/{code}")
