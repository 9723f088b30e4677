"""The crash matrix on SQLite with the broker in the process."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.broker import EMBEDDED
from tests.ledger.crash.servers import full, small_disk
from tests.ledger.crash.stage import (
    EXPECTED,
    SPILL_POINTS,
    faults,
    play_kills,
    show,
    stage,
)

pytestmark = pytest.mark.long


def test_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL and SIGTERM of those who submit, publish, apply, sign and run jobs."""
    with stage(f"sqlite:///{tmp_path}/careerrelay.db", EMBEDDED, tmp_path) as scene:
        play_kills(scene)
        results = scene.results()
        show(f"SQLite, embedded: {len(scene.fired)} processes killed", results)
        assert results == EXPECTED


def test_disturbed(tmp_path: Path) -> None:
    """The database away, and whoever keeps clicks meanwhile killed; the disk full; the clock."""
    with small_disk() as disk:
        data, elsewhere, spill = disk / "data", disk / "elsewhere", disk / "spill"
        data.mkdir()
        spill.mkdir(0o700)
        (tmp_path / "spill").symlink_to(spill)
        url = f"sqlite:///{data}/careerrelay.db"

        @contextmanager
        def away() -> Generator[None]:
            data.rename(elsewhere)
            yield
            elsewhere.rename(data)

        with stage(url, EMBEDDED, tmp_path) as scene:
            scene.submit_faults = faults(SPILL_POINTS)
            scene.disturb([away(), full(disk), scene.clock(-86_400), scene.clock(86_400)])
            results = scene.results()
            show(f"SQLite, embedded: database away, disk full, clock; {scene.fired}", results)
        assert results == EXPECTED
        assert sorted(scene.fired) == sorted(faults(SPILL_POINTS))
        assert re.search("disk is full|disk I/O error", (tmp_path / "submit.log").read_text())
