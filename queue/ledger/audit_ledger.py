"""The audit's second half: is what is kept beside a log just what the log gives?

Transfers, balances, referrals, slots, proposals and the answers to signups all follow from the
log. Decisions rest on these, companies are billed by transfers, and a repeated webhook gets the
kept answer again, so each is compared row by row with what the fold made of the log. Rows are
compared as they are stored: a damaged one holds anything, and must be named all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ledger import store_holdings, store_inbox, store_ledger
from ledger.credits import Transfer, nonzero
from ledger.events import fingerprint
from ledger.fold import Fold
from ledger.store import Transaction
from ledger.store_ledger import StoredRow


def difference(transaction: Transaction, log: str, fold: Fold) -> str | None:
    """Return the first thing kept for a company that its log does not give, or lacks."""
    balances, holdings = nonzero(fold.book.balances), fold.book.holdings
    due: dict[str, Iterable[StoredRow]] = {
        "transfer": (row for one in fold.transfers for row in _transfer_rows(one)),
        "balance": ((*place, amount) for place, amount in balances.items()),
        "referral": map(_values, map(store_holdings.referral_row, holdings.referrals.values())),
        "slot": (_values(store_holdings.slot_row(log, one)) for one in holdings.slots.values()),
        "proposal": (
            _values(store_holdings.proposal_row(log, one)) for one in holdings.proposals.values()
        ),
        "answer": (
            (
                event.id,
                fingerprint(event),
                outcome.decision,
                " ".join(outcome.reasons),
                outcome.open,
                outcome.slots_available,
            )
            for event, outcome in fold.signups
        ),
    }
    kept: dict[str, Iterable[StoredRow]] = {
        "transfer": store_ledger.transfer_rows(transaction, log),
        "balance": (row for row in store_ledger.balance_rows(transaction, log) if row[-1] != 0),
        **{
            name: store_ledger.holding_rows(transaction, log, name)
            for name in ("referral", "slot", "proposal")
        },
        "answer": store_inbox.signup_rows(transaction, log),
    }
    for name, rows in due.items():
        given, found = set(rows), set(kept[name])
        # A changed row is both: as it is it tells more than as it was.
        for odd, what in (
            (found - given, "does not follow from the log"),
            (given - found, "is missing"),
        ):
            if odd:
                return f"{name} {' '.join(map(_shown, min(odd, key=repr)))} {what}"
    return None


def _transfer_rows(transfer: Transfer) -> Iterator[StoredRow]:
    head = (transfer.key, transfer.event_id, transfer.rule, transfer.policy)
    for posting in transfer.postings:
        yield (*head, posting.account, posting.unit, posting.amount)


def _values(row: dict[str, Any]) -> StoredRow:
    """Return the values of a row without its company, in the order of its columns."""
    return tuple(value for name, value in row.items() if name != "company")


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
