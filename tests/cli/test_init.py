"""`careerrelay init` and `careerrelay keys`: files that work at once, and nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

from relay.company import Mode
from relay.config import load_config
from tests.cli.process import careerrelay


def test_init_writes_what_serve_reads(tmp_path: Path) -> None:
    """The configuration is valid and watches first; the secrets are for their owner alone."""
    made = careerrelay("init", tmp_path)
    assert made.returncode == 0
    config = load_config(tmp_path / "careerrelay.toml")
    assert [company.mode for company in config.companies] == [Mode.OBSERVE]
    for name in ("keys.json", "log-key", "subject-key", "webhook-secret"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """A second init leaves every file alone; one that is missing is made again."""
    careerrelay("init", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = careerrelay("init", tmp_path)
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "webhook-secret").unlink()
    assert careerrelay("init", tmp_path).stdout.startswith(f"wrote {tmp_path}/webhook-secret\n")
    before.pop("webhook-secret")
    assert all((tmp_path / name).read_bytes() == text for name, text in before.items())


def test_keys(tmp_path: Path) -> None:
    """A key is added, activated and revoked; secrets are never shown; a wrong step is refused."""
    careerrelay("init", tmp_path)
    config = ("--config", str(tmp_path / "careerrelay.toml"))
    assert careerrelay("keys", "add", *config).stdout == "key b is next\n"
    assert careerrelay("keys", "activate", "b", *config).returncode == 0
    refused = careerrelay("keys", "revoke", "b", *config)
    assert refused.returncode == 1
    assert "activate another one first" in refused.stderr
    assert careerrelay("keys", "revoke", "a", *config).returncode == 0
    listed = careerrelay("keys", "list", "--json", *config)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["id"], row["state"]) for row in rows] == [("a", "revoked"), ("b", "active")]
    names = {"id", "state", "created", "activated", "retired", "revoked"}
    assert all(set(row) == names for row in rows)


def test_no_configuration(tmp_path: Path) -> None:
    """Without a configuration a command says which one it wanted and how to get it."""
    missing = careerrelay("keys", "list", "--config", tmp_path / "careerrelay.toml")
    assert missing.returncode == 2
    assert "careerrelay.toml: No such file or directory; `careerrelay init`" in missing.stderr
