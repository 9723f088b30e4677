"""The ledger tables: loading what a decision needs, keeping what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, select, update

from ledger.credits import Account, Balances, Book, Claim, Policy, Transfer, Unit
from ledger.events import Event, EventType, link_issued_id
from ledger.store import Transaction
from ledger.store_log import DamagedLog, issued_links
from ledger.store_tables import balance, posting, referral, transfer

# Built once: putting a statement together costs more than running it.
_BALANCES: Final = select(balance.c.account, balance.c.unit, balance.c.amount).where(
    balance.c.company == bindparam("company")
)
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

_TRANSFERS: Final = (
    select(
        transfer.c.key,
        transfer.c.event_id,
        transfer.c.rule,
        transfer.c.policy,
        posting.c.account,
        posting.c.unit,
        posting.c.amount,
    )
    # A transfer that moves nothing is one that nobody made.
    .outerjoin(posting, posting.c.transfer_key == transfer.c.key)
    .where(transfer.c.company == bindparam("company"))
)
_KEPT_CLAIMS: Final = select(
    referral.c.event_id, referral.c.link_id, referral.c.person_ref, referral.c.time_ms
).where(referral.c.company == bindparam("company"))

# Columns as stored, whatever somebody put there: SQLite takes any type into any column.
StoredRow = tuple[Any, ...]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DamagedLedger(DamagedLog):
    """What is kept of a company's ledger cannot be read as one."""

    def __init__(self, company: str, what: str) -> None:
        super().__init__(f"ledger of {company}: {what}")


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
        try:
            time = _EPOCH + timedelta(milliseconds=time_ms)
        except (TypeError, OverflowError):
            raise DamagedLedger(company, f"not a time: {time_ms!r}") from None
        book.people.setdefault(person, []).append(time)
    return book


def balances(transaction: Transaction, company: str) -> Balances:
    """Return the kept balances of a company; raises `DamagedLedger`."""
    try:
        return {
            (Account(account), Unit(unit)): int(amount)
            for account, unit, amount in balance_rows(transaction, company)
        }
    except (ValueError, OverflowError) as error:
        raise DamagedLedger(company, str(error)) from None


def balance_rows(transaction: Transaction, company: str) -> list[StoredRow]:
    """Return account, unit and amount of a company's balances."""
    return _stored(transaction, _BALANCES, company)


def transfer_rows(transaction: Transaction, company: str) -> list[StoredRow]:
    """Return key, event id, rule, policy, account, unit and amount of all postings."""
    return _stored(transaction, _TRANSFERS, company)


def claim_rows(transaction: Transaction, company: str) -> list[StoredRow]:
    """Return event id, link id, person and time in milliseconds of a company's claims."""
    return _stored(transaction, _KEPT_CLAIMS, company)


def _stored(transaction: Transaction, query: Select[Any], company: str) -> list[StoredRow]:
    return [tuple(row) for row in transaction.execute(query, {"company": company})]


def companies(transaction: Transaction) -> set[str]:
    """Return all companies that something is kept for, whether they have a log or not."""
    return {
        str(company)
        for table in (transfer, balance, referral)
        for company in transaction.execute(select(table.c.company).distinct()).scalars()
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
                    "time_ms": milliseconds(claim.time),
                }
                for claim in claims
            ],
        )


def milliseconds(time: datetime) -> int:
    """Return the time as it is stored: milliseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(milliseconds=1)
