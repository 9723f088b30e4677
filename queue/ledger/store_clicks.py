"""What is asked of the log and of the details about clicks and the letters they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select

from ledger.events import EventError, parse
from ledger.store import Transaction, as_bytes
from ledger.store_tables import click_detail, entry

# Values in one question. SQLite takes 32,766, older ones 999.
CHUNK_IDS: Final = 500

_BODIES: Final = select(entry.c.log, entry.c.event_id, entry.c.body).where(
    entry.c.event_id.in_(bindparam("ids", expanding=True))
)
_DETAILS: Final = select(click_detail.c.event_id, click_detail.c.detail).where(
    click_detail.c.event_id.in_(bindparam("ids", expanding=True))
)


def times(transaction: Transaction, log: str, event_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when those of the events happened that are in this log; damaged ones are left out."""
    found: dict[str, datetime] = {}
    for ids in _chunks(event_ids):
        for owner, event_id, body in transaction.execute(_BODIES, {"ids": ids}):
            try:
                if owner == log:
                    found[event_id] = parse(as_bytes(body)).time
            except EventError:
                continue  # The audit names it.
    return found


def networks(transaction: Transaction, event_ids: Sequence[str]) -> dict[str, str]:
    """Return the networks that clicks came from, as far as that is still kept."""
    found: dict[str, str] = {}
    for ids in _chunks(event_ids):
        for event_id, detail in transaction.execute(_DETAILS, {"ids": ids}):
            try:
                found[event_id] = str(json.loads(as_bytes(detail)).get("network", ""))
            except (ValueError, AttributeError):
                continue  # Damaged; it is gone in a month.
    return found


def _chunks(ids: Sequence[str]) -> Iterable[list[str]]:
    return (list(ids[at : at + CHUNK_IDS]) for at in range(0, len(ids), CHUNK_IDS))
