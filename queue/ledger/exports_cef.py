"""Exports as CEF, version 0 (ArcSight Common Event Format): one line an event, no syslog header.

    CEF:0|Career Relay|careerrelay|1|link.clicked|Link clicked|1|cs1Label=event_id cs1=… rt=… …

In the header `\\` and `|` are escaped, in the extension `\\`, `=` and line ends. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.events import Event, EventType
from ledger.exports_text import data_text, on_one_line, title

VENDOR: Final = "Career Relay"
PRODUCT: Final = "careerrelay"
# Of this mapping. It counts up when a field changes its meaning.
MAPPING_VERSION: Final = "1"

# From 0 to 10. What happens to letters all day is 1, what an operator should know of is higher.
SEVERITY_DEFAULT: Final = 1
SEVERITIES: Final = {
    EventType.REFERRAL_HELD: 3,
    EventType.REFERRAL_REJECTED: 3,
    EventType.REFERRAL_REVERSED: 4,
    EventType.SLOT_VOIDED: 4,
    EventType.CHANGE_PROPOSED: 3,
    EventType.KEY_ADDED: 4,
    EventType.KEY_ACTIVATED: 4,
    EventType.KEY_RETIRED: 4,
    EventType.KEY_REVOKED: 6,
    EventType.LINK_REVOKED: 4,
    EventType.CONFIG_CHANGED: 4,
    EventType.PERSON_OPENED: 4,
    EventType.SUBJECT_ERASED: 3,
    EventType.LOG_EXPORTED: 3,
    EventType.STORE_BACKED_UP: 3,
    EventType.QUEUE_RETRIED: 3,
    EventType.QUEUE_DROPPED: 5,
}

# The event id stands first, where a reader who goes on with a file finds it. Not in `externalId`:
# that holds 40 characters, an id has up to 200.
_ID: Final = re.compile(rb"\|cs1Label=event_id cs1=([A-Za-z0-9_./:-]+) ")


def encode_cef(seq: int, event: Event) -> bytes:
    """Return the entry as a line."""
    header = (
        VENDOR,
        PRODUCT,
        MAPPING_VERSION,
        event.type,
        title(event.type),
        str(SEVERITIES.get(event.type, SEVERITY_DEFAULT)),
    )
    extension = {
        "cs1Label": "event_id",
        "cs1": event.id,
        "rt": str(int(event.time.timestamp() * 1000)),
        "cat": event.type.partition(".")[0],
        "outcome": "failure" if event.type is EventType.LETTER_REFUSED else "success",
        "cn1Label": "seq",
        "cn1": str(seq),
        "cs2Label": "log",
        "cs2": event.company,
        "cs3Label": "subject",
        "cs3": event.subject,
        "cs4Label": "data",
        "cs4": data_text(event.data),
    }
    if reasons := str(event.data.get("reasons", "")):
        extension["reason"] = reasons
    fields = " ".join(f"{name}={_value(text)}" for name, text in extension.items())
    return f"CEF:0|{'|'.join(map(_part, header))}|{fields}\n".encode()


def id_in_cef(line: bytes) -> str:
    """Return the event id in a line; `ValueError` if it is none of ours."""
    found = _ID.search(line)
    if not line.startswith(b"CEF:0|") or not found:
        raise ValueError("not a line of an export as CEF")
    return found[1].decode()


def _part(text: str) -> str:
    return on_one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return on_one_line(escaped.replace("\n", "\\n").replace("\r", "\\r"))
