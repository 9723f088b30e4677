"""The rules of the ledger, called directly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.credits import (
    Account,
    Book,
    Decision,
    Posting,
    Transfer,
    Unit,
    transfers_of,
)
from ledger.events import INSTALLATION, Event, EventError, EventType, derived
from tests.ledger.parts import POLICIES, click, delivery, issue, letters_and_signups, signup


def book(company: str = "aozora") -> Book:
    """Return an empty book."""
    return Book(company, POLICIES)


def fed(*events: Event) -> Book:
    """Return a book with these events."""
    made = book()
    for event in events:
        made.apply(event)
    return made


def balances(made: Book) -> tuple[int, int, int]:
    """Return what is open, held and available."""
    return (
        made.balance(Account.OPEN, Unit.REFERRAL),
        made.balance(Account.HELD, Unit.REFERRAL),
        made.balance(Account.AVAILABLE, Unit.SLOT),
    )


def test_ten_referrals_grant_one_slot() -> None:
    """The tenth grants exactly one slot, with it and not before; the nine more do not."""
    made = book()
    for count, event in enumerate(letters_and_signups(19), start=1):
        ruling = made.apply(event)
        granted = [each for each in ruling.derived if each.type is EventType.SLOT_GRANTED]
        assert len(granted) == (count == 20)
    assert balances(made) == (9, 0, 1)
    assert made.balance(Account.REDEEMED, Unit.REFERRAL) == 10


def test_every_twenty_referrals_are_two_slots() -> None:
    """Grants have numbers of their own."""
    made = book()
    names = [
        each.id
        for event in letters_and_signups(20)
        for each in made.apply(event).derived
        if each.type is EventType.SLOT_GRANTED
    ]
    assert names == ["slot.granted:aozora/1", "slot.granted:aozora/2"]


def test_a_link_is_used_once() -> None:
    """The second registration by one link is a duplicate, on record with its reason."""
    made = fed(issue(1), signup(1))
    ruling = made.apply(signup(2, of_link=1))
    assert ruling.decision is Decision.DUPLICATE
    assert ruling.reasons == ("link_already_used",)
    assert [each.type for each in ruling.derived] == [EventType.REFERRAL_REJECTED]
    assert ruling.transfers == ()
    assert balances(made) == (1, 0, 0)


@pytest.mark.parametrize(
    ("days", "decision"),
    [
        (0, Decision.DUPLICATE),
        (364, Decision.DUPLICATE),
        (-364, Decision.DUPLICATE),
        (365, Decision.COUNTED),
        (-365, Decision.COUNTED),
    ],
)
def test_a_person_counts_once_a_year(days: int, decision: Decision) -> None:
    """The same person by another letter counts again after 365 days, whatever the order."""
    made = fed(issue(1), issue(2), delivery(2), signup(1))
    assert made.apply(signup(2, of_person=1, days=days)).decision is decision


def test_a_duplicate_claims_nothing() -> None:
    """A registration refused for its person leaves its link to somebody else."""
    made = fed(issue(1), issue(2), signup(1), signup(2, of_person=1))
    assert made.apply(signup(3, of_link=2)).decision is Decision.COUNTED


def test_no_letter_on_record_is_held() -> None:
    """A link that no letter is on record for moves a referral to the hold account."""
    made = book()
    ruling = made.apply(signup(1))
    assert (ruling.decision, ruling.reasons) == (Decision.HELD, ("no_letter_on_record",))
    assert balances(made) == (0, 1, 0)


def test_installation_explains_no_signup() -> None:
    """A registration that no company's link explains is unattributed and moves nothing."""
    ruling = book(INSTALLATION).apply(signup(1, INSTALLATION))
    assert ruling.decision is Decision.UNATTRIBUTED
    assert ruling.derived == ()
    assert ruling.transfers == ()


def test_other_events_are_recorded() -> None:
    """A click is worth nothing."""
    ruling = book().apply(click(1))
    assert (ruling.decision, ruling.transfers) == (Decision.RECORDED, ())


def test_nobody_reports_what_a_rule_makes() -> None:
    """Counted referrals, holds and grants come from rules only."""
    with pytest.raises(EventError):
        book().apply(derived(EventType.REFERRAL_COUNTED, signup(1), {}))
    with pytest.raises(ValueError, match="in the book of"):
        book("midori").apply(issue(1))


@pytest.mark.parametrize("slots", [-1, "1"])
def test_amounts_are_counts(slots: int | str) -> None:
    """An event cannot move less than nothing."""
    with pytest.raises(EventError):
        transfers_of(
            derived(EventType.SLOT_GRANTED, signup(1), {"referrals": 10, "slots": slots}), "one"
        )


def test_a_signup_names_its_link() -> None:
    """A signup without what the decision needs is an error that names the field."""
    whole = signup(1)
    data = {name: value for name, value in whole.data.items() if name != "link_id"}
    cut = Event(whole.id, whole.type, whole.company, whole.time, whole.subject, data)
    with pytest.raises(EventError, match=r"data\.link_id"):
        book().apply(cut)


def test_a_transfer_sums_to_zero() -> None:
    """One that does not cannot be made."""
    posting = Posting(Account.OPEN, Unit.REFERRAL, 1)
    with pytest.raises(ValueError, match="sum to zero"):
        Transfer("k", "aozora", "e", "r", "p", (posting,))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(0, 12))))
def test_whatever_happens_sums_stay_zero(happenings: list[tuple[int, int, int]]) -> None:
    """Over all accounts each unit sums to zero, and no referral is made or lost."""
    made = book()
    for number in range(10):
        made.apply(issue(number))
    keys: list[str] = []
    seen: set[int] = set()
    for number, of_link, of_person in happenings:
        if number not in seen:
            seen.add(number)
            ruling = made.apply(signup(number, of_link=of_link, of_person=of_person))
            keys.extend(transfer.key for transfer in ruling.transfers)
    assert len(keys) == len(set(keys))
    for unit in Unit:
        assert sum(made.balance(account, unit) for account in Account) == 0
    is_open, held, slots = balances(made)
    assert 0 <= is_open < 10
    assert is_open + 10 * slots + held == -made.balance(Account.CANDIDATES, Unit.REFERRAL)
