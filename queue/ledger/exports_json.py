"""Exports as JSON lines: the stored bytes themselves, or CloudEvents 1.0 with their place. Pure."""

from __future__ import annotations

import json
from typing import Final

from ledger.events import Event, parse
from ledger.exports_text import json_text

# The places of a log of any size, so that they sort as text, as CloudEvents' extension
# `sequence` wants it.
SEQUENCE_DIGITS: Final = 20


def encode_cloudevent(seq: int, event: Event) -> bytes:
    """Return the entry as a CloudEvent in the JSON format, on a line."""
    fields = json.loads(event.body)
    fields["datacontenttype"] = "application/json"
    fields["sequence"] = f"{seq:0{SEQUENCE_DIGITS}d}"
    if not event.subject:
        del fields["subject"]  # CloudEvents §subject: where it is there it is not empty.
    return json_text(fields).encode() + b"\n"


def id_in_cloudevent(line: bytes) -> str:
    """Return the event id in a line; `ValueError` if it is none of ours."""
    found = json.loads(line)
    if not isinstance(found, dict) or "sequence" not in found:
        raise ValueError("not a line of an export as CloudEvents")
    return str(found.get("id"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


def id_in_entry(line: bytes) -> str:
    """Return the event id in a stored entry; `ValueError` if it is none."""
    return parse(line.rstrip(b"\n")).id
