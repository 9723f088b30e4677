"""One message from end-of-data to the reply: settle line endings, judge, record, change, send.

Promises 1, 2 and 4 of the design live here:
1. Mail first: whatever of ours fails, the original bytes go on, and the reason is counted.
2. No false acceptance: the reply is the next hop's, or a 4xx when there is none.
4. Nothing is injected that is not on record: the event is durable before the changed letter goes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import structlog

from ledger import events
from ledger.inbox import COMPANY_SECONDS, EventConflict, Inbox, InboxError
from relay.arcseal import ArcSealer
from relay.dkimsign import SigningError
from relay.downstream import NextHopAway, NextHopLost
from relay.envelope import Envelope
from relay.metrics import Metrics, Station
from relay.pipeline import Outcome, Rules, passed, process
from relay.policy import Action, Reason
from relay.reply import BARE_LINE_ENDINGS, NEXT_HOP_AWAY, NEXT_HOP_LOST, TOO_MANY_RECEIVED, Reply
from relay.shapecount import ShapeCounts
from relay.signaturefields import count_dkim
from relay.tracefields import SEEN_FIELD, Arrival, received_field
from relay.transaction import Transaction
from relay.verdict import Kind
from relay.wire import settle, stuff, unstuff

RECEIVED_MAX = 50  # RFC 5321 §6.3: loops are found by counting; DESIGN section 3 sets the number.
JUDGE_SECONDS = 5.0  # The time box. A letter takes milliseconds; what takes longer is no letter.
# Judged in the event loop below this size, in a thread above: a hop costs more than a small letter.
# The most hostile text we found takes 9 µs a byte: other sessions wait 0.3 s for it at most.
JUDGE_IN_LOOP_MAX_BYTES = 32 * 1024
SEAL_SECONDS = 5.0  # A few questions to the DNS.
WIRE_THREADS = 2  # They copy and search octets: more would not be faster.
HEADER_SEARCHED_MAX_BYTES = 256 * 1024  # 50 Received fields are some 20 KiB.

# What becomes of a rejection as the company wants it: everything else went wrong.
_AS_WANTED = frozenset(
    {
        Reason.INJECTED,
        Reason.OBSERVE,
        Reason.NOT_APPROVED,
        Reason.SUPPRESSED,
        Reason.STOP_PHRASE,
        Reason.MUST_PHRASE_MISSING,
        Reason.ALREADY_MARKED,
        Reason.ALREADY_LINKED,
    }
)

_QUEUE_ID = re.compile(r"\b(?:queued as|id=) ?([A-Za-z0-9-]{4,40})\b")

_T = TypeVar("_T")
log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Job:
    """One message as the client gave it: `wire` is dot-stuffed and ends in CRLF.CRLF."""

    incident: str  # The short id that log lines and our own 4xx replies carry.
    envelope: Envelope
    wire: bytes
    listener: str = ""  # Whom the client came to, for the log.
    arrival: Arrival | None = None  # Where it came from, if a Received field is to say so.
    is_marked: bool = False  # Whether our field goes on it though nothing else changes.


@dataclass(frozen=True, slots=True)
class _Times:
    """Moments of one message, in seconds of `perf_counter`."""

    started: float
    judged: float
    recorded: float
    sent: float


class Delivery:
    """Delivers messages; one for the whole process. What it goes by may be renewed in between."""

    def __init__(
        self,
        rules: Rules,
        inbox: Inbox,
        metrics: Metrics,
        *,
        refuse_bare_line_endings: bool,
        reply_max_seconds: float,
        now: Callable[[], datetime],
        taken: Callable[[bytes], None] | None = None,
        sealer: ArcSealer | None = None,
        is_suppressed: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        """`taken` hears of every message as the client sent it: the page of a demonstration.

        `is_suppressed` says whose letters get no line; it must not block.
        """
        self._is_suppressed = is_suppressed
        self._inbox = inbox
        self._metrics = metrics
        self._now = now
        self._taken = taken
        # Whoever keeps them takes them from here.
        self.shapes = ShapeCounts()
        self._records: set[asyncio.Task[None]] = set()
        # Apart from those that judge, which a hostile text may hold for long.
        self._threads = ThreadPoolExecutor(WIRE_THREADS, thread_name_prefix="wire")
        self.renew(
            rules,
            refuse_bare_line_endings=refuse_bare_line_endings,
            reply_max_seconds=reply_max_seconds,
            sealer=sealer,
        )

    def renew(
        self,
        rules: Rules,
        *,
        refuse_bare_line_endings: bool,
        reply_max_seconds: float,
        sealer: ArcSealer | None = None,
    ) -> None:
        """Go by other rules and settings from the next message on."""
        self.rules = rules
        self._sealer = sealer
        self._refuse_bare_line_endings = refuse_bare_line_endings
        self.reply_max_seconds = reply_max_seconds

    async def deliver(self, job: Job, transaction: Transaction, deadline: float) -> Reply:
        """Return the reply to the client's final dot. It is positive only if the next hop's was.

        It comes before the loop time `deadline`: a client that waits in vain sends the letter
        again.
        """
        clock = time.perf_counter  # The loop's own time has whole milliseconds.
        started = clock()
        message, wire = await self._run(settle, job.wire)
        if self._taken is not None:
            self._taken(unstuff(job.wire))
        if wire is not job.wire and self._refuse_bare_line_endings:
            return self._refuse(BARE_LINE_ENDINGS, "bare_line_endings", job)
        if _received_count(message) > RECEIVED_MAX:
            return self._refuse(TOO_MANY_RECEIVED, "received_max", job)
        outcome = await self._consider(message, job, transaction.size_max_bytes)
        judged = clock()
        outcome = await self._put_on_record(outcome, message, job)
        recorded = clock()
        if outcome.message is not message:
            wire = await self._run(stuff, outcome.message)
        trace = self._trace(outcome, job)
        size_max_bytes = transaction.size_max_bytes
        if trace and not 0 < size_max_bytes < len(trace) + len(wire):
            wire = trace + wire  # Never what makes a letter too large for the next hop.
        # The next hop may take its time: from here on one form of the message is enough.
        del message
        outcome = replace(outcome, message=b"")
        answer = await self._send(wire, job, transaction, deadline)
        times = _Times(started, judged, recorded, clock())
        try:
            self._account(outcome, answer, job, transaction, times)
        except Exception:
            # Promise 2 the other way round: what the next hop took is not to be sent again.
            log.exception("account_failed", incident=job.incident)
        return answer

    async def _run(self, work: Callable[[bytes], _T], octets: bytes) -> _T:
        """Return what `work` makes of the octets: at once if they are few, else beside the loop."""
        if len(octets) <= JUDGE_IN_LOOP_MAX_BYTES:
            return work(octets)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, octets)

    def _refuse(self, answer: Reply, reason: str, job: Job) -> Reply:
        self._metrics.refused(reason)
        log.info(
            "refused",
            reason=reason,
            listener=job.listener,
            code=answer.code,
            incident=job.incident,
        )
        return answer

    def _trace(self, outcome: Outcome, job: Job) -> bytes:
        """Return the fields that go in front of a message, whole lines that need no stuffing."""
        is_marked = job.is_marked and outcome.decision.action is not Action.INJECT
        seen = SEEN_FIELD if is_marked else b""
        if job.arrival is None:
            return seen
        try:
            return received_field(job.arrival, job.incident, self._now()) + seen
        except Exception:  # Promise 1: a letter without our trace is better than none.
            log.exception("trace_failed", incident=job.incident)
            return seen

    async def _consider(self, message: bytes, job: Job, size_max_bytes: int) -> Outcome:
        """Return what to do with the message; whatever goes wrong here, it goes on unchanged."""
        try:
            outcome = await self._judge(message, job)
        except TimeoutError:
            return passed(message, Reason.TIME_BOX)
        except Exception:  # Promise 1. The cause is logged.
            log.exception("judge_failed", incident=job.incident)
            return passed(message, Reason.INTERNAL_ERROR)
        if outcome.decision.action is Action.INJECT and self._is_unwanted(job.envelope):
            return passed(message, Reason.SUPPRESSED, outcome)
        outcome = await self._sealed(outcome, message, job)
        if outcome.message is not message and 0 < size_max_bytes < len(outcome.message):
            # Changed, it would be refused for good; as it was, it may just fit.
            return passed(message, Reason.TOO_LARGE, outcome)
        return outcome

    def _is_unwanted(self, envelope: Envelope) -> bool:
        """Tell whether one of the recipients asked for no line: all read the same letter."""
        try:
            return any(self._is_suppressed(address) for address in envelope.recipients)
        except Exception:  # Promise 1; and a line that somebody may not want is not put in.
            log.exception("suppression_failed")
            return True

    async def _judge(self, message: bytes, job: Job) -> Outcome:
        # To sign anew the DNS is asked, and that is no work for the loop.
        if len(message) <= JUDGE_IN_LOOP_MAX_BYTES and not (
            self.rules.resigner is not None and count_dkim(message)
        ):
            return process(message, job.envelope, self.rules)
        work = asyncio.to_thread(process, message, job.envelope, self.rules)
        return await asyncio.wait_for(work, JUDGE_SECONDS)

    async def _sealed(self, outcome: Outcome, message: bytes, job: Job) -> Outcome:
        """Return a changed letter with an ARC seal, where one is wanted and can be made."""
        if self._sealer is None or outcome.decision.action is not Action.INJECT:
            return outcome
        try:
            work = asyncio.to_thread(self._sealer.sealed, message, outcome.message)
            return replace(outcome, message=await asyncio.wait_for(work, SEAL_SECONDS))
        except (SigningError, TimeoutError) as error:
            log.warning("arc_not_sealed", incident=job.incident, error=str(error) or "too slow")
        except Exception:  # Promise 1: the letter is as good without.
            log.exception("arc_failed", incident=job.incident)
        return outcome

    async def _put_on_record(self, outcome: Outcome, message: bytes, job: Job) -> Outcome:
        """Return the outcome once its link is on record, or one that changes nothing."""
        if outcome.decision.action is not Action.INJECT or outcome.link is None:
            return outcome
        link = outcome.link
        try:
            event = events.link_issued(
                link.company,
                link.link_id,
                self._now(),
                language=link.language,
                stage=link.stage,
                position=link.position,
            )
            await self._inbox.submit(event)
        except EventConflict:
            pass  # On record already, read differently by an earlier version of the lexicon.
        except InboxError as error:
            log.warning("link_not_recorded", incident=job.incident, error=str(error))
            return passed(message, Reason.STORE_UNAVAILABLE, outcome)
        except Exception:  # Promise 1.
            log.exception("record_failed", incident=job.incident)
            return passed(message, Reason.INTERNAL_ERROR, outcome)
        # A crash here leaves a link on record that no letter carries: it is never clicked.
        return outcome

    async def _send(
        self, wire: bytes, job: Job, transaction: Transaction, deadline: float
    ) -> Reply:
        try:
            answer = await transaction.send(wire, deadline=deadline)
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
        if answer.is_positive:
            transaction.finish()
        else:
            # Postfix may keep sender and recipients of a message that it refused at its end, and
            # would answer the next letter's MAIL with 503: that one is for good.
            transaction.abandon()
        return answer

    def _account(
        self, outcome: Outcome, answer: Reply, job: Job, transaction: Transaction, times: _Times
    ) -> None:
        decision, verdict = outcome.decision, outcome.verdict
        link = outcome.link if decision.action is Action.INJECT else None
        self._count(outcome, transaction, times)
        log.info(
            "message",
            incident=job.incident,
            decision=decision.action.value,
            reason=decision.reason.value,
            company=outcome.company,
            verdict=verdict.kind.value if verdict else None,
            shape=outcome.shape or None,
            link=link.link_id if link else None,
            listener=job.listener,
            next_hop=transaction.host,
            queue_id=_queue_id(answer),
            recipients=len(job.envelope.recipients),
            size=len(job.wire),
            code=answer.code,
            outcome_unknown=transaction.outcome_unknown,
            judge_ms=round((times.judged - times.started) * 1000, 2),
            total_ms=round((times.sent - times.started) * 1000, 2),
        )
        if answer.is_positive:
            self.shapes.count(outcome, self._now())
        if link is None or transaction.outcome_unknown:
            return  # Whether the letter arrived is unknown: no event says that it did.
        make = events.letter_delivered if answer.is_positive else events.letter_refused
        self._record(make(link.company, link.link_id, self._now(), answer.code), job)

    def _count(self, outcome: Outcome, transaction: Transaction, times: _Times) -> None:
        decision, verdict, metrics = outcome.decision, outcome.verdict, self._metrics
        metrics.message(decision.action.value, decision.reason.value)
        is_rejection = verdict is not None and verdict.kind is Kind.REJECTION
        if (is_rejection or outcome.is_approved) and decision.reason not in _AS_WANTED:
            metrics.not_injected(decision.reason.value)
        if transaction.outcome_unknown:
            metrics.outcome_unknown()
        metrics.spent(Station.JUDGE, times.judged - times.started)
        metrics.spent(Station.RECORD, times.recorded - times.judged)
        metrics.spent(Station.SEND, times.sent - times.recorded)

    def _record(self, event: events.Event, job: Job) -> None:
        """Record what became of the letter, behind the reply: the mail does not wait for it."""
        task = asyncio.create_task(self._submit(event, job.incident))
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    async def _submit(self, event: events.Event, incident: str) -> None:
        try:
            await self._inbox.submit(event, company_seconds=COMPANY_SECONDS)
        except InboxError as error:
            log.warning("delivery_not_recorded", incident=incident, error=str(error))

    async def close(self) -> None:
        """Wait until what was delivered is on record."""
        if self._records:
            await asyncio.wait(set(self._records))
        self._threads.shutdown(wait=False)


def _queue_id(answer: Reply) -> str | None:
    """Return under what name the next hop has the message, as Postfix, Exim and others tell it."""
    found = _QUEUE_ID.search(answer.lines[-1]) if answer.is_positive else None
    return found[1] if found else None


def _received_count(message: bytes) -> int:
    end = message.find(b"\r\n\r\n", 0, HEADER_SEARCHED_MAX_BYTES)
    head = message[: HEADER_SEARCHED_MAX_BYTES if end == -1 else end]
    return (b"\n" + head.lower()).count(b"\nreceived:")
