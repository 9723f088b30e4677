"""Events that people and time bring about on referrals and slots: how each is spelled.

Whatever these say, the book decides whether it may be (`ledger.holdings`). Where a person acts,
`request` is random and the caller's: the same request is the same event. Where time acts, the id
follows from what is due, so that any number of stewards bring it about once.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ledger.events import Event, EventType, format_time
from ledger.holdings import HOLD_PERIOD_RULE, TIME_OUT_RULE, slot_name, slot_number
from ledger.states import Action, Proposal, Referral, Slot

_CONFIRMED: Final = {
    Action.RELEASE: EventType.REFERRAL_RELEASED,
    Action.REJECT: EventType.REFERRAL_REJECTED,
    Action.REVERSE: EventType.REFERRAL_REVERSED,
    Action.VOID: EventType.SLOT_VOIDED,
}


def change_proposed(
    company: str, action: Action, target: str, time: datetime, *, by: str, why: str, request: str
) -> Event:
    """Return the event of one person wanting the change; it moves nothing.

    `target` is the id of a referral's signup, or for `VOID` the name of a slot.
    """
    data = {"action": str(action), "target": target, "by": by, "why": why}
    name = f"{company}/{request}"
    return _event(EventType.CHANGE_PROPOSED, company, name, _subject(target), time, data)


def change_confirmed(
    company: str, proposal: Proposal, time: datetime, *, by: str, why: str
) -> Event:
    """Return the event by which a second person makes the proposed change happen.

    The same person confirming the same proposal again is the same event.
    """
    data: dict[str, str | int] = {
        "by": by,
        "why": why,
        "proposed_by": proposal.by,
        "proposal": proposal.event_id,
    }
    number = slot_number(company, proposal.target)
    if proposal.action is Action.VOID and number is not None:
        data["number"] = number
    else:
        data["signup"] = proposal.target
    if proposal.action is Action.REJECT:
        data["from_held"] = 1
    name = f"{proposal.event_id.partition(':')[2]}/{by}"
    subject = _subject(proposal.target)
    return _event(_CONFIRMED[proposal.action], company, name, subject, time, data)


def slot_reserved(
    company: str, number: int, time: datetime, *, reservation: str, until: datetime, by: str
) -> Event:
    """Return the event of a slot being kept for somebody; a reservation's id is used once."""
    data: dict[str, str | int] = {
        "number": number,
        "reservation": reservation,
        "until": format_time(until),
        "by": by,
    }
    return _slot_event(EventType.SLOT_RESERVED, company, number, time, data, reservation)


def slot_used(
    company: str, number: int, time: datetime, *, reservation: str, by: str, request: str
) -> Event:
    """Return the event of a placement being made on a reserved slot."""
    data: dict[str, str | int] = {"number": number, "reservation": reservation, "by": by}
    return _slot_event(EventType.SLOT_USED, company, number, time, data, request)


def slot_released(
    company: str,
    number: int,
    time: datetime,
    *,
    reservation: str,
    by: str,
    why: str,
    request: str,
) -> Event:
    """Return the event of a reservation being given up by hand."""
    data: dict[str, str | int] = {
        "number": number,
        "reservation": reservation,
        "by": by,
        "why": why,
    }
    return _slot_event(EventType.SLOT_RELEASED, company, number, time, data, request)


# -------------------------------------------------------------------------- by time


def hold_over(referral: Referral, due: datetime) -> Event:
    """Return the event of a waiting period having ended, at the time it did."""
    kind, company = EventType.REFERRAL_RELEASED, referral.company
    name, data = referral.event_id.partition(":")[2], {"signup": referral.event_id}
    subject = _subject(referral.event_id)
    return _event(kind, company, name, subject, due, {**data, "rule": HOLD_PERIOD_RULE})


def reservation_over(company: str, slot: Slot, due: datetime) -> Event:
    """Return the event of a reservation having run out, at the time it did."""
    data: dict[str, str | int] = {
        "number": slot.number,
        "reservation": slot.reservation,
        "rule": TIME_OUT_RULE,
    }
    return _slot_event(
        EventType.SLOT_RELEASED, company, slot.number, due, data, f"{slot.reservation}/time_out"
    )


def expiry_noticed(company: str, slot: Slot, now: datetime) -> Event:
    """Return the event of a company being told that a slot is going to expire."""
    data = {"number": slot.number}
    return _slot_event(EventType.SLOT_EXPIRY_NOTICED, company, slot.number, now, data, "")


def slot_expired(company: str, slot: Slot, now: datetime) -> Event:
    """Return the event of a slot having expired.

    It names the last reservation: asked for while that was beginning, it is refused, and the one
    that is due after it must be another event.
    """
    data = {"number": slot.number}
    kind = EventType.SLOT_EXPIRED
    return _slot_event(kind, company, slot.number, now, data, slot.reservation)


def _slot_event(
    kind: EventType,
    company: str,
    number: int,
    time: datetime,
    data: Mapping[str, str | int],
    more: str,
) -> Event:
    name = slot_name(company, number)
    return _event(kind, company, f"{name}/{more}" if more else name, f"slot:{name}", time, data)


def _subject(target: str) -> str:
    """Return what a target is as a subject: a signup's is that of the signup."""
    return f"signup:{target.partition(':')[2]}" if ":" in target else f"slot:{target}"


def _event(
    kind: EventType,
    company: str,
    name: str,
    subject: str,
    time: datetime,
    data: Mapping[str, str | int],
) -> Event:
    return Event(f"{kind}:{name}", kind, company, time, subject, data)
