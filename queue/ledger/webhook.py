"""Calls of the registration service: signature, time and form, by Standard Webhooks.

The signature is over the raw body and is checked before the body is read as anything. The library
makes the signature; the comparison and the clock are here, because its own check takes the time
from the system and lets malformed signatures out as errors of all kinds.

Standard Webhooks 1.0: webhook-id, webhook-timestamp, webhook-signature. A secret is changed without
a gap: of several on our side any verifies, and a sender with several signs with each, the
signatures separated by spaces.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from standardwebhooks.webhooks import EmptyWebhookSecretError
from standardwebhooks.webhooks import Webhook as _Signer

from ledger.events import YEAR_MAX, YEAR_MIN
from ledger.problems import FieldError, Problem
from ledger.signupflags import SIGNUP_FLAGS, join_flags

SKEW_MAX = timedelta(minutes=5)  # As the specification recommends.
HEADER_MAX_CHARS = 1024  # Several signatures of 47 characters.
TIMESTAMP_MAX_DIGITS = 12  # Seconds until the year 33658.
# The one in use, the next one, and room for a sender with several machines.
SECRETS_MAX = 5

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-5][0-9])"
)

_SIGNATURE_TITLE = "The call is not signed as it must be"


def _in_range(time: datetime) -> datetime:
    # Near the ends of the calendar a time cannot be brought to UTC.
    if not YEAR_MIN <= time.year <= YEAR_MAX:
        raise ValueError(f"expected a time between the years {YEAR_MIN} and {YEAR_MAX}")
    return time


def _rfc_3339(value: object) -> datetime:
    # To the library numbers are times, too, also as texts, and so are times without seconds.
    try:
        if isinstance(value, str) and _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper())
    except ValueError:
        pass  # No such day, hour, or offset.
    raise ValueError("expected a time like 2026-04-01T09:00:00Z (RFC 3339)")


_Time = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_range)]
_Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=64)]


class Webhook:
    """Signs and verifies with one secret or, while it is changed, with several."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._signers = tuple(_Signer(secret) for secret in secrets)

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        """Return the signature under each secret, separated by spaces."""
        return " ".join(one.sign(msg_id, timestamp, data) for one in self._signers)


class SignupData(BaseModel):
    """One confirmed registration."""

    model_config = ConfigDict(strict=True, frozen=True)

    signup_id: Annotated[
        str,
        Field(
            description="The registration service's own id: the same id is the same registration.",
            examples=["sgn_01JH8Z"],
            min_length=1,
            max_length=128,
        ),
    ]
    token: Annotated[
        str,
        Field(
            description="The token that the candidate arrived with, as it stood in the link.",
            examples=["a" * 43],
            max_length=512,
        ),
    ]
    person_ref: Annotated[
        str,
        Field(
            description="What tells this person from others, the same in every call. It is turned"
            " into a keyed hash before anything is stored.",
            examples=["person-4711"],
            min_length=1,
            max_length=256,
        ),
    ]
    verified_at: Annotated[
        _Time,
        Field(description="When the person confirmed.", examples=["2026-01-15T03:04:05Z"]),
    ]
    verification: Annotated[
        _Slug, Field(description="How it was confirmed.", examples=["double_opt_in"])
    ]
    consent_version: Annotated[
        _Slug, Field(description="The consent text agreed to.", examples=["2026-01"])
    ]
    flags: Annotated[
        tuple[Literal["own_domain", "disposable_domain"], ...],
        Field(
            description="What is odd about the person's address, which itself is not sent: it is at"
            " a domain of the company that sent the letter, or at one for throw-away addresses."
            " Such a registration is held until people have decided on it.",
            examples=[["disposable_domain"]],
            max_length=len(SIGNUP_FLAGS),
        ),
    ] = ()


class SignupMessage(BaseModel):
    """The body of `POST /v1/signups`."""

    model_config = ConfigDict(strict=True, frozen=True)

    type: Literal["signup.verified"]
    timestamp: Annotated[
        _Time,
        Field(description="When the call's cause happened.", examples=["2026-01-15T03:04:06Z"]),
    ]
    data: SignupData


def make_webhook(secrets: str) -> Webhook:
    """Return the signer for a secret (`whsec_` and base64), or several with white space between.

    Raises `ValueError` when one is none.
    """
    found = secrets.split()
    if not 0 < len(found) <= SECRETS_MAX:
        raise ValueError(f"expected 1 to {SECRETS_MAX} webhook secrets, whsec_...")
    try:
        return Webhook(found)
    except (EmptyWebhookSecretError, ValueError) as error:
        raise ValueError('a webhook secret is "whsec_" followed by base64') from error


def check_signature(
    webhook: Webhook, headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Return if the call is signed, for this body, not more than five minutes ago or ahead."""
    message_id, stamp, signatures = (
        headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if not (message_id and stamp and signatures):
        detail = "Send webhook-id, webhook-timestamp and webhook-signature."
        raise _unauthorized("no_signature", detail)
    if max(len(message_id), len(signatures)) > HEADER_MAX_CHARS:
        raise _unauthorized("bad_signature", f"A header has {HEADER_MAX_CHARS} characters at most.")
    signed_at = _parse_stamp(stamp)
    if signed_at is None or abs(now - signed_at) > SKEW_MAX:
        raise _unauthorized("clock_skew", "webhook-timestamp is not within five minutes of now.")
    try:
        expected = webhook.sign(message_id, signed_at, body.decode()).encode().split(b" ")
    except UnicodeDecodeError:
        raise _unauthorized("bad_signature", "The body is not UTF-8.") from None
    offered = [signature.encode("utf-8", "replace") for signature in signatures.split(" ")]
    # All are compared, so that the time taken says nothing.
    if not any([hmac.compare_digest(ours, theirs) for ours in expected for theirs in offered]):
        raise _unauthorized("bad_signature", "No v1 signature fits this body under our secret.")


def parse_signup(body: bytes, now: datetime) -> SignupMessage:
    """Return the checked body; a `Problem` names every field that is not as it must be."""
    try:
        message = SignupMessage.model_validate_json(body)
    except ValidationError as error:
        if any(found["type"] == "json_invalid" for found in error.errors(include_url=False)):
            raise Problem(400, "malformed_json", "The body is not JSON") from None
        raise _unprocessable(_field_errors(error)) from None
    if message.data.verified_at - now > SKEW_MAX:
        future = FieldError(pointer="/data/verified_at", detail="Expected a time that has been")
        raise _unprocessable([future])
    return message


def digest_signup(message: SignupMessage, person_reference: str) -> str:
    """Return the digest by which the same call is known again (SHA-256, hexadecimal).

    The person goes in as the reference, or a guess at who it is could be tried against the log.
    """
    data = message.data
    fields = {
        "type": message.type,
        "timestamp": _seconds(message.timestamp),
        "signup_id": data.signup_id,
        "token": data.token,
        "person": person_reference,
        "verified_at": _seconds(data.verified_at),
        "verification": data.verification,
        "consent_version": data.consent_version,
        # Without any, the digest is that of calls made before there were flags.
        **({"flags": flags} if (flags := join_flags(data.flags)) else {}),
    }
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _seconds(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_stamp(text: str) -> datetime | None:
    if not (text.isascii() and text.isdigit() and len(text) <= TIMESTAMP_MAX_DIGITS):
        return None
    try:
        return datetime.fromtimestamp(int(text), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _field_errors(error: ValidationError) -> list[FieldError]:
    return [
        FieldError(pointer="".join(f"/{step}" for step in found["loc"]) or "/", detail=found["msg"])
        # Without the input: it may be a person's.
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _unauthorized(name: str, detail: str) -> Problem:
    # RFC 9110 §15.5.2: a 401 names a way to authenticate.
    headers = {"WWW-Authenticate": "Webhook-Signature"}
    return Problem(401, name, _SIGNATURE_TITLE, detail, headers=headers)


def _unprocessable(errors: list[FieldError]) -> Problem:
    return Problem(422, "bad_field", "A field is not as it must be", errors=errors)
