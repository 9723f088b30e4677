"""Two people for a judgement, legal steps for a slot: what is refused moves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.credits import Account, Book, Decision, Reason, Ruling, Unit
from ledger.events import Event, EventType
from ledger.holdings import is_operator
from ledger.operations import (
    change_confirmed,
    change_proposed,
    expiry_noticed,
    hold_over,
    reservation_over,
    slot_expired,
    slot_released,
    slot_reserved,
    slot_used,
)
from ledger.policy import parse_policies
from ledger.states import Action, SlotState
from tests.ledger.parts import NOW, POLICIES, letters_and_signups, signup
from tests.ledger.test_policy import policies_text

DAY = timedelta(days=1)
LASTING = parse_policies(policies_text(threshold="1", slot_lifetime_days="90"))


def fed(*events: Event) -> Book:
    """Return a book with these events."""
    book = Book("aozora", POLICIES)
    for event in events:
        book.apply(event)
    return book


def on(book: Book, account: Account) -> int:
    """Return what is on an account, in the one unit it is kept in."""
    return sum(book.balance(account, unit) for unit in Unit)


def propose(action: Action, target: str, by: str = "sato", request: str = "r1") -> Event:
    """Return a proposal."""
    return change_proposed("aozora", action, target, NOW, by=by, why="seen", request=request)


def confirm(book: Book, proposal: Event, by: str = "suzuki") -> Event:
    """Return the confirmation of a proposal."""
    found = book.holdings.proposals[proposal.id]
    return change_confirmed("aozora", found, NOW, by=by, why="agreed")


def changed(event: Event, **data: str | int) -> Event:
    """Return the event with other data; an empty string leaves a field out."""
    whole = {**event.data, **data}
    kept: Mapping[str, str | int] = {name: value for name, value in whole.items() if value != ""}
    return Event(event.id, event.type, event.company, event.time, event.subject, kept)


def assert_refused(book: Book, event: Event, reason: Reason) -> None:
    """The event is refused for this reason, and the book is what it was."""
    before = book.copy()
    assert book.apply(event) == Ruling(Decision.REFUSED, (reason,))
    assert book.balances == before.balances
    assert book.holdings == before.holdings


def test_two_people_release_a_held_referral() -> None:
    """The proposal moves nothing; the confirmation counts it, and may make a slot due."""
    book = fed(*letters_and_signups(9), signup(9))
    proposal = propose(Action.RELEASE, signup(9).id)
    assert book.apply(proposal) == Ruling(Decision.RECORDED)
    assert (on(book, Account.HELD), on(book, Account.OPEN)) == (1, 9)
    ruling = book.apply(confirm(book, proposal))
    assert [each.type for each in ruling.derived] == [EventType.SLOT_GRANTED]
    assert [transfer.rule for transfer in ruling.transfers] == ["referral.released", "slot.granted"]
    assert all(transfer.policy == POLICIES[0].id for transfer in ruling.transfers)
    assert (on(book, Account.HELD), on(book, Account.OPEN), on(book, Account.AVAILABLE)) == (
        0,
        0,
        1,
    )


def test_two_people_reject_a_held_referral() -> None:
    """It goes back to where it came from and leaves its link and person claimed."""
    book = fed(signup(9))
    proposal = propose(Action.REJECT, signup(9).id)
    book.apply(proposal)
    book.apply(confirm(book, proposal))
    assert (on(book, Account.HELD), on(book, Account.CANDIDATES)) == (0, 0)
    assert book.apply(signup(10, of_link=9)).decision is Decision.DUPLICATE


def test_a_reversal_after_a_grant_leaves_the_slot() -> None:
    """The balance goes negative and the next referral fills it."""
    book = fed(*letters_and_signups(10))
    proposal = propose(Action.REVERSE, signup(3).id)
    book.apply(proposal)
    book.apply(confirm(book, proposal))
    assert (on(book, Account.OPEN), on(book, Account.AVAILABLE)) == (-1, 1)
    for event in letters_and_signups(1, start=10):
        book.apply(event)
    assert (on(book, Account.OPEN), on(book, Account.AVAILABLE)) == (0, 1)


def test_a_released_referral_can_be_reversed() -> None:
    """Released it counts like any other."""
    book = fed(signup(9))
    for number, action in enumerate((Action.RELEASE, Action.REVERSE)):
        proposal = propose(action, signup(9).id, request=f"r{number}")
        book.apply(proposal)
        assert book.apply(confirm(book, proposal)).decision is Decision.RECORDED
    assert not any(book.balances.values())


def test_two_people_void_a_slot() -> None:
    """A slot that nobody has reserved is taken away by two."""
    book = fed(*letters_and_signups(10))
    proposal = propose(Action.VOID, "aozora/1")
    book.apply(proposal)
    assert_refused(book, confirm(book, proposal, by="sato"), Reason.SAME_PERSON)
    assert book.apply(confirm(book, proposal)).decision is Decision.RECORDED
    assert on(book, Account.VOIDED) == 1
    assert book.holdings.slots[1].state is SlotState.VOIDED


def test_confirmations_that_are_refused() -> None:
    """By the same person, of nothing proposed, of something else, of another's, twice."""
    book = fed(signup(8), signup(9))
    proposal = propose(Action.RELEASE, signup(9).id)
    other = propose(Action.REJECT, signup(8).id, request="r2")
    book.apply(proposal)
    book.apply(other)
    good = confirm(book, proposal)
    assert_refused(book, confirm(book, proposal, by="sato"), Reason.SAME_PERSON)
    for data in (
        {"proposal": "change.proposed:aozora/none"},
        {"proposal": other.id},
        {"signup": signup(8).id},
        {"proposed_by": "tanaka"},
    ):
        assert_refused(book, changed(good, **data), Reason.NOTHING_PROPOSED)
    for field in ("by", "why", "proposed_by", "proposal", "signup"):
        assert_refused(book, changed(good, **{field: ""}), Reason.INCOMPLETE)
    assert_refused(book, changed(good, rule="mine"), Reason.INCOMPLETE)
    assert_refused(book, changed(good, rule="hold_period"), Reason.NOT_DUE)
    assert_refused(book, changed(confirm(book, other), from_held=0), Reason.INCOMPLETE)
    assert book.apply(good).decision is Decision.RECORDED
    assert_refused(book, confirm(book, proposal, by="tanaka"), Reason.ALREADY_CONFIRMED)


def test_of_two_proposals_the_second_comes_too_late() -> None:
    """What was released meanwhile cannot be rejected any more."""
    book = fed(signup(9))
    release = propose(Action.RELEASE, signup(9).id)
    reject = propose(Action.REJECT, signup(9).id, request="r2")
    book.apply(release)
    book.apply(reject)
    book.apply(confirm(book, release))
    assert_refused(book, confirm(book, reject), Reason.WRONG_STATE)


@pytest.mark.parametrize(
    ("action", "target", "reason"),
    [
        (Action.RELEASE, signup(0).id, Reason.WRONG_STATE),
        (Action.REVERSE, signup(20).id, Reason.WRONG_STATE),
        (Action.REJECT, signup(99).id, Reason.UNKNOWN_REFERRAL),
        (Action.RELEASE, "aozora/1", Reason.UNKNOWN_REFERRAL),
        (Action.VOID, "aozora/2", Reason.UNKNOWN_SLOT),
        (Action.VOID, "midori/1", Reason.UNKNOWN_SLOT),
        (Action.VOID, "aozora/01", Reason.UNKNOWN_SLOT),
    ],
)
def test_proposals_that_are_refused(action: Action, target: str, reason: Reason) -> None:
    """What cannot be done is not proposed either."""
    assert_refused(fed(*letters_and_signups(10), signup(20)), propose(action, target), reason)


@pytest.mark.parametrize("by", ["", "sato@aozora.example.jp", "Sato", "佐藤", "a" * 33])
def test_operators_have_short_ids(by: str) -> None:
    """No address and no full name comes into the log as a decision's author."""
    assert_refused(fed(signup(9)), propose(Action.RELEASE, signup(9).id, by=by), Reason.INCOMPLETE)
    assert not is_operator(by)
    assert is_operator("sato.k-1")


@pytest.mark.parametrize(
    "data", [{"why": " "}, {"why": "x" * 301}, {"action": "gift"}, {"target": 7}, {"why": ""}]
)
def test_incomplete_proposals_are_refused(data: dict[str, str | int]) -> None:
    """Each field is there and is what it must be."""
    event = changed(propose(Action.RELEASE, signup(9).id), **data)
    assert_refused(fed(signup(9)), event, Reason.INCOMPLETE)


# ------------------------------------------------------------------------------ slots


def reserve(number: int = 1, reservation: str = "a", days: int = 7) -> Event:
    """Return a reservation for some days."""
    until = NOW + days * DAY
    return slot_reserved("aozora", number, NOW, reservation=reservation, until=until, by="sato")


def use(reservation: str = "a", number: int = 1) -> Event:
    """Return the use of a reserved slot."""
    return slot_used("aozora", number, NOW, reservation=reservation, by="sato", request="u")


def give_back(reservation: str = "a") -> Event:
    """Return a reservation given up."""
    return slot_released(
        "aozora", 1, NOW, reservation=reservation, by="sato", why="moved away", request="g"
    )


def test_a_slot_is_reserved_and_used() -> None:
    """Its way is transfers between accounts of slots."""
    book = fed(*letters_and_signups(10), reserve())
    assert (on(book, Account.AVAILABLE), on(book, Account.RESERVED)) == (0, 1)
    assert book.apply(use()).decision is Decision.RECORDED
    assert (on(book, Account.RESERVED), on(book, Account.USED)) == (0, 1)
    for event in (use(), give_back(), reserve(reservation="b")):
        assert_refused(book, event, Reason.WRONG_STATE)


def test_a_reservation_is_given_up_or_runs_out() -> None:
    """Either way the slot is available again, and not before its time by the rule."""
    book = fed(*letters_and_signups(10), reserve(), give_back())
    assert on(book, Account.AVAILABLE) == 1
    book.apply(reserve(reservation="b"))
    slot = book.holdings.slots[1]
    assert slot.until == slot.due == NOW + 7 * DAY
    early = NOW + 7 * DAY - timedelta(milliseconds=1)
    assert_refused(book, reservation_over("aozora", slot, early), Reason.NOT_DUE)
    assert_refused(book, changed(give_back("b"), rule="mine"), Reason.INCOMPLETE)
    over = reservation_over("aozora", slot, NOW + 7 * DAY)
    assert book.apply(over).decision is Decision.RECORDED
    assert on(book, Account.AVAILABLE) == 1
    assert book.holdings.slots[1].due is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (use(), Reason.WRONG_STATE),
        (give_back(), Reason.WRONG_STATE),
        (reserve(number=2), Reason.UNKNOWN_SLOT),
        (reserve(days=0), Reason.INCOMPLETE),
        (reserve(days=367), Reason.INCOMPLETE),
        (changed(reserve(), reservation="b"), Reason.INCOMPLETE),
        (changed(reserve(), until="tomorrow"), Reason.INCOMPLETE),
        (changed(reserve(), number="1"), Reason.INCOMPLETE),
        (changed(reserve(), by=""), Reason.INCOMPLETE),
    ],
)
def test_steps_that_a_slot_cannot_take(event: Event, reason: Reason) -> None:
    """A slot that is available cannot be used or released; a reservation is whole."""
    assert_refused(fed(*letters_and_signups(10)), event, reason)


def test_another_reservation_is_not_used() -> None:
    """Whoever uses or releases a slot names the reservation it is kept under."""
    book = fed(*letters_and_signups(10), reserve())
    assert_refused(book, use("b"), Reason.OTHER_RESERVATION)
    assert_refused(book, give_back("b"), Reason.OTHER_RESERVATION)


def lasting(*events: Event) -> Book:
    """Return a book with a slot that lasts ninety days."""
    book = Book("aozora", LASTING)
    for event in (*letters_and_signups(1), *events):
        book.apply(event)
    return book


def noticed(time: datetime) -> Event:
    """Return the notice for the first slot at a time."""
    return expiry_noticed("aozora", lasting().holdings.slots[1], time)


def expired(time: datetime) -> Event:
    """Return the expiry of the first slot at a time."""
    return slot_expired("aozora", lasting().holdings.slots[1], time)


def test_a_slot_expires_after_its_notice() -> None:
    """Ninety days, the notice thirty days before; neither too early nor twice."""
    book = lasting()
    assert book.holdings.slots[1].due == NOW + 60 * DAY
    assert_refused(book, expired(NOW + 91 * DAY), Reason.NOT_DUE)
    assert_refused(book, noticed(NOW + 59 * DAY), Reason.NOT_DUE)
    assert book.apply(noticed(NOW + 60 * DAY)).decision is Decision.RECORDED
    assert_refused(book, noticed(NOW + 61 * DAY), Reason.WRONG_STATE)
    assert_refused(book, expired(NOW + 89 * DAY), Reason.NOT_DUE)
    assert on(book, Account.AVAILABLE) == 1
    assert book.apply(expired(NOW + 90 * DAY)).decision is Decision.RECORDED
    assert (on(book, Account.AVAILABLE), on(book, Account.EXPIRED)) == (0, 1)


def test_told_late_a_company_has_its_time_all_the_same() -> None:
    """A notice on the last day moves the expiry thirty days on."""
    book = lasting(noticed(NOW + 90 * DAY))
    assert book.holdings.slots[1].expires == NOW + 120 * DAY
    assert_refused(book, expired(NOW + 119 * DAY), Reason.NOT_DUE)
    assert book.apply(expired(NOW + 120 * DAY)).decision is Decision.RECORDED


def test_a_reserved_slot_does_not_expire() -> None:
    """It is told of, and expires only once it is available again."""
    book = lasting(reserve(days=100), noticed(NOW + 60 * DAY))
    assert_refused(book, expired(NOW + 95 * DAY), Reason.WRONG_STATE)
    assert book.holdings.slots[1].due == NOW + 100 * DAY
    book.apply(reservation_over("aozora", book.holdings.slots[1], NOW + 100 * DAY))
    assert book.holdings.slots[1].due == NOW + 90 * DAY
    later = slot_expired("aozora", book.holdings.slots[1], NOW + 100 * DAY)
    assert later.id != expired(NOW).id
    assert book.apply(later).decision is Decision.RECORDED


def test_without_a_lifetime_there_is_no_notice() -> None:
    """A slot of a policy that lets it last for ever has no expiry to tell of."""
    book = fed(*letters_and_signups(10))
    assert book.holdings.slots[1].due is None
    assert_refused(book, noticed(NOW + 9999 * DAY), Reason.WRONG_STATE)
    assert_refused(book, expired(NOW + 9999 * DAY), Reason.NOT_DUE)


def test_a_hold_that_is_more_than_waiting_does_not_end_by_itself() -> None:
    """Only the waiting period ends by time; what a person must look at does not."""
    book = Book("aozora", parse_policies(policies_text(hold_days="14")))
    assert book.apply(signup(1)).reasons == ("no_letter_on_record", "hold_period")
    referral = book.holdings.referrals[signup(1).id]
    assert referral.due is None
    assert_refused(book, hold_over(referral, NOW + 20 * DAY), Reason.NOT_DUE)
    rulings = [book.apply(event) for event in letters_and_signups(1, start=2)]
    assert rulings[-1].reasons == ("hold_period",)
    waiting = book.holdings.referrals[signup(2).id]
    assert_refused(book, hold_over(waiting, NOW + 13 * DAY), Reason.NOT_DUE)
    assert book.apply(hold_over(waiting, NOW + 14 * DAY)).decision is Decision.RECORDED
    assert on(book, Account.OPEN) == 1


STEPS = [
    reserve(),
    reserve(reservation="b"),
    use(),
    use("b"),
    give_back(),
    noticed(NOW + 60 * DAY),
    expired(NOW + 90 * DAY),
    reservation_over(
        "aozora", replace(lasting().holdings.slots[1], reservation="a"), NOW + 7 * DAY
    ),
    propose(Action.VOID, "aozora/1"),
    change_confirmed(
        "aozora",
        fed(*letters_and_signups(10), propose(Action.VOID, "aozora/1")).holdings.proposals[
            propose(Action.VOID, "aozora/1").id
        ],
        NOW,
        by="suzuki",
        why="agreed",
    ),
]


@given(st.permutations(STEPS))
def test_in_any_order_there_is_one_slot(steps: list[Event]) -> None:
    """Whatever comes in whatever order, the slot is in one place and sums stay zero."""
    book = lasting()
    for step in steps:
        book.apply(step)
        state = book.holdings.slots[1].state
        places = (
            Account.AVAILABLE,
            Account.RESERVED,
            Account.USED,
            Account.VOIDED,
            Account.EXPIRED,
        )
        assert {place: on(book, place) for place in places if on(book, place)} == {
            Account(state.value): 1
        }
        for unit in Unit:
            assert sum(book.balance(account, unit) for account in Account) == 0
