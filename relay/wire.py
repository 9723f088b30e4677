"""Messages as they go over the wire (RFC 5321 §4.5.2): dot-stuffing, end of data, bare CR and LF.

The end of data is CRLF.CRLF and nothing else. A bare CR or LF is never sent on: servers that take
it for a line ending would see another message inside this one (SMTP smuggling).
"""

from __future__ import annotations

END_OF_DATA = b"\r\n.\r\n"
EMPTY_MESSAGE = b".\r\n"  # What follows DATA's own CRLF when there is no message at all.


def unstuff(wire: bytes) -> bytes:
    """Return the message: without the final dot, and without the dots put before dots."""
    message = wire[: -len(EMPTY_MESSAGE)]
    if message.startswith(b"."):
        message = message[1:]
    return message.replace(b"\r\n.", b"\r\n")


def stuff(message: bytes) -> bytes:
    """Return the wire form of a message whose lines end in CRLF: dots doubled, final dot added."""
    if message.startswith(b"."):
        message = b"." + message
    end = EMPTY_MESSAGE if message.endswith(b"\r\n") or not message else END_OF_DATA
    return message.replace(b"\r\n.", b"\r\n..") + end


def has_bare_line_endings(message: bytes) -> bool:
    """Say whether a CR or an LF stands alone (three passes of memchr, no Python loop)."""
    pairs = message.count(b"\r\n")
    return message.count(b"\n") != pairs or message.count(b"\r") != pairs


def normalise(message: bytes) -> bytes:
    """Return the message with each bare CR and LF made CRLF, as Postfix does since 3.9."""
    return message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
