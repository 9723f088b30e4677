#!/usr/bin/env python3
"""Count again what a company has earned, with this file and Python 3.11 alone.

    python recount.py EXPORT.jsonl [--each]

EXPORT.jsonl is a copy of the company's log, one entry a line. That it is the log that was signed is
for verifier.py to tell, the file beside this. Here it is read as a story: a letter got its link, a
person confirmed a registration through it, so the registration counts, is held, or is rejected, as
the rule below says; the tenth that counts grants a slot. Every credit must follow from what stands
before it, and everything that follows must be there: what does not is named with its place. What
people ask for later (a release, a slot used) is done if it was allowed; otherwise it stands on
record and moves nothing. `--each` lists each credit with the entries it rests on, counted from 0.

Ends with 0: the story holds; 1: it does not; 2: wrong use. This file shares no code with the
software it checks: the rule is written down a second time.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

ENTRY_MAX_BYTES = 8192  # docs/formats.md, "Events".
RESERVATION_MAX, WHY_LENGTH_MAX = timedelta(days=366), 300
INSTALLATION = "_installation"  # Its log earns nothing.


class Rule(NamedTuple):
    """What a company agreed to, from a time on; docs/formats.md, "The ledger"."""

    id: str
    since: datetime
    threshold: int  # Counted referrals that make a grant.
    slots: int  # What a grant gives.
    per_link: int  # Referrals that one link can bring.
    person_days: int  # Days between two referrals of one person.
    hold_days: int  # Days until a referral counts.
    slot_days: int  # Days until a slot expires; 0: it does not.
    notice_days: int  # Days before that in which the company knows.
    holds: frozenset[str] = frozenset()  # What two people decide on before it counts.
    burst: int = 0  # Referrals of an hour, from which on the next are held.


HOLDS = frozenset({"letter_not_delivered", "own_domain", "disposable_domain", "burst"})
RULES = (
    Rule("10-for-1@2026-01", datetime(2026, 1, 1), 10, 1, 1, 365, 0, 0, 30),
    Rule("10-for-1@2026-11", datetime(2026, 11, 26, 15), 10, 1, 1, 365, 0, 0, 30, HOLDS, 30),
)
# What only ever follows from the entry before it.
FOLLOWING = ("referral.counted", "referral.held", "slot.granted")
# What takes two people: the action that was proposed, and the state before and after it.
DECISIONS = {
    "referral.released": ("release", "held", "open"),
    "referral.rejected": ("reject", "held", "rejected"),
    "referral.reversed": ("reverse", "open", "reversed"),
    "slot.voided": ("void", "available", "voided"),
}


class Refused(Exception):
    """The entries do not hold together; the text says where."""


@dataclass
class Event:
    """An entry, read."""

    id: str
    kind: str
    time: datetime
    data: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a field that is text, empty where it is not."""
        return found if isinstance(found := self.data.get(name), str) else ""


@dataclass
class Referral:
    """A signup that was counted or held."""

    state: str
    due: datetime | None = None  # When a mere waiting time is over.


@dataclass
class Slot:
    """A placement free of fees."""

    state: str
    notice: timedelta
    expires: datetime | None
    reservation: str = ""
    until: datetime | None = None
    noticed: bool = False


def rule_at(time: datetime) -> Rule:
    """Return the rule of that time."""
    return [RULES[0], *(rule for rule in RULES if rule.since <= time)][-1]


def read_time(text: str) -> datetime | None:
    """Return a time, which is in UTC, or None where it is none."""
    try:
        is_time = re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z", text)
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ") if is_time else None
    except ValueError:
        return None


class Story:
    """What the entries so far come to."""

    def __init__(self) -> None:
        self.index, self.company = -1, ""
        self.ids: set[str] = set()
        self.letters: dict[str, int] = {}  # Link: the entry in which a letter got it.
        self.delivered: set[str] = set()  # Links whose letters the next server took.
        self.times: list[datetime] = []  # Of the signups that were counted or held, in order.
        self.referrals: dict[str, Referral] = {}  # By the id of the signup.
        self.slots: dict[int, Slot] = {}
        self.proposals: dict[str, tuple[str, str, str]] = {}  # Action, target, by whom.
        self.people: dict[str, list[datetime]] = {}
        self.links, self.entries = Counter[str](), Counter[str]()  # Uses; entries of each type.
        # Referrals that count and made no grant, below 0 after a reversal; changes not allowed.
        self.open, self.not_made = 0, 0
        self.due: tuple[int, Event] | None = None  # The signup whose referral must come next.
        self.cause: Event | None = None  # What may have made a grant due.
        self.credits: list[str] = []

    def refuse(self, what: str) -> NoReturn:
        """End the story here."""
        raise Refused(f"entry {self.index}: {what}")

    def feed(self, body: bytes) -> None:
        """Take the next entry."""
        self.index += 1
        event = self.parse(body)
        self.entries[event.kind] += 1
        if self.due:
            self.settle(event, *self.due)
        elif cause := self.grant_due():
            self.grant(event, cause)
        elif event.kind in FOLLOWING:
            self.refuse(f"{event.id} does not follow from the entries before it")
        else:
            self.take(event)

    def parse(self, body: bytes) -> Event:
        """Return the event that the bytes are the one spelling of."""
        try:
            found: Any = json.loads(body)
            text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            time = read_time(found["time"]) or datetime.max
            event = Event(found["id"], found["type"], time, found["data"])
            company, is_plain = found["company"], set(map(type, event.data.values())) <= {str, int}
            is_event = text.encode() == body and is_plain and time < datetime.max
            is_event &= isinstance(company, str)
            is_event &= bool(re.fullmatch(r"[a-z]+\.[a-z_]+:[A-Za-z0-9_./-]+", event.id))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.refuse("is not an event in its one spelling")
        if not is_event or event.id.partition(":")[0] != event.kind:
            self.refuse("is not an event in its one spelling")
        self.company = self.company or company
        if company != self.company or event.id in self.ids:
            self.refuse(f"{event.id} is of another log, or is there twice")
        self.ids.add(event.id)
        return event

    def take(self, event: Event) -> None:
        """Take an event that was reported: a letter, a signup, a change; others move nothing."""
        self.cause = None
        if event.kind == "letter.link_issued":
            if event.id != f"{event.kind}:{event.text('link_id')}":
                self.refuse(f"{event.id} is about another link than its id says")
            self.letters[event.text("link_id")] = self.index
        elif delivery := re.fullmatch(r"letter\.delivered:([^/]+)/2[0-9][0-9]", event.id):
            self.delivered.add(delivery[1])
        elif event.kind == "signup.verified" and self.company != INSTALLATION:
            self.due = (self.index, event)
        elif event.kind == "change.proposed":
            self.not_made += not self.propose(event)
        elif event.kind in DECISIONS:
            self.not_made += not self.decide(event)
        elif event.kind.startswith("slot."):
            self.not_made += not self.change_slot(event)

    def settle(self, event: Event, index: int, signup: Event) -> None:
        """Take what must follow a signup: that it counts, is held or is rejected."""
        self.due, rule = None, rule_at(signup.time)
        link, person = signup.text("link_id"), signup.text("person_ref")
        period, hold = timedelta(days=rule.person_days), timedelta(days=rule.hold_days)
        is_odd = link not in self.letters or bool(self.oddities(signup, link) & rule.holds)
        is_known = any(abs(signup.time - each) < period for each in self.people.get(person, ()))
        expected = "referral.held" if is_odd or hold else "referral.counted"
        if is_known or self.links[link] >= rule.per_link:
            expected = "referral.rejected"
        found = (event.id, event.time, event.data.get("policy"), event.data.get("signup"))
        if found != (f"{expected}:{signup.id.partition(':')[2]}", signup.time, rule.id, signup.id):
            self.refuse(f"{expected} of {signup.id} by {rule.id} must stand here, not {event.id}")
        if expected == "referral.rejected":
            if event.data.get("from_held") == 0:
                return
            self.refuse(f"{event.id} was never held and says otherwise")
        self.links[link] += 1
        self.people.setdefault(person, []).append(signup.time)
        insort(self.times, signup.time)
        self.cause = signup
        if expected == "referral.counted":
            self.referrals[signup.id] = Referral("open")
            self.open += 1
            grounds = f"signup in entry {index}, letter in entry {self.letters[link]}"
            self.credits.append(f"referral: entry {self.index}, {grounds}")
        else:
            self.referrals[signup.id] = Referral("held", None if is_odd else signup.time + hold)

    def oddities(self, signup: Event, link: str) -> set[str]:
        """Return what a rule can hold a signup for, by the entries before it and its own words."""
        found = {"own_domain", "disposable_domain"} & set(signup.text("flags").split())
        found |= set() if link in self.delivered else {"letter_not_delivered"}
        begun = bisect_right(self.times, signup.time - timedelta(hours=1))
        in_hour = bisect_right(self.times, signup.time) - begun
        return found | ({"burst"} if in_hour >= rule_at(signup.time).burst else set())

    def grant_due(self) -> Event | None:
        """Return the event that made a grant due, if one is."""
        is_due = self.cause and self.open >= rule_at(self.cause.time).threshold
        return self.cause if is_due else None

    def grant(self, event: Event, cause: Event) -> None:
        """Take the grant that must stand here."""
        rule, number = rule_at(cause.time), len(self.slots) + 1
        said = map(event.data.get, ("policy", "cause", "referrals", "slots"))
        expected = f"slot.granted:{self.company}/{number}"
        due = (expected, cause.time, rule.id, cause.id, rule.threshold, rule.slots)
        if due != (event.id, event.time, *said):
            self.refuse(f"{expected} for {rule.threshold} referrals must stand here")
        self.open -= rule.threshold
        expires = cause.time + timedelta(days=rule.slot_days) if rule.slot_days else None
        for each in range(number, number + rule.slots):
            self.slots[each] = Slot("available", timedelta(days=rule.notice_days), expires)
        self.credits.append(f"slot: entry {self.index}, for {rule.threshold} referrals before it")

    def propose(self, event: Event) -> bool:
        """Note what one person wants; tell whether it could be done."""
        action, target = event.text("action"), event.text("target")
        before = {each[0]: each[1] for each in DECISIONS.values()}.get(action)
        if before is None or self.state_of(action, target) != before or not is_reasoned(event):
            return False
        self.proposals[event.id] = (action, target, event.text("by"))
        return True

    def state_of(self, action: str, target: str) -> str:
        """Return the state of the referral or slot of this name, empty where there is none."""
        if action != "void":
            return self.referrals[target].state if target in self.referrals else ""
        number = re.fullmatch(re.escape(self.company) + r"/([1-9][0-9]{0,14})", target)
        slot = self.slots.get(int(number[1])) if number else None
        return slot.state if slot else ""

    def decide(self, event: Event) -> bool:
        """Take what a second person confirms, or a hold that is over; tell whether it was done."""
        action, before, after = DECISIONS[event.kind]
        number, target = event.data.get("number"), event.text("signup")
        if action == "void":
            target = f"{self.company}/{number}" if isinstance(number, int) else ""
        if self.state_of(action, target) != before:
            return False
        if "rule" in event.data and action != "void":
            due = self.referrals[target].due if action == "release" else None
            if event.data["rule"] != "hold_period" or due is None or event.time < due:
                return False
        else:
            first, second = event.text("proposed_by"), event.text("by")
            proposal = self.proposals.get(event.text("proposal"))
            if proposal != (action, target, first) or first == second:
                return False
            if not is_reasoned(event) or (action == "reject" and event.data.get("from_held") != 1):
                return False
            del self.proposals[event.text("proposal")]  # It is confirmed once.
        if action == "void":
            self.slots[int(str(number))].state = after
        else:
            self.referrals[target] = Referral(after)
            self.open += {"release": 1, "reverse": -1}.get(action, 0)
            self.cause = event if action == "release" else None
        return True

    def change_slot(self, event: Event) -> bool:
        """Take what is done with a slot; tell whether it could be."""
        number = event.data.get("number")
        slot = self.slots.get(number) if isinstance(number, int) else None
        if slot is None:
            return False
        kind, reservation = event.kind.partition(".")[2], event.text("reservation")
        if kind == "reserved":
            until = read_time(event.text("until")) or event.time
            is_short = timedelta(0) < until - event.time <= RESERVATION_MAX
            name = f"{event.kind}:{self.company}/{number}/{reservation}"
            is_own = bool(reservation) and event.id == name
            if slot.state != "available" or not (is_short and is_own and is_operator(event)):
                return False
            slot.state, slot.reservation, slot.until = "reserved", reservation, until
            return True
        if kind in ("used", "released"):
            if slot.state != "reserved" or slot.reservation != reservation:
                return False
            is_right = is_operator(event) if kind == "used" else is_reasoned(event)
            if kind == "released" and "rule" in event.data:
                is_right = slot.until is not None and event.time >= slot.until
                is_right = is_right and event.data["rule"] == "time_out"
            if not is_right:
                return False
            slot.state, slot.until = ("used" if kind == "used" else "available"), None
            return True
        return self.end_slot(event, slot, kind)

    def end_slot(self, event: Event, slot: Slot, kind: str) -> bool:
        """Take a notice that a slot will expire, or that it has; tell whether it was time."""
        if slot.expires is None or slot.state not in ("available", "reserved"):
            return False
        if kind == "expiry_noticed":
            if slot.noticed or event.time < slot.expires - slot.notice:
                return False
            slot.noticed, slot.expires = True, max(slot.expires, event.time + slot.notice)
            return True
        is_over = slot.state == "available" and slot.noticed and event.time >= slot.expires
        slot.state = "expired" if kind == "expired" and is_over else slot.state
        return kind == "expired" and is_over

    def end(self) -> None:
        """State that there are no more entries."""
        self.index += 1
        if self.due or self.grant_due():
            self.refuse("what follows from the entry before it is missing at the end")

    def lines(self) -> Iterator[str]:
        """Yield the sums, one a line."""
        referrals = Counter(each.state for each in self.referrals.values())
        slots = Counter(each.state for each in self.slots.values())
        twice = self.entries["signup.verified"] - len(self.referrals)
        kinds = ("letter.link_issued", "signup.verified", *FOLLOWING)
        ends = ("available", "reserved", "used", "voided", "expired")
        yield from (f"company: {self.company}", f"entries: {self.index}")
        yield from (f"{kind}: {self.entries[kind]}" for kind in kinds)
        yield f"signups rejected as duplicates: {twice}"
        yield f"referrals that count: {referrals['open']}"
        yield f"referrals towards the next slot: {self.open}"
        yield from (f"referrals {x}: {referrals[x]}" for x in ("held", "rejected", "reversed"))
        yield from (f"slots {state}: {slots[state]}" for state in ends)
        yield f"changes asked for and not made: {self.not_made}"


def is_operator(event: Event) -> bool:
    """Tell whether the event says who decided."""
    return bool(re.fullmatch(r"[a-z0-9._-]{1,32}", event.text("by")))


def is_reasoned(event: Event) -> bool:
    """Tell whether the event says who decided, and why."""
    why = event.text("why")
    return is_operator(event) and 0 < len(why.strip()) <= len(why) <= WHY_LENGTH_MAX


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="recount.py", description="See the head of this file.")
    parser.add_argument("EXPORT")
    parser.add_argument("--each", action="store_true", help="list each credit and its grounds")
    options = parser.parse_args(arguments)
    story = Story()
    try:
        with open(options.EXPORT, "rb") as file:
            while line := file.readline(ENTRY_MAX_BYTES + 3):
                story.feed(line.rstrip(b"\r\n"))  # A copy may have gone through Windows.
        story.end()
    except (Refused, OSError) as error:
        is_wrong = isinstance(error, Refused)
        said = "DOES NOT HOLD" if is_wrong else "cannot be read"
        print(f"{said}: {options.EXPORT}: {error}", file=sys.stderr)
        return 1 if is_wrong else 2
    print(*(story.credits if options.each else ()), *story.lines(), sep="\n")
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
