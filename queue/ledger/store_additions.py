"""Rows that are only added: what mail and clicks wait for, in the databases' own words.

By way of the expression language each statement would take longer (docs/decisions/0021). A row
whose key, the first column, is on record stays as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from pydantic_core import to_json

Value = str | int | bytes
# In the driver's spelling, with its values.
Statement = tuple[str, tuple[object, ...]]

_POSTGRES_VALUES: Final[dict[type, str]] = {
    str: "row ->> {}",
    int: "(row ->> {})::bigint",
    bytes: "decode(row ->> {}, 'hex')",
}
# In their order: it is that of the numbers the database gives them. As `jsonb`: `json` reads the
# whole row for each of its values.
_POSTGRES_ROWS: Final = (
    "SELECT {} FROM jsonb_array_elements(%s::jsonb)"
    " WITH ORDINALITY AS t (row, place) ORDER BY place"
)


@dataclass(frozen=True, slots=True)
class Addition:
    """One or more rows for a table; the values of a column are of one type."""

    table: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Value, ...]]

    def insert(self, source: str) -> str:
        """Return the statement that adds the rows of `source`, in the words of both databases."""
        columns = ", ".join(self.columns)
        return (
            f"INSERT INTO {self.table} ({columns}) {source}"
            f" ON CONFLICT ({self.columns[0]}) DO NOTHING"
        )


def for_sqlite(addition: Addition) -> Statement:
    """Return one statement for all rows; a statement for each would cost a call into the driver."""
    row = f"({', '.join('?' * len(addition.columns))})"
    source = f"VALUES {', '.join([row] * len(addition.rows))}"
    return addition.insert(source), tuple(chain.from_iterable(addition.rows))


def for_postgres(*additions: Addition) -> Statement:
    """Return one statement for all, which counts the rows of the first.

    The rows are one JSON value: of many values the driver would make as many parameters, which
    takes it longer than all the rest.
    """
    first, *more = map(_insert_json, additions)
    values = tuple(_as_json(each.rows) for each in (*additions[1:], additions[0]))
    before = ", ".join(f"more{at} AS ({text})" for at, text in enumerate(more))
    return (f"WITH {before} {first}" if more else first), values


def _insert_json(addition: Addition) -> str:
    kinds = map(type, addition.rows[0])
    values = ", ".join(_POSTGRES_VALUES[kind].format(at) for at, kind in enumerate(kinds))
    return addition.insert(_POSTGRES_ROWS.format(values))


def _as_json(rows: Sequence[tuple[Value, ...]]) -> str:
    return to_json(rows, bytes_mode="hex").decode()
