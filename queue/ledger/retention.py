"""How long each kind of data is kept, and why; what has served its time is deleted daily.

Nothing that counts depends on what is deleted: not a credit, not a proof, not an answer. So a clock
that was wrong loses details at worst: set ahead, it deletes them early; set back, late, but what
was written while it was ahead is dated back and ends in time (`CLOCK_SLACK`). docs/privacy.md shows
the table to people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ledger import store_people, store_retention
from ledger.store import Store
from ledger.store_erase import scrub

# Clocks of several machines differ by less; a row further ahead is of a clock that was wrong.
CLOCK_SLACK: Final = timedelta(days=1)


class _Purge(Protocol):
    """Deletes what is older; see `store_retention`."""

    def __call__(self, store: Store, *, before_ms: int, latest_ms: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Retention:
    """One kind of data: where it is, how long it is kept (`None`: no set time), and why.

    `purge` deletes what is older; it is there exactly where `kept` is.
    """

    name: str
    holds: str
    kept: timedelta | None
    reason: str
    purge: _Purge | None = None


RETENTION: Final = (
    Retention(
        "log",
        "entries, tree and checkpoints: what happened, with h: references for people",
        None,
        "Every credit must be provable. Erasing a person makes the references nobody's.",
    ),
    Retention(
        "inbox",
        "id, digest and outcome of each event; its body only until it is in the log",
        None,
        "The same call gets the same answer again, and nothing counts twice.",
    ),
    Retention(
        "ledger",
        "transfers and balances",
        None,
        "They follow from the log and can be made of it again.",
    ),
    Retention(
        "subject_salt",
        "a random number for each person with a reference, under a keyed hash of who that is",
        None,
        "One person counts once a year; `careerrelay erase` deletes it.",
    ),
    Retention(
        "click_detail",
        "network (/24, /48), browser and purpose of a request for a link",
        timedelta(days=30),
        "Tells new scanners from people. A month covers a statement and the questions after it.",
        store_retention.purge_details,
    ),
    Retention(
        "person",
        "a registration on our own page, sealed: name, address, wish, consents; its link and times",
        timedelta(0),  # Each row says when its time ends.
        "Unconfirmed 7 days, confirmed 180, handed over keep_days. Erasing empties it at once.",
        store_people.purge_people,
    ),
    Retention(
        "suppression",
        "a keyed hash of each address that asked for no more mail, and when",
        None,
        "Without it we would write again. Its owner takes it back by the same link.",
    ),
    Retention(
        "job",
        "jobs that have ended: id, kind, times; what they carried went when they were done",
        timedelta(days=90),
        "A job asked for twice is done once. Those that failed stay until somebody has looked.",
        store_retention.purge_jobs,
    ),
    Retention(
        "spill",
        "files with what was accepted while the store was away; registrations in them are sealed",
        None,
        "Accepted means kept. They go when the store has taken them in.",
    ),
    Retention(
        "letter_shape",
        "how often letters of one masked wording were seen, at most 2,000 a company",
        None,
        "No person and no word of a letter is in it; old ones make room for new ones.",
    ),
)


def purge(store: Store, now: datetime) -> dict[str, int]:
    """Delete what has served its time; return how much of each kind. To be called daily.

    Harmless at any time, in any number of processes. Raises `StoreError`; what was deleted by then
    stays deleted. On SQLite the bytes are gone from the file and from the one beside it, unless
    somebody reads at that moment: then the next purge sees to the latter.
    """
    counts = {
        one.name: one.purge(store, before_ms=_ms(now - one.kept), latest_ms=_ms(now + CLOCK_SLACK))
        for one in RETENTION
        if one.purge is not None and one.kept is not None
    }
    scrub(store)
    return counts


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
