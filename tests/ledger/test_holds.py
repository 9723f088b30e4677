"""What a registration is held for, from the log alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from ledger import store_log
from ledger.apply import Applier
from ledger.credits import Account, Book, Decision, Ruling, Unit
from ledger.events import Event, EventError, EventType, encode, parse
from ledger.fold import FoldError, rebuild
from ledger.policy import HOLDS
from ledger.recount import Refused as Untold
from ledger.recount import Story
from ledger.signupflags import join_flags
from tests.ledger.parts import (
    NOW,
    POLICIES,
    clock,
    delivery,
    issue,
    signup,
    store_in,
    submit,
)

BEFORE, RULE = POLICIES
# The days from NOW to the first of the rule with holds.
TO_RULE = (RULE.valid_from - NOW).days + 1


def book() -> Book:
    """Return an empty book of the service's own rule."""
    return Book("aozora", POLICIES)


def judged(*events: Event) -> Ruling:
    """Return what became of the last of the events."""
    made = book()
    return [made.apply(event) for event in events][-1]


def at_once(number: int, **changes: str | int) -> Event:
    """Return a registration under the rule with holds."""
    values = {"days": TO_RULE, **changes}
    return signup(number, **values)  # type: ignore[arg-type]


def test_a_delivered_letter_counts() -> None:
    """With the letter delivered before and nothing odd, nobody has to look."""
    assert judged(issue(1), delivery(1), at_once(1)).decision is Decision.COUNTED


@pytest.mark.parametrize("code", [200, 250, 299])
def test_any_good_reply_is_a_delivery(code: int) -> None:
    """The next hop's reply is any that says yes."""
    assert judged(issue(1), delivery(1, code=code), at_once(1)).decision is Decision.COUNTED


@pytest.mark.parametrize(
    ("events", "reasons"),
    [
        ([at_once(1)], ["no_letter_on_record"]),
        ([delivery(1), at_once(1)], ["no_letter_on_record"]),
        ([issue(1), at_once(1)], ["letter_not_delivered"]),
        ([issue(1), delivery(2), at_once(1)], ["letter_not_delivered"]),
        ([issue(1), delivery(1, code=354), at_once(1)], ["letter_not_delivered"]),
        ([issue(1), delivery(1), at_once(1, flags="own_domain")], ["own_domain"]),
        ([issue(1), delivery(1), at_once(1, flags="disposable_domain")], ["disposable_domain"]),
        (
            [issue(1), at_once(1, flags="own_domain disposable_domain")],
            ["letter_not_delivered", "own_domain", "disposable_domain"],
        ),
    ],
    ids=range(8),
)
def test_each_hold_has_its_reason(events: Sequence[Event], reasons: list[str]) -> None:
    """What is odd is held, moves a referral to the hold account, and says why in the log."""
    ruling = judged(*events)
    assert (ruling.decision, list(ruling.reasons)) == (Decision.HELD, reasons)
    (held,) = ruling.derived
    assert held.type is EventType.REFERRAL_HELD
    assert held.data["reasons"] == " ".join(reasons)
    assert {leg.account for leg in ruling.transfers[0].postings} == {
        Account.CANDIDATES,
        Account.HELD,
    }


def crowd(count: int, minutes: int = 0, start: int = 0) -> list[Event]:
    """Return as many letters, delivered, each with its registration, all in one minute."""
    return [
        event
        for number in range(start, start + count)
        for event in (issue(number), delivery(number), at_once(number, minutes=minutes))
    ]


def test_the_thirty_first_of_an_hour_is_held() -> None:
    """Thirty of one company count; those that follow in the hour wait for people."""
    made = book()
    rulings = [made.apply(event) for event in crowd(32)]
    decisions = [ruling.decision for ruling in rulings[2::3]]
    assert decisions == [Decision.COUNTED] * 30 + [Decision.HELD] * 2
    assert rulings[-1].reasons == ("burst",)
    assert made.balance(Account.AVAILABLE, Unit.SLOT) == 3


@pytest.mark.parametrize(
    ("minutes", "decision"), [(59, Decision.HELD), (60, Decision.COUNTED), (-1, Decision.COUNTED)]
)
def test_an_hour_later_it_is_over(minutes: int, decision: Decision) -> None:
    """Counted is the hour that ends with the registration, whenever it is reported."""
    assert judged(*crowd(30), *crowd(1, minutes, start=50)).decision is decision


def test_held_ones_keep_a_burst_going_and_duplicates_do_not() -> None:
    """What claims its link and person is one of the hour, in whatever state it is."""
    many = [at_once(number) for number in range(30)]
    assert judged(*many, *crowd(1, start=50)).reasons == ("burst",)
    again = [at_once(number, of_link=0) for number in range(60, 90)]
    assert judged(*crowd(1), *again, *crowd(1, start=50)).decision is Decision.COUNTED


def test_entries_of_an_earlier_time_are_decided_as_they_were() -> None:
    """Before the rule had holds, the same happenings count; flags there hold nothing."""
    last = signup(40, flags="own_domain disposable_domain", days=TO_RULE - 1)
    events = [event for n in range(41) for event in (issue(n), signup(n, days=TO_RULE - 1))]
    assert judged(*events[:-1], last).decision is Decision.COUNTED


def test_a_policy_holds_for_what_it_names() -> None:
    """Each hold is the policy's own choice."""
    events = [issue(1), at_once(1, flags="own_domain disposable_domain")]
    for name in HOLDS:
        policy = dataclasses.replace(RULE, holds=(name,), burst_per_hour=0)
        made = Book("aozora", (policy,))
        assert [made.apply(event) for event in events][-1].reasons == (name,)


def test_flags_are_a_closed_set_in_one_order() -> None:
    """An event takes no other word, no other order, none twice; without flags it has no field."""
    for flags in ("burst", "disposable_domain own_domain", "own_domain own_domain", " own_domain"):
        with pytest.raises(EventError, match=r"data\.flags"):
            signup(1, flags=flags)
    assert "flags" not in signup(1).data
    made = signup(1, flags=join_flags(["disposable_domain", "own_domain", "own_domain", "x"]))
    assert made.data["flags"] == "own_domain disposable_domain"
    assert parse(encode(made)) == made


def test_other_words_in_a_log_hold_nothing() -> None:
    """A field that somebody wrote by hand cannot call another hold by its name."""
    plain = at_once(1)
    for value in ("burst letter_not_delivered", 7):
        data = {**plain.data, "flags": value}
        odd = Event(plain.id, plain.type, "aozora", plain.time, plain.subject, data)
        assert judged(issue(1), delivery(1), odd).decision is Decision.COUNTED


def told(log: Sequence[Event]) -> Story:
    """Return what the auditor's program makes of the log."""
    story = Story()
    for event in log:
        story.feed(encode(event))
    story.end()
    return story


def test_the_applier_decides_as_the_whole_log_does(tmp_path: Path) -> None:
    """Though it loads only what it needs, in batches of one and of all; both recounts agree."""
    events = [*crowd(31), issue(60), at_once(60), *crowd(1, 61, start=70)]
    events += [issue(80), delivery(80), at_once(80, flags="own_domain", minutes=120)]
    whole = book()
    log = [each for event in events for each in (event, *whole.apply(event).derived)]
    for name, limit in (("single", 1), ("batch", 1000)):
        folder = tmp_path / name
        folder.mkdir()
        store = store_in(folder)
        submit(store, events)
        applier = Applier(store, POLICIES, clock=clock)
        while applier.apply_pending(limit):
            pass
        with store.read() as transaction:
            chunks = list(store_log.entries(transaction, "aozora"))
        store.close()
        found = [row.body for chunk in chunks for row in chunk]
        assert found == [encode(each) for each in log]
    rebuild("aozora", [(each.id, encode(each)) for each in log], POLICIES)
    story = told(log)
    assert [each.state for each in story.referrals.values()].count("held") == 3
    assert story.open == whole.balance(Account.OPEN, Unit.REFERRAL)


@pytest.mark.parametrize("place", [1, 2])
def test_a_log_that_lost_a_ground_is_refused(place: int) -> None:
    """Without the delivery before it, or with a flag taken out, what follows is another entry."""
    events = [issue(1), delivery(1), at_once(1, flags="own_domain")]
    if place == 1:
        events = [issue(1), delivery(1), at_once(1)]
    made = book()
    log = [each for event in events for each in (event, *made.apply(event).derived)]
    if place == 1:
        del log[1]
    else:
        log[2] = at_once(1)
    with pytest.raises(FoldError, match="was due here"):
        rebuild("aozora", [(each.id, encode(each)) for each in log], POLICIES)
    with pytest.raises(Untold, match="must stand here"):
        told(log)


def test_the_rule_begins_at_midnight_in_japan() -> None:
    """The last moment before is decided without holds, the first one with them."""
    made = signup(1)
    moment = RULE.valid_from
    for time, decision in (
        (moment - timedelta(milliseconds=1), Decision.COUNTED),
        (moment, Decision.HELD),
    ):
        event = Event(made.id, made.type, "aozora", time, made.subject, made.data)
        assert judged(issue(1), event).decision is decision
