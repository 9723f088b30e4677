"""The fields that say where a message has been: Received (RFC 5321 §4.4), and our own mark.

A door may ask for them; without, the relay leaves no trace but on the letters it changed. They are
put in front of the message: nothing that stands in it changes, and no DKIM signature covers them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

# A mail system that routes by rules tells by this field that a message has been here. It proves
# nothing and switches nothing off: only the MAC of a changed letter does.
SEEN_FIELD = b"X-Career-Relay: v=1; seen\r\n"
GREETING_MAX_CHARS = 255

_ODD = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came in."""

    greeted_as: str  # What the client said in EHLO or HELO.
    host: str
    hostname: str  # Ours.
    is_extended: bool
    is_encrypted: bool
    is_authenticated: bool

    @property
    def protocol(self) -> str:
        """The word of RFC 3848 for it."""
        if not self.is_extended:
            return "SMTP"
        return "ESMTP" + "S" * self.is_encrypted + "A" * self.is_authenticated


def received_field(arrival: Arrival, incident: str, moment: datetime) -> bytes:
    """Return the Received field, with its CRLF."""
    greeted_as = _ODD.sub("?", arrival.greeted_as[:GREETING_MAX_CHARS]) or "unknown"
    literal = f"[IPv6:{arrival.host}]" if ":" in arrival.host else f"[{arrival.host}]"
    return (
        f"Received: from {greeted_as} ({literal})\r\n"
        f"\tby {arrival.hostname} with {arrival.protocol} id {incident};\r\n"
        f"\t{format_datetime(moment)}\r\n"
    ).encode("ascii", "replace")
