"""Errors of the API as `application/problem+json` (RFC 9457).

A problem says what the caller can do about it and nothing about our insides. `type` is a URN that
programs can rely on; `errors` names the fields at fault by JSON pointer (RFC 6901), never their
values, which may be personal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:careerrelay:problem:"
ERRORS_MAX = 20  # A body of the size we take could name a hundred; a person reads a few.


class FieldError(BaseModel):
    """One field of the body that is not as it must be."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(description="JSON pointer to the field.", examples=["/data/verified_at"])
    detail: str = Field(description="What is expected.", examples=["Field required"])


class ProblemBody(BaseModel):
    """What every error answer of the API looks like."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=[TYPE_PREFIX + "bad_signature"])
    title: str = Field(examples=["The signature does not fit the body"])
    status: int = Field(examples=[401])
    detail: str = Field(default="", description="What to do about it.")
    errors: list[FieldError] = Field(default_factory=list[FieldError])


class Problem(Exception):
    """An answer that is an error; `name` is the last part of its type."""

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {name}")
        self.name = name
        self.body = ProblemBody(
            type=TYPE_PREFIX + name,
            title=title,
            status=status,
            detail=detail,
            errors=list(errors[:ERRORS_MAX]),
        )
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(
            self.body.model_dump(exclude_defaults=True),
            status_code=self.body.status,
            headers={"Cache-Control": "no-store", **self.headers},
            media_type=MEDIA_TYPE,
        )


async def answer_problem(_request: Request, error: Exception) -> Response:
    """Return the answer for a `Problem`: the application's exception handler."""
    assert isinstance(error, Problem)
    return error.response()
