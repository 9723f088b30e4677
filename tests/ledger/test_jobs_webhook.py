"""Webhooks as jobs: delivered once, signed, tried again, given up, over real HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.jobs import Jobs, Kind
from ledger.store_jobs import JobState
from ledger.webhook import check_signature, make_webhook
from ledger.webhookout import Endpoint, Outlet
from tests.ledger.jobs_world import World
from tests.ledger.parts import issue, letters_and_signups, record, store_in
from tests.ledger.receiver import receiving

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world on a file."""
    made = World(store_in(tmp_path))
    yield made
    made.store.close()


def outlet_to(world: World, port: int) -> tuple[Outlet, Jobs]:
    """Return what delivers slots of a company there, and the jobs it makes."""
    endpoint = Endpoint(
        "hr", f"http://127.0.0.1:{port}/", SECRET, frozenset({"slot.granted"}), ("aozora",)
    )
    outlet = Outlet(world.store, [endpoint], lambda: world.now)
    jobs = world.jobs()
    jobs.kinds["deliver_webhook"] = Kind(outlet.run, 75 * 3600)
    return outlet, jobs


def granted(world: World, folder: Path, outlet: Outlet) -> None:
    """Have a slot granted that the outlet hears of."""
    record(world.store, folder, [issue(99)])
    assert outlet.collect() == 0
    record(world.store, folder, letters_and_signups(10))
    assert outlet.collect() == 1


def test_a_granted_slot_is_delivered_once_and_signed(world: World, tmp_path: Path) -> None:
    """The body is the entry itself; the id is the same at every try."""
    record(world.store, tmp_path, letters_and_signups(10))
    with receiving() as receiver:
        outlet, jobs = outlet_to(world, receiver.port)
        assert outlet.collect() == 0, "a new endpoint hears of what happens from now on"
        record(world.store, tmp_path, letters_and_signups(20, start=10))
        assert [outlet.collect(), outlet.collect()] == [2, 0]
        for job_id in jobs.due():
            assert jobs.run(job_id)
    assert [json.loads(body)["subject"] for _, body in receiver.heard] == [
        "slot:aozora/2",
        "slot:aozora/3",
    ]
    for headers, body in receiver.heard:
        check_signature(make_webhook(SECRET), headers, body, world.now)
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 2


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "done"),
        (204, "done"),
        (302, "waiting"),
        (404, "waiting"),
        (410, "dead"),
        (500, "waiting"),
    ],
)
def test_what_the_receiver_answers_decides(
    world: World, tmp_path: Path, status: int, state: str
) -> None:
    """Success ends it, 410 as well; everything else is tried again, redirects are not followed."""
    with receiving() as receiver:
        receiver.status = status
        outlet, jobs = outlet_to(world, receiver.port)
        granted(world, tmp_path, outlet)
        (job_id,) = jobs.due()
        assert jobs.run(job_id)
    assert world.row(job_id).state == state
    assert len(receiver.heard) == 1


def test_a_receiver_that_is_away_hears_it_later(world: World, tmp_path: Path) -> None:
    """For 75 hours; then the delivery is dead."""
    with receiving() as receiver:
        port = receiver.port
    outlet, jobs = outlet_to(world, port)
    granted(world, tmp_path, outlet)
    (job_id,) = jobs.due()
    assert jobs.run(job_id)
    assert world.row(job_id).state is JobState.WAITING
    world.now += timedelta(hours=75)
    assert jobs.run(job_id)
    assert world.row(job_id).state is JobState.DEAD
