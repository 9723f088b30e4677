"""The hand-over by webhook and by mail: real receivers, real jobs."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from ledger import store_jobs
from ledger.handover import AWAY_MAX, HAND_OVER, MailChannel, Notice, WebhookChannel
from ledger.people import erase_address
from ledger.retention import purge
from ledger.store_jobs import JobState
from ledger.webhook import check_signature, make_webhook
from tests.ledger.handover_world import HANAKO, MARKS, TARO, World
from tests.ledger.parts import SUBJECT_KEY, store_in
from tests.ledger.receiver import Receiver, receiving
from tests.ledger.test_jobs import mailer_to, parsed
from tests.relay.neighbours import always, hop

SECRET = "whsec_" + base64.b64encode(b"h" * 32).decode()


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world on a file."""
    made = World(store_in(tmp_path))
    yield made
    made.store.close()


def channel_to(receiver: Receiver) -> WebhookChannel:
    """Return a channel to the receiver."""
    return WebhookChannel(f"http://127.0.0.1:{receiver.port}/people", SECRET)


def row(world: World, person_id: str, kind: str = HAND_OVER) -> store_jobs.JobRow:
    """Return the job of a registration."""
    with world.store.read() as transaction:
        found = store_jobs.find(transaction, f"{kind}:{person_id}")
    assert found
    return found


def test_a_confirmed_registration_is_handed_over_once(world: World) -> None:
    """Signed, with all that the placement service needs; then it is its."""
    person_id = world.register()
    world.register(TARO, is_confirmed=False)
    with receiving() as receiver:
        handover, jobs = world.jobs(channel_to(receiver))
        assert (handover.collect(), handover.collect()) == (1, 0)
        assert world.run_due(jobs) == 1
        assert world.state(person_id) == "handed_over"
        assert (handover.collect(), world.run_due(jobs)) == (0, 0)
        ((headers, body),) = receiver.heard
    check_signature(make_webhook(SECRET), headers, body, world.now)
    assert headers["webhook-id"] == f"hand_over:{person_id}"
    message = json.loads(body)
    assert message["type"] == "registration.confirmed"
    assert message["timestamp"] == message["data"]["confirmed_at"] == "2026-04-01T09:00:00.000Z"
    data = message["data"]
    assert (data["name"], data["address"]) == (HANAKO.name, HANAKO.address)
    assert (data["job_group"], data["language"], data["company"]) == ("営業", "ja", "aozora")
    assert data["consents"][0]["version"] == "2026-01"
    assert data["company_may_write"] is False
    assert data["registration_id"] == person_id


def test_every_look_at_a_person_is_on_record(world: World) -> None:
    """One event for each try that read the data: what for, and by which way."""
    world.register()
    with receiving() as receiver:
        receiver.status = 503
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        world.run_due(jobs)
        receiver.status = 200
        world.now += timedelta(minutes=10)
        world.run_due(jobs)
    assert len(receiver.heard) == 2
    events = world.opened()
    assert [event.data["purpose"] for event in events] == ["hand_over"] * 2
    assert {event.data["by"] for event in events} == {"webhook"}


def test_nothing_personal_waits_in_the_queue(world: World, tmp_path: Path) -> None:
    """A job that failed holds a registration's id; its error no more than a status."""
    person_id = world.register()
    with receiving() as receiver:
        receiver.status = 500
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        world.run_due(jobs)
    failed = row(world, person_id)
    assert (failed.payload, failed.error) == ({}, "the placement service answered 500")
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert not [mark for mark in MARKS if mark.encode() in found]


def test_while_the_other_side_is_away_hardly_anybody_is_opened(world: World) -> None:
    """Ten wait for three days: the data are read once an hour, not ten times in ten minutes."""
    ids = [another(world, number) for number in range(10)]
    with receiving() as receiver:
        receiver.status = 503
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        end = world.now + timedelta(hours=76)
        while world.now < end:
            world.run_due(jobs)
            world.now += timedelta(minutes=10)
        hours = timedelta(hours=76) // AWAY_MAX
        assert hours / 2 < len(receiver.heard) < hours + 15
    assert len(world.opened()) == len(receiver.heard)
    assert {row(world, each).state for each in ids} == {JobState.DEAD}
    assert {world.state(each) for each in ids} == {"confirmed"}


def another(world: World, number: int) -> str:
    """Register somebody with another address."""
    return world.register(dataclasses.replace(HANAKO, address=f"a{number}@mail.example"))


def test_given_up_it_goes_on_when_it_is_told_to(world: World) -> None:
    """After 75 hours it is a dead letter; tried again by a person it is handed over."""
    person_id = world.register()
    with receiving() as receiver:
        receiver.status = 503
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        while row(world, person_id).state is JobState.WAITING:
            world.run_due(jobs)
            world.now += timedelta(minutes=10)
        receiver.status = 200
        assert handover.collect() == 0
        with world.store.write() as transaction:
            assert store_jobs.revive(
                transaction, f"{HAND_OVER}:{person_id}", int(world.now.timestamp() * 1000)
            )
        world.now += timedelta(hours=1)
        assert world.run_due(jobs) == 1
    assert world.state(person_id) == "handed_over"


def test_410_stops_it_and_says_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """No further registration goes there, also by a process that starts later; trying the refused
    one again goes on.
    """
    first = world.register()
    with receiving() as receiver:
        receiver.status = 410
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        world.run_due(jobs)
        assert row(world, first).state is JobState.DEAD
        second = world.register(TARO)
        for one in (handover, world.jobs(channel_to(receiver))[0], handover):
            assert one.collect() == 0
        assert world.run_due(jobs) == 0
        said = [each for each in caplog.messages if "hand-over has stopped" in each]
        assert len(said) == 2
        assert f"hand_over:{first} was answered 410" in said[0]
        receiver.status = 200
        with world.store.write() as transaction:
            store_jobs.revive(
                transaction, f"{HAND_OVER}:{first}", int(world.now.timestamp() * 1000)
            )
        assert world.run_due(jobs) == 1
        assert handover.collect() == 1
        assert world.run_due(jobs) == 1
    assert {world.state(first), world.state(second)} == {"handed_over"}


def test_who_is_erased_while_it_waits_is_not_sent(world: World) -> None:
    """The job finds nobody and ends."""
    person_id = world.register()
    with receiving() as receiver:
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        erase_address(world.store, SUBJECT_KEY, HANAKO.address, world.now)
        assert world.run_due(jobs) == 1
        assert receiver.heard == []
    assert row(world, person_id).state is JobState.DONE


def test_who_is_erased_afterwards_is_recalled_once(world: World) -> None:
    """The placement service is asked to delete; the call names a registration and nobody."""
    person_id = world.register()
    with receiving() as receiver:
        handover, jobs = world.jobs(channel_to(receiver))
        handover.collect()
        world.run_due(jobs)
        erase_address(world.store, SUBJECT_KEY, HANAKO.address, world.now)
        assert (handover.collect(), handover.collect()) == (1, 0)
        assert world.run_due(jobs) == 1
        assert world.jobs(channel_to(receiver))[0].collect() == 0
        headers, body = receiver.heard[1]
    check_signature(make_webhook(SECRET), headers, body, world.now)
    assert headers["webhook-id"] == f"recall:{person_id}"
    message = json.loads(body)
    assert (message["type"], message["data"]) == (
        "registration.erased",
        {"registration_id": person_id},
    )


class Killed:
    """The way to the placement service, of a process that ends when the call was taken."""

    name: ClassVar = "webhook"

    def __init__(self, channel: WebhookChannel) -> None:
        self._channel = channel

    def send(self, job_id: str, notice: Notice, now: datetime) -> None:
        """Send the notice and end."""
        self._channel.send(job_id, notice, now)
        raise KeyboardInterrupt


def test_killed_between_call_and_note_it_is_the_same_call_again(world: World) -> None:
    """The receiver hears one id twice, and hands over one person."""
    person_id = world.register()
    with receiving() as receiver:
        handover, jobs = world.jobs(Killed(channel_to(receiver)))
        handover.collect()
        with pytest.raises(KeyboardInterrupt):
            jobs.run(f"{HAND_OVER}:{person_id}")
        assert world.state(person_id) == "confirmed"
        _, jobs = world.jobs(channel_to(receiver))
        assert world.run_due(jobs) == 0
        world.now += timedelta(minutes=3)
        assert world.run_due(jobs) == 1
        ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert ids == [f"hand_over:{person_id}"] * 2
    assert world.state(person_id) == "handed_over"


def test_by_mail_to_the_adviser(world: World) -> None:
    """One mail for one person, to the adviser alone; a name cannot add a line or a recipient."""
    person_id = world.register(TARO)
    with hop() as server:
        handover, jobs = world.jobs(MailChannel(mailer_to(server), "adviser@service.example"))
        handover.collect()
        assert world.run_due(jobs) == 1
        erase_address(world.store, SUBJECT_KEY, TARO.address, world.now)
        handover.collect()
        assert world.run_due(jobs) == 1
        first, second = map(parsed, server.heard.wires)
    assert first["To"] == second["To"] == "adviser@service.example"
    assert first["Bcc"] is None
    assert person_id in first["Subject"]
    body, recall = first.get_body(), second.get_body()
    assert body
    assert recall
    lines = body.get_content().splitlines()
    assert "name: Taro Bcc: x@example.jp" in lines
    assert "address: taro@mail.example" in lines
    assert "company_may_write: true" in lines
    assert "削除" in recall.get_content()
    assert person_id in recall.get_content()
    assert "taro" not in recall.get_content()
    assert [event.data["by"] for event in world.opened()] == ["mail"]


def test_a_mail_server_that_says_no_leaves_the_person_waiting(world: World) -> None:
    """The job is dead, the registration waits, nobody says it was handed over."""
    person_id = world.register()
    with hop() as server:
        server.answers["RCPT"] = always(b"550 5.1.1 no such mailbox")
        handover, jobs = world.jobs(MailChannel(mailer_to(server), "adviser@service.example"))
        handover.collect()
        assert world.run_due(jobs) == 1
    assert row(world, person_id).state is JobState.DEAD
    assert world.state(person_id) == "confirmed"


@pytest.mark.parametrize("days", [1, 30, 365])
def test_it_is_kept_as_long_as_configured(world: World, days: int) -> None:
    """Deleted with the daily purge once its days after the hand-over are over, and not before."""
    person_id = world.register()
    assert world.people(timedelta(days=days)).mark_handed_over(person_id)
    purge(world.store, world.now + timedelta(days=days) - timedelta(minutes=1))
    assert world.state(person_id) == "handed_over"
    purge(world.store, world.now + timedelta(days=days, minutes=1))
    assert world.state(person_id) == "gone"
