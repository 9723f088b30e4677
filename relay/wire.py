"""Messages as they go over the wire (RFC 5321 §4.5.2): dot-stuffing, end of data, bare CR and LF.

The end of data is CRLF.CRLF and nothing else. A bare CR or LF is never sent on, nor a line of one
dot between NULs: servers that take the one for a line ending, or drop the others, would see another
message inside this one (SMTP smuggling).
"""

from __future__ import annotations

import re

END_OF_DATA = b"\r\n.\r\n"
# A line that is a dot for a server which drops NULs.
_HIDDEN_DOT = re.compile(rb"(?:\A|(?<=[\r\n]))(?:\0+\.\0*|\.\0+)(?=[\r\n])")
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


def settle(wire: bytes) -> tuple[bytes, bytes]:
    """Return message and wire form without anything that could be read in two ways.

    The wire form is the very same object where there was nothing of the kind.
    """
    message = unstuff(wire)
    has_hidden_dot = b"\0" in wire and _HIDDEN_DOT.search(wire) is not None
    if not has_hidden_dot and not has_bare_line_endings(message):
        return message, wire
    message = normalise(message)
    if has_hidden_dot:
        message = _HIDDEN_DOT.sub(b".", message)
    return message, stuff(message)


def has_bare_line_endings(message: bytes) -> bool:
    """Say whether a CR or an LF stands alone (three passes of memchr, no Python loop)."""
    pairs = message.count(b"\r\n")
    return message.count(b"\n") != pairs or message.count(b"\r") != pairs


def normalise(message: bytes) -> bytes:
    """Return the message with each bare CR and LF made CRLF, as Postfix does since 3.9."""
    return message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
