"""What a company holds one by one: referrals, slots, and what somebody proposed to do with them.

Each has a state and may only go from one state to certain others. `Holdings.change` carries out
what an event asks for or refuses it with a reason: a refused event stays on record and moves
nothing. Four changes are a matter of judgement and take two people: one proposes, another one
confirms. What time brings about (a hold over, a reservation run out, an expiry) is proved by the
event's own time against what is held here, so that nobody can bring it about early.
Pure: no clock, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ledger.events import Event, EventError, EventType, parse_time
from ledger.policy import Policy, policy_at
from ledger.states import (
    Action,
    Proposal,
    Reason,
    Referral,
    ReferralState,
    Slot,
    SlotState,
)

# Whoever needs a slot for longer reserves it again: a forgotten reservation must end some day.
RESERVATION_MAX: Final = timedelta(days=366)

# A reason is a sentence, not a file about a person.
WHY_LENGTH_MAX: Final = 300

# Values of `rule` in events that time brought about.
HOLD_PERIOD_RULE: Final = "hold_period"
TIME_OUT_RULE: Final = "time_out"

# A short id that the installation gives its people; an e-mail address does not fit.
_OPERATOR = re.compile(r"[a-z0-9._-]{1,32}")


class Refused(Exception):
    """The change is not made; nothing has moved."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Final = reason


# Which state an action can be taken from.
REFERRAL_ACTIONS: Final = {
    Action.RELEASE: frozenset({ReferralState.HELD}),
    Action.REJECT: frozenset({ReferralState.HELD}),
    Action.REVERSE: frozenset({ReferralState.COUNTED, ReferralState.RELEASED}),
}

ACTION_OF: Final = {
    EventType.REFERRAL_RELEASED: Action.RELEASE,
    EventType.REFERRAL_REJECTED: Action.REJECT,
    EventType.REFERRAL_REVERSED: Action.REVERSE,
    EventType.SLOT_VOIDED: Action.VOID,
}

_AFTER: Final = {
    Action.RELEASE: ReferralState.RELEASED,
    Action.REJECT: ReferralState.REJECTED,
    Action.REVERSE: ReferralState.REVERSED,
}


@dataclass(slots=True)
class Holdings:
    """A company's referrals by signup event, slots by number, proposals by event.

    `change` and the `Book` it belongs to are the only things that write to it. It may be partial:
    then it has all that the events at hand name.
    """

    company: str
    policies: Sequence[Policy]
    referrals: dict[str, Referral] = field(default_factory=dict[str, Referral])
    slots: dict[int, Slot] = field(default_factory=dict[int, Slot])
    proposals: dict[str, Proposal] = field(default_factory=dict[str, Proposal])

    def change(self, event: Event) -> None:
        """Carry out what the event asks for; raises `Refused`, and then nothing has changed."""
        try:
            self._step(event.type)(event)
        except EventError:
            raise Refused(Reason.INCOMPLETE) from None

    def copy(self) -> Holdings:
        """Return what is held now; the values themselves never change."""
        return Holdings(
            self.company,
            self.policies,
            dict(self.referrals),
            dict(self.slots),
            dict(self.proposals),
        )

    def _step(self, kind: EventType) -> Callable[[Event], None]:
        match kind:
            case EventType.CHANGE_PROPOSED:
                return self._propose
            case EventType.SLOT_RESERVED:
                return self._reserve
            case EventType.SLOT_USED:
                return self._use
            case EventType.SLOT_RELEASED:
                return self._release
            case EventType.SLOT_VOIDED:
                return self._void
            case EventType.SLOT_EXPIRY_NOTICED:
                return self._give_notice
            case EventType.SLOT_EXPIRED:
                return self._expire
            case _:
                assert kind in ACTION_OF
                return self._decide

    def grant(self, number: int, time: datetime, policy: Policy) -> None:
        """Add a slot that was granted now, under this policy."""
        expires = time + policy.slot_lifetime if policy.slot_lifetime else None
        self._put(Slot(number, SlotState.AVAILABLE, time, expires))

    def _put(self, slot: Slot) -> None:
        """Keep the slot and when it is due; the notice asked for is that of its grant's policy."""
        due: list[datetime] = []
        if slot.state is SlotState.RESERVED and slot.until:
            due.append(slot.until)
        if slot.expires and slot.state in _EXPIRING:
            if not slot.noticed:
                due.append(slot.expires - self._notice(slot))
            elif slot.state is SlotState.AVAILABLE:
                due.append(slot.expires)
        self.slots[slot.number] = replace(slot, due=min(due, default=None))

    def _notice(self, slot: Slot) -> timedelta:
        return policy_at(self.policies, slot.granted).expiry_notice

    # ------------------------------------------------------------------ two people

    def _propose(self, event: Event) -> None:
        by, why = _operator(event), _why(event)
        try:
            action = Action(_text(event, "action"))
        except ValueError:
            raise Refused(Reason.INCOMPLETE) from None
        target = _text(event, "target")
        if action is Action.VOID:
            number = slot_number(self.company, target)
            if number is None:
                raise Refused(Reason.UNKNOWN_SLOT)
            self._slot(number, SlotState.AVAILABLE)
        else:
            self._referral(target, action)
        self.proposals[event.id] = Proposal(event.id, action, target, by, why, event.time)

    def _agreed(self, event: Event, target: str) -> Proposal:
        """Return the proposal that the event confirms, as another person's."""
        by, action = _operator(event), ACTION_OF[event.type]
        _why(event)
        proposal = self.proposals.get(_text(event, "proposal"))
        if proposal is None or (proposal.action, proposal.target) != (action, target):
            raise Refused(Reason.NOTHING_PROPOSED)
        if proposal.by != _text(event, "proposed_by"):
            raise Refused(Reason.NOTHING_PROPOSED)
        if proposal.confirmed:
            raise Refused(Reason.ALREADY_CONFIRMED)
        if proposal.by == by:
            raise Refused(Reason.SAME_PERSON)
        return proposal

    def _confirm(self, proposal: Proposal) -> None:
        self.proposals[proposal.event_id] = replace(proposal, confirmed=True)

    # ------------------------------------------------------------------- referrals

    def _referral(self, event_id: str, action: Action) -> Referral:
        referral = self.referrals.get(event_id)
        if referral is None:
            raise Refused(Reason.UNKNOWN_REFERRAL)
        if referral.state not in REFERRAL_ACTIONS[action]:
            raise Refused(Reason.WRONG_STATE)
        return referral

    def _decide(self, event: Event) -> None:
        """Release, reject or reverse a referral."""
        target, action = _text(event, "signup"), ACTION_OF[event.type]
        if "rule" in event.data:
            if action is not Action.RELEASE or event.data["rule"] != HOLD_PERIOD_RULE:
                raise Refused(Reason.INCOMPLETE)
            referral = self._referral(target, action)
            if referral.due is None or event.time < referral.due:
                raise Refused(Reason.NOT_DUE)
        else:
            # The transfer takes the amount from there.
            if action is Action.REJECT and event.data.get("from_held") != 1:
                raise Refused(Reason.INCOMPLETE)
            proposal = self._agreed(event, target)
            referral = self._referral(target, action)
            self._confirm(proposal)
        self.referrals[target] = replace(referral, state=_AFTER[action], due=None)

    # ----------------------------------------------------------------------- slots

    def _slot(self, number: int, *states: SlotState) -> Slot:
        slot = self.slots.get(number)
        if slot is None:
            raise Refused(Reason.UNKNOWN_SLOT)
        if slot.state not in states:
            raise Refused(Reason.WRONG_STATE)
        return slot

    def _reserve(self, event: Event) -> None:
        slot = self._slot(_number(event), SlotState.AVAILABLE)
        reservation, until = _text(event, "reservation"), parse_time(_text(event, "until"))
        _operator(event)
        # An id that names the reservation is used once, so the reservation is, too.
        name = f"{event.type}:{slot_name(self.company, slot.number)}/{reservation}"
        if not reservation or event.id != name:
            raise Refused(Reason.INCOMPLETE)
        if not timedelta(0) < until - event.time <= RESERVATION_MAX:
            raise Refused(Reason.INCOMPLETE)
        self._put(replace(slot, state=SlotState.RESERVED, reservation=reservation, until=until))

    def _reserved(self, event: Event) -> Slot:
        slot = self._slot(_number(event), SlotState.RESERVED)
        if slot.reservation != _text(event, "reservation"):
            raise Refused(Reason.OTHER_RESERVATION)
        return slot

    def _use(self, event: Event) -> None:
        slot = self._reserved(event)
        _operator(event)
        self._put(replace(slot, state=SlotState.USED, until=None))

    def _release(self, event: Event) -> None:
        slot = self._reserved(event)
        if "rule" in event.data:
            if event.data["rule"] != TIME_OUT_RULE:
                raise Refused(Reason.INCOMPLETE)
            if slot.until is None or event.time < slot.until:
                raise Refused(Reason.NOT_DUE)
        else:
            _operator(event)
            _why(event)
        self._put(replace(slot, state=SlotState.AVAILABLE, until=None))

    def _void(self, event: Event) -> None:
        number = _number(event)
        proposal = self._agreed(event, slot_name(self.company, number))
        slot = self._slot(number, SlotState.AVAILABLE)
        self._confirm(proposal)
        self._put(replace(slot, state=SlotState.VOIDED))

    def _give_notice(self, event: Event) -> None:
        slot = self._slot(_number(event), *_EXPIRING)
        if slot.noticed or slot.expires is None:
            raise Refused(Reason.WRONG_STATE)
        notice = self._notice(slot)
        if event.time < slot.expires - notice:
            raise Refused(Reason.NOT_DUE)
        # Told late, the company has its time all the same.
        expires = max(slot.expires, event.time + notice)
        self._put(replace(slot, noticed=event.time, expires=expires))

    def _expire(self, event: Event) -> None:
        slot = self._slot(_number(event), SlotState.AVAILABLE)
        if slot.expires is None or slot.noticed is None or event.time < slot.expires:
            raise Refused(Reason.NOT_DUE)
        self._put(replace(slot, state=SlotState.EXPIRED))


_EXPIRING: Final = (SlotState.AVAILABLE, SlotState.RESERVED)

# The types of events that ask for a change.
CHANGES: Final = frozenset(
    {
        EventType.CHANGE_PROPOSED,
        EventType.REFERRAL_RELEASED,
        EventType.REFERRAL_REJECTED,
        EventType.REFERRAL_REVERSED,
        EventType.SLOT_RESERVED,
        EventType.SLOT_USED,
        EventType.SLOT_RELEASED,
        EventType.SLOT_VOIDED,
        EventType.SLOT_EXPIRY_NOTICED,
        EventType.SLOT_EXPIRED,
    }
)


def is_operator(text: str) -> bool:
    """Tell whether the text can be the name of a person who decides."""
    return bool(_OPERATOR.fullmatch(text))


def slot_name(company: str, number: int) -> str:
    """Return the name of a slot in ids, subjects and targets."""
    return f"{company}/{number}"


def slot_number(company: str, name: str) -> int | None:
    """Return the number in a slot's name, None when it is not the name of one of the company."""
    owner, _, digits = name.partition("/")
    if owner != company or not re.fullmatch(r"[1-9][0-9]{0,14}", digits):
        return None
    return int(digits)


def _operator(event: Event) -> str:
    by = _text(event, "by")
    if not _OPERATOR.fullmatch(by):
        raise Refused(Reason.INCOMPLETE)
    return by


def _why(event: Event) -> str:
    why = _text(event, "why")
    if not 0 < len(why.strip()) <= len(why) <= WHY_LENGTH_MAX:
        raise Refused(Reason.INCOMPLETE)
    return why


def _number(event: Event) -> int:
    number = event.data.get("number")
    if not isinstance(number, int):
        raise EventError("data.number", "is missing or not a number")
    return number


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    if not isinstance(value, str):
        raise EventError(f"data.{name}", "is missing or not a string")
    return value
