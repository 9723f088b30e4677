"""The crash matrix on PostgreSQL with Redis."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.ledger.crash.servers import postgres, redis
from tests.ledger.crash.stage import EXPECTED, play_kills, show, stage

pytestmark = pytest.mark.services
DISTURBED_SECONDS = 2.0


def test_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL and SIGTERM of those who submit, publish, apply, sign and run jobs."""
    with (
        postgres() as server,
        redis() as broker,
        stage(server.url(), broker.url, tmp_path) as scene,
    ):
        play_kills(scene)
        results = scene.results()
        show(f"PostgreSQL, Redis: {len(scene.fired)} processes killed", results)
        assert results == EXPECTED


def test_disturbed(tmp_path: Path) -> None:
    """The broker restarted, emptied, silent; the database restarted, read-only; the clock."""
    with (
        postgres() as server,
        redis() as broker,
        stage(server.url(), broker.url, tmp_path) as scene,
    ):

        def refuse() -> None:
            server.refuse_writing(is_refused=True)
            time.sleep(DISTURBED_SECONDS)
            server.refuse_writing(is_refused=False)

        scene.disturb(
            [
                ("broker restarted", broker.restart),
                ("broker emptied", broker.empty),
                ("broker silent", lambda: broker.silence(DISTURBED_SECONDS)),
                ("database restarted", server.restart),
                ("database full", refuse),
                ("clock a day back", lambda: scene.set_clock(-86_400)),
            ]
        )
        scene.end()
        results = scene.results()
        show("PostgreSQL, Redis: broker restarted, emptied, silent; database …", results)
        assert results == EXPECTED
