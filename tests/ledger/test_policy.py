"""Policies as data, and a change of the rule while referrals are on their way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.credits import Account, Book, Decision, Unit
from ledger.events import Event, EventType, encode
from ledger.fold import FoldError, rebuild
from ledger.operations import hold_over
from ledger.policies import read_policies
from ledger.policy import HOLDS, PolicyError, parse_policies, policies_between, policy_at
from ledger.timetable import JAPAN
from tests.ledger.parts import NOW, issue, signup

TEXT = "Ten for one."
TEXT_SHA256 = "2d633fce58fab6eb53c343cb030133fbfe9811c6d1341287bc810c0ba196362c"

# The rule changes in July, ninety-one days after NOW.
JULY = datetime(2026, 7, 1, tzinfo=UTC)
TO_JULY = 91


def policies_text(**changes: str) -> str:
    """Return policy data."""
    fields = {
        "id": '"one"',
        "valid_from": '"2026-01-01T00:00:00.000Z"',
        "threshold": "10",
        "grant": "1",
        "per_link": "1",
        "person_days": "365",
        "hold_days": "0",
        "slot_lifetime_days": "0",
        "text": f'"{TEXT}"',
        "text_sha256": f'"{TEXT_SHA256}"',
        **changes,
    }
    return "[[policy]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


EIGHT = policies_text(id='"two"', valid_from='"2026-07-01T00:00:00.000Z"', threshold="8")
TWO = parse_policies(policies_text() + EIGHT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "policy = 1",
        "[[policy]]\nid = 1",
        policies_text(text='"Nine for one."'),
        policies_text(text="9"),
        policies_text(id='"a policy"'),
        policies_text(id="7"),
        policies_text(threshold="0"),
        policies_text(threshold="10.5"),
        policies_text(grant="true"),
        policies_text(person_days="-1"),
        policies_text(hold_days="36526"),
        policies_text(surprise="1"),
        policies_text(holds='["surprise"]'),
        policies_text(holds="[1]"),
        policies_text(holds="1"),
        policies_text(holds='["burst"]'),
        policies_text(burst_per_hour="-1"),
        policies_text(valid_from='"2026"'),
        policies_text() + policies_text(),
        policies_text() + policies_text(id='"two"'),
    ],
)
def test_unusable_policies_are_refused(text: str) -> None:
    """Policy data that is incomplete, ambiguous, or whose text was changed, is an error."""
    with pytest.raises(PolicyError):
        parse_policies(text)


def test_the_shipped_policy() -> None:
    """Ten for one, no hold, no expiry; a notice of thirty days where slots expire."""
    policy = read_policies()[0]
    assert (policy.id, policy.threshold, policy.grant) == ("10-for-1@2026-01", 10, 1)
    assert (policy.hold_days, policy.slot_lifetime_days) == (0, 0)
    assert policy.expiry_notice_days == 30
    assert policy.slot_lifetime is None


def test_the_shipped_policy_with_holds() -> None:
    """From 27 November 2026 in Japan: the same numbers, and every hold there is."""
    before, policy = read_policies()
    assert policy.valid_from == datetime(2026, 11, 27, tzinfo=JAPAN)
    assert (before.holds, policy.holds, policy.burst_per_hour) == ((), HOLDS, 30)
    numbers = ("threshold", "grant", "per_link", "person_days", "hold_days", "slot_lifetime_days")
    for name in numbers:
        assert getattr(policy, name) == getattr(before, name)


def test_the_policy_of_the_time_is_found() -> None:
    """A policy is valid from its moment until the next one's, the first one also before."""
    assert policy_at(TWO, JULY).id == "two"
    assert policy_at(TWO, JULY - timedelta(milliseconds=1)).id == "one"
    assert policy_at(TWO, NOW - timedelta(days=3650)).id == "one"
    between = policies_between(TWO, JULY - timedelta(days=1), JULY + timedelta(days=1))
    assert [policy.id for policy in between] == ["one", "two"]
    assert [policy.id for policy in policies_between(TWO, JULY, JULY)] == ["two"]
    assert [policy.id for policy in policies_between(TWO, NOW, JULY)] == ["one"]


def log_of(book: Book, events: list[Event]) -> list[tuple[str, bytes]]:
    """Return the log that the events make in the book."""
    return [
        (each.id, encode(each)) for event in events for each in (event, *book.apply(event).derived)
    ]


def referrals(numbers: range, days: int) -> list[Event]:
    """Return letters with registrations so many days from now."""
    return [event for n in numbers for event in (issue(n), signup(n, days=days))]


def test_a_change_of_the_rule_finds_referrals_on_their_way() -> None:
    """Seven under ten-for-one and the eighth under eight-for-one are a slot, and what is before
    the change stays as it was decided: nine did not make one then.
    """
    book = Book("aozora", TWO)
    log = log_of(book, referrals(range(9), TO_JULY - 1))
    assert book.balance(Account.OPEN, Unit.REFERRAL) == 9
    log += log_of(book, referrals(range(20, 21), TO_JULY + 1))
    # Ten are open; the new rule takes eight.
    assert book.balance(Account.OPEN, Unit.REFERRAL) == 2
    log += log_of(book, referrals(range(30, 36), TO_JULY + 2))
    assert book.balance(Account.OPEN, Unit.REFERRAL) == 0
    assert book.balance(Account.AVAILABLE, Unit.SLOT) == 2
    assert rebuild("aozora", log, TWO) == {
        place: amount for place, amount in book.balances.items() if amount
    }


def test_a_late_report_is_decided_by_the_rule_of_its_day() -> None:
    """A registration of June that arrives in July counts towards ten."""
    book = Book("aozora", TWO)
    log_of(book, referrals(range(7), TO_JULY - 2))
    log_of(book, referrals(range(10, 11), TO_JULY - 1))
    assert book.balance(Account.AVAILABLE, Unit.SLOT) == 0
    log_of(book, referrals(range(11, 12), TO_JULY))
    assert book.balance(Account.AVAILABLE, Unit.SLOT) == 1


def test_replayed_under_another_rule_the_log_is_refused() -> None:
    """Only the policies a log was written under give it."""
    log = log_of(Book("aozora", TWO), referrals(range(8), TO_JULY + 1))
    with pytest.raises(FoldError):
        rebuild("aozora", log, TWO[:1])


def test_a_hold_begun_before_the_change_ends_by_its_own_rule() -> None:
    """Its days are those of the registration's policy; the grant is of the release's."""
    text = policies_text(hold_days="14") + EIGHT
    policies = parse_policies(text)
    book = Book("aozora", policies)
    rulings = [book.apply(event) for event in referrals(range(8), TO_JULY - 1)]
    assert rulings[-1].decision is Decision.HELD
    assert book.balance(Account.HELD, Unit.REFERRAL) == 8
    due = signup(0, days=TO_JULY - 1).time + timedelta(days=14)
    granted: list[Event] = []
    for number in range(8):
        referral = book.holdings.referrals[signup(number).id]
        assert referral.due == due
        granted.extend(book.apply(hold_over(referral, due)).derived)
    assert [each.type for each in granted] == [EventType.SLOT_GRANTED]
    assert granted[0].data["policy"] == "two"
    assert book.balance(Account.HELD, Unit.REFERRAL) == 0


def test_a_policy_may_grant_several_slots_at_once() -> None:
    """Each has a number of its own, and the next grant goes on behind them."""
    book = Book("aozora", parse_policies(policies_text(threshold="2", grant="3")))
    made = log_of(book, referrals(range(4), 0))
    grants = [name for name, _ in made if name.startswith("slot.granted")]
    assert grants == ["slot.granted:aozora/1", "slot.granted:aozora/4"]
    assert sorted(book.holdings.slots) == [1, 2, 3, 4, 5, 6]
