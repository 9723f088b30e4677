"""The report of the invented year as it is shown in docs/replay.md: two pages and a terminal.

    python -m tests.replaypictures FOLDER

The pictures in docs/images are these files in a browser (`chromium --headless --screenshot`).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from rich.console import Console

from ledger.policies import read_policies
from relay.cli.replayjudge import judge_for
from relay.cli.replayrun import Run
from relay.cli.replaystate import Progress, Seen
from relay.cli.replaysums import Rate, estimate
from relay.cli.replayview import Report, print_report, render_page
from relay.mailstore import SENT_NAMES, find_sources
from tests.sampleyear import sample_year

TERMINAL_WIDTH = 92
SIZE_MAX_BYTES = 1024 * 1024


def main(folder: Path) -> None:
    """Write the pages and the picture of a terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # The report names files as they were given.
    report = _report(Path("sent-2025.mbox"))
    for language in ("en", "ja"):
        Path(f"replay.{language}.html").write_text(render_page(report, language), "utf-8")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            file=nowhere, record=True, width=TERMINAL_WIDTH, markup=False, highlight=False
        )
        console.print("$ careerrelay replay sent-2025.mbox", style="dim")
        print_report(console, report)
    svg = console.export_svg(title="careerrelay replay")
    # The library's picture fetches its font from another host.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    Path("replay-terminal.svg").write_text(svg, encoding="utf-8")


def _report(box: Path) -> Report:
    box.write_bytes(sample_year())
    progress = Progress()
    run = Run(judge_for(None), SENT_NAMES, SIZE_MAX_BYTES, lambda _row: None, lambda _done: True)
    run.through(find_sources(box), progress, Seen())
    policy = read_policies()[0]
    worth = estimate(
        progress.sums.letters,
        Rate(0.05, 0.2),
        Rate(0.1, 0.3),
        threshold=policy.threshold,
        grant=policy.grant,
        policy=policy.id,
    )
    return Report((str(box),), box.stat().st_size, progress.sums, worth, is_any_company=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
