"""Jobs: done once, tried again, given up, taken over; mail among them, for real."""

from __future__ import annotations

import email
import email.policy
import sqlite3
import threading
from collections.abc import Generator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from ledger import store_jobs
from ledger.checkpoint import log_origin, open_checkpoint
from ledger.checkpointmail import CheckpointMails, digest_of
from ledger.jobs import CLAIM_SECONDS, RETRY_MAX_MS, JobFailed, Kind
from ledger.mailer import Mailer, MailSettings
from ledger.mailjobs import MailJobs, PersonalMail, mail_job
from ledger.store_jobs import JobRow, JobState, NewJob
from tests.ledger.jobs_world import World, job
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    SUBJECT_KEY,
    clock,
    letters_and_signups,
    record,
    store_in,
)
from tests.relay.neighbours import Hop, always, hop


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world on a file."""
    made = World(store_in(tmp_path))
    yield made
    made.store.close()


def test_a_job_is_done_once(world: World) -> None:
    """Added twice and run twice it is one job; what it was about goes."""
    jobs = world.jobs()
    assert (jobs.add(job(1), job(2)), jobs.add(job(2), job(3))) == (2, 1)
    assert jobs.due() == ["test:1", "test:2", "test:3"]
    assert [jobs.run("test:1"), jobs.run("test:1")] == [True, False]
    assert world.done == ["test:1"]
    row = world.row("test:1")
    assert (row.state, row.payload) == (JobState.DONE, {})
    assert jobs.due() == ["test:2", "test:3"]


def test_a_failed_job_comes_again_later_and_later(world: World) -> None:
    """Never more than ten minutes later, and then it is done."""
    jobs, waits = world.jobs(give_up_seconds=10**6), list[float]()
    jobs.add(job(1))
    world.fails = JobFailed("away")
    for _ in range(14):
        assert jobs.run("test:1")
        assert not jobs.run("test:1"), "not before its time"
        due = world.row("test:1").due_ms / 1000
        waits.append(due - world.now.timestamp())
        world.now += timedelta(seconds=waits[-1])
    assert all(wait <= RETRY_MAX_MS / 1000 for wait in waits)
    assert waits[0] <= 1 < waits[2] < waits[6] < waits[9]
    assert (world.row("test:1").failures, world.row("test:1").error) == (14, "away")
    world.fails = None
    assert jobs.run("test:1")
    assert world.done == ["test:1"]


def test_a_job_is_given_up_after_its_time(world: World) -> None:
    """Then it is dead, and stays so until a person decides."""
    jobs = world.jobs(give_up_seconds=60)
    jobs.add(job(1))
    world.fails = JobFailed("away")
    for _ in range(20):
        jobs.run("test:1")
        world.now += timedelta(seconds=30)
    assert world.row("test:1").state is JobState.DEAD
    assert world.row("test:1").payload == {"number": 1}
    assert jobs.due() == []


def test_what_can_never_be_done_is_not_tried_again(world: World) -> None:
    """A final failure at once; of a kind that nobody knows after a day: a process may start."""
    jobs = world.jobs()
    world.fails = JobFailed("no such mailbox", is_final=True)
    jobs.add(job(1), job(2, "odd"))
    assert jobs.run("test:1")
    assert jobs.run("test:2")
    assert [world.row(f"test:{n}").state for n in (1, 2)] == [JobState.DEAD, JobState.WAITING]
    world.now += timedelta(days=1)
    assert jobs.run("test:2")
    assert world.row("test:2").state is JobState.DEAD


def test_a_bug_in_one_job_is_kept_and_names_no_value(world: World) -> None:
    """Another kind of exception is told by its name alone: its text may be personal."""
    jobs = world.jobs()

    def bug(_row: JobRow) -> None:
        raise ValueError("hanako@example.jp")

    jobs.kinds["odd"] = Kind(bug, 60)
    jobs.add(job(1, "odd"))
    assert jobs.run("test:1")
    assert world.row("test:1").error == "ValueError"


def test_a_job_of_a_killed_process_is_taken_over(world: World) -> None:
    """While it is claimed nobody else runs it; when the claim is over the next one does."""
    jobs = world.jobs()
    jobs.add(job(1))
    now_ms = int(world.now.timestamp() * 1000)
    with world.store.write() as transaction:  # Claimed, and then the process was gone.
        assert store_jobs.claim(transaction, "test:1", now_ms, now_ms + CLAIM_SECONDS * 1000)
    assert not jobs.run("test:1")
    world.now += timedelta(seconds=CLAIM_SECONDS)
    assert jobs.run("test:1")
    assert world.done == ["test:1"]


def test_a_clock_that_is_set_back_puts_no_job_off(world: World) -> None:
    """What was due before is due after, though the clock says that its time is tomorrow."""
    jobs = world.jobs()
    jobs.add(job(1))
    world.now -= timedelta(days=1)
    assert jobs.due() == ["test:1"]
    assert jobs.run("test:1")


def test_many_threads_run_a_job_once(world: World) -> None:
    """However many hear of it at once."""
    jobs = world.jobs()
    jobs.add(*(job(number) for number in range(20)))

    def run() -> None:
        for number in range(20):
            jobs.run(f"test:{number}")

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(world.done) == sorted(f"test:{number}" for number in range(20))


def mailer_to(server: Hop) -> Mailer:
    """Return a mailer that sends there."""
    return Mailer(MailSettings("127.0.0.1", server.port, "relay@r.example.jp"))


def parsed(message: bytes) -> EmailMessage:
    """Return a message as a program reads it."""
    found = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_the_checkpoint_is_mailed_to_an_auditor(world: World, tmp_path: Path) -> None:
    """The note stands in the text and in the file, as it was signed; the job names nobody."""
    record(world.store, tmp_path, letters_and_signups(3))
    auditors = ("one@audit.example", "two@audit.example")
    with hop() as server:
        mails = CheckpointMails(
            world.store,
            mailer_to(server),
            installation=INSTALLATION,
            public_key=KEY.public,
            auditors=lambda _log: auditors,
            clock=clock,
        )
        jobs = world.jobs()
        jobs.kinds["mail_checkpoint"] = Kind(mails.run, 60)
        for number, address in enumerate((*auditors, "gone@audit.example")):
            payload: dict[str, str | int] = {
                "log": "aozora",
                "day": "2026-04-01",
                "auditor": digest_of(address),
            }
            jobs.add(NewJob(f"m:{number}", "mail_checkpoint", payload))
            assert jobs.run(f"m:{number}")
        sent = [parsed(message) for message in server.heard.wires]
    states = [world.row(f"m:{number}").state for number in range(3)]
    assert states == [JobState.DONE, JobState.DONE, JobState.DEAD]
    assert [message["To"] for message in sent] == list(auditors)
    assert len({message["Message-ID"] for message in sent}) == 2
    for message in sent:
        (file,) = message.iter_attachments()
        note = file.get_content()
        origin = log_origin(INSTALLATION, "aozora")
        assert open_checkpoint(note, origin, KEY.public).size == 9
        body = message.get_body()
        assert body
        assert note.decode() in body.get_content().replace("\r\n", "\n")
        assert "チェックポイント" in body.get_content()


@pytest.mark.parametrize(
    ("command", "reply", "state"),
    [
        ("RCPT", b"451 4.7.1 later", JobState.WAITING),
        ("RCPT", b"550 5.1.1 no such mailbox", JobState.DEAD),
        ("end", b"452 4.3.1 full", JobState.WAITING),
        ("end", b"554 5.7.1 no", JobState.DEAD),
        ("MAIL", b"421 4.3.2 closing", JobState.WAITING),
    ],
)
def test_what_the_server_says_decides(
    world: World, command: str, reply: bytes, state: JobState
) -> None:
    """4xx: later; 5xx: never. The error says the code, and no address."""
    jobs = world.jobs()
    with hop() as server:
        server.answers[command] = always(reply)
        jobs.kinds["send_mail"] = Kind(MailJobs(mailer_to(server), SUBJECT_KEY, clock).run, 7200)
        jobs.add(mail_job(SUBJECT_KEY, "1", PersonalMail("hanako@example.jp", "件名", "本文")))
        assert jobs.run("send_mail:1")
    row = world.row("send_mail:1")
    assert (row.state, reply[:3].decode() in row.error) == (state, True)
    assert "hanako" not in row.error


def test_a_server_that_is_away_is_tried_again(world: World) -> None:
    """Nobody listens; the job waits."""
    jobs = world.jobs()
    with hop() as server:
        mailer = mailer_to(server)
    jobs.kinds["send_mail"] = Kind(MailJobs(mailer, SUBJECT_KEY, clock).run, 7200)
    jobs.add(mail_job(SUBJECT_KEY, "1", PersonalMail("a@example.jp", "s", "t")))
    assert jobs.run("send_mail:1")
    assert world.row("send_mail:1").state is JobState.WAITING


def test_personal_mail_is_sealed_and_then_gone(world: World, tmp_path: Path) -> None:
    """Neither address nor text is in the database file, before or after."""
    jobs = world.jobs()
    mail = PersonalMail("hanako@example.jp", "確認のお願い", "次のリンク https://r.example.jp/x")
    jobs.add(mail_job(SUBJECT_KEY, "1", mail))
    with hop() as server:
        jobs.kinds["send_mail"] = Kind(MailJobs(mailer_to(server), SUBJECT_KEY, clock).run, 7200)
        before = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert jobs.run("send_mail:1")
        (message,) = map(parsed, server.heard.wires)
    assert (message["To"], message["Subject"]) == (mail.recipient, mail.subject)
    body = message.get_body()
    assert body
    assert body.get_content().strip() == mail.text
    after = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for found in (before, after):
        for personal in ("hanako", "確認のお願い", "次のリンク"):
            assert personal.encode() not in found
    connection = sqlite3.connect(world.store.path)
    assert connection.execute("SELECT payload FROM job").fetchall() == [(b"",)]
    connection.close()
