"""A letter in a file or in an mbox (FILE:NUMBER): its bytes, and the envelope it probably had.

A file has no envelope. Sender and recipients are taken from the header here, and only here: on the
wire the envelope is what the SMTP dialogue says.
"""

from __future__ import annotations

import re
from pathlib import Path

from relay.charset import decode_header
from relay.cli.common import fail
from relay.envelope import Envelope
from relay.mailstore import read_one
from relay.mimemap import MessageMap

# Addresses without quoted local parts: enough for telling company and candidate apart.
_NUMBERED = re.compile(r"(.+):([1-9][0-9]{0,9})\Z")
_ADDRESS = re.compile(r"[^\s<>\"(),:;@]+@[A-Za-z0-9.-]+")


def read_letter_file(path: Path) -> bytes:
    """Return the bytes of a file, or end the command when it cannot be read.

    FILE:NUMBER is one message of an mbox, as `careerrelay replay` names it.
    """
    numbered = _NUMBERED.match(str(path))
    try:
        if numbered is None or path.exists():
            return path.read_bytes()
        message = read_one(Path(numbered[1]), int(numbered[2]))
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    if message is None:
        fail(f"{path}: the file has fewer messages")
    return message


def envelope_from_header(message_map: MessageMap) -> Envelope:
    """Return the envelope that the header suggests; parts that are missing stay empty."""
    senders = _addresses(message_map, "return-path") or _addresses(message_map, "from")
    # In sent mail Bcc is still there.
    recipients = tuple(
        address for name in ("to", "cc", "bcc") for address in _addresses(message_map, name)
    )
    return Envelope(senders[0] if senders else "", recipients)


def _addresses(message_map: MessageMap, name: str) -> tuple[str, ...]:
    return tuple(
        address
        for value in message_map.headers(name)
        for address in _ADDRESS.findall(decode_header(value))
    )
