"""What the relay costs, beside no relay at all and beside what an admin would take instead of it.

On this machine, in this run, in turns: each server stands between the same source and the same sink
and is given the same letters, one in ten a rejection. Measured are rate, processor time, memory and
added delay; `docs/performance.md` says how, and how to read it.

    python bench/smtp.py [--quick] [--rounds 5] [--seconds 4] [--only NAME] [--write] [--profile]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cost
import table
from arrivals import read_arrivals
from figures import CASES, MEGABYTE, Case, Delay, Figures, Rate, percentile
from hotspots import profile
from letters import REJECTIONS_EVERY, write_letters
from load import FOLDER, Broken, Missing, Sent, Sink, Source, build, running_sink
from peers import Bare, Haraka, Nothing, Ours, OursTwice, Server
from postfix import Postfix
from rich.console import Console
from rich.table import Table

SERVERS: tuple[type[Server], ...] = (Nothing, Bare, Haraka, Postfix, Ours, OursTwice)
CACHE = FOLDER.parent / ".venv" / "bench"  # What npm fetches; `make clean` takes it away.
CONNECTIONS = 20
SAMPLE_LETTERS = 200  # Each letter once.
WARM_LETTERS = {False: 200, True: 20}  # By whether they are large; also tells how many to send.
LETTERS_MAX = 20_000  # Of one trial: more would not tell more about no relay at all.
HALF = 0.5
WIDTH = 100  # Of what goes into a file or a pipe.

console = Console()
if not console.is_terminal:
    console = Console(width=WIDTH)


class Bench:
    """The servers that run, the two ends, and the figures so far."""

    def __init__(self, folder: Path, sink: Sink, seconds: float) -> None:
        self._folder = folder
        self._sink = sink
        self._seconds = seconds
        self._source = Source(folder, CONNECTIONS)
        self._letters = {case.size_bytes: folder / f"letters-{case.size_bytes}" for case in CASES}
        self.servers: list[Server] = []
        self.figures: dict[str, Figures] = {}

    def write_letters(self) -> None:
        """Write the letters that are sent."""
        for size, path in self._letters.items():
            mean = write_letters(path, size)
            console.print(f"letters of {mean:,} bytes on average, every tenth a rejection")

    def start(self, kind: type[Server]) -> None:
        """Start a server, and look at what it does to letters; leave it out if it is missing."""
        server = kind(self._folder / kind.__name__, self._sink.port, CACHE)
        figures = self.figures[kind.name] = Figures(kind.name)
        self.servers.append(server)
        try:
            server.start()
            figures.version = server.version()
            if (root := server.root()) is not None:
                held = cost.memory(root)
                figures.idle_rss_bytes, figures.idle_pss_bytes = held.rss_bytes, held.pss_bytes
            figures.arrivals = self._sample(server)
        except (Missing, Broken) as error:
            self._leave_out(server, str(error))
            return
        console.print(f"{kind.name}: {figures.version or 'ready'}; {figures.arrivals}")

    def _leave_out(self, server: Server, reason: str) -> None:
        figures = self.figures[server.name]
        figures.missing = reason
        console.print(f"{server.name}: left out: {reason}", style="yellow", markup=False)
        if isinstance(server, Server) and server.last_words() and server.last_words() not in reason:
            console.print(f"  its last words: {server.last_words()}", style="dim", markup=False)
        server.stop()
        self.servers.remove(server)

    def _sample(self, server: Server) -> str:
        """Send each small letter once and return what arrived of them."""
        kept = self._folder / "kept"
        kept.unlink(missing_ok=True)
        before = self._sink.count().letters
        self._sink.keep(kept)
        sent = self._letters[CASES[0].size_bytes]
        self._source.send(server.port, sent, SAMPLE_LETTERS, keeps_connections=True)
        self._sink.wait(before + SAMPLE_LETTERS)
        self._sink.keep(None)
        return str(read_arrivals(kept, sent))

    def full_load(self, server: Server, case: Case, count: int) -> Rate:
        """Send letters as fast as the server takes them."""
        root = server.root()
        if root is not None:
            cost.forget_peaks(root)
        cpu_before, before = cost.cpu_seconds(root) if root else 0.0, self._sink.count()
        sent = self._send(server.port, case, count)
        after = self._sink.wait(before.letters + count)
        seconds = max(sent.seconds, after.last - sent.start)
        cpu = cost.cpu_seconds(root) - cpu_before if root else 0.0
        return Rate(
            count / seconds,
            (after.size_bytes - before.size_bytes) / seconds / MEGABYTE,
            1000 * cpu / count,
            cost.peak_bytes(root) if root else 0,
            (after.marked - before.marked) / count,
        )

    def half_load(self, server: Server, case: Case, full: float) -> Delay:
        """Send letters at half the rate the server can do, and the same without it."""
        rate = full * HALF
        count = _tens(min(rate * self._seconds, LETTERS_MAX))
        before = self._sink.count().letters
        direct = self._send(self._sink.port, case, count, rate)
        sent = self._send(server.port, case, count, rate)
        self._sink.wait(before + 2 * count)

        def added(of: Callable[[Sent], list[float]], share: float) -> float:
            return 1000 * (percentile(of(sent), share) - percentile(of(direct), share))

        def dot(sent: Sent) -> list[float]:
            return sent.dot_delays

        def whole(sent: Sent) -> list[float]:
            return sent.whole_delays

        return Delay(rate, added(dot, 0.5), added(dot, 0.99), added(whole, 0.5), added(whole, 0.99))

    def _send(self, port: int, case: Case, count: int, rate: float = 0) -> Sent:
        letters = self._letters[case.size_bytes]
        keeps = case.keeps_connections
        return self._source.send(port, letters, count, keeps_connections=keeps, rate=rate)

    def measure(self, rounds: int) -> None:
        """Measure every server in every case, in turns; print each case when it is done.

        The large letters come last: a process keeps memory that it once had.
        """
        counts: dict[tuple[str, str], int] = {}

        def warm(server: Server, case: Case) -> None:
            # These letters do not count; how fast they went tells how many make a trial.
            rate = self.full_load(server, case, WARM_LETTERS[case.is_large]).letters_per_second
            counts[server.name, case.name] = _tens(min(rate * self._seconds, LETTERS_MAX))

        def full(server: Server, case: Case) -> None:
            rate = self.full_load(server, case, counts[server.name, case.name])
            self.figures[server.name].rates.setdefault(case.name, []).append(rate)
            if isinstance(server, Ours) and abs(rate.marked_share - 1 / REJECTIONS_EVERY) > 1e-9:
                console.print(f"{server.name}: {rate.marked_share:.1%} carried the line, not 10 %")

        def half(server: Server, case: Case) -> None:
            figures = self.figures[server.name]
            most = figures.rate(case, lambda rate: rate.letters_per_second)
            if most and not isinstance(server, Nothing):
                delay = self.half_load(server, case, most)
                figures.delays.setdefault(case.name, []).append(delay)

        for case in CASES:
            self._each(case, "warming up", warm)
            for number in range(1, rounds + 1):
                self._each(case, f"full load, round {number} of {rounds}", full)
            for number in range(1, rounds + 1):
                self._each(case, f"half load, round {number} of {rounds}", half)
            table.show_case(console, case, list(self.figures.values()))

    def _each(self, case: Case, what: str, work: Callable[[Server, Case], None]) -> None:
        """Do the work with each server in turn; one that breaks is left out from there on."""
        for server in list(self.servers):
            with console.status(f"{case.title}: {what}: {server.name}"):
                try:
                    work(server, case)
                except Broken as error:
                    self._leave_out(server, f"{case.title}: {error}")

    def profile(self) -> Table:
        """Return where our time goes with small letters over kept connections."""
        letters = self._letters[CASES[1].size_bytes]
        return profile(self._folder, self._sink, self._source, letters)

    def stop(self) -> None:
        """Stop what runs, whatever happens to one of them."""
        for server in self.servers:
            server.stop()
        self.servers.clear()


def _tens(count: float) -> int:
    # Whole tens, so that one in ten is a rejection; and enough for a percentile to mean something.
    return max(10 * round(count / 10), 20)


@contextmanager
def running_bench(seconds: float) -> Iterator[Bench]:
    """Make the folder, the two ends and the letters; take everything away at the end."""
    # Interrupted in any way, what was started is ended: SIGTERM takes the way of Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="careerrelay-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # The filter of Postfix runs as nobody.
        build(folder)
        with running_sink(folder) as sink:
            bench = Bench(folder, sink, seconds)
            try:
                bench.write_letters()
                yield bench
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Once asked to end, end in order.
                bench.stop()


def main() -> None:
    """Read the options, measure, show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round, to see it work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each trial, about")
    parser.add_argument(
        "--only", action="append", help="servers whose name holds this, and no relay"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the tables into docs/performance.md"
    )
    parser.add_argument("--profile", action="store_true", help="show where our time goes, instead")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rounds, seconds = (1, 0.5) if options.quick else (options.rounds, options.seconds)
    wanted = [word.lower() for word in options.only or [""]]
    try:
        with running_bench(seconds) as bench:
            if options.profile:
                console.print(bench.profile())
                return
            for kind in SERVERS:
                if kind is Nothing or any(word in kind.name.lower() for word in wanted):
                    bench.start(kind)
            bench.measure(rounds)
    except Missing as error:
        raise SystemExit(f"bench: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    figures = list(bench.figures.values())
    table.show_idle(console, figures)
    CACHE.mkdir(parents=True, exist_ok=True)
    table.save(CACHE / "results.json", figures, load)
    console.print(f"every trial is in {CACHE / 'results.json'}", style="dim")
    if options.write:
        table.write(FOLDER.parent / "docs" / "performance.md", figures, sys.argv[1:], load)


if __name__ == "__main__":
    main()
