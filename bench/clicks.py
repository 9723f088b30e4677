"""What a click costs: durable ones beside a bare redirect, and with the database away.

    python bench/clicks.py [--quick] [--postgres] [--rounds 5] [--seconds 4] [--away 60] [--write]

`careerrelay serve intake` writes each click down before it answers. In the same run, in turns, the
same uvicorn with the same settings serves a Starlette application that redirects and does nothing
else. A process of its own clicks: at full load over 50 connections, and at a fixed rate. Then the
database goes away for a minute while the clicks go on, and once more for some seconds at full load
over 500 connections. In the end every click that was answered must be in the log, once: else the
exit code is 1. docs/performance.md says how to read the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cost
import table
from clickload import Heard
from clickservers import Intake, Redirect
from cluster import Cluster, cluster
from load import FOLDER, Broken, Missing
from rich.console import Console

CONNECTIONS = 50
# A mailing of 100,000 that half of its readers open within the same two minutes.
RATE = 400
# A mailing that is opened in one moment, and the store away in the middle of it.
CROWD = 500
CROWD_SECONDS, CROWD_AWAY_SECONDS = 8.0, 4.0
WARM_SECONDS = 1.0
DOCUMENT = FOLDER.parent / "docs" / "performance.md"
BEGIN = "<!-- figures: written by bench/clicks.py -->"
HEADING = ("", "/s", "÷ bare", "CPU µs", "p50 ms", "p99 ms", "worst ms", "load's share")

console = Console(width=None if sys.stdout.isatty() else 100)


@dataclass(slots=True)
class Trials:
    """All trials of one server under one load."""

    name: str
    heard: list[Heard] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)  # Ours over the bare one directly before.

    def median(self, of: Callable[[Heard], float]) -> float:
        """Return the median over the trials."""
        return statistics.median(map(of, self.heard))

    def row(self) -> table.Row:
        """Return the row of the table."""
        return (
            self.name,
            f"{self.median(lambda one: one.per_second):,.0f}",
            f"{statistics.median(self.ratios):.2f}" if self.ratios else "",
            f"{statistics.median(self.cpu_us):,.0f}",
            f"{self.median(lambda one: one.p50_ms):.1f}",
            f"{self.median(lambda one: one.p99_ms):.1f}",
            f"{max(one.worst_ms for one in self.heard):.1f}",
            f"{self.median(lambda one: one.share):.0%}",
        )


class Bench:
    """The servers of one store, and what was clicked so far."""

    def __init__(self, folder: Path, url: str, seconds: float) -> None:
        self._requests = folder / "requests"
        self._seconds = seconds
        self.bare = Redirect(folder / "bare", 0, folder)
        self.ours = Intake(folder / "ours", url)
        self.ours.write_requests(self._requests)
        self.answered = 0  # By ours, with a redirect.
        self.unanswered = 0

    def run(self, rounds: int) -> list[Trials]:
        """Measure both servers in turns, at full load and at the fixed rate."""
        self.bare.start()
        for server in (self.bare, self.ours):
            self.load(server, WARM_SECONDS, 0)
        found = []
        for rate, words in ((0, f"{CONNECTIONS} at a time"), (RATE, f"{RATE} a second")):
            bare, ours = (Trials(f"{each.name}, {words}") for each in (self.bare, self.ours))
            for _ in range(rounds):
                for server, trials in ((self.bare, bare), (self.ours, ours)):
                    heard, cpu = self.load(server, self._seconds, rate)
                    trials.heard.append(heard)
                    trials.cpu_us.append(cpu)
                if not rate:
                    ours.ratios.append(ours.heard[-1].per_second / bare.heard[-1].per_second)
            found += [bare, ours]
        self.bare.stop()
        return found

    def load(
        self, server: Redirect, seconds: float, rate: int, connections: int = CONNECTIONS
    ) -> tuple[Heard, float]:
        """Click for so long; return what was heard, and the processor time of each in µs."""
        root = server.root() or 0
        before = cost.cpu_seconds(root)
        # Each load goes on where the one before ended: the clicks of a network would be thinned.
        words = (server.port, self._requests, self.answered, connections, seconds, rate)
        command = [sys.executable, str(FOLDER / "clickload.py"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Broken(f"the load ended: {done.stderr.strip().splitlines()[-1]}")
        heard = Heard(**json.loads(done.stdout))
        if heard.other or not heard.redirected:
            raise Broken(f"{server.name}: {heard.other} answers that were no redirect")
        if server is self.ours:
            self.answered += heard.redirected
            self.unanswered += heard.unanswered
        return heard, 1e6 * (cost.cpu_seconds(root) - before) / heard.redirected

    def account(self) -> bool:
        """Say whether every click that was answered is in the log, once."""
        self.ours.wait_for_store()
        self.ours.stop()
        logged = self.ours.logged()
        console.print(
            f"{self.answered:,} clicks answered, {self.unanswered} not answered,"
            f" {logged:,} in the log, which holds"
        )
        # Who was not answered may be on record, or not.
        return self.answered <= logged <= self.answered + self.unanswered


class Sqlite:
    """An SQLite file that somebody else can take for himself alone."""

    name = "SQLite"
    url = ""

    def __init__(self, bench: Bench) -> None:
        self._path = bench.ours.url.removeprefix("sqlite:///")

    def away(self) -> None:
        """Hold the file."""
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        self._connection.execute("BEGIN EXCLUSIVE")

    def back(self) -> None:
        """Let it go."""
        self._connection.execute("ROLLBACK")
        self._connection.close()


class Postgres:
    """A server that is killed, and started again."""

    name = "PostgreSQL"

    def __init__(self, server: Cluster) -> None:
        self.away = server.kill
        self.back = server.start


def outage(bench: Bench, store: Sqlite | Postgres, seconds: float) -> list[Trials]:
    """Click at the fixed rate before the store goes away, while it is away, and afterwards."""
    found = []
    for name, length, change in (
        ("before", seconds / 4, None),
        ("away", seconds, store.away),
        ("back", seconds / 4, store.back),
    ):
        if change:
            change()
        heard, cpu = bench.load(bench.ours, length, RATE)
        found.append(Trials(f"{store.name} {name}, {RATE} a second", [heard], [cpu]))
    return found


def crowd(bench: Bench, store: Sqlite | Postgres) -> Trials:
    """Click as fast as it goes; meanwhile the store is away for some seconds."""
    bench.ours.wait_for_store()
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(bench.load, bench.ours, CROWD_SECONDS, 0, CROWD)
        time.sleep(CROWD_AWAY_SECONDS / 2)
        store.away()
        time.sleep(CROWD_AWAY_SECONDS)
        store.back()
        heard, cpu = load.result()
    return Trials(f"{store.name} away, {CROWD} at a time", [heard], [cpu])


def measure(kind: str, folder: Path, options: argparse.Namespace) -> tuple[list[Trials], bool]:
    """Return all trials on one store, and whether every click was accounted for."""
    with ExitStack() as stack:
        server = stack.enter_context(cluster()) if kind == Postgres.name else None
        bench = Bench(folder / kind, server.url if server else "", options.seconds)
        bench.ours.start()
        stack.callback(bench.ours.stop)
        stack.callback(bench.bare.stop)
        trials = bench.run(options.rounds)
        store = Postgres(server) if server else Sqlite(bench)
        trials += [*outage(bench, store, options.away), crowd(bench, store)]
        return trials, bench.account()


def main() -> None:
    """Measure, print, and end with 1 where a click is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--away", type=float, default=60.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.away = 1, 1.0, 4.0
    load, parts, is_whole = os.getloadavg()[0], [], True
    with tempfile.TemporaryDirectory() as name:
        for kind in (Sqlite.name, *([Postgres.name] if options.postgres else [])):
            try:
                trials, found = measure(kind, Path(name), options)
            except Missing as error:
                console.print(f"{kind}: left out: {error}")
                continue
            is_whole = is_whole and found
            lines = [each.row() for each in trials]
            table.show(console, kind, HEADING, lines)
            parts += [f"**{kind}**", table.markdown(HEADING, lines)]
    if options.write:
        words = " ".join(word for word in sys.argv[1:] if word != "--write")
        command = f'make clicks ARGS="{words}"' if words else "make clicks"
        table.put(DOCUMENT, BEGIN, [f"{table.machine(load)}; `{command}`.", *parts])
    if not is_whole:
        raise SystemExit("clicks are missing in the log, or are in it twice")


if __name__ == "__main__":
    main()
