"""The shapes of letters: how often each wording was seen, added up for all processes.

A shape is a hash; no word of a letter comes here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Executable, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.store import Store, Transaction
from ledger.store_tables import letter_shape

# Of one company. Letters that people write one by one have a shape each: they are seen once, and
# those seen longest ago make room.
SHAPES_MAX: Final = 2_000


def _add(new: sqlite.Insert | postgresql.Insert, least: str, most: str) -> Executable:
    """Return the statement that adds up; the two functions have a name of their own everywhere."""
    old, more = letter_shape.c, new.excluded
    return new.on_conflict_do_update(
        index_elements=["company", "shape"],
        set_={
            "seen": old.seen + more.seen,
            "rejections": old.rejections + more.rejections,
            "unsure": old.unsure + more.unsure,
            # Days are written YYYY-MM-DD, so that the smaller one is the earlier.
            "first_day": getattr(func, least)(old.first_day, more.first_day),
            "last_day": getattr(func, most)(old.last_day, more.last_day),
        },
    )


_ADD: Final[dict[str, Executable]] = {
    "sqlite": _add(sqlite.insert(letter_shape), "min", "max"),
    "postgresql": _add(postgresql.insert(letter_shape), "least", "greatest"),
}


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """How often a company's letters of one shape were seen, and how they were judged."""

    company: str
    shape: str
    language: str
    seen: int
    rejections: int
    unsure: int
    first_day: str
    last_day: str


def add_shapes(store: Store, rows: Iterable[ShapeRow]) -> None:
    """Add the counts to those on record, all or none."""
    values = [{name: getattr(row, name) for name in ShapeRow.__slots__} for row in rows]
    if not values:
        return
    with store.write() as transaction:
        transaction.execute(_ADD[transaction.dialect.name], values)
        for company in sorted({str(value["company"]) for value in values}):
            _make_room(transaction, company)


def read_shapes(transaction: Transaction, company: str | None = None) -> list[ShapeRow]:
    """Return the shapes of a company, or of all, those seen most often first."""
    query = select(letter_shape).order_by(
        letter_shape.c.company, letter_shape.c.seen.desc(), letter_shape.c.shape
    )
    if company is not None:
        query = query.where(letter_shape.c.company == company)
    return [ShapeRow(*row) for row in transaction.execute(query)]


def _make_room(transaction: Transaction, company: str) -> None:
    own = letter_shape.c.company == company
    count = transaction.execute(select(func.count()).where(own)).scalar_one()
    if count <= SHAPES_MAX:
        return
    oldest = (
        select(letter_shape.c.shape)
        .where(own)
        .order_by(letter_shape.c.seen > 1, letter_shape.c.last_day, letter_shape.c.seen)
        .limit(count - SHAPES_MAX)
    )
    transaction.execute(delete(letter_shape).where(own, letter_shape.c.shape.in_(oldest)))
