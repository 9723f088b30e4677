"""What the API's description shows: a call that can be checked by hand, and every answer to it.

The call's signature is good under `SECRET`, over `EXAMPLE` written without white space.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.problems import MEDIA_TYPE, TYPE_PREFIX

# The example of the Standard Webhooks specification; nobody's.
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105

EXAMPLE: Final[dict[str, Any]] = {
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
BODIES: Final = {
    "plain": {"summary": "A confirmed registration", "value": EXAMPLE},
    "odd": {
        "summary": "One whose address is at a domain of the company that sent the letter",
        "value": {**EXAMPLE, "data": {**EXAMPLE["data"], "flags": ["own_domain"]}},
    },
}

HEADERS: Final[list[dict[str, Any]]] = [
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
        (
            "webhook-signature",
            "`v1,` and base64; several are separated by spaces. The example is made with"
            f" `{SECRET}` over the example `plain`, written without white space.",
            "v1,r4cLxgcC9tPh2bGx0Rv3Sv5r6q7dkY1cYzfF8hBBpAg=",
        ),
    )
]

_EVENT_ID: Final = "signup.verified:3w4qk2t7c5xg6b2m5dq7l4n3ye"
ANSWERS: Final[dict[str, Any]] = {
    decision: {
        "summary": summary,
        "value": {
            "event_id": _EVENT_ID,
            "decision": decision,
            "reasons": reasons,
            "open": 7,
            "slots_available": 1,
        },
    }
    for decision, summary, reasons in (
        ("counted", "A referral", []),
        ("held", "Two people decide", ["letter_not_delivered", "own_domain"]),
        ("duplicate", "On record, and worth nothing", ["person_already_counted"]),
        ("unattributed", "The token is none of ours", ["no_valid_link"]),
    )
}

_UNSIGNED: Final = "The call is not signed as it must be"
# Status, meaning, and the problems that have it: name, title, detail.
_ERRORS: Final[tuple[tuple[int, str, tuple[tuple[str, str, str], ...]], ...]] = (
    (
        400,
        "The body is not JSON, or did not arrive whole.",
        (
            ("malformed_json", "The body is not JSON", ""),
            ("cut_off", "The connection ended before the body did", ""),
        ),
    ),
    (
        401,
        "Not signed, signed for another body, or the clocks differ by over five minutes.",
        (
            (
                "no_signature",
                _UNSIGNED,
                "Send webhook-id, webhook-timestamp and webhook-signature.",
            ),
            ("bad_signature", _UNSIGNED, "No v1 signature fits this body under our secret."),
            ("clock_skew", _UNSIGNED, "webhook-timestamp is not within five minutes of now."),
        ),
    ),
    (
        404,
        "This installation takes no registrations from other services.",
        (("not_offered", "No registration service is connected here", ""),),
    ),
    (
        408,
        "The body took longer than ten seconds to arrive.",
        (("too_slow", "The body did not arrive within 10 seconds", ""),),
    ),
    (
        409,
        "Another body is on record under this `signup_id`, or an operator gave this one up.",
        (
            (
                "conflict",
                "Another registration is on record under this signup_id",
                f"See {_EVENT_ID}.",
            ),
            (
                "dropped",
                "An operator has given this registration up",
                f"Ask them about {_EVENT_ID}.",
            ),
        ),
    ),
    (
        413,
        "The body is too large.",
        (("too_large", "The body is larger than 16384 bytes", ""),),
    ),
    (
        415,
        "The body is not `application/json`.",
        (("not_json", "The body must be application/json", ""),),
    ),
    (
        422,
        "A field is not as it must be; `errors` names it.",
        (("bad_field", "A field is not as it must be", ""),),
    ),
    (
        500,
        "A mistake of ours. Sending the call again is safe.",
        (("bug", "Something went wrong here", ""),),
    ),
    (
        503,
        "Not taken now; try again when `Retry-After` (seconds) is over.",
        (
            (
                "away",
                "The registration is kept; there is no decision on it yet",
                "Send the same call again later: it is counted once.",
            ),
        ),
    ),
)
_ANSWER_HEADERS: Final = {
    401: ("WWW-Authenticate", "Webhook-Signature"),
    503: ("Retry-After", "30"),
}


def error_answers(reference: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of every answer that is an error; `reference` leads to its schema."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status, meaning, problems in _ERRORS:
        examples = {
            name: {"summary": title, "value": _problem(status, name, title, detail)}
            for name, title, detail in problems
        }
        content = {MEDIA_TYPE: {"schema": {"$ref": reference}, "examples": examples}}
        answers[status] = {"description": meaning, "content": content}
        if status in _ANSWER_HEADERS:
            header, value = _ANSWER_HEADERS[status]
            shown = {"required": True, "schema": {"type": "string"}, "example": value}
            answers[status]["headers"] = {header: shown}
    return answers


def _problem(status: int, name: str, title: str, detail: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": TYPE_PREFIX + name, "title": title, "status": status}
    if detail:
        shown["detail"] = detail
    if status == 422:
        shown["errors"] = [{"pointer": "/data/verified_at", "detail": "Field required"}]
    return shown
