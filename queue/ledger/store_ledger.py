"""The ledger tables: loading what a decision needs, keeping what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, select, update

from ledger import store_holdings
from ledger.credits import Account, Balances, Book, Policy, Posting, Transfer, Unit, policy_at
from ledger.events import Event, EventType, link_issued_id, parse
from ledger.holds import BURST_PERIOD, delivered_ids, delivered_link
from ledger.store import Transaction, as_bytes
from ledger.store_holdings import milliseconds, time_of
from ledger.store_log import DamagedLog, issued_links
from ledger.store_tables import balance, entry, posting, proposal, referral, slot, transfer

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

# Of a company's referrals, those of an hour.
_TIMES: Final = (
    select(referral.c.time_ms)
    .where(
        referral.c.company == bindparam("company"),
        referral.c.time_ms > bindparam("after_ms"),
        referral.c.time_ms <= bindparam("to_ms"),
    )
    .order_by(referral.c.time_ms)
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
_IN_ORDER: Final = (
    select(
        entry.c.seq,
        entry.c.body,
        transfer.c.key,
        transfer.c.rule,
        transfer.c.policy,
        posting.c.account,
        posting.c.unit,
        posting.c.amount,
    )
    .join(transfer, transfer.c.event_id == entry.c.event_id)
    .join(posting, posting.c.transfer_key == transfer.c.key)
    .where(entry.c.log == bindparam("company"), transfer.c.company == bindparam("company"))
    # Of a transfer's legs, what it takes away comes first.
    .order_by(entry.c.seq, posting.c.unit, posting.c.amount)
)
_KEPT_HOLDINGS: Final = {
    table.name: select(*(each for each in table.c if each.name != "company")).where(
        table.c.company == bindparam("company")
    )
    for table in (referral, slot, proposal)
}

# Columns as stored, whatever somebody put there: SQLite takes any type into any column.
StoredRow = tuple[Any, ...]


class DamagedLedger(DamagedLog):
    """What is kept of a company's ledger cannot be read as one."""

    def __init__(self, company: str, what: str) -> None:
        super().__init__(f"ledger of {company}: {what}")


def load_book(
    transaction: Transaction, company: str, policies: Sequence[Policy], events: Sequence[Event]
) -> Book:
    """Return the company's book with all that these events can touch; raises `DamagedLedger`."""
    book = Book(company, policies, balances=balances(transaction, company))
    try:
        store_holdings.load(transaction, book.holdings, events)
        _load_claims(transaction, book, events)
    except ValueError as error:
        raise DamagedLedger(company, str(error)) from None
    return book


def _load_claims(transaction: Transaction, book: Book, events: Sequence[Event]) -> None:
    """Add who has claimed the links and people of the signups among the events."""
    signups = [event for event in events if event.type is EventType.SIGNUP_VERIFIED]
    if not signups:
        return
    links = {str(event.data["link_id"]) for event in signups}
    ids = [link_issued_id(link) for link in links if link]
    book.issued.update(issued_links(transaction, book.company, ids))
    values = {"company": book.company, "links": list(links)}
    for link_id, count in transaction.execute(_CLAIMS, values):
        book.links[link_id] = count
    _load_hold_grounds(transaction, book, signups)
    people = [str(event.data["person_ref"]) for event in signups]
    values = {"company": book.company, "people": people}
    for person, time_ms in transaction.execute(_EARLIER, values):
        book.people.setdefault(person, []).append(time_of(time_ms))


def _load_hold_grounds(transaction: Transaction, book: Book, signups: Sequence[Event]) -> None:
    """Add which letters were delivered, and who else registered in the hour before.

    Where no policy of the signups' times asks for it, nothing is looked up.
    """
    signups = [event for event in signups if policy_at(book.policies, event.time).holds]
    if not signups:
        return
    links = {str(event.data["link_id"]) for event in signups}
    ids = [event_id for link in links if link for event_id in delivered_ids(link)]
    found = issued_links(transaction, book.company, ids)
    book.delivered.update(map(delivered_link, found))
    moments = {milliseconds(event.time) for event in signups}
    period_ms = BURST_PERIOD // timedelta(milliseconds=1)
    values = {
        "company": book.company,
        "after_ms": min(moments) - period_ms,
        "to_ms": max(moments),
    }
    book.times = [time_of(row.time_ms) for row in transaction.execute(_TIMES, values)]


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


def transfers_in_order(
    transaction: Transaction, company: str
) -> Iterator[tuple[int, Event, Transfer]]:
    """Yield a company's transfers with index and event of their entries, in the log's order.

    Raises `DamagedLedger` for what cannot be read as one.
    """
    rows = transaction.execute(_IN_ORDER, {"company": company})
    for seq, group in groupby(rows, key=lambda row: row.seq):
        legs = list(group)
        try:
            event = parse(as_bytes(legs[0].body))
            postings = tuple(Posting(Account(x.account), Unit(x.unit), x.amount) for x in legs)
            one = legs[0]
            made = Transfer(one.key, company, event.id, one.rule, one.policy, postings)
        except (TypeError, ValueError) as error:
            raise DamagedLedger(company, f"entry {seq}: {error}") from None
        yield seq, event, made


def holding_rows(transaction: Transaction, company: str, name: str) -> list[StoredRow]:
    """Return a company's rows of the table `referral`, `slot` or `proposal`, without its id."""
    return _stored(transaction, _KEPT_HOLDINGS[name], company)


def _stored(transaction: Transaction, query: Select[Any], company: str) -> list[StoredRow]:
    return [tuple(row) for row in transaction.execute(query, {"company": company})]


def companies(transaction: Transaction) -> set[str]:
    """Return all companies that something is kept for, whether they have a log or not."""
    return {
        str(company)
        for table in (transfer, balance, referral, slot, proposal)
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


def save_book(transaction: Transaction, before: Book, after: Book) -> None:
    """Bring what is kept from what a book was when it was loaded to what it is."""
    for (account, unit), amount in after.balances.items():
        known = before.balances.get((account, unit))
        if known == amount:
            continue
        if known is None:
            values = {"company": after.company, "account": str(account), "unit": str(unit)}
            transaction.execute(insert(balance).values(**values, amount=amount))
        else:
            statement = update(balance).where(
                balance.c.company == after.company,
                balance.c.account == str(account),
                balance.c.unit == str(unit),
            )
            transaction.execute(statement.values(amount=amount))
    store_holdings.save(transaction, before.holdings, after.holdings)
