"""`POST /v1/signups`: a confirmed registration becomes an event, and its sender hears the decision.

Promises: what is answered 202 is on disk and applied; the same call gets the same answer again,
however often and after whatever crash, because event and decision are found by the id that follows
from `signup_id`; another body under a known id is a conflict. The person never reaches the log:
only a keyed reference does.

A crash between the row and its decision leaves an event that the worker applies; the repeated call
then finds that decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import structlog
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from ledger.apply import Applier
from ledger.attribution import Attribution
from ledger.credits import Decision, Outcome
from ledger.events import INSTALLATION, Event, signup_verified
from ledger.inbox import EventConflict, Inbox, InboxUnavailable
from ledger.problems import Problem
from ledger.sealed import Seal, SealError
from ledger.signupflags import join_flags
from ledger.store import LedgerError
from ledger.webhook import SignupMessage, Webhook, check_signature, digest_signup, parse_signup

BODY_MAX_BYTES = 16 * 1024  # Ours has 500 bytes; room for fields that later versions add.
# What of a larger body is read and thrown away: hung up on in mid-sentence, a client would see a
# reset connection instead of the answer (RFC 9112 §9.6).
DRAINED_MAX_BYTES = 1024 * 1024
BODY_MAX_SECONDS = 10.0  # From the headers to the end of the body.
DECISION_MAX_SECONDS = 8.0  # Senders of webhooks wait 15 to 30 seconds.
RETRY_AFTER_SECONDS = "30"  # A restart of the database or of us.

log = structlog.get_logger("intake")


# What calls are kept as in the spill file.
KEPT = "signup"


class SignupAnswer(BaseModel):
    """What became of a registration."""

    model_config = ConfigDict(frozen=True)

    event_id: str = Field(description="The event in the log.")
    decision: Literal["counted", "held", "duplicate", "unattributed"]
    reasons: list[str] = Field(description="Why it is not counted; empty when it is.")
    open: int = Field(description="Referrals of the company that no slot has been granted for.")
    slots_available: int = Field(description="Placements free of fees the company can use.")


class Signups:
    """Takes registrations; one per application."""

    def __init__(
        self,
        webhook: Webhook,
        attribution: Attribution,
        inbox: Inbox,
        applier: Applier,
        clock: Callable[[], datetime],
        seal: Seal,
    ) -> None:
        self._webhook = webhook
        self._attribution = attribution
        self._inbox = inbox
        self._applier = applier
        self._clock = clock
        self._seal = seal
        inbox.when_kept(KEPT, self.take_in)

    async def take(self, request: Request) -> SignupAnswer:
        """Return the decision on the registration in a request; raises `Problem`."""
        started = time.monotonic()
        body = await read_body(request)
        now = self._clock()
        check_signature(self._webhook, request.headers, body, now)
        message = parse_signup(body, now)
        try:
            async with asyncio.timeout(DECISION_MAX_SECONDS):
                event = await self._submit(message, now)
                # A thread of its own: the decision is a database transaction.
                outcome = await asyncio.to_thread(self._applier.apply_event, event.id)
        except EventConflict as error:
            title = "Another registration is on record under this signup_id"
            raise Problem(409, "conflict", title, f"See {error.event_id}.") from None
        except (InboxUnavailable, LedgerError, TimeoutError) as error:
            log.warning("signup not taken", reason=type(error).__name__, detail=str(error))
            raise _away(is_kept=await self._keep(body, now)) from error
        if outcome.decision is Decision.DROPPED:
            title = "An operator has given this registration up"
            raise Problem(409, "dropped", title, f"Ask them about {outcome.event_id}.")
        answer = _answer(outcome)
        log.info(
            "signup",
            event_id=event.id,
            decision=answer.decision,
            reasons=answer.reasons,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
        return answer

    def take_in(self, sealed: bytes, received: datetime) -> bool:
        """Put a registration on record that was kept while the store was away.

        Returns False for one that can never be; raises `InboxUnavailable` while the store is away.
        """
        try:
            message = parse_signup(self._seal.open(sealed), received)
            event = asyncio.run(self._submit(message, received))
        except EventConflict:
            return True  # Its caller heard 503, and hears 409 when he asks again.
        except (SealError, Problem) as error:
            log.error("kept signup refused", reason=type(error).__name__)
            return False
        log.info("kept signup", event_id=event.id)
        return True

    async def _keep(self, body: bytes, now: datetime) -> bool:
        """Keep a call whose signature was good for when the store is back; tell whether it is."""
        try:
            await self._inbox.keep(KEPT, self._seal.close(body), now)
        except InboxUnavailable as error:
            log.warning("signup not kept", reason=error.reason)
            return False
        return True

    async def _submit(self, message: SignupMessage, now: datetime) -> Event:
        """Put the registration on record and return its event; raises `EventConflict`."""
        token = message.data.token
        # A thread of its own: when the letter went out is asked of the database.
        company, link_id = await asyncio.to_thread(self._attribution.of, token, now)
        event = await self._event(message, now, company, link_id)
        try:
            await self._inbox.submit(event)
        except EventConflict:
            # Reported before its key was revoked, its company added or its time over, the same call
            # would make another event today. It must be the one on record in all it says.
            known = await asyncio.to_thread(self._applier.company_of, event.id)
            if known in (None, company):
                raise
            link_id = "" if known == INSTALLATION else self._attribution.link_id(token)
            event = await self._event(message, now, known, link_id)
            await self._inbox.submit(event)
        return event

    async def _event(
        self, message: SignupMessage, now: datetime, company: str, link_id: str
    ) -> Event:
        data = message.data
        reference = await self._inbox.reference(company, data.person_ref)
        # The time is when we took it: a month whose statement is out must not change.
        return signup_verified(
            company,
            link_id,
            now,
            signup_id=data.signup_id,
            person_ref=reference,
            verification=data.verification,
            consent_version=data.consent_version,
            body_digest=digest_signup(message, reference),
            flags=join_flags(data.flags),
        )


async def read_body(request: Request) -> bytes:
    """Return the body of a JSON request, within the limits on type, size and time."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "not_json", "The body must be application/json")
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_MAX_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= BODY_MAX_BYTES:
                    body += chunk
                elif size > DRAINED_MAX_BYTES:
                    break
    except TimeoutError:
        title = f"The body did not arrive within {BODY_MAX_SECONDS:.0f} seconds"
        raise Problem(408, "too_slow", title, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, "cut_off", "The connection ended before the body did") from None
    if size > BODY_MAX_BYTES:
        title = f"The body is larger than {BODY_MAX_BYTES} bytes"
        raise Problem(413, "too_large", title, headers={"Connection": "close"})
    return bytes(body)


def _answer(outcome: Outcome) -> SignupAnswer:
    return SignupAnswer.model_validate(
        {
            "event_id": outcome.event_id,
            "decision": str(outcome.decision),
            "reasons": list(outcome.reasons),
            "open": outcome.open,
            "slots_available": outcome.slots_available,
        }
    )


def _away(*, is_kept: bool) -> Problem:
    title = "The registration could not be taken now"
    detail = "Send the same call again later: it is counted once."
    if is_kept:
        title = "The registration is kept; there is no decision on it yet"
    return Problem(503, "away", title, detail, headers={"Retry-After": RETRY_AFTER_SECONDS})
