"""What a company holds one by one, as values: referrals, slots, proposals, and their states.

Values never change; `ledger.holdings` says which state may follow which. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a signup was not simply counted, or a change was refused."""

    LINK_ALREADY_USED = "link_already_used"
    PERSON_ALREADY_COUNTED = "person_already_counted"
    NO_LETTER_ON_RECORD = "no_letter_on_record"
    LETTER_NOT_DELIVERED = "letter_not_delivered"
    OWN_DOMAIN = "own_domain"
    DISPOSABLE_DOMAIN = "disposable_domain"
    BURST = "burst"
    HOLD_PERIOD = "hold_period"
    NO_VALID_LINK = "no_valid_link"
    INCOMPLETE = "incomplete"  # A field is missing, or is not what it must be.
    UNKNOWN_REFERRAL = "unknown_referral"
    UNKNOWN_SLOT = "unknown_slot"
    WRONG_STATE = "wrong_state"
    NOTHING_PROPOSED = "nothing_proposed"
    SAME_PERSON = "same_person"
    ALREADY_CONFIRMED = "already_confirmed"
    OTHER_RESERVATION = "other_reservation"
    NOT_DUE = "not_due"


class ReferralState(StrEnum):
    """Where a referral is; duplicates are none and have no state."""

    COUNTED = "counted"
    HELD = "held"
    RELEASED = "released"
    REJECTED = "rejected"
    REVERSED = "reversed"


class SlotState(StrEnum):
    """Where a slot is; released, it is available again."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    USED = "used"
    VOIDED = "voided"
    EXPIRED = "expired"


class Action(StrEnum):
    """What takes two people."""

    RELEASE = "release"
    REJECT = "reject"
    REVERSE = "reverse"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Referral:
    """A signup that was counted or held, and its claim to its link and person.

    Nobody else is credited for these, whatever becomes of the referral. `due` is when a hold that
    is nothing but the waiting period is over, None in all other cases.
    """

    event_id: str
    company: str
    link_id: str
    person_ref: str
    time: datetime
    state: ReferralState
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A placement free of fees. `reservation` is that of now, or the last there was.

    `due` is when time brings the next change about; `None` when it never does.
    """

    number: int
    state: SlotState
    granted: datetime
    expires: datetime | None = None
    reservation: str = ""
    until: datetime | None = None
    noticed: datetime | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person proposed; `confirmed` when another one agreed and it was done."""

    event_id: str
    action: Action
    target: str
    by: str
    why: str
    time: datetime
    confirmed: bool = False
