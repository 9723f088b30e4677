"""The auditor's second count of what two people decide and of slots, against the ledger's book."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ledger import operations, recount
from ledger.credits import Book
from ledger.events import Event, EventType
from ledger.states import Action
from tests.ledger.parts import NOW, letters_and_signups, signup
from tests.ledger.recounting import FULL, assert_equal, log_of, rules_of, told

LATER = NOW + timedelta(days=10)


def event_of(kind: EventType, name: str, time: datetime = LATER, /, **data: str | int) -> Event:
    """Return an event that somebody reports."""
    return Event(f"{kind}:{name}", kind, "aozora", time, "slot:x", data)


def wish_of(action: Action, target: str) -> Event:
    """Return what Ann proposes."""
    return operations.change_proposed(
        "aozora", action, target, LATER, by="ann", why="because", request=f"{action}"
    )


def two_slots() -> list[Event]:
    """Return a history with two slots, the first of them reserved, and signup 5 held."""
    kind, third = EventType.REFERRAL_RELEASED, NOW + timedelta(days=3)
    releases = [
        event_of(kind, f"x{each}", third, signup=signup(each).id, rule="hold_period")
        for each in range(4)
    ]
    until = LATER + timedelta(days=5)
    reserved = operations.slot_reserved(
        "aozora", 1, LATER, reservation="one", until=until, by="ann"
    )
    wishes = [
        wish_of(Action.REJECT, signup(5).id),
        wish_of(Action.REVERSE, signup(1).id),
        wish_of(Action.VOID, "aozora/2"),
    ]
    return [*letters_and_signups(4), signup(5), *releases, reserved, *wishes]


AGREED: dict[str, str | int] = {"by": "ben", "why": "yes", "proposed_by": "ann"}
REJECT: dict[str, str | int] = {
    **AGREED,
    "proposal": "change.proposed:aozora/reject",
    "signup": signup(5).id,
}
REVERSE: dict[str, str | int] = {
    **AGREED,
    "proposal": "change.proposed:aozora/reverse",
    "signup": signup(1).id,
}
VOID: dict[str, str | int] = {**AGREED, "proposal": "change.proposed:aozora/void", "number": 2}
ONE: dict[str, str | int] = {"number": 1, "reservation": "one", "by": "ann"}
UNTIL = "2026-04-20T09:00:00.000Z"
E = EventType


@pytest.mark.parametrize(
    ("events", "refused"),
    [
        ([event_of(E.REFERRAL_REJECTED, "a", **REJECT, from_held=1)], 0),
        ([event_of(E.REFERRAL_REJECTED, "a", **REJECT)], 1),
        ([event_of(E.REFERRAL_REJECTED, "a", **REJECT, from_held=0)], 1),
        ([event_of(E.REFERRAL_RELEASED, "a", **REJECT)], 1),
        ([event_of(E.REFERRAL_REVERSED, "a", **REVERSE)], 0),
        ([event_of(E.REFERRAL_REVERSED, "a", **{**REVERSE, "by": "ann"})], 1),
        ([event_of(E.REFERRAL_REVERSED, "a", **{**REVERSE, "proposed_by": "cat"})], 1),
        ([event_of(E.REFERRAL_REVERSED, "a", **{**REVERSE, "why": ""})], 1),
        ([event_of(E.REFERRAL_REVERSED, "a", **{**REVERSE, "by": "Ben"})], 1),
        ([event_of(E.REFERRAL_REVERSED, "a", **{**REVERSE, "signup": signup(2).id})], 1),
        ([event_of(E.REFERRAL_REVERSED, each, **REVERSE) for each in "ab"], 1),
        ([event_of(E.SLOT_VOIDED, "a", **VOID)], 0),
        ([event_of(E.SLOT_VOIDED, "a", **{**VOID, "number": 1})], 1),
        ([event_of(E.SLOT_VOIDED, "a", **{**VOID, "number": "2"})], 1),
        ([event_of(E.SLOT_USED, "a", **ONE)], 0),
        ([event_of(E.SLOT_USED, "a", **{**ONE, "reservation": "two"})], 1),
        ([event_of(E.SLOT_USED, "a", **{**ONE, "by": ""})], 1),
        ([event_of(E.SLOT_USED, "a", **{**ONE, "number": 2})], 1),
        ([event_of(E.SLOT_USED, each, **ONE) for each in "ab"], 1),
        ([event_of(E.SLOT_RELEASED, "a", **ONE, why="no")], 0),
        ([event_of(E.SLOT_RELEASED, "a", **ONE)], 1),
        ([event_of(E.SLOT_RELEASED, "a", **ONE, rule="time_out")], 1),
        ([event_of(E.SLOT_RELEASED, "a", LATER + timedelta(6), **ONE, rule="time_out")], 0),
        ([event_of(E.SLOT_RELEASED, "a", LATER + timedelta(6), **ONE, rule="other")], 1),
        ([event_of(E.SLOT_RESERVED, "aozora/2/one", **{**ONE, "number": 2}, until=UNTIL)], 0),
        ([event_of(E.SLOT_RESERVED, "aozora/2/two", **{**ONE, "number": 2}, until=UNTIL)], 1),
        ([event_of(E.SLOT_RESERVED, "aozora/1/one2", **{**ONE}, until=UNTIL)], 1),
        ([event_of(E.SLOT_RESERVED, "aozora/2/one", **{**ONE, "number": 2}, until="soon")], 1),
        (
            [event_of(E.SLOT_RESERVED, "aozora/2/one", **{**ONE, "number": 2}, until=UNTIL[:-2])],
            1,
        ),
        ([event_of(E.SLOT_EXPIRY_NOTICED, "a", LATER, number=2)], 1),
        ([event_of(E.SLOT_EXPIRY_NOTICED, "a", NOW + timedelta(50), number=2)], 0),
        (
            [event_of(E.SLOT_EXPIRY_NOTICED, each, NOW + timedelta(50), number=2) for each in "ab"],
            1,
        ),
        ([event_of(E.SLOT_EXPIRED, "a", NOW + timedelta(90), number=2)], 1),
        (
            [
                event_of(E.SLOT_EXPIRY_NOTICED, "a", NOW + timedelta(60), number=2),
                event_of(E.SLOT_EXPIRED, "b", NOW + timedelta(79), number=2),
            ],
            1,
        ),
        (
            [
                event_of(E.SLOT_EXPIRY_NOTICED, "a", NOW + timedelta(60), number=2),
                event_of(E.SLOT_EXPIRED, "b", NOW + timedelta(80), number=2),
            ],
            0,
        ),
        ([event_of(E.REFERRAL_RELEASED, "a", signup=signup(5).id, rule="hold_period")], 1),
        ([wish_of(Action.RELEASE, signup(5).id)], 0),
        ([wish_of(Action.RELEASE, signup(1).id)], 1),
    ],
    ids=range(38),
)
def test_changes_are_made_or_not_as_in_the_book(events: list[Event], refused: int) -> None:
    """Each way of asking wrongly, beside the right one, moves what it moves in the book."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recount, "RULES", rules_of(FULL))
        book = Book("aozora", (FULL,))
        entries, found = log_of(book, [*two_slots(), *events])
        assert_equal(told(entries), book, found)
    assert found == refused
