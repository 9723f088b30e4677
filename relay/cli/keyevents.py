"""What happened to keys, as events of the installation's log, made of the times in the ring.

Their ids follow from key and time, so that all of a ring's can be put on record again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ledger.events import Event, EventType, installation_event
from ledger.inbox_errors import InboxError
from ledger.report import report
from ledger.store import LedgerError, Store
from relay.cli.common import FOUND_WRONG, fail, now
from relay.config import Config
from signer.keyring import KeyRing

# Put on record in one transaction; mail waits for the store meanwhile.
BATCH_EVENTS: Final = 500


def key_events(ring: KeyRing) -> list[Event]:
    """Return what has happened to the keys of a ring."""
    return list(_key_events(ring))


def _key_events(ring: KeyRing) -> Iterator[Event]:
    for key in ring.keys:
        times = (
            (EventType.KEY_ADDED, key.created),
            (EventType.KEY_ACTIVATED, key.activated),
            (EventType.KEY_RETIRED, key.retired),
            (EventType.KEY_REVOKED, key.revoked),
        )
        for kind, time in times:
            if time is not None:
                name = f"{key.id}/{int(time.timestamp() * 1000)}"
                data = {"key": key.id}
                subject = f"key:{key.id}"
                yield installation_event(kind, time, event_id=name, subject=subject, data=data)


def record_all(config: Config, events: Sequence[Event], what: str) -> None:
    """Put events on record, those that are there already once; or end, saying that `what` is done.

    Where there is no store yet, nothing is put on record and nothing is said: keys are made before
    the service starts for the first time.
    """
    try:
        store = Store(config.store.url, may_create=False)
        try:
            if store.exists():
                for at in range(0, len(events), BATCH_EVENTS):
                    report(store, events[at : at + BATCH_EVENTS], now())
        finally:
            store.close()
    except (LedgerError, InboxError) as error:
        fail(f"{what}, and this could not be put on record: {error}; do it again", FOUND_WRONG)
