"""What a company wants done with a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.company import Company, Mode
from relay.evidence import FORBIDDING_WEIGHT, Evidence
from relay.mimemap import MapReason
from relay.policy import Action, Decision, Reason, decide
from relay.verdict import Kind, Verdict

COMPANY = Company("aozora", "Aozora", ("aozora.example.jp",), mode=Mode.INJECT)


def verdict(kind: Kind) -> Verdict:
    """Return a verdict of this kind."""
    return Verdict(kind, 0.9, (), "ja", None, None)


def test_only_a_rejection_of_an_injecting_company_is_changed() -> None:
    """The one way to INJECT."""
    decision = decide(COMPANY, verdict(Kind.REJECTION))
    assert decision == Decision(Action.INJECT, Reason.INJECTED)


@pytest.mark.parametrize(
    ("company", "kind", "reason"),
    [
        (None, Kind.REJECTION, Reason.NOT_OWN_COMPANY),
        (replace(COMPANY, mode=Mode.OFF), Kind.REJECTION, Reason.MODE_OFF),
        (replace(COMPANY, mode=Mode.OBSERVE), Kind.REJECTION, Reason.OBSERVE),
        (replace(COMPANY, mode=Mode.OBSERVE), Kind.OTHER, Reason.NOT_REJECTION),
        (replace(COMPANY, accept="approved"), Kind.REJECTION, Reason.NOT_APPROVED),
        (COMPANY, Kind.UNSURE, Reason.UNSURE),
        (COMPANY, Kind.OTHER, Reason.NOT_REJECTION),
    ],
)
def test_everything_else_passes_with_its_reason(
    company: Company | None, kind: Kind, reason: Reason
) -> None:
    """In doubt a letter passes, and the reason says why."""
    assert decide(company, verdict(kind)) == Decision(Action.PASS, reason)


def test_an_approved_letter_is_changed_where_only_those_are() -> None:
    """`accept = "approved"` takes letters that match an approved one."""
    company = replace(COMPANY, accept="approved")
    assert decide(company, verdict(Kind.REJECTION), approved=True).action is Action.INJECT


def test_every_reason_of_the_map_is_a_reason_of_ours() -> None:
    """A message that has no map passes with the map's own reason."""
    for reason in MapReason:
        assert Reason(reason.value)


@pytest.mark.parametrize("accept", ["approved", "recognised"])
@pytest.mark.parametrize("kind", list(Kind))
def test_an_approved_letter_is_a_rejection_whatever_its_words_say(accept: str, kind: Kind) -> None:
    """The admin has said what it is, also where the words do not."""
    company = replace(COMPANY, accept=accept)
    assert decide(company, verdict(kind), approved=True) == Decision(Action.INJECT, Reason.INJECTED)
    watching = replace(company, mode=Mode.OBSERVE)
    assert decide(watching, verdict(kind), approved=True).reason is Reason.OBSERVE


@pytest.mark.parametrize(
    ("kind", "reason"), [(Kind.OTHER, Reason.NOT_REJECTION), (Kind.UNSURE, Reason.UNSURE)]
)
def test_a_forbidding_cue_is_stronger_than_an_approval(kind: Kind, reason: Reason) -> None:
    """A letter with an invitation passes, approved or not."""
    cue = Evidence("counter.invites", FORBIDDING_WEIGHT, "please come on Monday")
    found = replace(verdict(kind), evidence=(cue,))
    assert decide(COMPANY, found, approved=True) == Decision(Action.PASS, reason)


def test_only_a_counter_cue_forbids() -> None:
    """How the letter sounds as a whole weighs as much, and is no cue."""
    found = replace(
        verdict(Kind.OTHER), evidence=(Evidence("wording.as-a-whole", 2 * FORBIDDING_WEIGHT, ""),)
    )
    assert decide(COMPANY, found, approved=True).action is Action.INJECT
