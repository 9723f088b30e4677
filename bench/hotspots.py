"""Where the relay's processor time goes: 4 KiB letters over kept connections at full load."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from load import FOLDER, Sink, Source
from peers import Ours
from rich.box import SIMPLE_HEAD
from rich.table import Table

LETTERS = 10_000
WARM_LETTERS = 400
SHARE_MIN = 0.005  # What takes less is not shown.


class Sampled(Ours):
    """The relay under `sampled.py`."""

    name = "Career Relay, sampled"

    def __init__(self, folder: Path, sink_port: int, cache: Path) -> None:
        super().__init__(folder, sink_port, cache)
        self.result = folder / "samples.json"
        self.wrapper = (str(FOLDER / "sampled.py"), str(self.result))


def profile(folder: Path, sink: Sink, source: Source, letters: Path) -> Table:
    """Return a table of the modules the time goes to."""
    server = Sampled(folder / "sampled", sink.port, folder)
    try:
        server.start()
        before = sink.count().letters
        source.send(server.port, letters, WARM_LETTERS, keeps_connections=True)
        os.kill(server.root() or 0, signal.SIGUSR1)
        sent = source.send(server.port, letters, LETTERS, keeps_connections=True)
        sink.wait(before + WARM_LETTERS + LETTERS)
    finally:
        server.stop()
    found = json.loads(server.result.read_text())
    main, other = float(found["main_seconds"]), float(found["other_seconds"])
    microseconds = 1e6 * main / LETTERS
    title = (
        f"{LETTERS / sent.seconds:,.0f} letters/s while sampled, {found['samples']:,} samples;\n"
        f"{microseconds:.0f} µs each on the main thread, {1e6 * other / LETTERS:.0f} on others"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("module")
    for name in ("with all it calls", "µs each", "its own lines", "µs each"):
        table.add_column(name, justify="right")
    for name, seconds in sorted(found["inclusive"].items(), key=lambda item: -item[1]):
        share, own = seconds / main, found["own"].get(name, 0.0) / main
        if share >= SHARE_MIN:
            row = (f"{share:.1%}", f"{share * microseconds:,.0f}")
            table.add_row(name, *row, f"{own:.1%}", f"{own * microseconds:,.0f}")
    return table
