"""Statements out of the store: reading one, and finding those that are due to be issued.

A statement is made of the log alone, by the fold. Only where a month ends while it is not issued
is read off the inbox, which knows when each event came in; once issued, the log says it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain as joined
from typing import Final

from ledger import store_log, store_statement
from ledger.events import INSTALLATION, Event, EventError, parse
from ledger.fold import FoldError
from ledger.log import frontier_of, root
from ledger.policy import Policy
from ledger.statement import (
    FIRST_MONTH,
    LAST_MONTH,
    Issued,
    Month,
    Statement,
    StatementError,
    chain,
    compile_statement,
    digest_of,
    encode_json,
    issued_id,
    month_of,
    months_until,
    statement_issued,
)
from ledger.store import Store, Transaction

_log: Final = logging.getLogger(__name__)

_DAMAGED: Final = (store_log.DamagedLog, FoldError, EventError, StatementError)


def read_statement(
    store: Store, company: str, month: Month, policies: Sequence[Policy]
) -> Statement:
    """Return the company's statement of the month, provisional where none was issued.

    Raises `StatementError` when there is none, or when the one that was issued is not what the log
    gives now; `DamagedLog`, `FoldError` or `StoreError` when the log cannot be read.
    """
    with store.read() as transaction:
        issued = _issued(transaction, company)
        found = next((one for one in issued if one.month == month), None)
        if found:
            return _checked(_compile(transaction, company, found, policies, is_issued=True), found)
        following = _following(transaction, company, issued)
        if following is None:
            raise StatementError(f"{company} has no entries, so there is no statement")
        if month < following:
            raise StatementError(f"{company} has no statement of {month}: the next is {following}")
        first = issued[-1].size if issued else 0
        if month > following:
            # The months between are to get their own.
            first = store_statement.cut(transaction, company, first, month.start)
        size = store_statement.cut(transaction, company, first, month.end)
        asked = Issued(month, first, size, b"", "")
        return _compile(transaction, company, asked, policies, is_issued=False)


def issue_due(store: Store, policies: Sequence[Policy], now: datetime) -> list[Event]:
    """Return the `statement.issued` events that are due: for each company the next month, if ended.

    To be called when all that came in before is applied, and again after these were, until none is
    due: each statement begins where the one before ended. A company whose log is damaged gets
    none. An inbox that answers `EventConflict` to one was given it by another process.
    """
    due: list[Event] = []
    with store.read() as transaction:
        for company in store_log.names(transaction):
            if company == INSTALLATION:
                continue
            try:
                issued = _issued(transaction, company)
                month = _following(transaction, company, issued)
                if month is None or month.end > now:
                    continue
                first = issued[-1].size if issued else 0
                size = store_statement.cut(transaction, company, first, month.end)
                asked = Issued(month, first, size, b"", "")
                statement = _compile(transaction, company, asked, policies, is_issued=True)
            except _DAMAGED as error:
                _log.error("no statement for %s: %s", company, error)
                continue
            due.append(statement_issued(statement, now))
    return due


def _issued(transaction: Transaction, company: str) -> list[Issued]:
    """Return the statements on record, oldest first."""
    return chain(_events(store_statement.find_entries(transaction, company, _ids(company))))


def _following(transaction: Transaction, company: str, issued: Sequence[Issued]) -> Month | None:
    """Return the month whose statement is the next to be issued, None while there is no entry."""
    begun = store_statement.received(transaction, company)
    if begun is None:
        return None
    # The event of a month may be on record and fix nothing; there cannot be another.
    rows = store_statement.find_entries(transaction, company, _ids(company))
    taken = {event.id for _, event in _events(rows)}
    month = issued[-1].month.next() if issued else max(month_of(begun), FIRST_MONTH)
    while issued_id(company, month) in taken:
        month = month.next()
    return month


def _ids(company: str) -> list[str]:
    return [issued_id(company, month) for month in months_until(FIRST_MONTH, LAST_MONTH)]


def _events(rows: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, Event]]:
    for index, body in rows:
        try:
            yield index, parse(body)
        except EventError:
            continue  # The audit names it.


def _compile(
    transaction: Transaction,
    company: str,
    asked: Issued,
    policies: Sequence[Policy],
    *,
    is_issued: bool,
) -> Statement:
    rows = joined.from_iterable(store_log.entries(transaction, company))
    nodes = store_log.node_reader(transaction, company)
    return compile_statement(
        company,
        asked.month,
        ((row.event_id, row.body) for row in rows),
        policies,
        first=asked.first,
        size=asked.size,
        root=root(frontier_of(asked.size, nodes)),
        is_issued=is_issued,
    )


def _checked(statement: Statement, issued: Issued) -> Statement:
    where = f"statement of {statement.company} for {statement.month}"
    if statement.root != issued.root:
        raise StatementError(f"{where}: the first {issued.size} entries are not those it was of")
    if digest_of(encode_json(statement)) != issued.digest:
        raise StatementError(f"{where}: what the log gives is not what was issued")
    return statement
