"""`careerrelay log export`, run as a command."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.events import INSTALLATION, parse
from ledger.store import Store
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.ledger.parts import applier_on, issue, letters_and_signups, store_in, submit

ENTRIES = 13 * 3 + 1


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation with one log."""
    path = create(tmp_path)
    store = store_in(tmp_path)
    submit(store, letters_and_signups(13))
    applier_on(store).apply_all()
    store.close()
    return path


def export(config: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return careerrelay("log", "export", "--config", config, *arguments)


def records(config: Path) -> list[dict[str, Any]]:
    """Return what is on record about exports, applied or not."""
    store = Store(f"sqlite:///{config.parent}/careerrelay.db")
    with store.read() as transaction:
        query = text("SELECT body FROM inbox WHERE company = :log AND decision IS NULL")
        found = transaction.execute(query, {"log": INSTALLATION}).scalars().all()
    store.close()
    return [dict(parse(body).data) for body in found]


def test_to_standard_output_and_on_record(config: Path) -> None:
    """The entries, the place to go on from, and an event with the digest of the bytes."""
    done = export(config)
    assert done.returncode == 0
    assert done.stderr == f"next {ENTRIES}\n"
    assert [parse(line.encode()).company for line in done.stdout.splitlines()] == [
        "aozora"
    ] * ENTRIES
    assert records(config) == [
        {
            "log": "aozora",
            "format": "jsonl",
            "first": 0,
            "size": ENTRIES,
            "digest": hashlib.sha256(done.stdout.encode()).hexdigest(),
        }
    ]
    rest = export(config, "--log", "aozora", "--from", "30", "--format", "cloudevents")
    assert [json.loads(line)["sequence"] for line in rest.stdout.splitlines()] == [
        f"{n:020d}" for n in range(30, ENTRIES)
    ]


def test_a_file_is_continued_and_nothing_new_is_not_recorded(config: Path, tmp_path: Path) -> None:
    """Twice the same command, as a timer runs it."""
    path = tmp_path / "aozora.csv"
    for _ in range(2):
        done = export(config, "--log", "aozora", "--format", "csv", "-o", path, "--resume")
        assert (done.returncode, done.stderr) == (0, f"next {ENTRIES}\n")
    assert len(path.read_bytes().splitlines()) == ENTRIES + 1
    assert len(records(config)) == 1
    again = export(config, "--log", "aozora", "--format", "csv", "-o", path)
    assert again.returncode == 2
    assert "--resume continues it" in again.stderr


def test_wrong_use(config: Path, tmp_path: Path) -> None:
    """Exit code 2, with what is expected."""
    store = store_in(tmp_path)
    submit(store, [issue(99, "midori")])
    applier_on(store).apply_all()
    store.close()
    for arguments, what in [
        ((), "expected --log; there are aozora, midori"),
        (("--log", "nobody"), "nobody: no such log; there are aozora, midori"),
        (("--log", "aozora", "--resume"), "--resume goes with -o FILE"),
        (("--log", "aozora", "--format", "xml"), "Invalid value"),
    ]:
        done = export(config, *arguments)
        assert done.returncode == 2
        assert what in done.stderr
    assert records(config) == []


def test_an_export_that_is_not_on_record_is_exit_code_one(config: Path, tmp_path: Path) -> None:
    """The entries went out; that it could not be recorded is not hidden."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        trigger = "CREATE TRIGGER full BEFORE INSERT ON inbox BEGIN SELECT RAISE(FAIL, 'disk'); END"
        transaction.execute(text(trigger))
    store.close()
    done = export(config)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == ENTRIES
    assert f"{ENTRIES} entries went out, and this could not be put on record" in done.stderr
    assert "Traceback" not in done.stderr


def test_damage_is_exit_code_one_and_what_went_out_is_recorded(
    config: Path, tmp_path: Path
) -> None:
    """The entries before it are written and on record."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET body = x'00' WHERE seq = 9"))
    store.close()
    done = export(config, "--format", "ocsf")
    assert done.returncode == 1
    assert "log aozora, entry 9" in done.stderr
    assert len(done.stdout.splitlines()) == 9
    assert [(one["first"], one["size"]) for one in records(config)] == [(0, 9)]


def test_a_reader_that_goes_away_is_no_crash(config: Path) -> None:
    """As with `| head`: exit code 1, no traceback, and on record."""
    with subprocess.Popen(
        [*CAREERRELAY, "log", "export", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert said == "whoever read the export went away before its end\n"
    assert len(records(config)) == 1


def test_a_terminal_sees_how_far_it_is(config: Path, tmp_path: Path) -> None:
    """A bar on stderr, and the file as without one."""
    path = tmp_path / "aozora.jsonl"
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*CAREERRELAY, "log", "export", "--config", str(config), "-o", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        timeout=60,
    )
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "100%" in shown
    assert shown.endswith(f"next {ENTRIES}\r\n")
    assert len(path.read_bytes().splitlines()) == ENTRIES
