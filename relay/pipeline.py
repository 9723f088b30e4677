"""A message through all pure stations: gate, letter, verdict, policy, note, splice.

Values in, values out: no I/O, no clock. What happens around it (the record, the next hop) is the
business of `deliver`; the commands `check` and `inject` use the very same path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from relay.approved import ApprovedLetters
from relay.charset import decode_header
from relay.company import Company, Mode
from relay.companylexicon import CompanyLexicons
from relay.entries import Lexicons
from relay.envelope import Envelope, domain_of
from relay.fingerprint import fingerprint_of
from relay.gate import dismiss
from relay.inject import Mark, NotInjected, inject
from relay.inject import Rules as SafetyRules
from relay.letter import Letter, Words, read_letter, read_names, read_words
from relay.mimemap import MapError, MessageMap, header_start, map_message
from relay.note import NoteTemplates, TemplateError
from relay.notefiles import LANGUAGES
from relay.policy import Action, Decision, Reason, decide
from relay.safety import header_of, is_sealed
from relay.signaturefields import has_signature, set_aside
from relay.subjecttag import Kept, Untagged, find_tag, find_tag_in, take_out
from relay.undo import add_fields
from relay.verdict import TOO_LONG, Verdict, judge, judge_words
from signer.keyring import KeyRing
from signer.links import derive_link_id, link_url
from signer.marks import check_mark, make_mark
from signer.tokens import make_token

if TYPE_CHECKING:
    # With dkimpy and dnspython, which whoever signs nothing need not load.
    from relay.resign import Resigner

# What of the header is searched for From when the envelope does not tell the company.
HEADER_SEARCHED_MAX_BYTES = 64 * 1024
_FROM = re.compile(rb"^from:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
# Why the gate dismisses a letter whose subject may stand in it a second time.
_SEALED = (Reason.SIGNED, Reason.ENCRYPTED, Reason.PGP)
_ADDRESS_DOMAIN = re.compile(r"@([A-Za-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a decision rests on besides the message; replaced as a whole when read again."""

    companies: tuple[Company, ...]
    by_domain: Mapping[str, Company]
    lexicons: Lexicons
    templates: NoteTemplates
    ring: KeyRing
    base_url: str
    approved: ApprovedLetters
    # By company, of those that have wordings of their own.
    own: Mapping[str, CompanyLexicons]
    resigner: Resigner | None


def make_rules(
    companies: Iterable[Company],
    lexicons: Lexicons,
    templates: NoteTemplates,
    ring: KeyRing,
    base_url: str,
    approved: ApprovedLetters | None = None,
    own: Mapping[str, CompanyLexicons] | None = None,
    resigner: Resigner | None = None,
) -> Rules:
    """Return the rules with companies found by their domains."""
    known = tuple(companies)
    return Rules(
        companies=known,
        by_domain={domain: company for company in known for domain in company.domains},
        lexicons=lexicons,
        templates=templates,
        ring=ring,
        base_url=base_url,
        approved=approved or ApprovedLetters(),
        own=own or {},
        resigner=resigner,
    )


@dataclass(frozen=True, slots=True)
class Link:
    """The link a letter gets, and what was read off the letter without any personal data."""

    company: str
    link_id: str
    language: str
    stage: str
    position: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with a message. `message` is the original unless the decision is to inject, or the
    reason is `override`."""

    decision: Decision
    message: bytes
    company: str | None = None
    verdict: Verdict | None = None
    link: Link | None = None
    shape: str = ""
    """Under what id letters like it are counted, where the words or an approval ask for it."""
    is_approved: bool = False
    kept: Kept | None = None
    """Why a recruiter's tag is still in the subject."""


def passed(message: bytes, reason: Reason, instead_of: Outcome | None = None) -> Outcome:
    """Return the outcome that leaves the message as it was."""
    decision = Decision(Action.PASS, reason)
    if instead_of is None:
        return Outcome(decision, message)
    return replace(instead_of, decision=decision, message=message, link=None)


def process(message: bytes, envelope: Envelope, rules: Rules) -> Outcome:
    """Return what becomes of a message."""
    company = find_company(message, envelope, rules)
    if company is None:
        return passed(message, Reason.NOT_OWN_COMPANY)
    if company.mode is Mode.OFF:
        return Outcome(Decision(Action.PASS, Reason.MODE_OFF), message, company.id)
    if company.dkim == "resign" and rules.resigner is not None:
        rules.resigner.ask_ahead(message)
    reason = dismiss(message, envelope, company)
    if reason is not None:
        tag = find_tag_in(message, company.no_relay) if reason in _SEALED else None
        if tag is not None:
            return override(message, company, tag, Kept.SEALED)
        return Outcome(Decision(Action.PASS, reason), message, company.id)
    try:
        message_map = map_message(message)
    except MapError as error:
        tag = find_tag_in(message, company.no_relay)
        if tag is not None:
            return override(message, company, tag, Kept.NOT_MAPPED)
        return Outcome(Decision(Action.PASS, Reason(error.reason)), message, company.id)
    words = read_words(message_map)
    tag = _find_tag(message_map, words, company)
    if tag is not None:
        kept = Kept.SEALED if is_sealed(message_map) else None
        return override(message, company, tag, kept, rules.resigner)
    own = rules.own.get(company.id)
    texts = words.subject, words.text
    read = partial(read_letter, message_map, envelope, words)
    verdict = (
        judge_words(*texts, read, rules.lexicons) if own is None else own.judge_words(*texts, read)
    )
    if verdict is TOO_LONG:
        return Outcome(Decision(Action.PASS, Reason.TIME_BOX), message, company.id, verdict)
    if not verdict.evidence and not rules.approved.may_hold(company.id, words.text):
        return Outcome(decide(company, verdict), message, company.id, verdict)
    fingerprint = fingerprint_of(words.subject, words.text, verdict, read_names(message_map))
    approved = rules.approved.find(company.id, fingerprint)
    decision = decide(company, verdict, approved=approved is not None, texts=texts)
    outcome = Outcome(
        decision,
        message,
        company.id,
        verdict,
        shape=fingerprint.shape,
        is_approved=approved is not None,
    )
    if decision.action is Action.PASS:
        return outcome
    if approved is not None and not verdict.language:
        verdict = replace(verdict, language=approved.language)
    noted = add_note(message_map, envelope, company, verdict, rules)
    return replace(noted, shape=outcome.shape, is_approved=outcome.is_approved)


def _find_tag(message_map: MessageMap, words: Words, company: Company) -> str | None:
    if len(message_map.headers("subject")) > 1:  # Only the first of them has been read.
        return find_tag_in(message_map.message, company.no_relay)
    return find_tag(words.subject, company.no_relay)


def override(
    message: bytes,
    company: Company,
    tag: str,
    kept: Kept | None = None,
    resigner: Resigner | None = None,
) -> Outcome:
    """Return what becomes of a message with a recruiter's tag in its subject: no line, no tag.

    `kept` is what forbids taking it out, if anything is known to.
    """
    if kept is None and company.mode is Mode.OBSERVE:
        kept = Kept.OBSERVE
    untagged = Untagged(message, kept) if kept else take_out(message, company.no_relay)
    if untagged.kept is Kept.DKIM_SIGNED and company.dkim != "pass":
        untagged = _untagged_though_signed(message, company, resigner)
    reason = Reason.OVERRIDE_KEPT if untagged.kept else Reason.OVERRIDE
    decision = Decision(Action.PASS, reason, tag)
    return Outcome(decision, untagged.message, company.id, kept=untagged.kept)


def _untagged_though_signed(
    message: bytes, company: Company, resigner: Resigner | None
) -> Untagged:
    """Return a message without its tag and without the signature over it, or as it was."""
    message_map = map_message(message)
    header = header_of(message_map)
    front, body = message[: header_start(message)], message[message_map.root.body_start :]
    untagged = take_out(front + set_aside(header) + body, company.no_relay)
    if untagged.kept is None and company.dkim == "strip":
        return untagged
    if untagged.kept is None and resigner is not None:
        try:
            ours = resigner.signatures(message_map, untagged.message, company.domains)
        except NotInjected:
            return Untagged(message, Kept.DKIM_SIGNED)
        return Untagged(front + ours + untagged.message[len(front) :])
    return Untagged(message, Kept.DKIM_SIGNED)


def judge_letter(letter: Letter, company: Company | None, rules: Rules) -> Verdict:
    """Return the verdict on a letter by what the letters of its company are judged by."""
    own = None if company is None else rules.own.get(company.id)
    return judge(letter, rules.lexicons) if own is None else own.judge(letter)


def add_note(
    message_map: MessageMap, envelope: Envelope, company: Company, verdict: Verdict, rules: Rules
) -> Outcome:
    """Return the letter with the note in it, or unchanged where that cannot be done safely."""
    message = message_map.message
    link_id = derive_link_id(
        rules.ring,
        company.id,
        envelope.sender,
        envelope.recipients,
        message_digest(message_map),
    )
    url = link_url(rules.base_url, make_token(rules.ring, company.id, link_id))
    message_id = message_map.header("message-id") or b""
    mark = Mark(link_id, make_mark(rules.ring, company.id, message_id, link_id))
    safety = SafetyRules(
        rules.base_url,
        is_own_mark=lambda found: _is_ours(found, message_id, rules),
        may_set_aside=company.dkim != "pass",
    )
    language = verdict.language if verdict.language in LANGUAGES else company.language
    try:
        notes = rules.templates.notes(company, language, url, verdict.stage or "")
        changed = inject(message_map, notes, mark, safety).message
        changed = _signed_anew(changed, message_map, company, rules)
    except NotInjected as error:
        decision = Decision(Action.PASS, Reason(error.reason))
        return Outcome(decision, message, company.id, verdict)
    except TemplateError:
        decision = Decision(Action.PASS, Reason.TEMPLATE_MISSING)
        return Outcome(decision, message, company.id, verdict)
    link = Link(company.id, link_id, language, verdict.stage or "", verdict.position or "")
    decision = Decision(Action.INJECT, Reason.INJECTED)
    return Outcome(decision, changed, company.id, verdict, link)


def _signed_anew(changed: bytes, message_map: MessageMap, company: Company, rules: Rules) -> bytes:
    """Return a changed letter with our signature, if it lost one and the company wants ours."""
    if company.dkim != "resign" or not has_signature(header_of(message_map)):
        return changed
    if rules.resigner is None:
        raise NotInjected(Reason.DKIM_NO_KEY)
    fields = rules.resigner.signatures(message_map, changed, company.domains)
    return add_fields(changed, fields)


def find_company(message: bytes, envelope: Envelope, rules: Rules) -> Company | None:
    """Return the company whose domain the envelope sender has, or else From."""
    company = rules.by_domain.get(domain_of(envelope.sender))
    if company is not None:
        return company
    head = _EMPTY_LINE.split(message[:HEADER_SEARCHED_MAX_BYTES], maxsplit=1)[0]
    found = _FROM.search(head)
    if found is None:
        return None
    for domain in reversed(_ADDRESS_DOMAIN.findall(decode_header(found[1]))):
        company = rules.by_domain.get(domain.lower())
        if company is not None:
            return company
    return None


def _is_ours(found: Mark, message_id: bytes, rules: Rules) -> bool:
    """Say whether we changed this message already: a mark that somebody forged does not count."""
    companies = [company.id for company in rules.companies]
    return check_mark(rules.ring, companies, message_id, found.link_id, found.mac) is not None


def message_digest(message_map: MessageMap) -> bytes:
    """Return a digest of what makes this the same letter when it is sent again.

    Message-ID and body count. Trace fields do not: a cloud system may retry from another machine,
    with other Received lines.
    """
    message_id = (message_map.header("message-id") or b"").strip()
    digest = hashlib.sha256(len(message_id).to_bytes(4, "big") + message_id)
    digest.update(message_map.message[message_map.root.body_start :])
    return digest.digest()
