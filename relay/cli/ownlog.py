"""Commands that put on record what they did: an event in the installation's own log."""

from __future__ import annotations

import asyncio
import os
import secrets

from ledger.events import Event
from ledger.inbox import Inbox
from ledger.inbox_errors import InboxError
from ledger.store import Store
from relay.cli.common import FOUND_WRONG, fail, now

# Nobody's reference is asked for here, so the key behind references is not needed.
_NO_KEY = bytes(32)


def new_event_id() -> str:
    """Return a random name for an event."""
    return secrets.token_hex(16)


def record(store: Store, event: Event, what: str) -> None:
    """Put the event on record, or end the command saying that `what` is not on record."""

    async def submit() -> None:
        inbox = Inbox(store, subject_key=_NO_KEY, clock=now, random_bytes=os.urandom)
        inbox.start()
        try:
            await inbox.submit(event)
        finally:
            await asyncio.to_thread(inbox.close)

    try:
        asyncio.run(submit())
    except InboxError as error:
        fail(f"{what}, and this could not be put on record: {error}", FOUND_WRONG)
