"""The ledger tables: loading what a decision needs, keeping what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import bindparam, func, insert, select, update

from ledger.credits import Account, Balances, Book, Claim, Policy, Transfer, Unit
from ledger.events import Event, EventType, link_issued_id
from ledger.store import Transaction
from ledger.store_log import issued_links
from ledger.store_tables import balance, posting, referral, transfer

# Built once: putting a statement together costs more than running it.
_BALANCES: Final = select(balance).where(balance.c.company == bindparam("company"))
_CLAIMS: Final = (
    select(referral.c.link_id, func.count())
    .where(
        referral.c.company == bindparam("company"),
        referral.c.link_id.in_(bindparam("links", expanding=True)),
    )
    .group_by(referral.c.link_id)
)
_EARLIER: Final = select(referral.c.person_ref, referral.c.time_ms).where(
    referral.c.company == bindparam("company"),
    referral.c.person_ref.in_(bindparam("people", expanding=True)),
)


def load_book(
    transaction: Transaction, company: str, policies: Sequence[Policy], events: Iterable[Event]
) -> Book:
    """Return the company's book with all that these events can touch."""
    book = Book(company, policies, balances=balances(transaction, company))
    signups = [event for event in events if event.type is EventType.SIGNUP_VERIFIED]
    if not signups:
        return book
    links = {str(event.data["link_id"]) for event in signups}
    ids = [link_issued_id(link) for link in links if link]
    book.issued.update(issued_links(transaction, company, ids))
    values = {"company": company, "links": list(links)}
    for link_id, count in transaction.execute(_CLAIMS, values):
        book.links[link_id] = count
    values = {"company": company, "people": [str(event.data["person_ref"]) for event in signups]}
    for person, time_ms in transaction.execute(_EARLIER, values):
        book.people.setdefault(person, []).append(datetime.fromtimestamp(time_ms / 1000, UTC))
    return book


def balances(transaction: Transaction, company: str) -> Balances:
    """Return the kept balances of a company."""
    return {
        (Account(row.account), Unit(row.unit)): int(row.amount)
        for row in transaction.execute(_BALANCES, {"company": company})
    }


def posting_sums(transaction: Transaction, company: str) -> Balances:
    """Return the balances as the sums over all postings of a company."""
    query = (
        select(posting.c.account, posting.c.unit, func.sum(posting.c.amount))
        .join(transfer, transfer.c.key == posting.c.transfer_key)
        .where(transfer.c.company == company)
        .group_by(posting.c.account, posting.c.unit)
    )
    return {
        (Account(account), Unit(unit)): int(total)
        for account, unit, total in transaction.execute(query)
    }


def insert_transfers(transaction: Transaction, transfers: Sequence[Transfer]) -> None:
    """Keep transfers; a key that exists raises `RepeatedKey` and undoes the transaction."""
    if not transfers:
        return
    transaction.execute(
        insert(transfer),
        [
            {
                "key": one.key,
                "company": one.company,
                "event_id": one.event_id,
                "rule": one.rule,
                "policy": one.policy,
            }
            for one in transfers
        ],
    )
    transaction.execute(
        insert(posting),
        [
            {
                "transfer_key": one.key,
                "account": str(leg.account),
                "unit": str(leg.unit),
                "amount": leg.amount,
            }
            for one in transfers
            for leg in one.postings
        ],
    )


def save_balances(transaction: Transaction, company: str, after: Balances) -> None:
    """Bring the kept balances to what they are after the transfers of this transaction."""
    before = balances(transaction, company)
    for (account, unit), amount in after.items():
        if before.get((account, unit)) == amount:
            continue
        values = {"company": company, "account": str(account), "unit": str(unit)}
        if (account, unit) in before:
            statement = update(balance).where(
                balance.c.company == company,
                balance.c.account == str(account),
                balance.c.unit == str(unit),
            )
            transaction.execute(statement.values(amount=amount))
        else:
            transaction.execute(insert(balance).values(**values, amount=amount))


def insert_claims(transaction: Transaction, claims: Sequence[Claim]) -> None:
    """Keep what signups claimed."""
    if claims:
        transaction.execute(
            insert(referral),
            [
                {
                    "event_id": claim.event_id,
                    "company": claim.company,
                    "link_id": claim.link_id,
                    "person_ref": claim.person_ref,
                    "time_ms": round(claim.time.timestamp() * 1000),
                }
                for claim in claims
            ],
        )
