"""`careerrelay queue`: how the queue stands, dead letters, and who decided about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import text

from ledger import store_log
from ledger.apply import Applier
from ledger.deadletters import DEAD_FAILURES
from ledger.events import INSTALLATION, Event, parse
from ledger.jobs import JobFailed, Jobs, Kind
from ledger.policies import read_policies
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob
from tests.cli.process import careerrelay
from tests.ledger.parts import click, issue, submit

JOB = "send_mail:welcome"
NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make an installation with an event that cannot be applied and a job that was given up."""
    assert careerrelay("init", tmp_path).returncode == 0
    store = Store(f"sqlite:///{tmp_path}/careerrelay.db")
    submit(store, [issue(1), click(1)])
    with store.write() as transaction:
        damage = "UPDATE inbox SET body = 'no event', failures = :count WHERE id = :id"
        transaction.execute(text(damage), {"count": DEAD_FAILURES, "id": click(1).id})
    Applier(store, read_policies(), clock=lambda: NOW).apply_all()

    def refuse(_row: JobRow) -> None:
        raise JobFailed("the server said 550", is_final=True)

    jobs = Jobs(store, lambda: NOW)
    jobs.kinds["send_mail"] = Kind(refuse, 60)
    jobs.add(NewJob(JOB, "send_mail", {"sealed": "AAAA"}))
    jobs.run(JOB)
    store.close()
    return tmp_path


def queue(folder: Path, *words: str) -> CompletedProcess[str]:
    """Run the command."""
    return careerrelay("queue", *words, "--config", folder / "careerrelay.toml")


def rows(folder: Path, *words: str) -> list[dict[str, object]]:
    """Run the command with `--json` and return the objects it printed."""
    outcome = queue(folder, *words, "--json")
    assert outcome.returncode == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def installation_log(folder: Path) -> list[Event]:
    """Apply what is pending and return the installation's log."""
    store = Store(f"sqlite:///{folder}/careerrelay.db")
    Applier(store, read_policies(), clock=lambda: NOW).apply_all()
    with store.read() as transaction:
        found = [
            parse(row.body) for rows in store_log.entries(transaction, INSTALLATION) for row in rows
        ]
    store.close()
    return found


def test_it_says_how_the_queue_stands(folder: Path) -> None:
    """Numbers for a program, words for a person."""
    (row,) = rows(folder, "status")
    assert (row["pending"], row["jobs_waiting"], row["dead"]) == (1, 0, 2)
    assert isinstance(row["oldest_seconds"], float)
    assert "failed for good" in queue(folder, "status").stdout


def test_dead_letters_are_listed_and_shown(folder: Path) -> None:
    """With what went wrong; what is sealed is not shown."""
    listed = {row["id"]: row for row in rows(folder, "dead", "list")}
    assert listed[JOB]["error"] == "the server said 550"
    assert listed[click(1).id]["failures"] == DEAD_FAILURES + 1
    (shown,) = rows(folder, "dead", "show", JOB)
    assert shown["payload"] == {"sealed": "(sealed)"}
    (shown,) = rows(folder, "dead", "show", click(1).id)
    assert shown["event"] == "no event"
    assert JOB in queue(folder, "dead", "list").stdout


def test_trying_again_is_on_record(folder: Path) -> None:
    """The job waits again, and the log names who wanted that, and why."""
    why = "the mailbox exists now"
    assert queue(folder, "dead", "retry", JOB, "--by", "sato", "--why", why).returncode == 0
    (row,) = rows(folder, "status")
    assert (row["jobs_waiting"], row["jobs_due"], row["dead"]) == (1, 1, 1)
    (event,) = installation_log(folder)
    assert (event.type, event.data["by"], event.data["why"]) == ("queue.retried", "sato", why)
    assert event.data["target"] == JOB


def test_giving_up_is_on_record_and_deletes_nothing(folder: Path) -> None:
    """The event goes into no log; its row stays, and the audit is content."""
    why = "damaged by hand"
    assert queue(folder, "dead", "drop", click(1).id, "--by", "sato", "--why", why).returncode == 0
    assert [row["id"] for row in rows(folder, "dead", "list")] == [JOB]
    (event,) = installation_log(folder)
    assert (event.type, event.data["target"]) == ("queue.dropped", click(1).id)
    store = Store(f"sqlite:///{folder}/careerrelay.db")
    with store.read() as transaction:
        query = text("SELECT body, decision FROM inbox WHERE id = :id")
        assert tuple(transaction.execute(query, {"id": click(1).id}).one()) == (
            "no event",
            "dropped",
        )
    store.close()
    assert careerrelay("log", "verify", "--config", folder / "careerrelay.toml").returncode == 0


@pytest.mark.parametrize("what", ["retry", "drop"])
def test_mistakes_are_said(folder: Path, what: str) -> None:
    """No such letter, no reason, no name: what to do, and nothing happens."""
    for words, code, expected in (
        ((JOB + "x", "--by", "sato", "--why", "x"), 1, "queue dead list"),
        ((JOB, "--by", "sato", "--why", " "), 2, "expected a reason"),
        ((JOB, "--by", "佐藤", "--why", "x"), 2, "a-z"),
        ((JOB, "--by", "sato", "--why", "two\nlines"), 2, "on one line"),
        ((JOB, "--by", "sato", "--why", "\x1b[2J"), 2, "on one line"),
        ((JOB, "--by", "sato", "--why", "a\ud800".encode("utf-8", "replace").decode()), 0, ""),
    ):
        outcome = queue(folder, "dead", what, *words)
        assert outcome.returncode == code, outcome.stderr
        assert expected in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_an_empty_queue_is_said(tmp_path: Path) -> None:
    """Nothing has failed, in words and as nothing at all."""
    careerrelay("init", tmp_path)
    store = Store(f"sqlite:///{tmp_path}/careerrelay.db")
    store.prepare()
    store.close()
    assert "Nothing has failed" in queue(tmp_path, "dead", "list").stdout
    assert rows(tmp_path, "dead", "list") == []
