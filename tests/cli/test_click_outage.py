"""The database is killed under clicks and comes back: each that was answered is on record, once."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from signer.keyring_file import load_key_ring
from signer.tokens import make_token
from tests.cli.daemon import WAIT_SECONDS, Daemon, daemon
from tests.cli.process import create, free_port
from tests.ledger.crash.servers import postgres

pytestmark = pytest.mark.services
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0", "Accept-Language": "ja"}
CLICKERS = 4
# So much that what is kept is read in several pieces while more comes in.
CLICKS_AWAY = 600


class Clickers:
    """Some people who click again and again."""

    def __init__(self, running: Daemon, token: str) -> None:
        self._running, self._token = running, token
        self._changed = threading.Condition()
        self._ends = False
        self.answers: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._click) for _ in range(CLICKERS)]
        for thread in self._threads:
            thread.start()

    def _click(self) -> None:
        port = self._running.ports.intake
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
        while not self._ends:
            connection.request("GET", f"/{self._token}", headers=BROWSER)
            answer = connection.getresponse()
            answer.read()
            with self._changed:
                self.answers[answer.status] += 1
                self._changed.notify_all()
        connection.close()

    def wait_for_more(self, count: int) -> None:
        """Return when so many more are answered."""
        with self._changed:
            wanted = self.answers.total() + count
            assert self._changed.wait_for(lambda: self.answers.total() >= wanted, WAIT_SECONDS)

    def stop(self) -> None:
        """Let the last ones be answered."""
        self._ends = True
        for thread in self._threads:
            thread.join(WAIT_SECONDS)


def wait_until_applied(url: str) -> None:
    """Return when the worker has nothing left to do."""
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(url, autocommit=True) as database:
        while database.execute("SELECT 1 FROM inbox WHERE decision IS NULL").fetchone():
            assert time.monotonic() < deadline


def test_no_click_is_lost_or_doubled(tmp_path: Path) -> None:
    """Before, meanwhile and afterwards every click leads on, and all are in the log."""
    config = create(tmp_path)
    token = make_token(load_key_ring(tmp_path / "keys.json"), "aozora", "abcdefghijklmnop")
    with postgres() as server:
        settings: dict[str, str | None] = {"CAREERRELAY_STORE__URL": server.url()}
        with daemon(config, free_port(), role="intake", settings=settings) as running:
            running.wait_until_started()
            clickers = Clickers(running, token)
            try:
                clickers.wait_for_more(50)
                server.stop()
                clickers.wait_for_more(CLICKS_AWAY)
                server.start_again()
                running.wait_for_text("kept records are in the store now")
                clickers.wait_for_more(50)
            finally:
                clickers.stop()
        assert set(clickers.answers) == {303}
        with daemon(config, free_port(), role="worker", settings=settings) as running:
            running.wait_until_started()
            wait_until_applied(server.url().replace("+psycopg", ""))
        with psycopg.connect(server.url().replace("+psycopg", "")) as database:
            rows = database.execute(
                "SELECT count(*), count(DISTINCT event_id) FROM entry"
                " WHERE event_id LIKE 'link.clicked:%'"
            ).fetchone()
    assert rows == (clickers.answers[303], clickers.answers[303])
