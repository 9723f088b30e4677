"""Exports as OCSF 1.5.0 (Open Cybersecurity Schema Framework): one JSON object a line.

Letters, referrals, slots, keys and settings are managed entities (class 3004), a registration is an
account (3001), a click is a web resource that was read (6001). Letters are no Email Activity
(4009): that class demands an address, and the log has none. What a class has no field for stands
whole in `unmapped`. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from ledger.events import Event, EventType, format_time
from ledger.exports_text import json_text, title

OCSF_VERSION: Final = "1.5.0"


class Class(IntEnum):
    """The classes in use, by their number."""

    ACCOUNT_CHANGE = 3001
    ENTITY_MANAGEMENT = 3004
    WEB_RESOURCES_ACTIVITY = 6001


class Severity(IntEnum):
    """How much an operator should care."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3


_CATEGORIES: Final = {3: "Identity & Access Management", 6: "Application Activity"}
_EMAIL, _OTHER = 6, 99  # Types of managed entities.


@dataclass(frozen=True, slots=True)
class Mapping:
    """What an event is in OCSF."""

    class_uid: Class
    activity_id: int
    activity: str
    severity: Severity = Severity.INFORMATIONAL


def _entity(activity_id: int, activity: str, severity: Severity = Severity.LOW) -> Mapping:
    return Mapping(Class.ENTITY_MANAGEMENT, activity_id, activity, severity)


_INFO, _MEDIUM = Severity.INFORMATIONAL, Severity.MEDIUM
_UNMAPPED: Final = _entity(99, "Other", _INFO)
MAPPINGS: Final = {
    EventType.LETTER_LINK_ISSUED: _entity(1, "Create", _INFO),
    EventType.LETTER_DELIVERED: _entity(3, "Update", _INFO),
    EventType.LETTER_REFUSED: _entity(3, "Update", _INFO),
    EventType.LETTER_PASSED: _entity(2, "Read", _INFO),
    EventType.LINK_CLICKED: Mapping(Class.WEB_RESOURCES_ACTIVITY, 2, "Read"),
    EventType.LINK_REVOKED: _entity(9, "Disable"),
    EventType.CLICK_RECLASSIFIED: _entity(3, "Update", _INFO),
    EventType.CLICK_THINNED: _entity(1, "Create", _INFO),
    EventType.SIGNUP_RECEIVED: Mapping(Class.ACCOUNT_CHANGE, 1, "Create"),
    EventType.SIGNUP_VERIFIED: Mapping(Class.ACCOUNT_CHANGE, 2, "Enable"),
    EventType.PERSON_OPENED: _entity(2, "Read", _MEDIUM),
    EventType.SUBJECT_ERASED: Mapping(Class.ACCOUNT_CHANGE, 6, "Delete", Severity.LOW),
    EventType.REFERRAL_COUNTED: _entity(1, "Create", _INFO),
    EventType.REFERRAL_HELD: _entity(12, "Suspend"),
    EventType.REFERRAL_RELEASED: _entity(13, "Resume"),
    EventType.REFERRAL_REJECTED: _entity(11, "Deactivate"),
    EventType.REFERRAL_REVERSED: _entity(4, "Delete"),
    EventType.SLOT_GRANTED: _entity(1, "Create", _INFO),
    EventType.SLOT_RESERVED: _entity(3, "Update", _INFO),
    EventType.SLOT_USED: _entity(3, "Update", _INFO),
    EventType.SLOT_RELEASED: _entity(3, "Update", _INFO),
    EventType.SLOT_VOIDED: _entity(11, "Deactivate"),
    EventType.SLOT_EXPIRY_NOTICED: _entity(2, "Read", _INFO),
    EventType.SLOT_EXPIRED: _entity(11, "Deactivate", _INFO),
    EventType.CHANGE_PROPOSED: _entity(1, "Create"),
    EventType.KEY_ADDED: _entity(1, "Create"),
    EventType.KEY_ACTIVATED: _entity(10, "Activate"),
    EventType.KEY_RETIRED: _entity(11, "Deactivate"),
    EventType.KEY_REVOKED: _entity(9, "Disable", _MEDIUM),
    EventType.CONFIG_CHANGED: _entity(3, "Update"),
    EventType.STATEMENT_ISSUED: _entity(1, "Create", _INFO),
    EventType.LOG_EXPORTED: _entity(2, "Read"),
    EventType.STORE_BACKED_UP: _entity(2, "Read"),
    EventType.QUEUE_RETRIED: _entity(3, "Update"),
    EventType.QUEUE_DROPPED: _entity(4, "Delete", _MEDIUM),
    EventType.CHECKPOINT_SIGNED: _entity(1, "Create", _INFO),
}


def encode_ocsf(seq: int, event: Event) -> bytes:
    """Return the entry as a line."""
    found = MAPPINGS.get(event.type, _UNMAPPED)
    name, category = title(found.class_uid.name.lower()).title(), found.class_uid // 1000
    is_failure = event.type is EventType.LETTER_REFUSED
    fields: dict[str, Any] = {
        "activity_id": found.activity_id,
        "activity_name": found.activity,
        "category_uid": category,
        "category_name": _CATEGORIES[category],
        "class_uid": int(found.class_uid),
        "class_name": name,
        "type_uid": found.class_uid * 100 + found.activity_id,
        "type_name": f"{name}: {found.activity}",
        "severity_id": int(found.severity),
        "severity": found.severity.name.capitalize(),
        "status_id": 2 if is_failure else 1,
        "status": "Failure" if is_failure else "Success",
        "time": int(event.time.timestamp() * 1000),
        "message": title(event.type),
        "metadata": _metadata(seq, event),
        "unmapped": dict(event.data),
        **_about(found.class_uid, event),
    }
    if reasons := event.data.get("reasons"):
        fields["status_detail"] = str(reasons)
    return json_text(fields).encode() + b"\n"


def id_in_ocsf(line: bytes) -> str:
    """Return the event id in a line; `ValueError` if it is none of ours."""
    try:
        return str(json.loads(line)["metadata"]["uid"])
    except (TypeError, LookupError):
        raise ValueError("not a line of an export as OCSF") from None


def _metadata(seq: int, event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "version": OCSF_VERSION,
        "product": {"name": "careerrelay", "vendor_name": "Career Relay"},
        "uid": event.id,
        "sequence": seq,
        "event_code": str(event.type),
        "log_name": event.company,
        "log_provider": "careerrelay",
        "original_time": format_time(event.time),
        "tenant_uid": event.company,
    }
    if link := event.data.get("link_id"):
        found["correlation_uid"] = str(link)  # What ties letter, clicks and registration together.
    return found


def _about(class_uid: Class, event: Event) -> dict[str, Any]:
    """Return the fields that say what it happened to."""
    uid = event.subject or event.id
    if class_uid is Class.WEB_RESOURCES_ACTIVITY:
        return {"web_resources": [{"uid": uid, "type": "Link"}]}
    if class_uid is Class.ACCOUNT_CHANGE:
        person = event.data.get("person_ref") or event.data.get("ref") or uid
        return {"user": {"uid": str(person), "type_id": 1, "type": "User"}}
    kind = event.type.partition(".")[0]
    type_id = _EMAIL if kind == "letter" else _OTHER
    return {
        "entity": {"uid": uid, "type_id": type_id, "type": "Email" if kind == "letter" else kind}
    }
