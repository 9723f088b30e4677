"""What we may do with a letter: `INJECT` or `PASS`, always with one reason from a closed list.

Pure rules over values. The reasons are the words of logs, metrics, events and `check`; operators
build alerts on them, so a name is never reused for something else. Also stated here, because every
rule serves it: a line in the wrong letter is worse than a line missing, so whatever is not clearly
a rejection passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.approved import is_forbidden
from relay.company import Company, Mode
from relay.phrases import find_phrase
from relay.verdict import Kind, Verdict


class Action(StrEnum):
    """The two things we can do."""

    INJECT = "inject"
    PASS = "pass"  # noqa: S105 (the word of DESIGN, not a password)


class Reason(StrEnum):
    """Why a letter was changed, or why it passed. Closed: new reasons are added here first."""

    # The one reason that goes with INJECT.
    INJECTED = "injected"

    # The company and the letter's way.
    NOT_OWN_COMPANY = "not_own_company"  # the sender belongs to no company of ours
    MODE_OFF = "mode_off"
    OBSERVE = "observe"  # would have been injected, the company only watches
    INTERNAL_RECIPIENTS = "internal_recipients"
    NO_RECIPIENTS = "no_recipients"
    SUPPRESSED = "suppressed"  # recognised, but a recipient wants no line (the opt-out page)
    OVERRIDE = "override"  # the recruiter's own tag, taken out of the subject
    OVERRIDE_KEPT = "override_kept"  # the same, but it could not be taken out safely

    # What kind of mail it is.
    LIST_MAIL = "list_mail"
    AUTO_SUBMITTED = "auto_submitted"
    NULL_SENDER = "null_sender"
    DELIVERY_REPORT = "delivery_report"
    CALENDAR = "calendar"
    ENCRYPTED = "encrypted"
    SIGNED = "signed"
    PGP = "pgp"
    TNEF = "tnef"

    # The judgement.
    NOT_REJECTION = "not_rejection"
    UNSURE = "unsure"
    NOT_APPROVED = "not_approved"  # recognised, but the company accepts approved letters only
    STOP_PHRASE = "stop_phrase"  # recognised, but it holds one of the company's stop_phrases
    MUST_PHRASE_MISSING = "must_phrase_missing"  # recognised, but it holds none of must_phrases

    # The message as bytes.
    AMBIGUOUS_MIME = "ambiguous_mime"
    NO_TEXT_PART = "no_text_part"
    TOO_LARGE = "too_large"
    TOO_MANY_PARTS = "too_many_parts"
    TOO_DEEP = "too_deep"
    BROKEN_HEADER = "broken_header"
    UNCLOSED_MULTIPART = "unclosed_multipart"
    HEADER_TOO_LARGE = "header_too_large"
    NUL_BYTES = "nul_bytes"
    BROKEN_ENCODING = "broken_encoding"
    UNKNOWN_ENCODING = "unknown_encoding"
    CHARSET_UNSUPPORTED = "charset_unsupported"
    STRUCTURE_UNSUPPORTED = "structure_unsupported"  # readers would differ on what they show
    BODY_DIGEST_HEADER = "body_digest_header"  # Content-Length, Content-MD5 and the like
    NOT_REVERSIBLE = "not_reversible"
    DKIM_SIGNED = "dkim_signed"  # and the company's `dkim` says that such letters pass
    DKIM_NO_KEY = "dkim_no_key"  # to be signed anew, but there is no key for the domain of From
    DKIM_NOT_VALID = "dkim_not_valid"  # … but the signature on it is not a valid one of From's
    DKIM_FAILED = "dkim_failed"  # to be signed anew, but it could not be
    ALREADY_MARKED = "already_marked"  # our own valid mark is on it
    ALREADY_LINKED = "already_linked"  # the conversation carries our link

    # Ours: promise 1 of DESIGN, the original bytes go downstream.
    TEMPLATE_MISSING = "template_missing"
    STORE_UNAVAILABLE = "store_unavailable"
    TIME_BOX = "time_box"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a letter and why."""

    action: Action
    reason: Reason
    words: str = ""
    """The tag or phrase of the company that it rests on, as configured."""


def decide(
    company: Company | None,
    verdict: Verdict,
    *,
    approved: bool = False,
    texts: Sequence[str] = (),
) -> Decision:
    """Return what `company` wants done with a letter of this verdict.

    `approved` says that the letter is one of the company's approved letters: then it is a rejection
    whatever the words say, unless one of them forbids it. `texts` are its subject and own text.
    `observe` comes last, so that its count is the number of letters that would have been changed;
    phrases come before it, so that theirs is the number that they have kept from it.
    """
    if company is None:
        return Decision(Action.PASS, Reason.NOT_OWN_COMPANY)
    if company.mode is Mode.OFF:
        return Decision(Action.PASS, Reason.MODE_OFF)
    if not approved or is_forbidden(verdict):
        if verdict.kind is Kind.OTHER:
            return Decision(Action.PASS, Reason.NOT_REJECTION)
        if verdict.kind is Kind.UNSURE:
            return Decision(Action.PASS, Reason.UNSURE)
        if company.accept == "approved":
            return Decision(Action.PASS, Reason.NOT_APPROVED)
    stop = find_phrase(company.stop_phrases, texts)
    if stop is not None:
        return Decision(Action.PASS, Reason.STOP_PHRASE, stop)
    if company.must_phrases and find_phrase(company.must_phrases, texts) is None:
        return Decision(Action.PASS, Reason.MUST_PHRASE_MISSING)
    if company.mode is Mode.OBSERVE:
        return Decision(Action.PASS, Reason.OBSERVE)
    return Decision(Action.INJECT, Reason.INJECTED)
