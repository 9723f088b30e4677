"""The crash matrix on SQLite with the broker in the process."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from ledger.broker import EMBEDDED
from tests.ledger.crash.stage import (
    EXPECTED,
    SPILL_POINTS,
    faults,
    play_kills,
    show,
    stage,
)

DISTURBED_SECONDS = 2.0
# Less than the database has by then, more than the players' own notes.
FULL_BYTES = 65_536


def test_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL and SIGTERM of those who submit, publish, apply, sign and run jobs."""
    with stage(f"sqlite:///{tmp_path}/careerrelay.db", EMBEDDED, tmp_path) as scene:
        play_kills(scene)
        results = scene.results()
        show(f"SQLite, embedded: {len(scene.fired)} processes killed", results)
        assert results == EXPECTED


def test_disturbed(tmp_path: Path) -> None:
    """The database away, and whoever keeps clicks meanwhile killed; the disk full; the clock."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    with stage(f"sqlite:///{data}/careerrelay.db", EMBEDDED, tmp_path) as scene:

        def take_away() -> None:
            data.rename(elsewhere)
            time.sleep(DISTURBED_SECONDS)
            elsewhere.rename(data)

        def fill() -> None:
            scene.limit_files(FULL_BYTES)
            time.sleep(DISTURBED_SECONDS)
            scene.limit_files(resource.RLIM_INFINITY)

        scene.submit_faults = faults(SPILL_POINTS)
        scene.disturb(
            [
                ("database away", take_away),
                ("disk full", fill),
                ("clock a day back", lambda: scene.set_clock(-86_400)),
                ("clock a day ahead", lambda: scene.set_clock(86_400)),
            ]
        )
        scene.end()
        results = scene.results()
        show(f"SQLite, embedded: database away, disk full, clock; {scene.fired}", results)
        assert results == EXPECTED
        assert sorted(scene.fired) == sorted(faults(SPILL_POINTS))
