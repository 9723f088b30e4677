"""The figures as tables: on the terminal, in a file for programs, and in the documentation."""

from __future__ import annotations

import dataclasses
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

from figures import CASES, Case, Figures
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

BEGIN = "<!-- figures: written by bench/smtp.py -->"
END = "<!-- end of figures -->"
OURS = "Career Relay"
DIRECT = "no relay"
MEBIBYTE = 1024 * 1024

Row = tuple[str, ...]


def heading(case: Case) -> Row:
    """Return the names of the columns."""
    rate = ("/s", "MB/s") if case.is_large else ("/s",)
    rest = ("÷ none", "ours ÷", "CPU ms", "peak MiB", "p50 ms", "p99 ms")
    return ("", *rate, *rest)


def rows(case: Case, figures: list[Figures]) -> list[Row]:
    """Return a row for each server that was measured in this case."""
    rate_of = {each.name: each.rate(case, lambda rate: rate.letters_per_second) for each in figures}
    found: list[Row] = []
    for each in figures:
        rate = rate_of[each.name]
        if rate is None:
            continue
        direct, ours = rate_of.get(DIRECT), rate_of.get(OURS)
        megabytes = each.rate(case, lambda rate: rate.megabytes_per_second)
        cpu = each.rate(case, lambda rate: rate.cpu_ms)
        peak = each.rate(case, lambda rate: rate.peak_bytes)
        is_server = each.name != DIRECT
        found.append(
            (
                each.name,
                _number(rate, 1 if rate < 100 else 0),
                *((_number(megabytes, 0),) if case.is_large else ()),
                _number(rate / direct, 3) if direct and is_server else "",
                _number(ours / rate, 2) if ours and is_server else "",
                _number(cpu, 2) if is_server else "",
                _number((peak or 0) / MEBIBYTE, 0) if is_server else "",
                _number(each.delay(case, lambda delay: delay.added_p50_ms), 2),
                _number(each.delay(case, lambda delay: delay.added_p99_ms), 2),
            )
        )
    return found


def idle_rows(figures: list[Figures]) -> list[Row]:
    """Return what each server holds before the first letter, and what it did to the sample."""
    return [
        (
            each.name,
            each.version,
            _number(each.idle_rss_bytes / MEBIBYTE, 0) if each.idle_rss_bytes else "",
            _number(each.idle_pss_bytes / MEBIBYTE, 0) if each.idle_pss_bytes else "",
            (each.missing and f"left out: {each.missing}") or each.arrivals,
        )
        for each in figures
    ]


IDLE_HEADING: Row = ("", "version", "idle MiB (RSS)", "idle MiB (PSS)", "sample at the next hop")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def show_case(console: Console, case: Case, figures: list[Figures]) -> None:
    """Print what one case came to."""
    show(console, case.title, heading(case), rows(case, figures))


def show_idle(console: Console, figures: list[Figures]) -> None:
    """Print what the servers hold before they have work."""
    # What came of the sample was said at the start, and has no room here.
    idle = [(row[0], row[2], row[3]) for row in idle_rows(figures)]
    show(console, "before the first letter", (IDLE_HEADING[0], *IDLE_HEADING[2:4]), idle)


def show(console: Console, title: str, names: Row, lines: list[Row]) -> None:
    """Print a table."""
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for number, name in enumerate(names):
        shown.add_column(name, justify="right" if number else "left", no_wrap=True)
    for line in lines:
        shown.add_row(*line)
    console.print(shown)


def save(path: Path, figures: list[Figures], load: float) -> None:
    """Write every trial for programs to read."""
    document = {"machine": machine(load), "servers": [dataclasses.asdict(each) for each in figures]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine(load: float) -> str:
    """Return the day, the processor, the kernel, and what else ran: the load at the start."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {cores} cores {model}, Linux {platform.release()}, load before {load:.1f}"


def write(path: Path, figures: list[Figures], options: list[str], load: float) -> None:
    """Put the tables between the two marks of the document, in place of those that are there."""
    words = " ".join(option for option in options if option != "--write")
    command = f'make bench ARGS="{words}"' if words else "make bench"
    parts = [f"{machine(load)}; `{command}`."]
    for case in CASES:
        parts += [f"**{case.title}**", markdown(heading(case), rows(case, figures))]
    parts += ["**Before the first letter**", markdown(IDLE_HEADING, idle_rows(figures))]
    put(path, BEGIN, parts)


def put(path: Path, begin_mark: str, parts: list[str]) -> None:
    """Put paragraphs between two marks of a document, in place of those that are there."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: the marks {begin_mark} and {END} are missing; nothing written")
    body = "\n\n".join(parts)
    path.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}", encoding="utf-8")


def markdown(names: Row, lines: list[Row]) -> str:
    """Return a table as the documentation has it."""
    words = (names[0], "version", "sample at the next hop")
    text = {number for number, name in enumerate(names) if name in words}
    rule = tuple("---" if number in text else "---:" for number in range(len(names)))
    return "\n".join("| " + " | ".join(line) + " |" for line in (names, rule, *lines))
