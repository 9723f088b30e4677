"""Calls that somebody plays tricks with: each gets the documented answer, and nothing changes."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.events import INSTALLATION, Event, EventType
from ledger.webhook import make_webhook
from tests.ledger.intake_world import NOON, SECRET, World, visit
from tests.ledger.test_signups import problem

# What opens doors elsewhere: SQL, templates, headers, lines in logs, terminals, paths, shells.
TRICKS = {
    "sql": "x'; DROP TABLE entry; --",
    "union": "x' UNION SELECT body FROM entry --",
    "template": "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}",
    "format": "%s%n{0.__class__}${jndi:ldap://example.jp/a}",
    "header": "x\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "line": "x\n2026-01-15 03:00:00 [info] signup decision=counted",
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31m",
    "markup": "<script>alert(1)</script>",
    "path": "../../../../etc/passwd\x00.jp",
    "shell": "$(touch /tmp/x)`id`|id",
    "unicode": "\u202egnp.exe\ufeff\u2028x",
}
FREE_FIELDS = ("signup_id", "token", "person_ref")
SLUGS = ("verification", "consent_version")


def body_of(own_token: str, **changes: Any) -> dict[str, Any]:
    """Return a good body with changes in its data."""
    data = {
        "signup_id": "sgn_1",
        "token": own_token,
        "person_ref": "person-1",
        "verified_at": "2026-01-15T02:59:00Z",
        "verification": "double_opt_in",
        "consent_version": "2026-01",
        **changes,
    }
    return {"type": "signup.verified", "timestamp": "2026-01-15T02:59:30Z", "data": data}


def everything(world: World) -> list[Event]:
    """Return all that is on record."""
    return [*world.events(), *world.events(INSTALLATION)]


def traces(folder: Path, trick: str) -> list[str]:
    """Return the files that hold the trick's text."""
    ways = {trick.encode(), json.dumps(trick)[1:-1].encode()}
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(way in path.read_bytes() for way in ways)
    ]


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_tricks_in_fields_are_words_like_others(
    tmp_path: Path, trick: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a field that takes any text it is a registration with that text, which is kept nowhere;
    in others a wrong field. The answer, the log and the database do not hold it.
    """

    async def steps(world: World) -> None:
        token = await world.issue()
        count = len(everything(world))
        for number, field in enumerate(FREE_FIELDS):
            fields = {"signup_id": f"s{number}", "person_ref": f"p{number}", field: trick}
            answer = await world.call(json.dumps(body_of(token, **fields)).encode())
            assert answer.status_code == 202
            assert trick not in answer.text
            assert answer.json()["decision"] in ("counted", "duplicate", "unattributed")
        for field in (*SLUGS, "verified_at", "flags"):
            value = [trick] if field == "flags" else trick
            answer = await world.call(json.dumps(body_of(token, **{field: value})).encode())
            assert problem(answer) == (422, "bad_field")
            assert trick not in answer.text
        for name in ("type", "timestamp"):
            answer = await world.call(json.dumps(body_of(token) | {name: trick}).encode())
            assert problem(answer) == (422, "bad_field")
        odd = body_of(token, signup_id="s9", person_ref="p9") | {trick: trick}
        assert (await world.call(json.dumps(odd).encode())).status_code == 202
        kinds = [event.type for event in everything(world)[count:]]
        assert kinds.count(EventType.SIGNUP_VERIFIED) == len(FREE_FIELDS) + 1

    visit(tmp_path, steps)
    assert traces(tmp_path, trick) == []
    said = capsys.readouterr().out
    assert trick not in said
    assert not set(said) & {"\x07", "\x9b", "\r", "\x00", "\u202e"}


@pytest.mark.parametrize("name", ["webhook-id", "webhook-signature", "webhook-timestamp"])
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_tricks_in_headers_are_refused(tmp_path: Path, name: str, trick: str) -> None:
    """Sent to the byte, line ends and all, they get 4xx, and set no header of the answer."""

    async def steps(world: World) -> None:
        token = await world.issue()
        body = json.dumps(body_of(token))
        headers = {
            "Host": "x",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(NOON.timestamp())),
            "webhook-signature": make_webhook(SECRET).sign("msg_1", NOON, body),
            name: trick,
        }
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        call = f"POST /v1/signups HTTP/1.1\r\n{lines}\r\n{body}"
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(call.encode())
        answer = await asyncio.wait_for(reader.read(), 15)
        writer.close()
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
        assert b"Set-Cookie" not in answer.partition(b"\r\n\r\n")[0]
        assert [event.type for event in everything(world)] == [EventType.LETTER_LINK_ISSUED]

    visit(tmp_path, steps)
    assert traces(tmp_path, trick) == []


def test_a_replayed_call_changes_nothing(tmp_path: Path) -> None:
    """Within five minutes the same bytes and signature get the same answer; later 401."""

    async def steps(world: World) -> None:
        body = json.dumps(body_of(await world.issue())).encode()
        first = await world.call(body)
        before = everything(world)
        signed = {
            name: first.request.headers[name] for name in ("webhook-timestamp", "webhook-signature")
        }
        world.now[0] += timedelta(minutes=5)
        again = await world.call(body, **signed)
        assert (again.status_code, again.content) == (202, first.content)
        world.now[0] += timedelta(seconds=1)
        assert problem(await world.call(body, **signed)) == (401, "clock_skew")
        assert everything(world) == before

    visit(tmp_path, steps)


def test_calls_in_another_order_are_the_same(tmp_path: Path) -> None:
    """What counts is what is on record, not which call was made first in which minute: two
    registrations by two links count in either order, and repeated they are answered as before.
    """
    found: list[set[str]] = []

    async def steps(world: World) -> None:
        calls = [
            json.dumps(body_of(await world.issue(letter * 16), **fields)).encode()
            for letter, fields in (
                ("b", {"signup_id": "one", "person_ref": "p1"}),
                ("c", {"signup_id": "two", "person_ref": "p2"}),
            )
        ]
        order = [1, 0] if found else [0, 1]
        answers = {number: await world.call(calls[number]) for number in order}
        assert {answer.json()["decision"] for answer in answers.values()} == {"counted"}
        for number in reversed(order):
            world.now[0] += timedelta(minutes=1)
            assert (await world.call(calls[number])).content == answers[number].content
        verified = [each for each in world.events() if each.type is EventType.SIGNUP_VERIFIED]
        found.append({each.id for each in verified})

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        visit(tmp_path / name, steps)
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_a_verification_from_the_past_is_taken_and_one_from_the_future_is_not(
    tmp_path: Path,
) -> None:
    """A service that was away reports late; one whose clock is ahead is told which field."""

    async def steps(world: World) -> None:
        token = await world.issue()
        late = await world.call(
            json.dumps(body_of(token, verified_at="2025-12-01T00:00:00Z")).encode()
        )
        assert late.json()["decision"] == "counted"
        early = body_of(token, signup_id="s2", verified_at="2026-01-15T03:06:00Z")
        answer = await world.call(json.dumps(early).encode())
        assert problem(answer) == (422, "bad_field")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/data/verified_at"]

    visit(tmp_path, steps)


def test_wrongly_signed_calls_change_nothing(tmp_path: Path) -> None:
    """By another secret, for another body, with the parts swapped: 401, and nothing on record."""

    async def steps(world: World) -> None:
        body = json.dumps(body_of(await world.issue())).encode()
        other = make_webhook("whsec_" + "A" * 44)
        good = make_webhook(SECRET).sign("msg_1", NOON, body.decode())
        for signature in (
            other.sign("msg_1", NOON, body.decode()),
            make_webhook(SECRET).sign("msg_2", NOON, body.decode()),
            make_webhook(SECRET).sign("msg_1", NOON + timedelta(seconds=1), body.decode()),
            make_webhook(SECRET).sign("msg_1", NOON, body.decode() + " "),
            good.removeprefix("v1,"),
            good.replace("v1,", "v1a,"),
            good.upper(),
        ):
            answer = await world.call(body, **{"webhook-signature": signature})
            assert problem(answer) == (401, "bad_signature")
        assert [event.type for event in everything(world)] == [EventType.LETTER_LINK_ISSUED]

    visit(tmp_path, steps)


def test_flags_reach_the_log_and_nothing_else_does(tmp_path: Path) -> None:
    """What the registration service found odd stands in the event, in one order; a repeated call
    with other flags is another registration under the same id.
    """

    async def steps(world: World) -> None:
        token = await world.issue()
        flags = ["disposable_domain", "own_domain"]
        answer = await world.report(token, flags=flags)
        assert answer.status_code == 202
        (event,) = [each for each in world.events() if each.type is EventType.SIGNUP_VERIFIED]
        assert event.data["flags"] == "own_domain disposable_domain"
        again = await world.report(token, flags=flags[::-1])
        assert (again.status_code, again.content) == (202, answer.content)
        assert problem(await world.report(token)) == (409, "conflict")

    visit(tmp_path, steps)
