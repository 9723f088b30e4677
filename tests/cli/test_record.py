"""`careerrelay log verify` and `careerrelay credits balance`, run as commands."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.checkpoint import Checkpointer, load_log_key
from ledger.keyfiles import create_log_key
from ledger.policies import read_policies
from ledger.policy import policy_at
from ledger.store import Store
from tests.ledger.parts import applier_on, clock, letters_and_signups, store_in, submit

CONFIG = """
[relay]
listen = ["127.0.0.1:2525"]
next_hop = "127.0.0.1:2526"
allow = ["127.0.0.0/8"]
[link]
base_url = "https://r.example.jp/"
[store]
url = "sqlite:///careerrelay.db"
installation = "r.example.jp"
"""
COMPANY = """
[[company]]
id = "{0}"
name = "{0}"
domains = ["{0}.example.jp"]
contact = "recruit@{0}.example.jp"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with two companies and no store."""
    config = CONFIG + COMPANY.format("aozora") + COMPANY.format("midori")
    (tmp_path / "careerrelay.toml").write_text(config)
    create_log_key(tmp_path / "log-key")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Store:
    """The installation's store, with thirteen signups and a slot."""
    store = store_in(folder)
    submit(store, letters_and_signups(13))
    applier_on(store).apply_all()
    key = load_log_key(folder / "log-key")
    checkpointer = Checkpointer(
        store, key, installation="r.example.jp", directory=folder, clock=clock
    )
    checkpointer.sign_due()
    store.close()
    return store


def careerrelay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder."""
    return subprocess.run(
        [sys.executable, "-m", "relay", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


def rows(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the JSON lines of a command."""
    done = careerrelay(folder, *arguments, "--json")
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_sound_log_is_verified(folder: Path, store: Store) -> None:
    """One row a log, exit code 0, for machines and for people."""
    code, found = rows(folder, "log", "verify")
    assert code == 0
    assert [(row["log"], row["entries"], row["checkpoint_size"]) for row in found] == [
        ("aozora", 40, 40)
    ]
    assert found[0]["verified"] is True
    assert len(base64.b64decode(found[0]["root"])) == 32
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 0
    assert "aozora" in done.stdout
    assert "verified" in done.stdout


def test_a_damaged_log_is_exit_code_one(folder: Path, store: Store) -> None:
    """The entry and the kind of damage are named, for machines and for people."""
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET body = x'00' WHERE seq = 3"))
    store.close()
    code, found = rows(folder, "log", "verify")
    assert code == 1
    assert (found[0]["verified"], found[0]["damage"], found[0]["seq"]) == (False, "body", 3)
    assert found[0]["event_id"].startswith("letter.link_issued:")
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 1
    assert "entry 3" in done.stdout
    assert found[0]["event_id"] in done.stdout


def test_a_file_that_is_no_database_is_exit_code_one(folder: Path, store: Store) -> None:
    """A store that cannot be read is a finding, said in one line."""
    store.path.write_bytes(b"x" * 4096)
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 1
    assert "not a database" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("log", "verify"), ("credits", "balance")])
def test_looking_makes_no_store(folder: Path, command: tuple[str, str]) -> None:
    """Without a store the commands end with 2 and leave none behind."""
    done = careerrelay(folder, *command)
    assert done.returncode == 2
    assert "no store yet" in done.stderr
    assert not (folder / "careerrelay.db").exists()


def test_a_missing_key_is_wrong_use(folder: Path, store: Store) -> None:
    """Without the log's key nothing can be verified: exit code 2, naming the file."""
    (folder / "log-key").unlink()
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 2
    assert "log-key" in done.stderr


def test_balances(folder: Path, store: Store) -> None:
    """Every company has a row; thirteen referrals are one slot and three open."""
    code, found = rows(folder, "credits", "balance")
    assert code == 0
    assert [row["company"] for row in found] == ["aozora", "midori"]
    assert found[0] == {
        "company": "aozora",
        "open": 3,
        "held": 0,
        "redeemed": 10,
        "slots_granted": 1,
        "slots_available": 1,
        "slots_reserved": 0,
        "slots_used": 0,
        "slots_voided": 0,
        "slots_expired": 0,
        "to_next_slot": 7,
        "policy": policy_at(read_policies(), datetime.now(UTC)).id,
    }
    assert found[1]["slots_available"] == 0
    done = careerrelay(folder, "credits", "balance", "aozora")
    assert "aozora" in done.stdout
    assert "midori" not in done.stdout


def test_an_unknown_company_is_wrong_use(folder: Path, store: Store) -> None:
    """A company that is not configured is said, with those that are."""
    done = careerrelay(folder, "credits", "balance", "akane")
    assert done.returncode == 2
    assert "aozora, midori" in done.stderr


@pytest.mark.parametrize("name", ["[/red]", "\x1b[2J"])
def test_names_from_a_damaged_store_are_no_markup(folder: Path, store: Store, name: str) -> None:
    """Whatever stands in the store, the tables are printed and nobody's terminal is steered."""
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET log = :name"), {"name": name})
    store.close()
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "aozora, entry 0" in done.stdout
    assert "\x1b[2J" not in done.stdout


@pytest.mark.parametrize("command", [("log", "verify"), ("credits", "balance")])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balance SET account = 'pocket' WHERE account = 'available'",
        "UPDATE alembic_version SET version_num = '9999'",
    ],
)
def test_a_damaged_ledger_is_exit_code_one(
    folder: Path, store: Store, command: tuple[str, str], statement: str
) -> None:
    """What cannot be read is said in one line, by both commands."""
    with store.write() as transaction:
        transaction.execute(text(statement))
    store.close()
    done = careerrelay(folder, *command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("command", [("log", "verify"), ("credits", "balance")])
def test_an_emptied_store_is_no_new_one(
    folder: Path, store: Store, command: tuple[str, str]
) -> None:
    """A file cut to nothing is a finding, and looking at it makes no tables."""
    os.truncate(store.path, 0)
    done = careerrelay(folder, *command)
    assert done.returncode == 1
    assert "holds no tables" in done.stderr
    assert store.path.stat().st_size == 0


@pytest.mark.parametrize("size", [1, 4096, 70_001])
def test_a_cut_off_file_is_exit_code_one(folder: Path, store: Store, size: int) -> None:
    """A file that lost its end is found damaged without a traceback."""
    os.truncate(store.path, size)
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_other_files_beside_the_checkpoints_are_let_be(folder: Path, store: Store) -> None:
    """A copy that an editor or a person made of a checkpoint is not a log that is gone."""
    published = (folder / "checkpoint-aozora").read_bytes()
    for name in ("checkpoint-aozora.bak", "checkpoint-aozora~", "checkpoint-", "checkpoint-A b"):
        (folder / name).write_bytes(published)
    (folder / "checkpoint-old.d").mkdir()
    code, found = rows(folder, "log", "verify")
    assert (code, [row["log"] for row in found]) == (0, ["aozora"])


def test_a_checkpoint_that_cannot_be_read_is_exit_code_one(folder: Path, store: Store) -> None:
    """The file is named."""
    (folder / "checkpoint-aozora").unlink()
    (folder / "checkpoint-aozora").mkdir()
    done = careerrelay(folder, "log", "verify")
    assert done.returncode == 1
    assert "checkpoint-aozora" in done.stderr
    assert "Traceback" not in done.stderr
