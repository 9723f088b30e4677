"""Rebuilding the ledger: every log folded from its first entry, and compared with what is kept.

Nothing is written: what differs is for a person to look at. `log verify` asks more, whether the
logs themselves are those that were signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import audit_ledger, store_ledger, store_log
from ledger.fold import Fold
from ledger.policy import Policy
from ledger.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of one company's log; `difference` is the first one, None where there is none."""

    company: str
    entries: int
    difference: str | None


def rebuild_ledgers(
    store: Store, policies: Sequence[Policy], company: str | None = None
) -> list[Rebuilt]:
    """Return the comparison for one company, or for all that anything is kept of."""
    with store.read() as transaction:
        names = {*store_log.names(transaction), *store_ledger.companies(transaction)}
        if company is not None:
            names &= {company}
        return [_rebuild(transaction, policies, name) for name in sorted(names)]


def _rebuild(transaction: Transaction, policies: Sequence[Policy], company: str) -> Rebuilt:
    fold, count = Fold(company, policies), 0
    try:
        for rows in store_log.entries(transaction, company):
            for row in rows:
                fold.feed(row.event_id, row.body)
                count += 1
        fold.end()
    except ValueError as error:
        return Rebuilt(company, count, f"entry {count}: {error}")
    return Rebuilt(company, count, audit_ledger.difference(transaction, company, fold))
