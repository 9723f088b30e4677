"""Keeps what cannot be asked for again while the store is away, and takes it in when it is back.

While anything waits in this process's spill file, what may be kept goes there as well, behind it,
so that the order stays. A thread offers it to the store every second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from ledger import store_inbox
from ledger.events import EventError, parse
from ledger.inbox_errors import InboxError, InboxUnavailable
from ledger.inbox_jobs import row_of
from ledger.spill import BATCH_RECORDS, Record, Spill, SpillError
from ledger.store import LedgerError, Store

# How often what was kept is offered to the store again.
DRAIN_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 10.0

_EVENT: Final = "event"

_log: Final = logging.getLogger(__name__)

# Called in the keeper's thread with what `keep` was given, and when; what it has done is durable.
# False says that it can never be done, `LedgerError` and `InboxError` that the store is away still.
TakeKept = Callable[[bytes, datetime], bool]


class Keeper:
    """Owns the spill file of a process; `start` and `close` are called once each."""

    def __init__(self, spill: Spill, store: Store, tell: Callable[[Sequence[str]], None]) -> None:
        self._spill = spill
        self._store = store
        self._tell = tell
        # Written before anything of the kind is kept.
        self.take_kept: dict[str, TakeKept] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="inbox-keeper", daemon=True)

    @property
    def is_waiting(self) -> bool:
        """Tell whether something of this process waits for the store."""
        return not self._spill.is_empty

    def start(self) -> None:
        """Begin with what a process before this one left."""
        self._thread.start()

    def close(self) -> None:
        """Offer what is left once more, and let go of the file."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        self._spill.close()

    async def keep_event(self, row: store_inbox.NewRow, max_seconds: float | None) -> None:
        """Return when the event is in the file; raises `InboxUnavailable`.

        After `max_seconds` nobody waits for the disk; the event is in the file when that has come.
        """
        try:
            async with asyncio.timeout(max_seconds):
                await self.keep(Record(_EVENT, row.received_ms, row.body, row.detail))
        except TimeoutError:
            raise InboxUnavailable("spill", f"{max_seconds} s") from None

    async def keep(self, record: Record) -> None:
        """Return when the record is in the file; raises `InboxUnavailable`."""
        try:
            await asyncio.to_thread(self._spill.append, record)
        except SpillError as error:
            raise InboxUnavailable("spill", str(error)) from error

    def _loop(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(DRAIN_SECONDS)
            try:
                if count := self._spill.drain(self._take_in):
                    _log.warning("inbox: %d kept records are in the store now", count)
            except (LedgerError, InboxError, OSError) as error:
                _log.warning("inbox: what was kept waits for the store: %s", error)

    def _take_in(self, records: Sequence[Record]) -> None:
        """Put records where they belong, in their order; with many, half of the time."""
        started = time.monotonic()
        rows: list[store_inbox.NewRow] = []
        unusable: list[Record] = []
        for record in records:
            if record.kind == _EVENT:
                try:
                    event = parse(record.payload)
                except EventError:
                    unusable.append(record)  # Of a newer version, perhaps.
                    continue
                rows.append(row_of(event, record.received_ms, record.detail))
                continue
            self._insert(rows)
            rows = []
            received = datetime.fromtimestamp(record.received_ms / 1000, UTC)
            take = self.take_kept.get(record.kind)
            if take is None or not take(record.payload, received):
                unusable.append(record)
        self._insert(rows)
        for record in unusable:  # Once the store has the others: until then all come again.
            self._spill.set_aside(record)
        if len(records) >= BATCH_RECORDS:
            # More follow. Clicks that are answered meanwhile share the interpreter with it.
            self._closing.wait(time.monotonic() - started)

    def _insert(self, rows: Sequence[store_inbox.NewRow]) -> None:
        if store_inbox.insert_rows(self._store, rows):
            self._tell(list(dict.fromkeys(row.id for row in rows)))
