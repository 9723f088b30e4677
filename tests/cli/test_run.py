"""`careerrelay run --once --json`: the demonstration does what the README says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.cli.process import Ports, careerrelay


def test_the_account(tmp_path: Path) -> None:
    """Rejections carry a link, the rest is identical, ten signups are one slot; twice the same."""
    ports = Ports.free()
    for _ in range(2):
        told = careerrelay(
            "run", "--once", "--json", "--data", tmp_path, environment=ports.environment
        )
        assert told.returncode == 0, told.stderr
        *letters, summary = [json.loads(line) for line in told.stdout.splitlines()]
        assert summary == {
            "sent": 12,
            "delivered": 12,
            "injected": 10,
            "unchanged_identical": True,
            "clicked": 1,
            "referrals": 10,
            "slots": 1,
            "log": "verified",
        }
        assert len(letters) == 12
        for letter in letters:
            injected = letter["decision"] == "inject"
            assert injected is (letter["verdict"] == "rejection")
            assert letter["identical"] is not injected
            assert letter["restorable"] is injected
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_for_people(tmp_path: Path) -> None:
    """The account on the terminal says what happened to the letters, the credits and the log."""
    told = careerrelay("run", "--once", "--data", tmp_path, environment=Ports.free().environment)
    assert told.returncode == 0, told.stderr
    assert "7 ×  one link added" in told.stdout
    assert "the same bytes" in told.stdout
    assert "10 referrals and one hire free of fees" in told.stdout
    assert "from its first entry to its last: verified" in told.stdout


def test_port_taken(tmp_path: Path) -> None:
    """A port that somebody else has is named, with what to set and where."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = Ports.free().environment | {
            "CAREERRELAY_OUTSIDE__LISTEN": f"127.0.0.1:{port}"
        }
        told = careerrelay("run", "--once", "--data", tmp_path, environment=environment)
    assert told.returncode == 2
    assert f"127.0.0.1:{port}" in told.stderr
    assert "outside.listen" in told.stderr
    assert str(tmp_path / "careerrelay.toml") in told.stderr


def test_damaged_store(tmp_path: Path) -> None:
    """A store that is no database ends the demonstration with a word, not with a traceback."""
    (tmp_path / "careerrelay.db").write_bytes(b"this is no database" * 100)
    told = careerrelay("run", "--once", "--data", tmp_path, environment=Ports.free().environment)
    assert told.returncode in (1, 2)
    assert "careerrelay.db" in told.stderr
    assert "Traceback" not in told.stderr
