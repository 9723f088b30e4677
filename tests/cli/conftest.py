"""Fixtures of the tests of commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sampleyear import sample_year

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder without a configuration, with a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "queue")]))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an invented year, long enough to be stopped in its middle."""
    path = tmp_path_factory.mktemp("year") / "sent.mbox"
    path.write_bytes(sample_year(part=2))
    return path
