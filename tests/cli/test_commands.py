"""The list of commands: complete, true, and without the weight of the commands themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.store import Store
from relay.__main__ import COMMANDS, app
from relay.cli.later import Later
from relay.config import load_config
from tests.cli.process import CAREERRELAY, careerrelay, create

LETTERS = Path(__file__).parents[1] / "letters"
# What takes long to import, and is needed by some commands only.
SERVER = {"aiosmtpd", "dramatiq", "fastapi", "reportlab", "uvicorn"}
HEAVY = SERVER | {"alembic", "cryptography", "dkim", "dns", "pydantic_settings", "sqlalchemy"}

pytestmark = pytest.mark.usefixtures("elsewhere")


def imported_by(*arguments: str | Path) -> set[str]:
    """Return the packages that are imported for a command that ends well."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *CAREERRELAY[1:], *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_the_list_says_what_the_command_says(name: str) -> None:
    """A command has a line in the list, which is the first of its own help."""
    listed = next(each for each in COMMANDS if each[0] == name)
    runner = CliRunner()
    own = runner.invoke(app, [name, "--help"]).output
    assert f"Usage: root {name} " in own
    assert listed[2] in own
    assert listed[2] in runner.invoke(app, ["--help"]).output
    assert "-completion" not in own


def test_a_command_keeps_its_name() -> None:
    """What a command is called does not come from the function behind it."""
    assert Later(*COMMANDS[3]).load().name == "hash-password"


def test_a_slip_is_answered_with_what_was_meant() -> None:
    """An unknown command is wrong use, with the nearest one that there is."""
    done = careerrelay("chekc")
    assert done.returncode == 2
    assert "No such command 'chekc'" in done.stderr
    assert "'check'" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_needs_no_command_imports_none(option: str) -> None:
    """The list and the version are there at once."""
    assert imported_by(option) & HEAVY == set()


def test_judging_imports_what_judging_needs() -> None:
    """Without a configuration a letter is judged without store, server and signatures."""
    letter = min(LETTERS.glob("*.eml"))
    assert imported_by("check", letter) & HEAVY == set()


def test_the_balance_needs_no_server(tmp_path: Path) -> None:
    """What reads the record imports the store, and nothing that serves."""
    config = create(tmp_path)
    Store(load_config(config).store.url).prepare()
    assert imported_by("credits", "balance", "--config", config) & SERVER == set()
