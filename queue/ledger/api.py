"""The API's routes and its description: everything under `/v1/`.

The description is OpenAPI 3.1 at `/v1/openapi.json`. The body of a call is described here and
checked in `ledger.webhook`, since its signature must be checked before anything reads it.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.apiexamples import ANSWERS, BODIES, HEADERS, error_answers
from ledger.problems import Problem, ProblemBody, answer_problem
from ledger.signups import SignupAnswer, Signups
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
While it is changed, both sides have two: whoever sends may sign with both, and any one is enough.
Sending a call again is always safe: the same `signup_id` and body get the same answer, whatever
happened in between. Errors are `application/problem+json` (RFC 9457)."""


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
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        # What FastAPI does not see: we read the body and write the errors ourselves.
        for model in (SignupMessage, ProblemBody):
            found = model.model_json_schema(ref_template=_COMPONENTS + "{model}")
            schemas.update(found.pop("$defs"))
            schemas[model.__name__] = found
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
            202: {"content": {"application/json": {"examples": ANSWERS}}},
            **error_answers(_COMPONENTS + ProblemBody.__name__),
        },
        openapi_extra={
            "parameters": HEADERS,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": _COMPONENTS + "SignupMessage"},
                        "examples": BODIES,
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
