"""Referrals, slots and proposals as rows: loading those that events name, keeping what they became.

Rows are added and changed, never deleted. Times are milliseconds since 1970, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import RowMapping, Table, Update, bindparam, insert, select, update

from ledger.events import Event
from ledger.holdings import CHANGES, Holdings, slot_number
from ledger.states import Action, Proposal, Referral, ReferralState, Slot, SlotState
from ledger.store import Transaction
from ledger.store_log import DamagedLog
from ledger.store_tables import proposal, referral, slot

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Row = dict[str, Any]


class DamagedRow(DamagedLog, ValueError):
    """A row of the ledger cannot be read as what it must be."""


# Built once: putting a statement together costs more than running it.
# Where ids are looked up, the company is compared afterwards: asked for both, SQLite walks over
# all rows of the company.
_REFERRALS: Final = select(referral).where(
    referral.c.event_id.in_(bindparam("names", expanding=True))
)
_SLOTS: Final = select(slot).where(
    slot.c.company == bindparam("company"),
    slot.c.number.in_(bindparam("names", expanding=True)),
)
_PROPOSALS: Final = select(proposal).where(
    proposal.c.event_id.in_(bindparam("names", expanding=True))
)
_DUE_REFERRALS: Final = (
    select(referral)
    .where(referral.c.due_ms <= bindparam("now_ms"))
    .order_by(referral.c.due_ms)
    .limit(bindparam("count"))
)
_DUE_SLOTS: Final = (
    select(slot)
    .where(slot.c.due_ms <= bindparam("now_ms"))
    .order_by(slot.c.due_ms)
    .limit(bindparam("count"))
)
_CHANGE_REFERRAL: Final = (
    update(referral)
    .where(referral.c.event_id == bindparam("at"))
    .values(state=bindparam("to_state"), due_ms=bindparam("to_due_ms"))
)
_CHANGE_SLOT: Final = (
    update(slot)
    .where(slot.c.company == bindparam("of"), slot.c.number == bindparam("at"))
    .values(
        {
            name: bindparam(f"to_{name}")
            for name in ("state", "expires_ms", "reservation", "until_ms", "noticed_ms", "due_ms")
        }
    )
)
_CHANGE_PROPOSAL: Final = (
    update(proposal)
    .where(proposal.c.event_id == bindparam("at"))
    .values(confirmed=bindparam("to_confirmed"))
)


def load(transaction: Transaction, holdings: Holdings, events: Iterable[Event]) -> None:
    """Add all rows that the events name; raises `DamagedRow`."""
    names: set[str] = set()
    numbers: set[int] = set()
    for event in events:
        if event.type in CHANGES:
            for name in ("signup", "target", "proposal"):
                if isinstance(value := event.data.get(name), str):
                    names.add(value)
                    if number := slot_number(holdings.company, value):
                        numbers.add(number)
            if isinstance(value := event.data.get("number"), int):
                numbers.add(value)
    values: _Row = {"names": sorted(names)}
    if names:
        for row in transaction.execute(_REFERRALS, values).mappings():
            if row["company"] == holdings.company:
                holdings.referrals[row["event_id"]] = referral_of(row)
        for row in transaction.execute(_PROPOSALS, values).mappings():
            if row["company"] == holdings.company:
                holdings.proposals[row["event_id"]] = proposal_of(row)
    if numbers:
        values = {"company": holdings.company, "names": sorted(numbers)}
        for row in transaction.execute(_SLOTS, values).mappings():
            holdings.slots[row["number"]] = slot_of(row)


def save(transaction: Transaction, before: Holdings, after: Holdings) -> None:
    """Keep what is new or has changed since the holdings were loaded."""
    company = after.company
    _save(transaction, referral, _CHANGE_REFERRAL, before.referrals, after.referrals, referral_row)
    _save(
        transaction,
        slot,
        _CHANGE_SLOT,
        before.slots,
        after.slots,
        lambda one: slot_row(company, one),
    )
    _save(
        transaction,
        proposal,
        _CHANGE_PROPOSAL,
        before.proposals,
        after.proposals,
        lambda one: proposal_row(company, one),
    )


def due_referrals(transaction: Transaction, now: datetime, limit: int) -> list[Referral]:
    """Return the referrals whose hold was over by now; damaged ones are left out."""
    values = {"now_ms": milliseconds(now), "count": limit}
    found = transaction.execute(_DUE_REFERRALS, values).mappings()
    return [one for row in found if (one := _unless_damaged(referral_of, row))]


def due_slots(transaction: Transaction, now: datetime, limit: int) -> list[tuple[str, Slot]]:
    """Return companies and their slots that something was due for by now, without damaged ones."""
    values = {"now_ms": milliseconds(now), "count": limit}
    found = transaction.execute(_DUE_SLOTS, values).mappings()
    return [(row["company"], one) for row in found if (one := _unless_damaged(slot_of, row))]


def referrals(
    transaction: Transaction, company: str, state: ReferralState | None = None
) -> list[Referral]:
    """Return a company's referrals, or those in one state, oldest first; raises `DamagedRow`."""
    query = select(referral).where(referral.c.company == company)
    if state is not None:
        query = query.where(referral.c.state == str(state))
    query = query.order_by(referral.c.time_ms, referral.c.event_id)
    return [referral_of(row) for row in transaction.execute(query).mappings()]


def find_referral(transaction: Transaction, event_id: str) -> Referral | None:
    """Return the referral of a signup, whatever its company; raises `DamagedRow`."""
    query = select(referral).where(referral.c.event_id == event_id)
    row = transaction.execute(query).mappings().first()
    return referral_of(row) if row else None


def slots(transaction: Transaction, company: str) -> list[Slot]:
    """Return a company's slots by number; raises `DamagedRow`."""
    query = select(slot).where(slot.c.company == company).order_by(slot.c.number)
    return [slot_of(row) for row in transaction.execute(query).mappings()]


def open_proposals(transaction: Transaction, company: str) -> list[Proposal]:
    """Return what was proposed and not confirmed, oldest first; raises `DamagedRow`."""
    query = (
        select(proposal)
        .where(proposal.c.company == company, proposal.c.confirmed == 0)
        .order_by(proposal.c.time_ms, proposal.c.event_id)
    )
    return [proposal_of(row) for row in transaction.execute(query).mappings()]


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _save(
    transaction: Transaction,
    table: Table,
    change: Update,
    before: Mapping[_Key, _Value],
    after: Mapping[_Key, _Value],
    row_of: Callable[[_Value], _Row],
) -> None:
    added = [row_of(one) for key, one in after.items() if key not in before]
    if added:
        transaction.execute(insert(table), added)
    changed = [row_of(one) for key, one in after.items() if key in before and before[key] != one]
    for row in changed:
        # Names of their own: SQLAlchemy keeps those of columns to itself.
        values = {f"to_{name}": value for name, value in row.items()}
        at = row["number"] if table is slot else row["event_id"]
        transaction.execute(change, {"of": row["company"], "at": at, **values})


def referral_row(one: Referral) -> _Row:
    """Return the referral as it is stored."""
    return {
        "event_id": one.event_id,
        "company": one.company,
        "link_id": one.link_id,
        "person_ref": one.person_ref,
        "time_ms": milliseconds(one.time),
        "state": str(one.state),
        "due_ms": _optional(one.due),
    }


def referral_of(row: RowMapping) -> Referral:
    """Return the referral of a row; raises `DamagedRow` when it is damaged."""
    try:
        return Referral(
            event_id=row["event_id"],
            company=row["company"],
            link_id=row["link_id"],
            person_ref=row["person_ref"],
            time=time_of(row["time_ms"]),
            state=ReferralState(row["state"]),
            due=_time(row["due_ms"]),
        )
    except ValueError as error:
        raise DamagedRow(f"damaged referral: {error}") from None


def slot_row(company: str, one: Slot) -> _Row:
    """Return the slot as it is stored."""
    return {
        "company": company,
        "number": one.number,
        "state": str(one.state),
        "granted_ms": milliseconds(one.granted),
        "expires_ms": _optional(one.expires),
        "reservation": one.reservation,
        "until_ms": _optional(one.until),
        "noticed_ms": _optional(one.noticed),
        "due_ms": _optional(one.due),
    }


def slot_of(row: RowMapping) -> Slot:
    """Return the slot of a row; raises `DamagedRow` when it is damaged."""
    try:
        return Slot(
            number=row["number"],
            state=SlotState(row["state"]),
            granted=time_of(row["granted_ms"]),
            expires=_time(row["expires_ms"]),
            reservation=row["reservation"],
            until=_time(row["until_ms"]),
            noticed=_time(row["noticed_ms"]),
            due=_time(row["due_ms"]),
        )
    except ValueError as error:
        raise DamagedRow(f"damaged slot: {error}") from None


def proposal_row(company: str, one: Proposal) -> _Row:
    """Return the proposal as it is stored."""
    return {
        "event_id": one.event_id,
        "company": company,
        "action": str(one.action),
        "target": one.target,
        "operator": one.by,
        "why": one.why,
        "time_ms": milliseconds(one.time),
        "confirmed": int(one.confirmed),
    }


def proposal_of(row: RowMapping) -> Proposal:
    """Return the proposal of a row; raises `DamagedRow` when it is damaged."""
    try:
        return Proposal(
            event_id=row["event_id"],
            action=Action(row["action"]),
            target=row["target"],
            by=row["operator"],
            why=row["why"],
            time=time_of(row["time_ms"]),
            confirmed=row["confirmed"] != 0,
        )
    except ValueError as error:
        raise DamagedRow(f"damaged proposal: {error}") from None


def milliseconds(time: datetime) -> int:
    """Return the time as it is stored: milliseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def time_of(stored: object) -> datetime:
    """Return the time of a stored number; raises `ValueError` for what is none."""
    if not isinstance(stored, int):
        raise ValueError(f"not a time: {stored!r}")
    try:
        return _EPOCH + timedelta(milliseconds=stored)
    except OverflowError:
        raise ValueError(f"not a time: {stored!r}") from None


def _unless_damaged(make: Callable[[RowMapping], _Value], row: RowMapping) -> _Value | None:
    try:
        return make(row)
    except DamagedRow:
        return None


def _optional(time: datetime | None) -> int | None:
    return None if time is None else milliseconds(time)


def _time(stored: object) -> datetime | None:
    return None if stored is None else time_of(stored)
