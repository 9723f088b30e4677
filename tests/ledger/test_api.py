"""The API's description, and the intake called by it."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as strategies
import jsonschema
from hypothesis import HealthCheck, Phase

from ledger.apiexamples import ANSWERS, BODIES, EXAMPLE, HEADERS, SECRET
from ledger.intake import IntakeSettings
from ledger.webhook import check_signature, make_webhook, parse_signup
from tests.ledger.intake_world import NOON, World, visit

# Its types are of a kind that strict checkers cannot follow.
schemathesis: Any = import_module("schemathesis")
checks: Any = import_module("schemathesis.checks")
openapi_checks: Any = import_module("schemathesis.specs.openapi.checks")

CALLS = 300
SEED = 20260115
WEBHOOK = make_webhook(SECRET)
CONFORMANCE = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]


def description_of(folder: Path) -> dict[str, Any]:
    """Return the description as the intake serves it."""
    found: dict[str, Any] = {}

    async def steps(world: World) -> None:
        found.update((await world.http.get("/v1/openapi.json")).json())

    visit(folder, steps)
    return found


def test_the_documented_call_is_signed() -> None:
    """Whoever makes the example's signature again gets the one that stands there."""
    headers = {each["name"]: each["example"] for each in HEADERS}
    body = json.dumps(EXAMPLE, separators=(",", ":")).encode()
    now = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    check_signature(WEBHOOK, headers, body, now)
    assert parse_signup(body, now).data.signup_id == "sgn_01JH8Z"


def test_every_example_fits_its_schema(tmp_path: Path) -> None:
    """Bodies and answers in the description are what the description says they are."""
    description = description_of(tmp_path)
    call = description["paths"]["/v1/signups"]["post"]
    contents = [call["requestBody"]["content"]["application/json"]]
    contents += [
        content for answer in call["responses"].values() for content in answer["content"].values()
    ]
    count = 0
    for content in contents:
        schema = {**content["schema"], "components": description["components"]}
        for example in content["examples"].values():
            jsonschema.validate(example["value"], schema)
            count += 1
    assert count == len(BODIES) + len(ANSWERS) + 14


def test_examples_of_problems_are_those_that_are_answered(tmp_path: Path) -> None:
    """The documented problems are answered word for word where a test can bring them about."""
    call = description_of(tmp_path)["paths"]["/v1/signups"]["post"]
    media = "application/problem+json"

    def example(status: int, name: str) -> Any:
        return call["responses"][str(status)]["content"][media]["examples"][name]["value"]

    async def steps(world: World) -> None:
        body = json.dumps(EXAMPLE).encode()
        found = {
            "malformed_json": await world.call(b"{"),
            "no_signature": await world.call(body, **{"webhook-id": ""}),
            "bad_signature": await world.call(body, **{"webhook-id": "msg_2"}),
            "clock_skew": await world.call(body, **{"webhook-timestamp": "1"}),
            "too_large": await world.call(b" " * 20_000),
            "not_json": await world.call(body, **{"content-type": "text/plain"}),
        }
        for name, answer in found.items():
            assert answer.json() == example(answer.status_code, name)

    (tmp_path / "second").mkdir()
    visit(tmp_path / "second", steps)


@contextmanager
def serving(folder: Path) -> Generator[int]:
    """Serve an intake on a port while the block runs."""
    ports: list[int] = []
    started, ended = threading.Event(), threading.Event()

    async def steps(world: World) -> None:
        ports.append(world.port)
        await world.issue()
        started.set()
        await asyncio.to_thread(ended.wait)

    settings = IntakeSettings(
        companies=("aozora",), webhook_secret=SECRET, seal_key=secrets.token_bytes(32)
    )
    thread = threading.Thread(target=visit, args=(folder, steps, settings))
    thread.start()
    try:
        assert started.wait(30)
        yield ports[0]
    finally:
        ended.set()
        thread.join()


def sign(request: Any) -> Any:
    """Sign a call as it goes out; the intake's clock stands still."""
    body = request.body or b""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    request.headers.update(
        {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(NOON.timestamp())),
            "webhook-signature": WEBHOOK.sign("msg_1", NOON, text),
        }
    )
    return request


def test_whatever_the_description_allows_gets_a_documented_answer(tmp_path: Path) -> None:
    """Good and bad calls by the description, half of them signed: no 5xx, no other answer.

    Of the signed ones some are registrations, so that what lies behind the signature is met.
    """
    statuses: Counter[int] = Counter()
    with serving(tmp_path) as port:
        address = f"http://127.0.0.1:{port}"
        schema = schemathesis.openapi.from_url(f"{address}/v1/openapi.json")
        operation = schema["/v1/signups"]["POST"]

        good, bad = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
        cases = strategies.one_of(
            operation.as_strategy(generation_mode=good), operation.as_strategy(generation_mode=bad)
        )

        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=CALLS,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @hypothesis.given(case=cases, is_signed=strategies.booleans())
        def call(case: Any, is_signed: bool) -> None:
            answer = case.call(auth=sign) if is_signed else case.call()
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CONFORMANCE)

        call()
    assert sum(statuses.values()) >= CALLS
    assert {202, 401, 422} <= set(statuses), statuses
