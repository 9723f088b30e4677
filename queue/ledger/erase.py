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
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger import store_erase, store_subject
from ledger.events import INSTALLATION, Event, EventType
from ledger.store import Store

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


def erase_person(store: Store, *, subject_key: bytes, person: str, now: datetime) -> Erasure:
    """Erase whom `person` identifies: the string that came as the person's identifier.

    Raises `StoreError`.
    """
    with store.write() as transaction:
        if not store_subject.is_known(transaction, subject_key, person):
            return Erasure(was_known=False)

        def reference(log: str) -> str:
            return store_subject.reference(transaction, subject_key, log, person, b"")

        # The installation's log is told in any case, so that there is one place to look.
        references = {INSTALLATION: reference(INSTALLATION)}
        told, links = {INSTALLATION}, set[str]()
        for log, body in store_erase.signups(transaction):
            if log not in references:
                references[log] = reference(log)
            if references[log].encode() in body:
                told.add(log)
                links.update(found.decode() for found in _LINK.findall(body))
        clicks = store_erase.delete_details_of_links(transaction, links)
        events = [_erased(log, references[log], now) for log in sorted(told)]
        store_erase.take_in(transaction, events, int(now.timestamp() * 1000))
        store_subject.erase(transaction, subject_key, person)
    # A crash here leaves the erasure done, and copies of the rows in the write-ahead file until
    # the daily purge.
    return Erasure(True, tuple(sorted(told)), clicks, store_erase.scrub(store))


def _erased(log: str, reference: str, now: datetime) -> Event:
    """Return the event of a person's reference in this log having become nobody's."""
    kind, name = EventType.SUBJECT_ERASED, reference.removeprefix("h:")
    return Event(f"{kind}:{name}", kind, log, now, f"person:{name}", {"ref": reference})
