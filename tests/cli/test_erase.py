"""`careerrelay erase`, run as a command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ledger import store_subject
from ledger.keyfiles import create_subject_key, load_subject_key
from ledger.store import Store
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.ledger.parts import signup, store_in, submit

HANAKO = "hanako@example.jp"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation whose store knows one person, with a registration under way."""
    path = create(tmp_path)
    store = Store(f"sqlite:///{tmp_path}/careerrelay.db")
    key = load_subject_key(tmp_path / "subject-key")
    with store.write() as transaction:
        store_subject.reference(transaction, key, "aozora", HANAKO, b"s" * 32)
    submit(store, [signup(1)])
    store.close()
    return path


def erase(
    config: Path, person: str, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with something on its standard input."""
    return subprocess.run(
        [*CAREERRELAY, "erase", person, "--config", str(config), *arguments],
        input=given,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "given", [b"hanako@example.jp", b"hanako@example.jp\n", b"hanako@example.jp\r\n"]
)
def test_from_standard_input(config: Path, given: bytes) -> None:
    """With or without a line end; the person stands nowhere in what is printed."""
    done = erase(config, "-", given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Erased. On record in the installation's log and 0 of companies")
    assert b"hanako" not in done.stdout
    again = erase(config, "-", given=given)
    assert again.returncode == 0
    assert again.stdout.startswith(b"Nothing is kept")


def test_as_an_argument_and_for_machines(config: Path) -> None:
    """One object with stable names."""
    done = erase(config, HANAKO, "--json")
    assert json.loads(done.stdout) == {
        "erased": True,
        "logs": ["_installation"],
        "clicks": 0,
        "scrubbed": True,
    }


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe\n", b"x" * 5000])
def test_what_is_no_identifier_is_wrong_use(config: Path, given: bytes) -> None:
    """Nothing, half a character, a whole file: exit code 2, and nobody is erased."""
    done = erase(config, "-", given=given)
    assert done.returncode == 2
    assert b"expected" in done.stderr
    assert json.loads(erase(config, HANAKO, "--json").stdout)["erased"] is True


def test_without_key_or_store_nothing_is_made(tmp_path: Path) -> None:
    """Exit code 2, naming what is missing."""
    config = create(tmp_path)
    done = erase(config, HANAKO)
    assert done.returncode == 2
    assert b"no store yet" in done.stderr
    assert not (tmp_path / "careerrelay.db").exists()
    (tmp_path / "subject-key").unlink()
    store_in(tmp_path).prepare()
    done = erase(config, HANAKO)
    assert done.returncode == 2
    assert b"subject-key" in done.stderr
    create_subject_key(tmp_path / "subject-key")
    assert erase(config, HANAKO).stdout.startswith(b"Nothing is kept")


def test_a_store_that_is_damaged_says_so(config: Path) -> None:
    """Exit code 1 and one line."""
    (config.parent / "careerrelay.db").write_bytes(b"x" * 4096)
    done = erase(config, HANAKO)
    assert done.returncode == 1
    assert done.stderr.startswith(b"nothing was erased: ")
    assert b"Traceback" not in done.stderr


def test_it_is_among_the_commands() -> None:
    """And its help says how to keep the person out of the history."""
    assert "standard input" in careerrelay("erase", "--help").stdout.replace("\n", " ")
