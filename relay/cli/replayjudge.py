"""What `careerrelay replay` finds out about one stored message: the path of live mail, unrecorded.

Gate, map, letter, judgement, decision, note and splice are those of `relay.pipeline`; the changed
letter is thrown away. Companies that only watch are replayed as if they did not: what would have
been is the question. Without a configuration the domain of each sender is taken for a company's
own, and its letters for wanted.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from email.utils import parsedate_tz

from relay.charset import decode_header
from relay.cli.dryrules import DRY_CONTACT, dry_rules
from relay.cli.letterfile import envelope_from_header
from relay.cli.replaysums import UNKNOWN, Finding
from relay.cli.warmlexicons import load_warm_lexicons
from relay.company import Company, Mode
from relay.envelope import Envelope, domain_of
from relay.evidence import Evidence
from relay.mimemap import MapError, MessageMap, map_message
from relay.pipeline import Rules, process
from relay.policy import Reason
from relay.verdict import Kind

# Years of a Date field that somebody may have meant: mail began to be kept about then.
YEAR_MIN, YEAR_MAX = 1990, 2099

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judge:
    """The rules of a replay; those of an installation, or of any company that injects."""

    rules: Rules
    is_any_company: bool

    def find(self, message: bytes) -> Finding:
        """Return what becomes of a message. Raises nothing: a bug of ours is `internal_error`."""
        try:
            return self._find(message)
        except Exception:  # Promise 1: on the wire this letter would have passed.
            return Finding(Reason.INTERNAL_ERROR, is_damaged=True)

    def _find(self, message: bytes) -> Finding:
        try:
            message_map = map_message(message)
        except MapError as error:
            return Finding(Reason(error.reason), is_damaged=True)
        envelope = envelope_from_header(message_map)
        rules = self.rules
        if self.is_any_company:
            envelope = Envelope(envelope.sender or "-", envelope.recipients or ("-",))
            rules = _with_company_of(envelope, rules)
        outcome = process(message, envelope, rules)
        verdict = outcome.verdict
        if verdict is None or (verdict.kind is Kind.OTHER and not outcome.is_approved):
            return Finding(outcome.decision.reason)
        link = outcome.link
        return Finding(
            reason=outcome.decision.reason,
            action=outcome.decision.action,
            kind=verdict.kind,
            score=verdict.score,
            month=month_of(message_map),
            language=(link.language if link else verdict.language) or UNKNOWN,
            stage=verdict.stage or UNKNOWN,
            position=verdict.position or UNKNOWN,
            evidence=_strongest(verdict.evidence),
            shape=outcome.shape,
            is_approved=outcome.is_approved,
        )


def judge_for(rules: Rules | None) -> Judge:
    """Return the judge by an installation's rules, without any for whatever company a letter is of.

    `LexiconError` or `TemplateError`: our own files are wrong.
    """
    if rules is None:
        return Judge(dry_rules(load_warm_lexicons()), is_any_company=True)
    return Judge(_injecting(rules), is_any_company=False)


def _injecting(rules: Rules) -> Rules:
    """Return the rules with every company that watches made into one that injects."""
    companies = tuple(
        replace(
            company,
            mode=Mode.INJECT if company.mode is Mode.OBSERVE else company.mode,
            # Whether an old signature was valid can no longer be asked.
            dkim="strip" if company.dkim == "resign" else company.dkim,
        )
        for company in rules.companies
    )
    by_domain = {domain: company for company in companies for domain in company.domains}
    return replace(rules, companies=companies, by_domain=by_domain)


def _with_company_of(envelope: Envelope, rules: Rules) -> Rules:
    """Return the rules for the sender's company, whose only domain is the sender's."""
    domain = domain_of(envelope.sender)
    company = Company(
        "any",
        domain or "-",
        (domain,) if domain else (),
        mode=Mode.INJECT,
        contact=DRY_CONTACT,
    )
    return replace(rules, companies=(company,), by_domain={domain: company})


def _strongest(evidence: tuple[Evidence, ...]) -> str:
    """Return the name of the evidence that says most; a decision before all others."""
    decisions = [item for item in evidence if item.name.startswith("decision.")] or evidence
    best = max(decisions, key=lambda item: abs(item.weight), default=None)
    return best.name if best else ""


def month_of(message_map: MessageMap) -> str:
    """Return the month of the Date field, "YYYY-MM" by the sender's clock, or `unknown`."""
    value = decode_header(message_map.header("date") or b"")[:100]
    try:
        date = parsedate_tz(value)
    except (ValueError, IndexError, OverflowError):  # What it was never tried with.
        return UNKNOWN
    if date is None or not (YEAR_MIN <= date[0] <= YEAR_MAX and 1 <= date[1] <= 12):
        return UNKNOWN
    return f"{date[0]:04}-{date[1]:02}"


def digest_of(message: bytes) -> bytes:
    """Return eight bytes that are the same for every copy of a letter, and for no other letter.

    Message-ID and body count, not the line ends or the fields that storing it adds. Without a
    Message-ID the header counts, too: the letters of one day to two people may have one body.
    """
    gap = _EMPTY_LINE.search(message)
    head, body = (message[: gap.start()], message[gap.end() :]) if gap else (message, b"")
    found = _MESSAGE_ID.search(head)
    digest = hashlib.blake2b(found[1] if found else head, digest_size=8)
    digest.update(b"\0" + body.replace(b"\r\n", b"\n").rstrip())
    return digest.digest()
