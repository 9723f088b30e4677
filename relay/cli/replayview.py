"""The report of a replay: tables for a terminal, one page of HTML, one row of JSON.

The page asks nothing of anybody: its stylesheet and its picture are in it, it has no script, and
its policy forbids every request. Numbers, codes and places of files; no word of a letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.table import Column, Table

from ledger.pages import Pages, find_templates
from relay.cli.replaychart import chart_of
from relay.cli.replaysums import UNKNOWN, Sums, Worth, ordered
from relay.cli.replaywords import (
    LANGUAGES,
    POSITIONS,
    REASONS,
    STAGES,
    TOO_LARGE_TO_JUDGE,
    word,
)
from relay.mailstore import Fault

# The rest is in `--json`.
SHAPES_SHOWN = 20
DAMAGE_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay found, and what it rests on."""

    paths: tuple[str, ...]
    size_bytes: int
    sums: Sums
    worth: Worth
    is_any_company: bool

    def row(self) -> dict[str, Any]:
        """Return the last row of `--json`."""
        return {
            "type": "summary",
            "paths": list(self.paths),
            "bytes": self.size_bytes,
            "configuration": not self.is_any_company,
            **self.sums.summary(),
            "estimate": self.worth.row(),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A count with its words, and its share of the largest in its table, 0 to 100."""

    words: str
    count: int
    share: float


def render_page(report: Report, language: str) -> str:
    """Return the report as a page in English or Japanese."""
    sums = report.sums
    months = sums.by_month()
    shapes = sums.shapes_by_count()
    page = Pages(find_templates(), "replay.css").render(
        "replay.html.j2",
        language=language,
        ja=language == "ja",
        report=report,
        sums=sums,
        worth=report.worth,
        months=months,
        chart=chart_of({name: month for name, month in months.items() if name != UNKNOWN}),
        outcomes=_outcomes(sums, language),
        unwritten=_rows(REASONS, ordered(sums.unwritten), language),
        groups=(
            ("stage", _rows(STAGES, ordered(sums.by_stage), language)),
            ("language", _rows(LANGUAGES, ordered(sums.by_language), language)),
            ("position", _rows(POSITIONS, ordered(sums.by_position), language)),
        ),
        shapes=shapes[:SHAPES_SHOWN],
        shapes_left=len(shapes[SHAPES_SHOWN:]),
        damage=[_damage(row, language) for row in sums.damage[:DAMAGE_SHOWN]],
        damage_left=sums.damaged.total() - len(sums.damage[:DAMAGE_SHOWN]),
        percent=_percent,
    )
    return page.html


def print_report(console: Console, report: Report) -> None:
    """Print the report as tables."""
    sums, worth = report.sums, report.worth
    console.print(
        f"{sums.letters:,} of {sums.messages:,} messages would have carried the line, "
        f"{sums.unsure:,} {'is' if sums.unsure == 1 else 'are'} unsure.",
        style="bold",
    )
    if report.is_any_company:
        console.print("No configuration: every sender's domain counts as the company's own.")
    _print_block(console, _counts("All messages", "decision", _outcomes(sums, "en"), "messages"))
    if sums.unwritten:
        rows = _rows(REASONS, ordered(sums.unwritten), "en")
        _print_block(console, _counts("Rejections that cannot carry it", "reason", rows))
    if sums.letters or sums.unsure or sums.unwritten:
        _print_months(console, sums.by_month())
    if sums.letters:
        groups = (
            ("stage", STAGES, sums.by_stage),
            ("language", LANGUAGES, sums.by_language),
            ("position", POSITIONS, sums.by_position),
        )
        tables = [
            _counts(f"By {name}", name, _rows(words, ordered(counts), "en"))
            for name, words, counts in groups
        ]
        _print_block(console, Columns(tables, padding=(0, 3)))
    _print_shapes(console, sums)
    _print_damage(console, sums)
    console.print()
    console.print(
        f"Assumed that {_percent(worth.click_rate.low, worth.click_rate.high)} of the links are "
        f"opened (--click-rate) and {_percent(worth.signup_rate.low, worth.signup_rate.high)} of "
        "those lead to a registration (--signup-rate):"
    )
    console.print(
        f"{_span(worth.referrals)} referrals, {_span(worth.slots)} hires free of fees "
        f"({worth.grant} for every {worth.threshold}, policy {worth.policy}).",
        style="bold",
    )


def _outcomes(sums: Sums, language: str) -> list[Row]:
    """Return what became of all messages, those that were not judged behind the others."""
    judged = _rows(REASONS, ordered(sums.by_reason), language)
    words = {**REASONS, Fault.TOO_LARGE: TOO_LARGE_TO_JUDGE}
    return judged + _rows(words, ordered(sums.not_judged), language)


def _rows(words: Mapping[str, tuple[str, str]], counts: dict[str, int], language: str) -> list[Row]:
    largest = max(counts.values(), default=1)
    return [
        Row(word(words, code, language), count, round(100 * count / largest, 1))
        for code, count in counts.items()
    ]


def _damage(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    words = {**REASONS, Fault.TOO_LARGE: TOO_LARGE_TO_JUDGE}
    return {**row, "words": word(words, row["reason"], language)}


def _print_block(console: Console, block: Table | Columns) -> None:
    console.print()
    console.print(block)


def _counts(title: str, name: str, rows: list[Row], unit: str = "letters") -> Table:
    table = Table(name, _right(unit), title=title, title_justify="left")
    for row in rows:
        table.add_row(row.words, f"{row.count:,}")
    return table


def _print_months(console: Console, months: Mapping[str, Mapping[str, int]]) -> None:
    table = Table("month", title="By month", title_justify="left")
    names = ("letters", "unwritten", "unsure")
    for column in ("with the line", "cannot carry it", "unsure"):
        table.add_column(column, justify="right")
    for month, counts in months.items():
        table.add_row(month, *(f"{counts[name]:,}" for name in names))
    _print_block(console, table)


def _print_shapes(console: Console, sums: Sums) -> None:
    shapes = sums.shapes_by_count()
    if not shapes:
        return
    title = "Unsure letters by wording: look at them with careerrelay check PLACE"
    table = Table("wording", _right("letters"), "evidence", "places", title=title)
    table.title_justify = "left"
    for shape in shapes[:SHAPES_SHOWN]:
        places = "\n".join(place["check"] for place in shape["places"])
        table.add_row(shape["shape"], f"{shape['count']:,}", shape["evidence"], places)
    _print_block(console, table)
    if shapes[SHAPES_SHOWN:]:
        console.print(f"and {len(shapes[SHAPES_SHOWN:])} more wordings: --json has them")


def _print_damage(console: Console, sums: Sums) -> None:
    if not sums.damaged:
        return
    table = Table("place", "offset", "reason", title="Could not be read", title_justify="left")
    for row in sums.damage[:DAMAGE_SHOWN]:
        table.add_row(row["check"], f"{row['offset']:,}", _damage(row, "en")["words"])
    _print_block(console, table)
    left = sums.damaged.total() - len(sums.damage[:DAMAGE_SHOWN])
    if left:
        console.print(f"and {left:,} more: --json has them")


def _right(header: str) -> Column:
    return Column(header, justify="right")


def _span(ends: tuple[int, int]) -> str:
    return f"{ends[0]:,}" if ends[0] == ends[1] else f"{ends[0]:,} to {ends[1]:,}"


def _percent(low: float, high: float) -> str:
    """Return a range of shares as it was given: "5% to 20%"."""
    ends = [f"{round(100 * end, 2):g}%" for end in (low, high)]
    return ends[0] if low == high else f"{ends[0]} to {ends[1]}"
