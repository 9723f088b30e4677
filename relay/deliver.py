"""One message from end-of-data to the reply: settle line endings, judge, record, change, send.

Promises 1, 2 and 4 of the design live here:
1. Mail first: whatever of ours fails, the original bytes go on, and the reason is counted.
2. No false acceptance: the reply is the next hop's, or a 4xx when there is none.
4. Nothing is injected that is not on record: the event is durable before the changed letter goes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from ledger import events
from ledger.inbox import EventConflict, Inbox, InboxError
from relay.downstream import NextHopAway, NextHopLost
from relay.envelope import Envelope
from relay.pipeline import Outcome, Rules, passed, process
from relay.policy import Action, Reason
from relay.reply import BARE_LINE_ENDINGS, NEXT_HOP_AWAY, NEXT_HOP_LOST, TOO_MANY_RECEIVED, Reply
from relay.transaction import Transaction
from relay.wire import has_bare_line_endings, normalise, stuff, unstuff

RECEIVED_MAX = 50  # RFC 5321 §6.3: loops are found by counting; DESIGN section 3 sets the number.
JUDGE_SECONDS = 5.0  # The time box. A letter takes milliseconds; what takes longer is no letter.
# Judged in the event loop below this size, in a thread above: a hop costs more than a small letter.
# The most hostile text we found takes 9 µs a byte: other sessions wait 0.3 s for it at most.
JUDGE_IN_LOOP_MAX_BYTES = 32 * 1024

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Job:
    """One message as the client gave it: `wire` is dot-stuffed and ends in CRLF.CRLF."""

    incident: str  # The short id that log lines and our own 4xx replies carry.
    envelope: Envelope
    wire: bytes


class Delivery:
    """Delivers messages; one for the whole process. `rules` may be replaced between messages."""

    def __init__(
        self,
        rules: Rules,
        inbox: Inbox,
        *,
        refuse_bare_line_endings: bool,
        now: Callable[[], datetime],
        taken: Callable[[bytes], None] | None = None,
    ) -> None:
        """`taken` hears of every message as the client sent it: the page of a demonstration."""
        self.rules = rules
        self.reasons: Counter[str] = Counter()  # Decisions by reason, since the start.
        self._inbox = inbox
        self._refuse_bare_line_endings = refuse_bare_line_endings
        self._now = now
        self._taken = taken
        self._records: set[asyncio.Task[None]] = set()

    async def deliver(self, job: Job, transaction: Transaction) -> Reply:
        """Return the reply to the client's final dot. It is positive only if the next hop's was."""
        started = time.perf_counter()
        message = unstuff(job.wire)
        if self._taken is not None:
            self._taken(message)
        wire = job.wire
        if has_bare_line_endings(message):
            if self._refuse_bare_line_endings:
                return BARE_LINE_ENDINGS
            message = normalise(message)
            wire = stuff(message)
        if _received_count(message) > RECEIVED_MAX:
            return TOO_MANY_RECEIVED
        outcome = await self._consider(message, job, transaction.size_max_bytes)
        if outcome.decision.action is Action.INJECT:
            wire = stuff(outcome.message)
        judged = time.perf_counter()
        answer = await self._send(wire, job, transaction)
        moments = (started, judged, time.perf_counter())
        try:
            self._account(outcome, answer, job, transaction, moments)
        except Exception:
            # Promise 2 the other way round: what the next hop took is not to be sent again.
            log.exception("account_failed", incident=job.incident)
        return answer

    async def _consider(self, message: bytes, job: Job, size_max_bytes: int) -> Outcome:
        """Return what to do with the message; whatever goes wrong here, it goes on unchanged."""
        try:
            outcome = await self._judge(message, job)
            is_changed = outcome.decision.action is Action.INJECT
            if is_changed and 0 < size_max_bytes < len(outcome.message):
                # With our note it would be refused for good; without, it may just fit.
                return passed(message, Reason.TOO_LARGE, outcome)
            return await self._put_on_record(outcome, message, job)
        except TimeoutError:
            return passed(message, Reason.TIME_BOX)
        except Exception:  # Promise 1. The cause is logged.
            log.exception("judge_failed", incident=job.incident)
            return passed(message, Reason.INTERNAL_ERROR)

    async def _judge(self, message: bytes, job: Job) -> Outcome:
        if len(message) <= JUDGE_IN_LOOP_MAX_BYTES:
            return process(message, job.envelope, self.rules)
        work = asyncio.to_thread(process, message, job.envelope, self.rules)
        return await asyncio.wait_for(work, JUDGE_SECONDS)

    async def _put_on_record(self, outcome: Outcome, message: bytes, job: Job) -> Outcome:
        """Return the outcome once its link is on record, or one that changes nothing."""
        if outcome.decision.action is not Action.INJECT or outcome.link is None:
            return outcome
        link = outcome.link
        event = events.link_issued(
            link.company,
            link.link_id,
            self._now(),
            language=link.language,
            stage=link.stage,
            position=link.position,
        )
        try:
            await self._inbox.submit(event)
        except EventConflict:
            pass  # On record already, read differently by an earlier version of the lexicon.
        except InboxError as error:
            log.warning("link_not_recorded", incident=job.incident, error=str(error))
            return passed(message, Reason.STORE_UNAVAILABLE, outcome)
        # A crash here leaves a link on record that no letter carries: it is never clicked.
        return outcome

    async def _send(self, wire: bytes, job: Job, transaction: Transaction) -> Reply:
        try:
            answer = await transaction.send(wire)
        except NextHopAway as error:
            log.warning("next_hop_away", incident=job.incident, error=str(error))
            return NEXT_HOP_AWAY
        except NextHopLost as error:
            log.warning(
                "next_hop_lost",
                incident=job.incident,
                error=str(error),
                outcome_unknown=transaction.outcome_unknown,
            )
            return NEXT_HOP_LOST
        transaction.finish()
        return answer

    def _account(
        self,
        outcome: Outcome,
        answer: Reply,
        job: Job,
        transaction: Transaction,
        moments: tuple[float, float, float],
    ) -> None:
        started, judged, ended = moments
        decision = outcome.decision
        self.reasons[decision.reason] += 1
        link = outcome.link if decision.action is Action.INJECT else None
        log.info(
            "message",
            incident=job.incident,
            decision=decision.action.value,
            reason=decision.reason.value,
            company=outcome.company,
            verdict=outcome.verdict.kind.value if outcome.verdict else None,
            link=link.link_id if link else None,
            recipients=len(job.envelope.recipients),
            size=len(job.wire),
            code=answer.code,
            outcome_unknown=transaction.outcome_unknown,
            judge_ms=round((judged - started) * 1000, 2),
            total_ms=round((ended - started) * 1000, 2),
        )
        if link is None or transaction.outcome_unknown:
            return  # Whether the letter arrived is unknown: no event says that it did.
        make = events.letter_delivered if answer.is_positive else events.letter_refused
        self._record(make(link.company, link.link_id, self._now(), answer.code), job)

    def _record(self, event: events.Event, job: Job) -> None:
        """Record what became of the letter, behind the reply: the mail does not wait for it."""
        task = asyncio.create_task(self._submit(event, job.incident))
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    async def _submit(self, event: events.Event, incident: str) -> None:
        try:
            await self._inbox.submit(event)
        except InboxError as error:
            log.warning("delivery_not_recorded", incident=incident, error=str(error))

    async def close(self) -> None:
        """Wait until what was delivered is on record."""
        if self._records:
            await asyncio.wait(set(self._records))


def _received_count(message: bytes) -> int:
    end = message.find(b"\r\n\r\n")
    head = message if end == -1 else message[:end]
    return (b"\n" + head.lower()).count(b"\nreceived:")
