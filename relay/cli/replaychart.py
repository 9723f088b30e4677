"""The chart of a replay's page: letters by month as columns, in the numbers an SVG needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# In units of the picture, which is as wide as its place.
WIDTH, HEIGHT = 720.0, 262.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 6.0, 14.0, 48.0
COLUMN_SHARE = 0.68  # Of the room that a month has.
COLUMN_MAX_WIDTH = 42.0
LABELS_MAX = 13  # Names of months that fit beside one another on a telephone.
GRID_LINES = 5
MONTHS_MAX = 60  # Columns that can still be told apart: the last five years.
SERIES = ("letters", "unsure")


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a column."""

    series: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One month; its name is empty where there is no room, its year where it is known already."""

    month: str
    x: float
    width: float
    middle: float
    name: str
    year: str
    bars: tuple[Bar, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line across, and the count it stands for."""

    y: float
    count: int


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn."""

    columns: tuple[Column, ...]
    grid: tuple[GridLine, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


def chart_of(months: Mapping[str, Mapping[str, int]]) -> Chart | None:
    """Return the chart of the months in their order, None where there is nothing to be seen."""
    months = dict(list(months.items())[-MONTHS_MAX:])
    highest = max((sum(counts[name] for name in SERIES) for counts in months.values()), default=0)
    if not highest:
        return None
    step = _step(highest)
    top = -(-highest // step) * step
    unit = (HEIGHT - TOP - BOTTOM) / top
    room = (WIDTH - LEFT - RIGHT) / len(months)
    width = min(room * COLUMN_SHARE, COLUMN_MAX_WIDTH)
    every = -(-len(months) // LABELS_MAX)
    columns: list[Column] = []
    year = ""
    for index, (month, counts) in enumerate(months.items()):
        is_named = index % every == 0
        is_new_year = is_named and month[:4] != year
        year = month[:4] if is_named else year
        middle = LEFT + room * (index + 0.5)
        columns.append(
            Column(
                month=month,
                x=round(middle - width / 2, 1),
                width=round(width, 1),
                middle=round(middle, 1),
                name=str(int(month[5:])) if is_named else "",
                year=year if is_new_year else "",
                bars=_bars(counts, unit),
                counts=counts,
            )
        )
    grid = tuple(
        GridLine(round(HEIGHT - BOTTOM - count * unit, 1), count)
        for count in range(0, top + 1, step)
    )
    return Chart(tuple(columns), grid)


def _bars(counts: Mapping[str, int], unit: float) -> tuple[Bar, ...]:
    bars: list[Bar] = []
    y = HEIGHT - BOTTOM
    for name in SERIES:
        height = counts[name] * unit
        y -= height
        if height:
            bars.append(Bar(name, round(y, 1), round(height, 1)))
    return tuple(bars)


def _step(highest: int) -> int:
    """Return a round distance of grid lines: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * GRID_LINES >= highest:
                return factor * power
        power *= 10
