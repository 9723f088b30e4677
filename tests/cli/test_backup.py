"""`careerrelay backup` and `careerrelay log verify --against`, run as commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import store_log, store_subject
from ledger.apply import Applier
from ledger.checkpoint import Checkpointer, load_log_key
from ledger.events import INSTALLATION, Event, parse
from ledger.keyfiles import load_subject_key
from ledger.policies import read_policies
from ledger.store import Store
from tests.cli.process import Ports, careerrelay, create, serving
from tests.ledger.parts import clock, issue, letters_and_signups, store_in, submit


def add(folder: Path, events: list[Event]) -> None:
    """Record events in the installation of the folder, under its own key."""
    store = store_in(folder)
    submit(store, events)
    Applier(store, read_policies(), clock=clock).apply_all()
    Checkpointer(
        store,
        load_log_key(folder / "log-key"),
        installation="r.example.jp",
        directory=folder,
        clock=clock,
    ).sign_due(at_once=True)
    store.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation with a log."""
    path = create(tmp_path)
    add(tmp_path, letters_and_signups(3))
    return path


def test_a_backup_and_its_record(config: Path, tmp_path: Path) -> None:
    """It is said and recorded what was copied; the file is what the record says."""
    done = careerrelay("backup", tmp_path / "monday", "--config", config, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["file"], said["logs"], said["entries"]) == (str(tmp_path / "monday"), 1, 9)
    store = store_in(tmp_path)
    with store.read() as transaction:
        query = text("SELECT body FROM inbox WHERE company = :log")
        (body,) = transaction.execute(query, {"log": INSTALLATION}).scalars()
    store.close()
    event = parse(body)
    assert event.type == "store.backed_up"
    assert event.data["digest"] == said["sha256"]
    again = careerrelay("backup", tmp_path / "monday", "--config", config)
    assert again.returncode == 2
    assert "overwrites nothing" in again.stderr


def test_wrong_places(config: Path, tmp_path: Path) -> None:
    """A folder that is not there, and a store that is not there: exit code 2."""
    done = careerrelay("backup", tmp_path / "missing" / "monday", "--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such folder" in done.stderr
    (tmp_path / "careerrelay.db").unlink()
    done = careerrelay("backup", tmp_path / "monday", "--config", config)
    assert done.returncode == 2
    assert "no store yet" in done.stderr
    assert not (tmp_path / "monday").exists()


def test_a_backup_that_is_not_on_record_is_exit_code_one(config: Path, tmp_path: Path) -> None:
    """The copy is there; that it could not be recorded is not hidden."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        trigger = "CREATE TRIGGER full BEFORE INSERT ON inbox BEGIN SELECT RAISE(FAIL, 'disk'); END"
        transaction.execute(text(trigger))
    store.close()
    done = careerrelay("backup", tmp_path / "monday", "--config", config)
    assert done.returncode == 1
    assert "is written, and this could not be put on record" in done.stderr
    assert (tmp_path / "monday.manifest").exists()


def test_a_damaged_store_is_said(config: Path, tmp_path: Path) -> None:
    """Exit code 1, one line, no file."""
    store = store_in(tmp_path)
    with store.write() as transaction:
        transaction.execute(text("UPDATE node SET hash = zeroblob(32) WHERE level = 3"))
    store.close()
    done = careerrelay("backup", tmp_path / "monday", "--config", config)
    assert done.returncode == 1
    assert done.stderr.startswith("no backup: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("monday*"))


def test_verify_against_what_was_kept(config: Path, tmp_path: Path) -> None:
    """A restored and continued backup holds by itself, and not against an older mail."""
    assert careerrelay("backup", tmp_path / "monday", "--config", config).returncode == 0
    add(tmp_path, [issue(50)])
    kept = tmp_path / "kept"
    shutil.copy(tmp_path / "checkpoint-aozora", kept)
    for file in tmp_path.glob("careerrelay.db*"):
        file.unlink()
    shutil.copy(tmp_path / "monday", tmp_path / "careerrelay.db")
    # As it is after the restore: named, with what to do.
    done = careerrelay("log", "verify", "--config", config)
    assert done.returncode == 1
    assert "aozora, entry 9: missing: 10 entries were signed for" in done.stdout
    # The backup's own record came after it, so the installation's log lacks that at least.
    assert "_installation, entry 0: missing: 1 entries were signed for" in done.stdout
    assert "docs/admin/backup.md" in done.stdout
    # Continued in silence:
    for published in tmp_path.glob("checkpoint-*"):
        published.unlink()
    add(tmp_path, [issue(60), issue(61)])
    assert careerrelay("log", "verify", "--config", config).returncode == 0
    done = careerrelay("log", "verify", "--against", kept, "--config", config, "--json")
    assert done.returncode == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (row,) = [one for one in rows if one["log"] == "aozora"]
    assert (row["damage"], row["seq"]) == ("root", 9)
    backed = tmp_path / "monday.checkpoints"
    assert careerrelay("log", "verify", "--against", backed, "--config", config).returncode == 0


def test_a_witness_that_is_none_is_wrong_use(config: Path, tmp_path: Path) -> None:
    """The file is named, and nothing is verified against nothing."""
    (tmp_path / "note").write_text("hello\n")
    done = careerrelay("log", "verify", "--against", tmp_path / "note", "--config", config)
    assert done.returncode == 2
    assert f"{tmp_path}/note: no checkpoint of r.example.jp" in done.stderr


def test_a_copy_opens_without_the_original(config: Path, tmp_path: Path) -> None:
    """A backup needs no file beside it."""
    assert careerrelay("backup", tmp_path / "monday", "--config", config).returncode == 0
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(tmp_path / "monday", moved)
    copy = Store(f"sqlite:///{moved}/monday", may_create=False)
    with copy.read() as transaction:
        assert transaction.execute(text("SELECT count(*) FROM entry")).scalar() == 9
    copy.close()


def test_beside_a_service_that_runs(config: Path, tmp_path: Path) -> None:
    """Backup, export and erasure while it runs; it applies and signs their records."""
    key = load_subject_key(tmp_path / "subject-key")
    store = store_in(tmp_path)
    with store.write() as transaction:
        store_subject.reference(transaction, key, "aozora", "hanako@example.jp", b"s" * 32)
    with serving(config, Ports.free()):
        for arguments in (
            ("backup", str(tmp_path / "monday")),
            ("log", "export", "--log", "aozora", "-o", str(tmp_path / "aozora.jsonl")),
            ("erase", "hanako@example.jp"),
        ):
            done = careerrelay(*arguments, "--config", config)
            assert done.returncode == 0, done.stderr
    with store.read() as transaction:
        chunks = store_log.entries(transaction, INSTALLATION)
        kinds = [parse(row.body).type for rows in chunks for row in rows]
    store.close()
    mine = [kind for kind in kinds if kind in ("store.backed_up", "log.exported", "subject.erased")]
    assert mine == ["store.backed_up", "log.exported", "subject.erased"]
    assert careerrelay("log", "verify", "--config", config).returncode == 0
