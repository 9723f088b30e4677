"""The API's routes and its description: everything under `/v1/`.

The description is OpenAPI 3.1 at `/v1/openapi.json`. The body of a call is described here and
checked in `ledger.webhook`, since its signature must be checked before anything reads it.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.problems import MEDIA_TYPE, Problem, ProblemBody, answer_problem
from ledger.signups import RETRY_AFTER_SECONDS, SignupAnswer, Signups
from ledger.webhook import SignupMessage

PREFIX = "/v1/"
DESCRIPTION_PATH = PREFIX + "openapi.json"
SIGNUPS_PATH = PREFIX + "signups"
VERSION = "1.0"
_COMPONENTS = "#/components/schemas/"
_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_ALLOWED = {SIGNUPS_PATH: "POST", DESCRIPTION_PATH: "GET, HEAD"}

_ABOUT = """\
Registration services report confirmed registrations here.

Calls are signed by [Standard Webhooks](https://www.standardwebhooks.com/) with the agreed secret.
Sending a call again is always safe: the same `signup_id` and body get the same answer, whatever
happened in between. Errors are `application/problem+json` (RFC 9457)."""

_HEADERS: Final[list[dict[str, Any]]] = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }
    for name, description, example in (
        ("webhook-id", "The id of the call.", "msg_01JH8Z"),
        ("webhook-timestamp", "When it is sent, in seconds since 1970.", "1768446246"),
        ("webhook-signature", "`v1,` and base64; several are separated by spaces.", "v1,K5oZ…="),
    )
]

_EXAMPLE: Final = {
    "type": "signup.verified",
    "timestamp": "2026-01-15T03:04:06Z",
    "data": {
        "signup_id": "sgn_01JH8Z",
        "token": "a2cdefghijklmnopqrstuvwxyz234567abcdefghijk",
        "person_ref": "person-4711",
        "verified_at": "2026-01-15T03:04:05Z",
        "verification": "double_opt_in",
        "consent_version": "2026-01",
    },
}
_ANSWER_EXAMPLE: Final[dict[str, Any]] = {
    "event_id": "signup.verified:3w4qk2t7c5xg6b2m5dq7l4n3ye",
    "decision": "counted",
    "reasons": [],
    "open": 7,
    "slots_available": 1,
}


class IntakeApp(FastAPI):
    """The API, and in front of it the way to the pages for people.

    `people` serves everything that is not under `/v1/`. It is an application of its own because
    two thirds of the time of a click would go to FastAPI's routing. The description includes the
    body that we read ourselves.
    """

    def __init__(self, people: ASGIApp) -> None:
        super().__init__(
            title="Career Relay intake",
            version=VERSION,
            summary="Confirmed registrations in, decisions out.",
            description=_ABOUT,
            openapi_url=DESCRIPTION_PATH,
            docs_url=None,
            redoc_url=None,
        )
        self._people = people
        self.add_exception_handler(Problem, answer_problem)
        self.add_exception_handler(HTTPException, _answer_http_error)
        self.add_exception_handler(Exception, _answer_bug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on the side it belongs to."""
        if scope["type"] == "http" and not scope["path"].startswith(PREFIX):
            await self._people(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the description, the same object every time."""
        description = super().openapi()
        body = SignupMessage.model_json_schema(ref_template=_COMPONENTS + "{model}")
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(body.pop("$defs"))
        schemas["SignupMessage"] = body
        return description


def make_router(signups: Signups | None) -> APIRouter:
    """Return the routes of the API; without `signups` no registration service is connected."""
    router = APIRouter()

    @router.post(
        SIGNUPS_PATH,
        status_code=202,
        operation_id="report_signup",
        summary="Report a confirmed registration",
        tags=["signups"],
        response_description="The decision; the event is on record.",
        responses={
            202: {"content": {"application/json": {"example": _ANSWER_EXAMPLE}}},
            **_error_answers(),
        },
        openapi_extra={
            "parameters": _HEADERS,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": _COMPONENTS + "SignupMessage"},
                        "example": _EXAMPLE,
                    }
                },
            },
        },
    )
    async def report_signup(request: Request) -> SignupAnswer:
        """Counted once per link and once per person and period; held where a person must look.

        `unattributed` means that the token is none of ours or no longer valid.
        """
        if signups is None:
            raise Problem(404, "not_offered", "No registration service is connected here")
        return await signups.take(request)

    @router.api_route("/v1/{rest:path}", methods=_ALL_METHODS, include_in_schema=False)
    async def unknown(request: Request) -> Response:
        """Answer what the API does not have."""
        allowed = _ALLOWED.get(request.url.path)
        raise _problem_of(HTTPException(404 if allowed is None else 405), allowed)

    return router


def _problem_of(error: HTTPException, allowed: str | None) -> Problem:
    if allowed is not None:
        title = "The method is not allowed here"
        return Problem(error.status_code, "bad_method", title, headers={"Allow": allowed})
    return Problem(error.status_code, "not_found", "There is nothing at this address")


async def _answer_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, "refused", str(error.detail)).response()


async def _answer_bug(_request: Request, _error: Exception) -> Response:
    # The server logs the cause; the caller hears that it is ours.
    return Problem(500, "bug", "Something went wrong here").response()


def _error_answers() -> dict[int | str, dict[str, Any]]:
    meanings = {
        400: "The body is not JSON.",
        401: "Not signed, signed for another body, or the clocks differ by over five minutes.",
        409: "Another body is on record under this `signup_id`.",
        413: "The body is too large.",
        415: "The body is not `application/json`.",
        422: "A field is not as it must be; `errors` names it.",
        503: f"Not taken now; try again after {RETRY_AFTER_SECONDS} seconds (`Retry-After`).",
    }
    schema = {"$ref": _COMPONENTS + ProblemBody.__name__}
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": meaning, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, meaning in meanings.items()
    }
    answers[400]["model"] = ProblemBody  # Brings the schema in; the others refer to it.
    return answers
