"""Registrations over real HTTP: signed, decided, answered the same again."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.events import INSTALLATION, EventType
from ledger.intake import IntakeSettings
from ledger.signups import BODY_MAX_BYTES
from tests.ledger.intake_world import NOON, World, visit


def problem(answer: Any) -> tuple[int, str]:
    """Return status and name of an answer that must be a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["title"]
    return answer.status_code, body["type"].removeprefix("urn:careerrelay:problem:")


def test_registration_is_counted(tmp_path: Path) -> None:
    """A confirmed registration through a letter's link counts, and the answer says so."""

    async def steps(world: World) -> None:
        answer = await world.report(await world.issue())
        assert answer.status_code == 202
        body = answer.json()
        assert body.pop("event_id").startswith("signup.verified:")
        assert body == {"decision": "counted", "reasons": [], "open": 1, "slots_available": 0}
        kinds = [event.type for event in world.events()]
        assert kinds == [
            EventType.LETTER_LINK_ISSUED,
            EventType.SIGNUP_VERIFIED,
            EventType.REFERRAL_COUNTED,
        ]

    visit(tmp_path, steps)


def test_tenth_registration_grants_a_slot(tmp_path: Path) -> None:
    """The answer to the tenth says that a slot is available and none is open."""

    async def steps(world: World) -> None:
        told: list[tuple[int, int]] = []
        for letter in "abcdefghij":
            token = await world.issue(letter * 16)
            answer = (await world.report(token, f"sgn_{letter}", f"person-{letter}")).json()
            told.append((answer["open"], answer["slots_available"]))
        assert told == [(count, 0) for count in range(1, 10)] + [(0, 1)]

    visit(tmp_path, steps)


def test_same_call_gets_the_same_answer(tmp_path: Path) -> None:
    """However often and however late it is repeated, and however it is spelled."""

    async def steps(world: World) -> None:
        token = await world.issue()
        first = await world.report(token)
        await world.report(await world.issue("b" * 16), "sgn_2", "person-2")
        world.now[0] += timedelta(days=2)
        again = await world.report(token)
        assert (again.status_code, again.content) == (202, first.content)
        kinds = [event.type for event in world.events()]
        assert kinds.count(EventType.SIGNUP_VERIFIED) == 2

    visit(tmp_path, steps)


def test_many_at_once_are_one(tmp_path: Path) -> None:
    """The same call twenty times at once is one registration with one answer."""

    async def steps(world: World) -> None:
        token = await world.issue()
        answers = await asyncio.gather(*(world.report(token) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    "change",
    [
        {"consent_version": "2026-02"},
        {"person": "person-2"},
        {"verified_at": "2026-01-15T02:58:00Z"},
    ],
)
def test_same_id_with_another_body_is_a_conflict(tmp_path: Path, change: dict[str, str]) -> None:
    """A known signup_id with anything else said about it is 409, and nothing is recorded."""

    async def steps(world: World) -> None:
        token = await world.issue()
        await world.report(token)
        before = world.events()
        assert problem(await world.report(token, **change)) == (409, "conflict")
        assert world.events() == before

    visit(tmp_path, steps)


def test_second_registration_of_a_person_is_a_duplicate(tmp_path: Path) -> None:
    """One person counts once; the reason is named."""

    async def steps(world: World) -> None:
        await world.report(await world.issue())
        answer = await world.report(await world.issue("b" * 16), "sgn_2")
        assert answer.json()["decision"] == "duplicate"
        assert answer.json()["reasons"] == ["person_already_counted"]

    visit(tmp_path, steps)


def test_registration_without_a_letter_on_record_is_held(tmp_path: Path) -> None:
    """A good token whose letter is not on record waits for a person to look."""

    async def steps(world: World) -> None:
        answer = await world.report(world.token())
        assert answer.json()["decision"] == "held"
        assert answer.json()["reasons"] == ["no_letter_on_record"]

    visit(tmp_path, steps)


@pytest.mark.parametrize("token", ["", "x", "a" * 43])
def test_registration_without_a_good_token_is_unattributed(tmp_path: Path, token: str) -> None:
    """It is on record in the installation's log and credited to nobody."""

    async def steps(world: World) -> None:
        answer = await world.report(token)
        assert (answer.status_code, answer.json()["decision"]) == (202, "unattributed")
        assert [event.type for event in world.events(INSTALLATION)] == [EventType.SIGNUP_VERIFIED]

    visit(tmp_path, steps)


def test_token_is_read_as_forgivingly_as_in_a_link(tmp_path: Path) -> None:
    """A registration service that hands on what it got is understood."""

    async def steps(world: World) -> None:
        token = await world.issue()
        answer = await world.report(token.upper() + "。")
        assert answer.json()["decision"] == "counted"

    visit(tmp_path, steps)


def test_person_is_nowhere_in_clear(tmp_path: Path) -> None:
    """Neither log nor database file holds what the service called the person (promise 8)."""

    async def steps(world: World) -> None:
        await world.report(await world.issue(), "sgn-hanako", "hanako@mail.example")
        (signup,) = [e for e in world.events() if e.type is EventType.SIGNUP_VERIFIED]
        assert str(signup.data["person_ref"]).startswith("h:")
        assert "hanako" not in str(world.events())

    visit(tmp_path, steps)
    for path in tmp_path.iterdir():
        assert b"hanako" not in path.read_bytes()


def test_bad_signatures_are_refused_before_the_body_is_read(tmp_path: Path) -> None:
    """Unsigned, wrongly signed and late calls are 401 even when the body is nonsense."""

    async def steps(world: World) -> None:
        assert problem(await world.call(b"{", **{"webhook-signature": "v1,AAAA"}))[0] == 401
        late = str(int((world.now[0] - timedelta(minutes=6)).timestamp()))
        assert problem(await world.call(b"{}", **{"webhook-timestamp": late})) == (
            401,
            "clock_skew",
        )
        bare = await world.http.post(
            "/v1/signups", content=b"{}", headers={"content-type": "application/json"}
        )
        assert problem(bare) == (401, "no_signature")
        assert bare.headers["www-authenticate"]

    visit(tmp_path, steps)


def test_malformed_bodies_are_named(tmp_path: Path) -> None:
    """No JSON is 400, a wrong field 422 with a pointer to it."""

    async def steps(world: World) -> None:
        assert problem(await world.call(b"{")) == (400, "malformed_json")
        answer = await world.report(world.token(), verification="not a name")
        assert problem(answer) == (422, "bad_field")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/verification"]
        assert "not a name" not in answer.text

    visit(tmp_path, steps)


def test_type_and_size_are_limited(tmp_path: Path) -> None:
    """Another content type is 415; a body over the limit is 413, announced or not."""

    async def steps(world: World) -> None:
        answer = await world.call(b"{}", **{"content-type": "text/plain"})
        assert problem(answer) == (415, "not_json")
        answer = await world.call(b"{}", **{"content-type": "application/json; charset=utf-8"})
        assert problem(answer)[0] == 422
        assert problem(await world.call(b" " * (BODY_MAX_BYTES + 1))) == (413, "too_large")

        async def chunks() -> AsyncGenerator[bytes, None]:
            for _ in range(200):
                yield b" " * 1024

        streamed = await world.http.post(
            "/v1/signups", content=chunks(), headers={"content-type": "application/json"}
        )
        assert problem(streamed) == (413, "too_large")

    visit(tmp_path, steps)


def test_away_inbox_asks_to_come_again(tmp_path: Path) -> None:
    """What cannot be made durable is not accepted: 503 with Retry-After."""

    async def steps(world: World) -> None:
        token = await world.issue()
        world.inbox.close()
        answer = await world.report(token)
        assert problem(answer) == (503, "away")
        assert answer.headers["retry-after"] == "30"

    visit(tmp_path, steps)


def test_what_the_api_does_not_have_is_a_problem(tmp_path: Path) -> None:
    """Unknown addresses and methods under /v1/ are answered for programs."""

    async def steps(world: World) -> None:
        assert problem(await world.http.get("/v1/nothing")) == (404, "not_found")
        assert problem(await world.http.delete("/v1/nothing")) == (404, "not_found")
        wrong = await world.http.get("/v1/signups")
        assert problem(wrong) == (405, "bad_method")
        assert wrong.headers["allow"] == "POST"

    visit(tmp_path, steps)


def test_without_a_secret_there_is_no_webhook(tmp_path: Path) -> None:
    """An installation without a registration service takes no registrations from anyone."""

    async def steps(world: World) -> None:
        assert problem(await world.report(world.token())) == (404, "not_offered")

    visit(tmp_path, steps, IntakeSettings(("aozora",)))


def test_secret_is_checked_and_never_shown() -> None:
    """A secret that is none is an error at the start; a good one is in no representation."""
    with pytest.raises(ValueError, match="whsec_"):
        IntakeSettings(("aozora",), webhook_secret="whsec_A")  # noqa: S106 (unusable on purpose)
    secret = "whsec_" + base64.b64encode(b"t" * 32).decode()
    assert secret not in repr(IntakeSettings(("aozora",), webhook_secret=secret))


def test_description_is_whole(tmp_path: Path) -> None:
    """OpenAPI describes headers, body, answers and examples, and its references lead somewhere."""

    async def steps(world: World) -> None:
        description = (await world.http.get("/v1/openapi.json")).json()
        call = description["paths"]["/v1/signups"]["post"]
        assert [parameter["name"] for parameter in call["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]
        assert set(call["responses"]) == {
            "202", "400", "401", "404", "408", "409", "413", "415", "422", "500", "503"
        }  # fmt: skip
        assert call["requestBody"]["content"]["application/json"]["examples"]
        schemas = description["components"]["schemas"]
        assert {"SignupMessage", "SignupData", "SignupAnswer", "ProblemBody"} <= set(schemas)
        text = json.dumps(description)
        used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert used <= set(schemas)

    visit(tmp_path, steps)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_times_at_the_ends_of_the_calendar_are_named(tmp_path: Path, time: str) -> None:
    """A time that cannot be brought to UTC is a wrong field, not a bug of ours."""

    async def steps(world: World) -> None:
        answer = await world.report(world.token(), verified_at=time)
        assert problem(answer) == (422, "bad_field")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/verified_at"]

    visit(tmp_path, steps)


def test_same_call_gets_the_same_answer_after_its_key_was_revoked(tmp_path: Path) -> None:
    """What was decided by a token that was good then is not a conflict when it no longer is."""

    async def steps(world: World) -> None:
        token = await world.issue()
        first = await world.report(token)
        assert (first.status_code, first.json()["decision"]) == (202, "counted")
        ring = world.ring.with_new_key(NOON)
        ring = ring.with_activated(ring.keys[-1].id, NOON)
        ring = ring.with_revoked(world.ring.active.id, NOON)
        world.app.state.intake.ring = ring
        again = await world.report(token)
        assert (again.status_code, again.json()) == (202, first.json())
        assert problem(await world.report(token, person="person-2")) == (409, "conflict")
        late = await world.report(token, "sgn_2", "person-2")
        assert late.json()["decision"] == "unattributed"
        world.app.state.intake.ring = world.ring
        assert (await world.report(token, "sgn_2", "person-2")).json() == late.json()

    visit(tmp_path, steps)
