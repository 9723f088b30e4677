"""The crash matrix on PostgreSQL with RabbitMQ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledger.crash.servers import postgres, rabbitmq
from tests.ledger.crash.stage import EXPECTED, play_disturbances, play_kills, show, stage

pytestmark = [pytest.mark.services, pytest.mark.long]


def test_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL and SIGTERM of those who submit, publish, apply, sign and run jobs."""
    with (
        postgres() as server,
        rabbitmq() as broker,
        stage(server.url(), broker.url, tmp_path) as scene,
    ):
        play_kills(scene)
        results = scene.results()
        show(f"PostgreSQL, RabbitMQ: {len(scene.fired)} processes killed", results)
        assert results == EXPECTED


def test_disturbed(tmp_path: Path) -> None:
    """The broker killed, emptied, silent; the database killed, its disk full; the clock."""
    with (
        postgres() as server,
        rabbitmq() as broker,
        stage(server.url(), broker.url, tmp_path) as scene,
    ):
        play_disturbances(scene, server, broker)
        results = scene.results()
        show("PostgreSQL, RabbitMQ: broker killed, emptied, silent; database …", results)
        assert results == EXPECTED
