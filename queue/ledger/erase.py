"""Erasing a person: the salt behind all references to them goes, and every log says so.

Promises: the salt is gone and each log that refers to the person is told, or neither, also after a
crash (one transaction). Erasing again changes nothing. No entry is touched, so every checkpoint and
every proof still holds; the references stay and are nobody's. Nothing here prints or keeps the
person.

What else was seen of them goes as well: network and browser of the clicks on their link.

Whoever comes back after that is a new person to us, also to the rule that one person counts once a
year. A registration that is being taken at the same moment may reach the log a moment later, with
a reference that is nobody's from the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger import store_erase, store_subject
from ledger.events import INSTALLATION, Event, EventType
from ledger.store import Store, Transaction

# Clicks younger than this are looked through again at the end: more than looking takes, and than
# clocks of several machines differ.
_YOUNG: Final = timedelta(minutes=10)
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LINK: Final = re.compile(rb'"link_id":"([a-z0-9]{1,64})"')


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done: `logs` got an entry each; `clicks` are those whose details are gone.

    `is_scrubbed` is false while copies of deleted rows may be left in SQLite's write-ahead file,
    because somebody reads the store at this moment.
    """

    was_known: bool
    logs: tuple[str, ...] = ()
    clicks: int = 0
    is_scrubbed: bool = True


@dataclass(slots=True)
class _Traces:
    """Where a person was found: their reference by log, logs that hold it, links they came by."""

    reference: Callable[[str], str]
    references: dict[str, str] = field(default_factory=dict[str, str])
    logs: set[str] = field(default_factory=set[str])
    links: set[str] = field(default_factory=set[str])

    def look(self, found: Iterable[tuple[str, bytes]]) -> None:
        """Look for the person in events, each with its log."""
        for log, body in found:
            if log not in self.references:
                self.references[log] = self.reference(log)
            if self.references[log].encode() in body:
                self.logs.add(log)
                self.links.update(link.decode() for link in _LINK.findall(body))


def erase_person(store: Store, *, subject_key: bytes, person: str, now: datetime) -> Erasure:
    """Erase whom `person` identifies: the string that came as the person's identifier.

    Raises `StoreError`, or `RepeatedKey` when the store refuses it.
    """
    while True:
        # Looking through everything takes a while, and mail waits for whoever writes. So it is done
        # before; what has come since is looked through again.
        with store.read() as transaction:
            traces = _begin(transaction, subject_key, person)
            if traces is None:
                return Erasure(was_known=False)
            newest = store_erase.newest(transaction)
            traces.look(store_erase.signups(transaction))
            details = store_erase.details_of_links(transaction, traces.links)
        with store.write() as transaction:
            known = _begin(transaction, subject_key, person)
            if known is None or known.references[INSTALLATION] != traces.references[INSTALLATION]:
                continue  # Somebody else erased them meanwhile; they may have come back since.
            links, traces.reference = len(traces.links), known.reference
            traces.look(store_erase.signups_since(transaction, newest))
            since = now - _YOUNG if len(traces.links) == links else _EVER
            details |= store_erase.details_of_links(transaction, traces.links, _ms(since))
            clicks = store_erase.delete_details(transaction, details)
            events = [_erased(log, traces.references[log], now) for log in sorted(traces.logs)]
            store_erase.take_in(transaction, events, _ms(now))
            store_subject.erase(transaction, subject_key, person)
        # A crash here leaves the erasure done, and copies of the rows in the write-ahead file until
        # the daily purge.
        return Erasure(True, tuple(sorted(traces.logs)), clicks, store_erase.scrub(store))


def _begin(transaction: Transaction, subject_key: bytes, person: str) -> _Traces | None:
    """Return the traces of a person whom nobody has looked for yet, None for one unknown."""
    if not store_subject.is_known(transaction, subject_key, person):
        return None

    def reference(log: str) -> str:
        return store_subject.reference(transaction, subject_key, log, person, b"")

    # The installation's log is told in any case, so that there is one place to look.
    return _Traces(reference, {INSTALLATION: reference(INSTALLATION)}, {INSTALLATION})


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _erased(log: str, reference: str, now: datetime) -> Event:
    """Return the event of a person's reference in this log having become nobody's."""
    kind, name = EventType.SUBJECT_ERASED, reference.removeprefix("h:")
    return Event(f"{kind}:{name}", kind, log, now, f"person:{name}", {"ref": reference})
