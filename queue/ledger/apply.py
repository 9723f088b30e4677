"""The applier: events from the inbox into logs and ledger, exactly once.

One transaction takes the oldest unapplied events in the order they were taken, appends them and
what follows from them to the logs, posts the transfers, keeps each outcome and marks the rows
applied. All of it is on disk or none of it: a process killed anywhere leaves the rows unapplied,
and the next one, here or in another process, starts where the last commit ended. The store admits
one writer at a time, so two appliers never see the same row as unapplied; unique event ids in the
log and unique transfer keys would stop the second even if they did.

A batch is bounded, because the inbox writer, and behind it a mail, waits while it runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from ledger import faults, store_clicks, store_inbox, store_ledger, store_log
from ledger.credits import Outcome, Policy, Transfer
from ledger.events import Event, encode, parse
from ledger.log import Frontier, Node, append, leaf_hash
from ledger.store import LedgerError, RepeatedKey, Store, Transaction
from ledger.store_log import DamagedLog

# At about 0.1 ms an event the writer's lock is held for some 10 ms; twice the size gains only 10 %.
BATCH_EVENTS: Final = 100

# Batches that begin where the one before ended: an event that was put aside waits for so many, a
# few tenths of a second, however much comes in.
BATCHES_BEHIND: Final = 20

# A failing event is tried again after 1, 2, 4 … seconds, at most `store_inbox.DEFER_MAX_MS`.
DEFER_FIRST_MS: Final = 1_000

# What an event can raise that cannot be applied: a damaged row, a fact that contradicts the store.
# It must not stop those behind it.
_UNUSABLE: Final = (ValueError, LookupError, RepeatedKey, DamagedLog)

_log: Final = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class UnknownEvent(LedgerError):
    """No event of this id was taken."""


class NotApplied(LedgerError):
    """The event was taken, cannot be applied now, and is tried again later."""


class Applier:
    """Applies what is pending in a store. Thread-safe; any number may work on one store."""

    def __init__(self, store: Store, policies: Sequence[Policy], *, clock: Clock) -> None:
        self._store = store
        self._policies = tuple(policies)
        self._clock = clock
        # What the last batch left, to save reading it again. Written when the commit is done: a
        # log that was of this size then is the same log whenever it is of this size.
        self._frontiers: dict[str, Frontier] = {}
        # Where the last batch ended, and how many began there since one began at the beginning.
        self._last_seq = -1
        self._begun_there = 0

    def apply_event(self, event_id: str) -> Outcome:
        """Apply what is pending up to this event and return what it came to.

        Repeating it, here or elsewhere, returns the same outcome. Raises `UnknownEvent`,
        `NotApplied` or `StoreError`.
        """
        while True:
            found = self.outcome(event_id)
            if found is not None:
                return found
            if self.apply_pending():
                continue
            # Another applier may have taken the last batch between the two steps above.
            found = self.outcome(event_id)
            if found is not None:
                return found
            with self._store.read() as transaction:
                known = store_inbox.company_of(transaction, event_id)
            raise NotApplied(event_id) if known else UnknownEvent(event_id)

    def outcome(self, event_id: str) -> Outcome | None:
        """Return what the event came to, None while it is not applied."""
        with self._store.read() as transaction:
            return store_inbox.outcome(transaction, event_id)

    def company_of(self, event_id: str) -> str | None:
        """Return the company whose event this is, None when none of this id was taken."""
        with self._store.read() as transaction:
            return store_inbox.company_of(transaction, event_id)

    def time_of(self, log: str, event_id: str) -> datetime | None:
        """Return when an event of a log happened, None when it is not in it."""
        with self._store.read() as transaction:
            return store_clicks.times(transaction, log, [event_id]).get(event_id)

    def pending_count(self) -> int:
        """Return how many events wait to be applied, those put aside included."""
        with self._store.read() as transaction:
            return store_inbox.pending_count(transaction)

    def is_due(self) -> bool:
        """Tell whether there is an event to apply now."""
        with self._store.read() as transaction:
            return bool(self._pending(transaction, 1))

    def apply_pending(self, limit: int = BATCH_EVENTS) -> int:
        """Apply one batch; return how many events were applied, 0 when none is due."""
        if not self.is_due():
            return 0  # Without asking for the writer's lock.
        try:
            return self._apply_batch(limit)
        except _UNUSABLE:
            return self._apply_singly(limit)

    def apply_all(self) -> int:
        """Apply until nothing is due; return how many events were applied."""
        total = 0
        while count := self.apply_pending():
            total += count
        return total

    def _apply_singly(self, limit: int) -> int:
        """Apply the oldest events one by one, so that one that fails is known and put aside."""
        applied = 0
        for _ in range(limit):
            try:
                if not (count := self._apply_batch(1)):
                    break
                applied += count
            except _UNUSABLE as error:
                self._put_aside(error)
        return applied

    def _put_aside(self, error: Exception) -> None:
        """Defer the oldest event, which is the one that failed: order is by `seq`."""
        with self._store.write() as transaction:
            now_ms = self._now_ms()
            for row in store_inbox.pending(transaction, 1, now_ms):
                # The shift is bounded, since the count of failures is not.
                delay = min(DEFER_FIRST_MS << min(row.failures, 20), store_inbox.DEFER_MAX_MS)
                store_inbox.defer(transaction, row, now_ms + delay)
                if isinstance(error, DamagedLog):
                    # The others of this company fail as well, and would hold up everybody's.
                    store_inbox.defer_company(transaction, row.id, now_ms + delay)
                _log.error("event %s put aside for %d ms: %r", row.id, delay, error)

    def _apply_batch(self, limit: int) -> int:
        frontiers: dict[str, Frontier] = {}
        with self._store.write() as transaction:
            rows = self._pending(transaction, limit)
            events = [parse(row.body) for row in rows]
            outcomes: dict[str, Outcome] = {}
            for company in sorted({event.company for event in events}):
                own = [event for event in events if event.company == company]
                frontiers[company] = self._apply_company(transaction, company, own, outcomes)
            store_inbox.mark_applied(
                transaction,
                [(row, outcomes[event.id]) for row, event in zip(rows, events, strict=True)],
            )
            faults.reach("applier.written")
        faults.reach("applier.committed")
        self._frontiers.update(frontiers)
        if rows:
            self._last_seq, self._begun_there = rows[-1].seq, self._begun_there + 1
        return len(rows)

    def _pending(self, transaction: Transaction, limit: int) -> list[store_inbox.PendingRow]:
        """Return what is to be applied next.

        Behind the last batch, as long as there is a whole one; else, and every now and then, from
        the beginning, where rows may be that were put aside, or committed late.
        """
        now_ms = self._now_ms()
        if self._begun_there < BATCHES_BEHIND:
            rows = store_inbox.pending(transaction, limit, now_ms, self._last_seq)
            if len(rows) == limit:
                return rows
        self._begun_there = 0
        return store_inbox.pending(transaction, limit, now_ms)

    def _apply_company(
        self,
        transaction: Transaction,
        company: str,
        events: Sequence[Event],
        outcomes: dict[str, Outcome],
    ) -> Frontier:
        """Apply one company's events of a batch; return what its log's tree is then."""
        book = store_ledger.load_book(transaction, company, self._policies, events)
        before = book.copy()
        entries: list[Event] = []
        transfers: list[Transfer] = []
        for event in events:
            ruling = book.apply(event)
            outcomes[event.id] = book.outcome(event, ruling)
            entries.extend((event, *ruling.derived))
            transfers.extend(ruling.transfers)
        frontier = self._append(transaction, company, entries)
        store_ledger.insert_transfers(transaction, transfers)
        store_ledger.save_book(transaction, before, book)
        return frontier

    def _append(self, transaction: Transaction, log: str, events: Sequence[Event]) -> Frontier:
        frontier = store_log.frontier(transaction, log, self._frontiers.get(log))
        rows: list[store_log.EntryRow] = []
        nodes: list[Node] = []
        for event in events:
            body = encode(event)
            leaf = leaf_hash(body)
            rows.append(store_log.EntryRow(frontier.size, event.id, body, leaf))
            frontier, completed = append(frontier, leaf)
            nodes.extend(completed)
        store_log.insert_entries(transaction, log, rows)
        store_log.insert_nodes(transaction, log, nodes)
        return frontier

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)
