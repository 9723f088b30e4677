"""Whether map, splice and the way back take time in proportion to the size of a message.

    python bench/splice.py [--quick] [--only NAME] [--json] [--write]

Messages of four dozen builds (`bench/splicebuilds.py`) grow from 16 KiB in steps of four up to
25 MiB, or to the limit on a text or header. Each is mapped, spliced whatever its words are, and
restored; the standard library parses the same bytes in the same run. A figure is nanoseconds of
processor time for each byte, the least of several runs. The growth is that at the largest size over
the least at any size: 1 is linear, and what grows with the square of the size comes to 4 with one
step alone. The exit code is 1 where it is over the limit. A message that is not spliced shows why,
and is restored from a forged mark.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from splicebuilds import KIBIBYTE, LAST_BYTES, cases
from table import Row, machine, markdown, put, show

from relay.company import Company
from relay.inject import Mark, NotInjected, inject
from relay.mimemap import MapError, map_message
from relay.note import load_templates
from relay.undo import NotOurs, restore

BEGIN = "<!-- figures: written by bench/splice.py -->"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
QUICK_BYTES = KIBIBYTE * KIBIBYTE
GROWTH_MAX = 3.0
# Less for a byte is the speed of memory: what the processor has in its cache comes at a tenth.
MEMORY_NS = 1.0
RUN_SECONDS, RUNS_MIN, RUNS_MAX = 0.1, 3, 50
LONG_SECONDS = 2.0  # What takes this long is measured once.
WIDTH = 140
OURS = ("map", "splice", "restore")
STATIONS = (*OURS, "email")

COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", "https://r.example.jp/" + "k" * 43)
MARK = Mark("abcdefghijklmnop", "m" * 26)
FORGED = b"X-Career-Relay: v=1; link=a; mac=b;\r\n undo=0:0;\r\n sum=aaaaaaaaaaaaa\r\n"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one message took: nanoseconds for each byte, by station."""

    size_bytes: int
    costs: dict[str, float]
    result: str


def cost(work: Callable[[], object], size_bytes: int) -> float:
    """Return the nanoseconds that some work takes for each byte, done or refused."""
    times: list[float] = []
    began = time.process_time()
    while len(times) < RUNS_MAX:
        started = time.process_time()
        with suppress(MapError, NotInjected, NotOurs):
            work()
        ended = time.process_time()
        times.append(ended - started)
        if times[0] > LONG_SECONDS or (ended - began > RUN_SECONDS and len(times) >= RUNS_MIN):
            break
    return 1e9 * min(times) / size_bytes


def measure(message: bytes) -> Measured:
    """Send a message through all stations, as far as it comes."""
    size = len(message)
    changed, result = FORGED + message, "spliced"
    costs = {"map": cost(lambda: map_message(message), size)}
    try:
        message_map = map_message(message)
        costs["splice"] = cost(lambda: inject(message_map, NOTES, MARK), size)
        changed = inject(message_map, NOTES, MARK).message
    except (MapError, NotInjected) as error:
        result = error.reason
    else:
        assert restore(changed) == message
    costs["restore"] = cost(lambda: restore(changed), size)
    costs["email"] = cost(lambda: email.message_from_bytes(message), size)
    return Measured(size, costs, result)


def growth(measured: Sequence[Measured], station: str) -> float:
    """Return the cost of a byte at the largest size over the least at any size."""
    # What to restore is another thing where a message is not spliced.
    alike = [
        each for each in measured if station != "restore" or each.result == measured[-1].result
    ]
    costs = [each.costs.get(station, 0.0) for each in alike]
    return costs[-1] / max(min(costs), MEMORY_NS)


def main() -> int:
    """Measure all cases; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no message above 1 MiB")
    parser.add_argument("--only", default="", metavar="NAME", help="cases whose name holds this")
    parser.add_argument("--json", action="store_true", help="one object a line, of every size")
    parser.add_argument("--write", action="store_true", help="put the table into the documentation")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    largest = QUICK_BYTES if options.quick else LAST_BYTES
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    results: list[tuple[str, list[Measured]]] = []
    for case in cases():
        if options.only in case.name:
            measured = [measure(case.build(size)) for size in case.sizes(largest)]
            results.append((case.name, measured))
            if options.json:
                print(json.dumps(_object(case.name, measured), ensure_ascii=False), flush=True)
            else:
                show(console, case.name, *_sizes(measured))
    if not results:
        raise SystemExit(f"no case has {options.only!r} in its name")
    names, rows = _summary(results)
    if not options.json:
        show(console, "at the largest size: nanoseconds a byte, and their growth", names, rows)
    if options.write:
        words = " ".join(word for word in sys.argv[1:] if word != "--write")
        command = f'make splice ARGS="{words}"' if words else "make splice"
        put(PAGE, BEGIN, [f"{machine(load)}; `{command}`.", markdown(names, rows)])
    grown = [
        f"{name}, {station}: {growth(measured, station):.1f}"
        for name, measured in results
        for station in OURS
        if growth(measured, station) > GROWTH_MAX
    ]
    print("\n".join([f"growth over {GROWTH_MAX:.0f}: {len(grown)}", *grown]), file=sys.stderr)
    return int(bool(grown))


def _sizes(measured: Sequence[Measured]) -> tuple[Row, list[Row]]:
    """Return heading and rows of one case: a column for each size."""
    names = ("ns / byte", *map(_size, measured), "growth")
    rows = [
        (
            station,
            *(_cost(each, station) for each in measured),
            _growth(measured, station),
        )
        for station in STATIONS
    ]
    return names, [*rows, ("", *(each.result for each in measured), "")]


def _summary(results: Sequence[tuple[str, Sequence[Measured]]]) -> tuple[Row, list[Row]]:
    """Return heading and rows of all cases at their largest size."""
    names = ("", "up to", *(word for each in STATIONS for word in (each, "growth")), "result")
    rows: list[Row] = []
    for name, measured in results:
        costs = [
            word
            for station in STATIONS
            for word in (_cost(measured[-1], station), _growth(measured, station))
        ]
        rows.append((name, _size(measured[-1]), *costs, measured[-1].result))
    return names, rows


def _size(each: Measured) -> str:
    kibibytes = each.size_bytes / KIBIBYTE
    if kibibytes < 1_000:
        return f"{kibibytes:.0f} KiB"
    return f"{kibibytes / KIBIBYTE:.0f} MiB"


def _cost(each: Measured, station: str) -> str:
    ns = each.costs.get(station)
    return "" if ns is None else f"{ns:,.{1 if ns < 100 else 0}f}"


def _growth(measured: Sequence[Measured], station: str) -> str:
    is_told = measured[-1].costs.get(station, 0.0) >= MEMORY_NS
    return f"{growth(measured, station):.1f}" if is_told else ""


def _object(name: str, measured: Sequence[Measured]) -> dict[str, object]:
    return {
        "name": name,
        "sizes": [
            {"size_bytes": each.size_bytes, "result": each.result, "ns_per_byte": each.costs}
            for each in measured
        ],
        "growth": {station: growth(measured, station) for station in STATIONS},
    }


if __name__ == "__main__":
    sys.exit(main())
