"""Events: what happened, as a value and as the exact bytes that are stored, hashed and proved.

An event has an id made where it happened, so that submitting or applying it twice is doing it
once. Where a retry must be the same event (the letter sent again, the webhook called again), the
id is derived from what happened; where two happenings look alike (two clicks), the caller brings
a random one.

The encoding is canonical: CloudEvents 1.0 attributes and our extension attribute `company`, keys
sorted, no white space, UTF-8, integers and strings only, so one event has one encoding and
`parse(encode(event)) == event`. `parse` refuses every other spelling. docs/formats.md holds the
specification and test vectors.

No personal data: a person appears only as an `h:` reference (see `ledger.store_subject`).
Pure: no clock, no random source, no I/O.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NoReturn, cast

from pydantic_core import PydanticSerializationError, to_json

from ledger.signupflags import join_flags

# The log of the installation itself: keys, configuration, users, and signups that no company's
# link explains. The underscore keeps it apart from every company id.
INSTALLATION: Final = "_installation"

# The largest event of ours is under 1 KiB; the limit bounds what a row and a proof can weigh.
EVENT_SIZE_MAX_BYTES: Final = 8192
DATA_FIELDS_MAX: Final = 32
ID_LENGTH_MAX: Final = 200
INTEGER_MAX: Final = 2**53 - 1  # RFC 7493 §2.2: larger ones do not survive every JSON reader.

# Event times come from outside, too; beyond these they are nonsense, and near the ends of
# datetime's range conversions overflow.
YEAR_MIN: Final = 2000
YEAR_MAX: Final = 2999

SPEC_VERSION: Final = "1.0"
# CloudEvents wants source + id unique; our ids are unique alone, so the source is a constant.
SOURCE: Final = "/careerrelay"

_COMPANY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}|_installation")
_ID = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*:[A-Za-z0-9_./-]+")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SIMPLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_REFERENCE = re.compile(r"h:[a-z2-7]{26}")
# How the canonical form says the time; behind it there is the type alone.
_TIME_BEGINS: Final = b',"time":"'
_TIME_SIZE: Final = len(b',"time":"2026-01-15T03:00:00.000Z"')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class EventError(ValueError):
    """No such event can be: `where` is the attribute at fault, `what` says what is wrong."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class EventType(StrEnum):
    """Everything that can happen, as `subject.past_verb`."""

    LETTER_LINK_ISSUED = "letter.link_issued"
    LETTER_DELIVERED = "letter.delivered"
    LETTER_REFUSED = "letter.refused"
    LETTER_PASSED = "letter.passed"
    LINK_CLICKED = "link.clicked"
    LINK_REVOKED = "link.revoked"
    CLICK_RECLASSIFIED = "click.reclassified"
    CLICK_THINNED = "click.thinned"
    SIGNUP_RECEIVED = "signup.received"
    SIGNUP_VERIFIED = "signup.verified"
    REFERRAL_COUNTED = "referral.counted"
    REFERRAL_HELD = "referral.held"
    REFERRAL_RELEASED = "referral.released"
    REFERRAL_REJECTED = "referral.rejected"
    REFERRAL_REVERSED = "referral.reversed"
    SLOT_GRANTED = "slot.granted"
    SLOT_RESERVED = "slot.reserved"
    SLOT_USED = "slot.used"
    SLOT_RELEASED = "slot.released"
    SLOT_VOIDED = "slot.voided"
    SLOT_EXPIRY_NOTICED = "slot.expiry_noticed"
    SLOT_EXPIRED = "slot.expired"
    CHANGE_PROPOSED = "change.proposed"
    KEY_ADDED = "key.added"
    KEY_ACTIVATED = "key.activated"
    KEY_RETIRED = "key.retired"
    KEY_REVOKED = "key.revoked"
    CONFIG_CHANGED = "config.changed"
    STATEMENT_ISSUED = "statement.issued"
    PERSON_OPENED = "person.opened"
    SUBJECT_ERASED = "subject.erased"
    LOG_EXPORTED = "log.exported"
    STORE_BACKED_UP = "store.backed_up"
    QUEUE_RETRIED = "queue.retried"
    QUEUE_DROPPED = "queue.dropped"
    CHECKPOINT_SIGNED = "checkpoint.signed"


# These exist only because a rule made them out of another event; nobody may report them.
DERIVED_ONLY: Final = frozenset(
    {EventType.REFERRAL_COUNTED, EventType.REFERRAL_HELD, EventType.SLOT_GRANTED}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; checked on construction, so that every instance can be encoded.

    `time` is brought to UTC and cut to milliseconds, `data` is copied and frozen.
    """

    id: str
    type: EventType
    company: str
    time: datetime
    subject: str
    data: Mapping[str, str | int]
    # The encoding, made once.
    _body: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.id) > ID_LENGTH_MAX or not _ID.fullmatch(self.id):
            raise EventError("id", f"not an event id: {self.id[:80]!r}")
        try:
            object.__setattr__(self, "type", EventType(self.type))
        except ValueError:
            raise EventError("type", f"unknown event type {str(self.type)[:80]!r}") from None
        if not is_company(self.company):
            raise EventError("company", f"not a company id: {self.company[:80]!r}")
        if self.time.tzinfo is None:
            raise EventError("time", "has no time zone")
        utc = self.time
        if utc.tzinfo is not UTC:
            # Far out of range a time cannot be brought to UTC, in which its year counts.
            utc = utc.astimezone(UTC) if _is_in_range(utc) else utc
        if not _is_in_range(utc):
            raise EventError("time", f"the year of {self.time} is out of range")
        if utc.microsecond % 1000:
            utc = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
        object.__setattr__(self, "time", utc)
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))
        _check_data(self.data)
        body = _canonical(self)
        if len(body) > EVENT_SIZE_MAX_BYTES:
            raise EventError("event", f"is {len(body)} bytes, the limit is {EVENT_SIZE_MAX_BYTES}")
        object.__setattr__(self, "_body", body)

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled or copied.
        fields = (self.id, self.type, self.company, self.time, self.subject, dict(self.data))
        return (Event, fields)

    @property
    def body(self) -> bytes:
        """The canonical bytes of the event: what is stored and hashed."""
        return self._body


def encode(event: Event) -> bytes:
    """Return the canonical bytes of the event: what is stored and hashed."""
    return event.body


def fingerprint(event: Event) -> bytes:
    """Return a digest over all of the event but its time.

    Two submissions of one id are the same event when this is equal. The time is left out because a
    letter sent again, or a webhook called again, is the same event at a later hour: the first
    submission's time stands.
    """
    ending = f',"type":"{event.type}"}}'.encode()
    assert event.body[-len(ending) - _TIME_SIZE :].startswith(_TIME_BEGINS)
    return hashlib.sha256(event.body[: -len(ending) - _TIME_SIZE] + ending).digest()


def parse(body: bytes) -> Event:
    """Return the event these canonical bytes encode; raises `EventError` for anything else."""
    if len(body) > EVENT_SIZE_MAX_BYTES:
        raise EventError("event", f"is {len(body)} bytes, the limit is {EVENT_SIZE_MAX_BYTES}")
    try:
        # RecursionError: thousands of opening brackets fit into the size limit.
        found: object = json.loads(body.decode(), parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise EventError("event", f"is not JSON of ours: {error}") from None
    if not isinstance(found, dict):
        raise EventError("event", "is not an object")
    fields = cast("dict[str, object]", found)
    expected = {"specversion", "id", "source", "type", "company", "time", "subject", "data"}
    if odd := expected ^ fields.keys():
        raise EventError(min(odd), "missing or unknown attribute")
    data = fields["data"]
    if not isinstance(data, dict):
        raise EventError("data", "is not an object")
    event = Event(
        id=_text(fields, "id"),
        type=cast("EventType", _text(fields, "type")),  # Checked by the constructor.
        company=_text(fields, "company"),
        time=parse_time(_text(fields, "time")),
        subject=_text(fields, "subject"),
        data=cast("dict[str, str | int]", data),  # Checked by the constructor.
    )
    if encode(event) != body:
        raise EventError("event", "is not in canonical form")
    return event


def format_time(time: datetime) -> str:
    """Return the time as RFC 3339 in UTC with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """Return the time that `format_time` wrote; raises `EventError`."""
    try:
        if not _TIME.fullmatch(text) or not text.isascii():
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise EventError("time", f"not RFC 3339 UTC with milliseconds: {text[:40]!r}") from None


def link_issued(
    company: str, link_id: str, time: datetime, *, language: str, stage: str, position: str
) -> Event:
    """Return the event of a letter getting its link; a letter sent again is the same event."""
    data = {"link_id": link_id, "language": language, "stage": stage, "position": position}
    return _link_event(EventType.LETTER_LINK_ISSUED, company, link_id, time, data)


def letter_delivered(company: str, link_id: str, time: datetime, code: int) -> Event:
    """Return the event of the next hop taking the letter with this reply code."""
    data: dict[str, str | int] = {"link_id": link_id, "code": code}
    return _link_event(EventType.LETTER_DELIVERED, company, link_id, time, data, str(code))


def letter_refused(company: str, link_id: str, time: datetime, code: int) -> Event:
    """Return the event of the next hop refusing the letter, for now or for good."""
    data: dict[str, str | int] = {"link_id": link_id, "code": code}
    return _link_event(EventType.LETTER_REFUSED, company, link_id, time, data, str(code))


def signup_verified(
    company: str,
    link_id: str,
    time: datetime,
    *,
    signup_id: str,
    person_ref: str,
    verification: str,
    consent_version: str,
    body_digest: str,
    flags: str = "",
) -> Event:
    """Return the event of a confirmed registration; the same `signup_id` is the same event.

    The id does not depend on the company: one signup cannot be two. `person_ref` is an `h:`
    reference, never an address. A registration that no link explains goes to `INSTALLATION`
    with an empty `link_id`. `flags` are of `ledger.signupflags`; without any there is no field.
    """
    if flags != join_flags(flags.split()):
        raise EventError("data.flags", "not flags in their order")
    if not _REFERENCE.fullmatch(person_ref):
        raise EventError("data.person_ref", "not an h: reference")
    data = {
        "link_id": link_id,
        "person_ref": person_ref,
        "verification": verification,
        "consent_version": consent_version,
        "body_digest": body_digest,
        **({"flags": flags} if flags else {}),
    }
    kind = EventType.SIGNUP_VERIFIED
    name = signup_digest(signup_id)
    return Event(make_id(kind, name), kind, company, time, f"signup:{name}", data)


def installation_event(
    kind: EventType, time: datetime, *, event_id: str, subject: str, data: Mapping[str, str | int]
) -> Event:
    """Return an event of the installation's own log: keys, configuration, exports."""
    return Event(make_id(kind, event_id), kind, INSTALLATION, time, subject, data)


def derived(
    kind: EventType,
    source: Event,
    data: Mapping[str, str | int],
    *,
    name: str = "",
    subject: str = "",
) -> Event:
    """Return the event that follows from `source` by a rule; it bears that event's time.

    The id is made of the new type and the name of the source (or `name`), so that deriving it
    again gives the same event.
    """
    event_id = make_id(kind, name or source.id.partition(":")[2])
    return Event(event_id, kind, source.company, source.time, subject or source.subject, data)


def is_company(text: str) -> bool:
    """Tell whether the text is a company's id, or that of the installation's log."""
    return bool(_COMPANY.fullmatch(text))


def link_issued_id(link_id: str) -> str:
    """Return the id that the `letter.link_issued` event of this link has."""
    return make_id(EventType.LETTER_LINK_ISSUED, link_id)


def signup_digest(signup_id: str) -> str:
    """Return the name of a signup in ids and subjects: 26 base32 characters of its SHA-256.

    The registration service's own id stays out of the log: we do not know what is in it.
    """
    digest = hashlib.sha256(b"careerrelay signup\n" + signup_id.encode("utf-8", "surrogatepass"))
    return base64.b32encode(digest.digest())[:26].decode().lower()


def _link_event(
    kind: EventType,
    company: str,
    link_id: str,
    time: datetime,
    data: Mapping[str, str | int],
    *more: str,
) -> Event:
    event_id = make_id(kind, "/".join((link_id, *more)))
    return Event(event_id, kind, company, time, f"link:{link_id}", data)


def make_id(kind: EventType, name: str) -> str:
    """Return the id of an event that has this name among those of its kind; or `EventError`."""
    if not all(_SIMPLE.fullmatch(part) for part in name.split("/")):
        raise EventError("id", f"not usable in an event id: {name[:80]!r}")
    return f"{kind}:{name}"


def _canonical(event: Event) -> bytes:
    # Field names are ASCII, so sorting by code point is also RFC 8785's order, and pydantic-core
    # writes strings as RFC 8785 §3.2.2.2 does, faster than `json`.
    fields = {
        "company": event.company,
        "data": dict(sorted(event.data.items())),
        "id": event.id,
        "source": SOURCE,
        "specversion": SPEC_VERSION,
        "subject": event.subject,
        "time": format_time(event.time),
        "type": event.type.value,
    }
    try:
        return to_json(fields)
    except PydanticSerializationError:
        raise EventError("event", "holds half of a surrogate pair") from None


def _is_in_range(time: datetime) -> bool:
    return YEAR_MIN <= time.year <= YEAR_MAX


def _check_data(data: Mapping[str, object]) -> None:
    if len(data) > DATA_FIELDS_MAX:
        raise EventError("data", f"has {len(data)} fields, the limit is {DATA_FIELDS_MAX}")
    for name, value in data.items():
        if not _FIELD.fullmatch(name):
            raise EventError("data", f"not a field name: {name[:80]!r}")
        if isinstance(value, str):
            if "\0" in value:
                raise EventError(f"data.{name}", "holds U+0000")
        elif isinstance(value, bool) or not isinstance(value, int):
            raise EventError(f"data.{name}", "is no integer and no string")
        elif abs(value) > INTEGER_MAX:
            raise EventError(f"data.{name}", "is larger than 2^53-1")


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise EventError(name, "is not a string")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not an integer")
