"""The ledger as a fold of the log."""

from __future__ import annotations

import pytest

from ledger.credits import Account, Book, Unit, nonzero
from ledger.events import Event, EventType, derived, encode
from ledger.fold import FoldError, rebuild
from tests.ledger.parts import POLICIES, click, issue, letters_and_signups, signup

EVENTS = [*letters_and_signups(11), signup(30, of_link=2), signup(31), click(1)]


def log_of(events: list[Event]) -> list[tuple[str, bytes]]:
    """Return the log that these events make."""
    book = Book("aozora", POLICIES)
    return [
        (each.id, encode(each)) for event in events for each in (event, *book.apply(event).derived)
    ]


def test_the_log_alone_gives_the_balances() -> None:
    """Replaying the stored bytes gives what the book that wrote them held."""
    book = Book("aozora", POLICIES)
    for event in EVENTS:
        book.apply(event)
    found = rebuild("aozora", log_of(EVENTS), POLICIES)
    assert found == nonzero(book.balances)
    assert found[Account.AVAILABLE, Unit.SLOT] == 1
    assert found[Account.OPEN, Unit.REFERRAL] == 1
    assert found[Account.HELD, Unit.REFERRAL] == 1


def test_what_a_rule_made_must_be_there() -> None:
    """A log without one of its derived entries is refused where that was due."""
    log = log_of(EVENTS)
    for index, (name, _) in enumerate(log):
        if name.startswith(("referral.", "slot.")):
            with pytest.raises(FoldError, match="was due"):
                rebuild("aozora", log[:index] + log[index + 1 :], POLICIES)


def test_a_log_that_ends_too_early_is_refused() -> None:
    """The last derived entry is missed, too."""
    with pytest.raises(FoldError, match="due at the end"):
        rebuild("aozora", log_of([issue(1), signup(1)])[:-1], POLICIES)


@pytest.mark.parametrize("kind", [EventType.REFERRAL_COUNTED, EventType.SLOT_GRANTED])
def test_a_credit_out_of_nothing_is_refused(kind: EventType) -> None:
    """A referral or slot that no signup earned does not pass, however well it is formed."""
    data: dict[str, str | int] = {"policy": POLICIES[0].id, "referrals": 10, "slots": 1}
    forged = derived(kind, signup(50), data)
    with pytest.raises(FoldError, match="does not follow"):
        rebuild("aozora", [*log_of(EVENTS), (forged.id, encode(forged))], POLICIES)


def test_a_changed_decision_is_refused() -> None:
    """An entry in a derived one's place that says something else is not it."""
    log = log_of([issue(1), signup(1)])
    forged = derived(EventType.REFERRAL_COUNTED, signup(1), {"policy": "other", "signup": "x"})
    with pytest.raises(FoldError, match="was due"):
        rebuild("aozora", [*log[:-1], (forged.id, encode(forged))], POLICIES)


def test_entries_belong_to_their_names_and_company() -> None:
    """An entry filed under another id, or in another company's log, is refused."""
    with pytest.raises(FoldError, match="says otherwise"):
        rebuild("aozora", [(issue(2).id, encode(issue(1)))], POLICIES)
    for event in (issue(1), signup(1), click(1)):
        with pytest.raises(FoldError, match="not of midori"):
            rebuild("midori", [(event.id, encode(event))], POLICIES)
    with pytest.raises(FoldError):
        rebuild("aozora", [("x", b"nonsense")], POLICIES)
