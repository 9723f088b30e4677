"""The crash matrix on PostgreSQL with RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ledger.worker import Queue
from tests.ledger.crash.player import NAMESPACE
from tests.ledger.crash.servers import Way, postgres
from tests.ledger.crash.stage import EXPECTED, play_kills, show, stage
from tests.services import RABBITMQ, needed

pytestmark = pytest.mark.services
DISTURBED_SECONDS = 2.0


@contextmanager
def way_to_rabbitmq() -> Generator[tuple[Way, str]]:
    """Open a way to the server, and yield it with the broker's URL on it."""
    parts = urlsplit(RABBITMQ)
    host, port = parts.hostname or "127.0.0.1", parts.port or 5672
    needed("RabbitMQ", host, port)
    way = Way((host, port))
    try:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{way.port}"
        yield way, parts._replace(netloc=netloc).geturl()
    finally:
        way.close()


def purge() -> None:
    """Delete all messages that wait."""
    queue = Queue(RABBITMQ, NAMESPACE)
    queue.broker.flush_all()
    queue.close()


def test_killed_at_every_step(tmp_path: Path) -> None:
    """SIGKILL and SIGTERM of those who submit, publish, apply, sign and run jobs."""
    with (
        postgres() as server,
        way_to_rabbitmq() as (_, broker),
        stage(server.url(), broker, tmp_path) as scene,
    ):
        play_kills(scene)
        results = scene.results()
        show(f"PostgreSQL, RabbitMQ: {len(scene.fired)} processes killed", results)
        assert results == EXPECTED


def test_disturbed(tmp_path: Path) -> None:
    """The broker away, emptied, silent; the database restarted, read-only; the clock."""
    with (
        postgres() as server,
        way_to_rabbitmq() as (way, broker),
        stage(server.url(), broker, tmp_path) as scene,
    ):

        def refuse() -> None:
            server.refuse_writing(is_refused=True)
            time.sleep(DISTURBED_SECONDS)
            server.refuse_writing(is_refused=False)

        scene.disturb(
            [
                ("broker restarted", lambda: way.shut(DISTURBED_SECONDS)),
                ("broker emptied", purge),
                ("broker silent", lambda: way.silence(DISTURBED_SECONDS)),
                ("database restarted", server.restart),
                ("database full", refuse),
                ("clock a day back", lambda: scene.set_clock(-86_400)),
            ]
        )
        scene.end()
        results = scene.results()
        show("PostgreSQL, RabbitMQ: broker away, emptied, silent; database …", results)
        assert results == EXPECTED
