"""The audit's second half: is what is kept beside a log just what the log gives?

Transfers, balances, claims and the answers to signups all follow from the log. Decisions rest on
balances and claims, companies are billed by transfers, and a repeated webhook gets the kept answer
again, so each is compared row by row with what the fold made of the log. Rows are compared as they
are stored: a damaged one holds anything, and must be named all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger import store_inbox, store_ledger
from ledger.credits import Transfer
from ledger.events import fingerprint
from ledger.fold import Fold, nonzero
from ledger.store import Transaction
from ledger.store_ledger import StoredRow, milliseconds


def difference(transaction: Transaction, log: str, fold: Fold) -> str | None:
    """Return the first thing kept for a company that its log does not give, or lacks."""
    balances = nonzero(fold.book.balances)
    due: dict[str, Iterable[StoredRow]] = {
        "transfer": (row for one in fold.transfers for row in _transfer_rows(one)),
        "balance": ((*place, amount) for place, amount in balances.items()),
        "claim": (
            (claim.event_id, claim.link_id, claim.person_ref, milliseconds(claim.time))
            for claim in fold.claims
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
        "claim": store_ledger.claim_rows(transaction, log),
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


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
