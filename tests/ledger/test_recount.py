"""The auditor's second count of the credits, against the ledger's own book."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import operations, recount
from ledger.credits import Book
from ledger.events import Event, EventType, encode
from ledger.recount import Refused
from ledger.states import Action, Proposal
from tests.ledger.parts import NOW, POLICIES, click, delivery, issue, letters_and_signups, signup
from tests.ledger.recounting import FULL, HOLDING, QUICK, assert_equal, log_of, rules_of, told


def test_the_rule_is_that_of_the_service() -> None:
    """The auditor's file holds the same policies as the service's."""
    assert rules_of(*POLICIES) == recount.RULES


def test_fourteen_referrals() -> None:
    """Counted, held, rejected, a grant, and all grounds by place."""
    events = [*letters_and_signups(14), signup(50, of_link=1), signup(60), click(1)]
    book = Book("aozora", POLICIES)
    story = told(log_of(book, events)[0])
    assert_equal(story, book, 0)
    assert len(story.credits) == 15
    assert story.credits[0] == "referral: entry 2, signup in entry 1, letter in entry 0"
    assert story.credits[10] == "slot: entry 30, for 10 referrals before it"
    lines = list(story.lines())
    assert "referrals towards the next slot: 4" in lines
    assert "signups rejected as duplicates: 1" in lines
    assert "referrals held: 1" in lines
    assert "slots available: 1" in lines


ENTRIES, _ = log_of(Book("aozora", POLICIES), letters_and_signups(11))


def changed(index: int, **fields: Any) -> list[bytes]:
    """Return the log with fields of an entry's data changed; `None` takes one out."""
    event = json.loads(ENTRIES[index])
    event["data"] = {k: v for k, v in {**event["data"], **fields}.items() if v is not None}
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return [*ENTRIES[:index], text.encode(), *ENTRIES[index + 1 :]]


# Entries 0 to 2 are the first letter, its signup and its referral; 30 is the slot.
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (ENTRIES[1:], r"entry 1: referral\.held of .* must stand here"),
        ([ENTRIES[0], *ENTRIES[2:]], r"entry 1: referral\.counted.* does not follow"),
        ([*ENTRIES[:2], *ENTRIES[3:]], r"entry 2: referral\.counted of .* must stand here"),
        ([*ENTRIES[:3], ENTRIES[2]], r"entry 3: referral\.counted.* is there twice"),
        ([*ENTRIES[:30], *ENTRIES[31:]], r"entry 30: slot\.granted:aozora/1 for 10 referrals must"),
        ([*ENTRIES[:3], ENTRIES[30]], r"entry 3: slot\.granted.* does not follow"),
        ([*ENTRIES[:31], ENTRIES[30]], r"entry 31: slot\.granted:aozora/1 .* is there twice"),
        (ENTRIES[:30], "entry 30: what follows .* is missing at the end"),
        (ENTRIES[:2], "entry 2: what follows .* is missing at the end"),
        (changed(30, slots=2), r"entry 30: slot\.granted:aozora/1 for 10 referrals must"),
        (changed(30, referrals=9), r"entry 30: slot\.granted:aozora/1 for 10 referrals must"),
        (changed(30, cause="signup.verified:x"), r"entry 30: slot\.granted:aozora/1 for 10"),
        (changed(2, policy="10-for-2@2026-01"), r"entry 2: .* by 10-for-1@2026-01 must stand here"),
        (changed(2, signup="signup.verified:x"), "entry 2: .* must stand here"),
        (changed(4, link_id="link000000000000"), r"entry 5: referral\.rejected of"),
        (changed(0, link_id="link000000000009"), "entry 0: .* about another link"),
        (changed(0, x=True), "entry 0: is not an event in its one spelling"),
        ([encode(issue(1, "midori")), *ENTRIES], "entry 1: .* is of another log"),
        ([ENTRIES[0].replace(b",", b", ", 1)], "entry 0: is not an event in its one spelling"),
        ([b"[" * 8000], "entry 0: is not an event"),
        ([b'{"id":NaN}'], "entry 0: is not an event"),
        ([b"\xff"], "entry 0: is not an event"),
    ],
    ids=range(22),
)
def test_what_does_not_follow_is_named(entries: list[bytes], said: str) -> None:
    """A letter, signup, referral or slot that is left out, put in, doubled or changed."""
    with pytest.raises(Refused, match=said):
        told(entries)


def test_a_signup_of_the_installation_earns_nothing() -> None:
    """Nothing must follow a signup that no company's link explains."""
    book = Book("_installation", POLICIES)
    story = told(log_of(book, [signup(1, "_installation")])[0])
    assert (story.open, story.referrals) == (0, {})


def proposal(draw: st.DrawFn, number: int, events: list[Event]) -> Event:
    """Return somebody's wish about a referral or slot, there or not."""
    action = draw(st.sampled_from(Action))
    target = f"aozora/{draw(st.integers(0, 4))}"
    if action is not Action.VOID:
        target = signup(draw(st.integers(0, 6))).id
    by = draw(st.sampled_from(["ann", "ben", "NOBODY"]))
    time = events[-1].time
    return operations.change_proposed(
        "aozora", action, target, time, by=by, why="because", request=f"r{number}"
    )


def confirmation(draw: st.DrawFn, number: int, events: list[Event]) -> Event:
    """Return somebody's agreement to a wish, or a sloppy or early one."""
    wishes = [each for each in events if each.type is EventType.CHANGE_PROPOSED]
    wish = draw(st.sampled_from(wishes)) if wishes else proposal(draw, number, events)
    made = Proposal(
        wish.id,
        Action(str(wish.data["action"])),
        str(wish.data["target"]),
        str(wish.data["by"]),
        "because",
        wish.time,
    )
    by = draw(st.sampled_from(["ann", "ben", "cat"]))
    return operations.change_confirmed(
        "aozora", made, events[-1].time, by=by, why=draw(st.sampled_from(["yes", " "]))
    )


SLOT_KINDS = [
    EventType.SLOT_RESERVED,
    EventType.SLOT_USED,
    EventType.SLOT_RELEASED,
    EventType.SLOT_EXPIRY_NOTICED,
    EventType.SLOT_EXPIRED,
]


def of_slot(draw: st.DrawFn, number: int, events: list[Event]) -> Event:
    """Return something done with a slot that may or may not be there."""
    kind, slot = draw(st.sampled_from(SLOT_KINDS)), draw(st.integers(0, 4))
    reservation = draw(st.sampled_from(["one", "two"]))
    data: dict[str, str | int] = {"number": slot, "reservation": reservation, "by": "ann"}
    more = f"n{number}"
    if kind is EventType.SLOT_RESERVED:
        until = events[-1].time + timedelta(days=draw(st.sampled_from([-1, 0, 5, 400])))
        data["until"] = until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        more = draw(st.sampled_from([reservation, "other"]))
    elif kind is EventType.SLOT_RELEASED:
        extra = draw(st.sampled_from([{"rule": "time_out"}, {"why": "no"}, {"rule": "x"}, {}]))
        data.update(extra)
    name = f"aozora/{slot}"
    return Event(f"{kind}:{name}/{more}", kind, "aozora", events[-1].time, f"slot:{name}", data)


def hold_over(draw: st.DrawFn, _number: int, events: list[Event]) -> Event:
    """Return the end of a hold, due or not."""
    target = signup(draw(st.integers(0, 6))).id
    data = {"signup": target, "rule": draw(st.sampled_from(["hold_period", "other"]))}
    kind, name = EventType.REFERRAL_RELEASED, f"x{_number}"
    return Event(f"{kind}:{name}", kind, "aozora", events[-1].time, "signup:x", data)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Return a company's events in a wild order, time going on."""
    events = [issue(0)]
    days = 0
    for number in range(draw(st.integers(1, 40))):
        days += draw(st.sampled_from([0, 0, 1, 4, 25]))
        kind = draw(st.integers(0, 10))
        if kind < 2:
            made = issue(draw(st.integers(0, 9)), time=NOW + timedelta(days=days))
        elif kind < 5:
            made = signup(
                draw(st.integers(0, 9)),
                of_link=draw(st.integers(0, 9)),
                of_person=draw(st.integers(0, 9)),
                days=days,
                minutes=draw(st.sampled_from([0, 1, 59, 60])),
                flags=draw(st.sampled_from(["", "", "own_domain", "own_domain disposable_domain"])),
            )
        elif kind == 10:
            made = delivery(draw(st.integers(0, 9)), code=draw(st.sampled_from([250, 299, 300])))
        else:
            makers = (proposal, confirmation, of_slot, of_slot, hold_over)
            moved = [*events, issue(0, time=NOW + timedelta(days=days))]
            made = makers[kind - 5](draw, number, moved)
        if made.id not in {each.id for each in events}:
            events.append(made)
    return events


@given(histories())
@settings(max_examples=400, deadline=None)
def test_both_counts_agree(events: list[Event]) -> None:
    """Any history comes to the same sums, under a rule with holds and expiries that changes."""
    every = (FULL, QUICK, HOLDING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recount, "RULES", rules_of(*every))
        book = Book("aozora", every)
        entries, refused = log_of(book, events)
        assert_equal(told(entries), book, refused)


def test_histories_reach_every_state() -> None:
    """A history made on purpose: held, released, granted, reserved, used, reversed, expired."""
    days = timedelta(days=1)
    events = [*letters_and_signups(4), signup(5)]
    events += [
        dataclasses.replace(hold, time=NOW + 3 * days)
        for hold in (
            Event(
                f"referral.released:x{number}",
                EventType.REFERRAL_RELEASED,
                "aozora",
                NOW,
                "signup:x",
                {"signup": signup(number).id, "rule": "hold_period"},
            )
            for number in range(4)
        )
    ]
    later = NOW + 4 * days
    wish = operations.change_proposed(
        "aozora", Action.REVERSE, signup(0).id, later, by="ann", why="left", request="r"
    )
    made = Proposal(wish.id, Action.REVERSE, signup(0).id, "ann", "left", later)
    events += [wish, operations.change_confirmed("aozora", made, later, by="ben", why="yes")]
    until = later + 5 * days
    events += [
        operations.slot_reserved("aozora", 1, later, reservation="one", until=until, by="ann"),
        operations.slot_used("aozora", 1, later, reservation="one", by="ann", request="u"),
    ]
    for kind, day in ((EventType.SLOT_EXPIRY_NOTICED, 50), (EventType.SLOT_EXPIRED, 90)):
        time = NOW + day * days
        events.append(Event(f"{kind}:aozora/2", kind, "aozora", time, "slot:x", {"number": 2}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recount, "RULES", rules_of(FULL))
        book = Book("aozora", (FULL,))
        entries, refused = log_of(book, events)
        story = told(entries)
        assert_equal(story, book, refused)
    assert refused == 0
    assert {each.state for each in story.referrals.values()} == {"open", "held", "reversed"}
    assert {each.state for each in story.slots.values()} == {"used", "expired"}


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the sums, with `--each` the credits before them, and names what is wrong."""
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(entry + b"\r\n" for entry in ENTRIES))
    assert recount.main([str(path)]) == 0
    sums = capsys.readouterr().out
    assert sums.startswith("company: aozora\nentries: 34\n")
    assert recount.main([str(path), "--each"]) == 0
    assert capsys.readouterr().out.endswith("letter in entry 31\n" + sums)
    path.write_bytes(b"".join(entry + b"\n" for entry in ENTRIES[:-1]))
    assert recount.main([str(path)]) == 1
    assert "entry 33: what follows" in capsys.readouterr().err
    assert recount.main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
