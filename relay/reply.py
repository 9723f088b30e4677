"""SMTP replies (RFC 5321 §4.2): a code and its lines of text, the next hop's or our own."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. The text of each line starts with the enhanced status code, if there is one."""

    code: int
    lines: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the reply as it goes over the wire."""
        if len(self.lines) == 1:
            return b"%d %s\r\n" % (self.code, _octets(self.lines[0]))
        *others, last = map(_octets, self.lines)
        return b"".join(b"%d-%s\r\n" % (self.code, line) for line in others) + (
            b"%d %s\r\n" % (self.code, last)
        )

    @property
    def is_positive(self) -> bool:
        """Whether the command was done (2xx)."""
        return 200 <= self.code < 300


def _octets(line: str) -> bytes:
    if line.isascii() and line.isprintable():
        return line.encode("ascii")
    # A next hop's CR or NUL must not reach the client as the end of a line.
    return _CONTROL.sub(b" ", line.encode("utf-8", "surrogateescape"))


def reply(code: int, text: str) -> Reply:
    """Return a reply of one line."""
    return Reply(code, (text,))


def temporary_failure(incident: str) -> Reply:
    """Return our answer when something of ours failed: the sender keeps the mail and retries."""
    return reply(451, f"4.3.0 Temporary failure, please try again (id {incident})")


OK = reply(250, "2.0.0 OK")
START_DATA = reply(354, "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS = reply(220, "2.0.0 Ready to start TLS")
BYE = reply(221, "2.0.0 Bye")
AUTHENTICATED = reply(235, "2.7.0 Authentication successful")
CANNOT_VERIFY = reply(252, "2.1.5 Send some mail, the next hop will decide")
EMPTY_COMMAND = reply(500, "5.5.2 Empty command")
UNKNOWN_COMMAND = reply(500, "5.5.2 Command not recognised")
LINE_TOO_LONG = reply(500, "5.5.2 Command line too long")
BAD_SYNTAX = reply(501, "5.5.4 Syntax error in the command's argument")
BAD_SEQUENCE = reply(503, "5.5.1 Bad sequence of commands")
NO_RECIPIENTS = reply(554, "5.5.1 No valid recipients")
NOT_ALLOWED = reply(554, "5.7.1 Your address is not allowed to use this relay")
SENDER_NOT_ALLOWED = reply(550, "5.7.1 This sender's domain may not use this listener")
NOT_AUTHORISED = reply(550, "5.7.0 You may not use this command")
AUTH_REQUIRED = reply(530, "5.7.0 Authentication or a client certificate is required")
AUTH_NEEDS_TLS = reply(538, "5.7.11 Encryption required: say STARTTLS first")
TLS_REQUIRED = reply(530, "5.7.0 Must issue a STARTTLS command first")
NOT_IMPLEMENTED = reply(502, "5.5.1 Command not implemented")
TOO_MANY_CONNECTIONS = reply(421, "4.7.0 Too many connections, please try again later")
SHUTTING_DOWN = reply(421, "4.3.2 Service is shutting down, please try again")
SILENT_TOO_LONG = reply(421, "4.4.2 Nothing was heard for too long, good bye")
NO_ROOM = reply(452, "4.3.1 Too much mail at once, please try again later")
BROKEN_OFF = reply(421, "4.3.0 Temporary failure, please try again")
GONE = reply(421, "4.4.2 The next mail system went away, please try again later")
TOO_MANY_ERRORS = reply(421, "4.7.0 Too many errors, good bye")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3 Too many recipients in one message")
TOO_MANY_RECEIVED = reply(554, "5.4.6 Too many Received fields, the message is in a loop")
BARE_LINE_ENDINGS = reply(554, "5.6.11 A CR or LF stands alone in the message")
NEXT_HOP_AWAY = reply(451, "4.4.1 The next mail system cannot be reached, please try again later")
NEXT_HOP_LOST = reply(451, "4.4.2 The next mail system went away, please try again later")


def too_large(size_max_bytes: int) -> Reply:
    """Return the refusal of a message over the limit (RFC 1870 §6.3)."""
    return reply(552, f"5.3.4 The message is larger than {size_max_bytes} bytes")


# Ours to a client that does not know what it does: a session has a limit of these.
MISTAKES = frozenset(
    {
        LINE_TOO_LONG,
        EMPTY_COMMAND,
        UNKNOWN_COMMAND,
        BAD_SYNTAX,
        BAD_SEQUENCE,
        NO_RECIPIENTS,
        NOT_IMPLEMENTED,
        NOT_AUTHORISED,
        AUTH_REQUIRED,
        AUTH_NEEDS_TLS,
        TLS_REQUIRED,
    }
)
# Behind these we hang up.
FAREWELLS = frozenset({BYE, BROKEN_OFF, GONE, TOO_MANY_ERRORS})
