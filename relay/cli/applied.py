"""What a company has said itself about a letter, in words: its tags, phrases and wordings."""

from __future__ import annotations

from collections.abc import Iterator

from relay.charset import decode_header
from relay.mimemap import MapError, map_message
from relay.pipeline import Outcome, Rules
from relay.policy import Reason
from relay.subjecttag import Kept
from relay.verdict import Verdict

_KEPT = {
    Kept.TWO_SUBJECTS: "the letter has two Subject fields",
    Kept.DKIM_SIGNED: "a signature of the mail system (DKIM) covers the subject and would break",
    Kept.NOT_SAFE: "the subject cannot be written without it so that everybody reads the rest",
    Kept.SEALED: "the letter is signed or encrypted",
    Kept.NOT_MAPPED: "mail programs would read the message in different ways",
    Kept.OBSERVE: 'the company has mode = "observe", in which nothing is changed',
}


def applied(outcome: Outcome, verdict: Verdict, rules: Rules | None) -> Iterator[str]:
    """Yield a sentence for each setting of the company that decided or weighed in."""
    reason, words = outcome.decision.reason, outcome.decision.words
    if reason is Reason.OVERRIDE:
        yield (
            f'no line: the subject holds "{words}" (no_relay). It is taken out, and the candidate '
            f'reads "{_subject(outcome.message)}"'
        )
    elif reason is Reason.OVERRIDE_KEPT and outcome.kept is not None:
        yield (
            f'no line: the subject holds "{words}" (no_relay). It stays, and the candidate sees '
            f"it: {_KEPT[outcome.kept]}"
        )
    elif reason is Reason.STOP_PHRASE:
        yield f'no line: the letter holds "{words}" (stop_phrases)'
    elif reason is Reason.MUST_PHRASE_MISSING:
        yield "no line: the letter holds none of the company's must_phrases"
    own = rules.own.get(outcome.company or "") if rules is not None else None
    for item in own.own_evidence(verdict) if own is not None else ():
        yield f"{item.name} is from the company's own lexicon"


def _subject(message: bytes) -> str:
    try:
        return decode_header(map_message(message).header("subject") or b"")
    except MapError:
        return ""
