"""SMTP AUTH (RFC 4954) with SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

What a client says becomes a name and a password, or a reply that ends the exchange. Whether the
two belong together is not decided here. No I/O: the session sends each challenge and feeds the line
that comes back. A reply never quotes what the client sent. Names are UTF-8, names and passwords are
taken as they are: SASLprep (RFC 4013) would only make different ones equal.

    step = parse_auth(argument).start()
    while isinstance(step, Challenge): send step.reply, step = exchange.feed(line that came)
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import dataclass, field

from relay.reply import BAD_SYNTAX, Reply, reply

MECHANISMS = ("PLAIN", "LOGIN")

# RFC 4954 §4 wants servers to take lines of 12,288 octets in an exchange, CRLF included.
LINE_MAX_BYTES = 12_288

CANCELLED = reply(501, "5.7.0 Authentication cancelled")
NOT_BASE64 = reply(501, "5.5.2 Cannot decode the response as base64")
LINE_TOO_LONG = reply(500, "5.5.6 Authentication exchange line is too long")
UNKNOWN_MECHANISM = reply(504, "5.5.4 Unknown authentication mechanism")
INVALID_CREDENTIALS = reply(535, "5.7.8 Authentication credentials invalid")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a client says it is, and its proof."""

    name: str
    password: bytes = field(repr=False)  # So that no traceback or log ever shows it.


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client is asked next."""

    text: bytes

    @property
    def reply(self) -> Reply:
        """The challenge as a reply. Without a text, the space behind the code stays."""
        return reply(334, base64.b64encode(self.text).decode())


class AuthenticationRefused(Exception):
    """The exchange is over without credentials; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.lines[0])
        self.reply = reply


_Steps = Generator[Challenge, bytes, Credentials]


class Exchange:
    """One AUTH command: `start` once, then `feed` a line for each challenge, until credentials.

    Both raise `AuthenticationRefused`; then, and with the credentials, the exchange is over.
    """

    def __init__(self, mechanism: str, initial: bytes | None) -> None:
        """Take the words of the command. `initial` is in base64, `=` is an empty response."""
        # Upper case makes ASCII of some letters that are none.
        if not mechanism.isascii() or mechanism.upper() not in MECHANISMS:
            raise AuthenticationRefused(UNKNOWN_MECHANISM)
        response = None if initial is None else _decode(b"" if initial == b"=" else initial)
        begin = _plain if mechanism.upper() == "PLAIN" else _login
        self._steps = begin(response)

    def start(self) -> Challenge | Credentials:
        """Return the first challenge, or what the command said already."""
        try:
            return next(self._steps)
        except StopIteration as end:
            return _credentials(end)

    def feed(self, line: bytes) -> Challenge | Credentials:
        """Take the client's answer to the last challenge, with or without its line ending."""
        if len(line) > LINE_MAX_BYTES:
            raise AuthenticationRefused(LINE_TOO_LONG)
        line = line.rstrip(b"\r\n")
        if line == b"*":
            raise AuthenticationRefused(CANCELLED)
        try:
            return self._steps.send(_decode(line))
        except StopIteration as end:
            return _credentials(end)


def parse_auth(argument: str) -> Exchange:
    """Return the exchange that `AUTH <mechanism> [initial-response]` begins."""
    mechanism, _, initial = argument.strip().partition(" ")
    if not mechanism:
        raise AuthenticationRefused(BAD_SYNTAX)
    return Exchange(mechanism, initial.encode("utf-8", "surrogateescape") if initial else None)


def _decode(octets: bytes) -> bytes:
    if len(octets) > LINE_MAX_BYTES:
        raise AuthenticationRefused(LINE_TOO_LONG)
    try:
        return base64.b64decode(octets, validate=True)
    except ValueError:  # binascii.Error is one. Without its cause, which knows the octets.
        raise AuthenticationRefused(NOT_BASE64) from None


def _plain(message: bytes | None) -> _Steps:
    if message is None:
        message = yield Challenge(b"")
    fields = message.split(b"\0")
    if len(fields) != 3:
        raise AuthenticationRefused(INVALID_CREDENTIALS)
    identity, name, password = fields
    # RFC 4616 §2: nobody acts for somebody else here.
    if identity not in (b"", name):
        raise AuthenticationRefused(INVALID_CREDENTIALS)
    return _named(name, password)


def _login(name: bytes | None) -> _Steps:
    # Clients look for these words, which are not those of the draft.
    if name is None:
        name = yield Challenge(b"Username:")
    password = yield Challenge(b"Password:")
    return _named(name, password)


def _named(name: bytes, password: bytes) -> Credentials:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise AuthenticationRefused(INVALID_CREDENTIALS) from None
    if not text or not password:
        raise AuthenticationRefused(INVALID_CREDENTIALS)
    return Credentials(text, password)


def _credentials(end: StopIteration) -> Credentials:
    assert isinstance(end.value, Credentials), "an exchange that is over was fed"
    return end.value
