"""The tables of people who register and of those whom we write to no more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, Select, and_, delete, func, insert, select, update

from ledger.store import Store, Transaction, as_bytes
from ledger.store_tables import job, person, suppression

# The kind of jobs that send our mail to people.
SEND_MAIL: Final = "send_mail"

# Rows changed in one transaction: mail waits meanwhile.
CHUNK_ROWS: Final = 500


class PersonState(StrEnum):
    """How far a registration has come."""

    RECEIVED = "received"  # The form was sent; nothing says that by the address' owner.
    CONFIRMED = "confirmed"  # By the link in the mail: waits to be handed over.
    WITHDRAWN = "withdrawn"  # By the person, before it was confirmed. Nothing personal is left.
    HANDED_OVER = "handed_over"  # The placement service has it.
    ERASED = "erased"  # Nothing personal is left.


# Those that hold a person.
ALIVE: Final = (PersonState.RECEIVED, PersonState.CONFIRMED, PersonState.HANDED_OVER)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A registration without what is personal."""

    id: str
    state: PersonState
    company: str
    link_id: str
    created_ms: int
    confirmed_ms: int | None
    handed_ms: int | None
    expires_ms: int


def insert_person(transaction: Transaction, row: PersonRow, lookup: bytes, sealed: bytes) -> None:
    """Put a registration on record, with one mail sent for it."""
    values = {
        "id": row.id,
        "state": str(row.state),
        "company": row.company,
        "link_id": row.link_id,
        "lookup": lookup,
        "sealed": sealed,
        "mails": 1,
        "created_ms": row.created_ms,
        "expires_ms": row.expires_ms,
    }
    transaction.execute(insert(person).values(values))


def find(transaction: Transaction, person_id: str) -> PersonRow | None:
    """Return a registration."""
    found = transaction.execute(select(person).where(person.c.id == person_id)).first()
    return None if found is None else _row(found)


def find_sealed(transaction: Transaction, person_id: str) -> tuple[PersonRow, bytes, bytes] | None:
    """Return a registration, the hash of its address and its sealed data."""
    found = transaction.execute(select(person).where(person.c.id == person_id)).first()
    if found is None:
        return None
    return _row(found), as_bytes(found.lookup), as_bytes(found.sealed)


def mails_since(transaction: Transaction, lookup: bytes, since_ms: int) -> int:
    """Return how many mails an address was sent for registrations made since then."""
    query = select(func.coalesce(func.sum(person.c.mails), 0)).where(
        person.c.lookup == lookup, person.c.created_ms >= since_ms
    )
    return int(transaction.execute(query).scalar_one())


def count_mail(transaction: Transaction, person_id: str) -> int:
    """Count one more mail for a registration; return how many these are, 0 where there is none."""
    transaction.execute(
        update(person).where(person.c.id == person_id).values(mails=person.c.mails + 1)
    )
    found = transaction.execute(select(person.c.mails).where(person.c.id == person_id)).scalar()
    return int(found or 0)


def confirm(transaction: Transaction, person_id: str, now_ms: int, expires_ms: int) -> bool:
    """Note that a registration is confirmed; tells whether it was waiting for that."""
    changed = transaction.execute(
        update(person)
        .where(person.c.id == person_id, person.c.state == "received")
        .values(state="confirmed", confirmed_ms=now_ms, expires_ms=expires_ms)
    )
    return changed.rowcount > 0


def hand_over(transaction: Transaction, person_id: str, now_ms: int, expires_ms: int) -> bool:
    """Note that the placement service has a confirmed registration; tells whether it was one."""
    changed = transaction.execute(
        update(person)
        .where(person.c.id == person_id, person.c.state == "confirmed")
        .values(state="handed_over", handed_ms=now_ms, expires_ms=expires_ms)
    )
    return changed.rowcount > 0


def empty(transaction: Transaction, person_id: str, state: PersonState) -> None:
    """Delete what is personal in a registration, in mail that waits to be sent as well."""
    _forget_mail(transaction, person_id)
    gone = {"state": str(state), "lookup": b"", "sealed": b""}
    alive = person.c.state.in_([str(one) for one in ALIVE])
    transaction.execute(update(person).where(person.c.id == person_id, alive).values(**gone))


def ids_of(transaction: Transaction, lookup: bytes) -> list[str]:
    """Return the registrations of an address, the oldest first."""
    query = select(person.c.id).where(person.c.lookup == lookup)
    return list(transaction.execute(query.order_by(person.c.created_ms, person.c.id)).scalars())


def alive_of(transaction: Transaction, lookup: bytes) -> list[PersonRow]:
    """Return the registrations of an address that hold a person still, the oldest first."""
    query = select(person).where(
        person.c.lookup == lookup, person.c.state.in_([str(one) for one in ALIVE])
    )
    return _rows(transaction, query.order_by(person.c.created_ms, person.c.id))


def waiting(transaction: Transaction, count: int) -> list[PersonRow]:
    """Return confirmed registrations that nobody was handed, the longest waiting first."""
    return _rows(transaction, _in_state(PersonState.CONFIRMED).limit(count))


def recalled(transaction: Transaction, since_ms: int, count: int) -> list[PersonRow]:
    """Return registrations handed over since then whose people have had themselves erased."""
    query = select(person).where(person.c.handed_ms >= since_ms, person.c.state == "erased")
    return _rows(transaction, query.order_by(person.c.handed_ms, person.c.id).limit(count))


def states(transaction: Transaction) -> dict[str, int]:
    """Return how many registrations there are in each state."""
    query = select(person.c.state, func.count()).group_by(person.c.state)
    return {str(state): int(count) for state, count in transaction.execute(query)}


def sealed_after(transaction: Transaction, after: str, count: int) -> list[tuple[str, bytes]]:
    """Return ids and sealed data of registrations behind this id."""
    query = select(person.c.id, person.c.sealed).where(person.c.id > after, person.c.sealed != b"")
    found = transaction.execute(query.order_by(person.c.id).limit(count))
    return [(str(row.id), as_bytes(row.sealed)) for row in found]


def reseal(transaction: Transaction, person_id: str, old: bytes, new: bytes) -> None:
    """Put sealed data in the place of what was there, unless it has changed meanwhile."""
    same = and_(person.c.id == person_id, person.c.sealed == old)
    transaction.execute(update(person).where(same).values(sealed=new))


def purge_people(store: Store, *, before_ms: int, latest_ms: int) -> int:
    """Delete registrations whose time ended before `before_ms`; return how many these were.

    Those made after `latest_ms`, while the clock was ahead, are dated back to it.
    """
    ahead = update(person).where(person.c.created_ms > latest_ms)
    over = person.c.expires_ms < before_ms
    query = select(person.c.id).where(over).order_by(person.c.expires_ms).limit(CHUNK_ROWS)
    total = 0
    while True:
        with store.write() as transaction:
            if not total:
                transaction.execute(
                    ahead.values(
                        created_ms=latest_ms,
                        expires_ms=person.c.expires_ms - person.c.created_ms + latest_ms,
                    )
                )
            ids = list(transaction.execute(query).scalars())
            for one in ids:
                _forget_mail(transaction, one)
            if ids:
                transaction.execute(delete(person).where(person.c.id.in_(ids)))
        total += len(ids)
        if len(ids) < CHUNK_ROWS:
            return total


def suppress(transaction: Transaction, lookup: bytes, now_ms: int) -> None:
    """Write to an address no more."""
    if not is_suppressed(transaction, lookup):
        transaction.execute(insert(suppression).values(lookup=lookup, time_ms=now_ms))


def allow(transaction: Transaction, lookup: bytes) -> None:
    """Write to an address again."""
    transaction.execute(delete(suppression).where(suppression.c.lookup == lookup))


def is_suppressed(transaction: Transaction, lookup: bytes) -> bool:
    """Tell whether an address is not to be written to."""
    query = select(suppression.c.lookup).where(suppression.c.lookup == lookup)
    return transaction.execute(query).first() is not None


def suppressed(transaction: Transaction) -> frozenset[bytes]:
    """Return the hashes of all addresses that are not to be written to."""
    return frozenset(as_bytes(found) for found in transaction.execute(_SUPPRESSED).scalars())


def mail_name(person_id: str, number: int) -> str:
    """Return the name of the so many-th mail that asks a person to confirm."""
    return f"confirm/{person_id}/{number}"


def _forget_mail(transaction: Transaction, person_id: str) -> None:
    # One that is being sent at this moment is sent; its job finds itself gone, which harms nobody.
    begin = f"{SEND_MAIL}:{mail_name(person_id, 0)}"[:-1]
    transaction.execute(delete(job).where(job.c.id.startswith(begin, autoescape=True)))


_SUPPRESSED: Final = select(suppression.c.lookup)


def _in_state(state: PersonState) -> Select[Any]:
    query = select(person).where(person.c.state == str(state))
    return query.order_by(person.c.confirmed_ms, person.c.id)


def _rows(transaction: Transaction, query: Select[Any]) -> list[PersonRow]:
    return [_row(found) for found in transaction.execute(query)]


def _row(found: Row[Any]) -> PersonRow:
    return PersonRow(
        found.id,
        PersonState(found.state),
        found.company,
        found.link_id,
        found.created_ms,
        found.confirmed_ms,
        found.handed_ms,
        found.expires_ms,
    )
