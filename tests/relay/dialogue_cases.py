"""Hostile dialogues, made from a seed: what a client might send that no client should.

Half grammar, half accident: whole dialogues of commands in any order with arguments right and
wrong, then cut, repeated, swapped, and filled with octets that mean something to some parser. The
same seed gives the same octets in the same pieces.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from tests.relay.dialogue_model import RIGHT_MAILS, RIGHT_RECIPIENTS, WRONG_MAILS, WRONG_RECIPIENTS

CASE_MAX_BYTES = 400_000  # Some lines longer than any buffer of the relay, and no more.


class Ending(enum.Enum):
    """How the client goes."""

    QUIT = "quit"
    HALF_CLOSE = "half close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Case:
    """One connection: pieces to send, after which of them to listen first, and how to go."""

    pieces: tuple[bytes, ...]
    is_patient: bool
    ending: Ending


VERBS = (
    "EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT", "AUTH",
    "STARTTLS", "BDAT", "XFORWARD", "XCLIENT", "PROXY", "ETRN", "TURN", "SEND", "LHLO", "GET", "X",
)  # fmt: skip
# Pieces that mean something to one of the parsers on the way.
PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b".", b"..", b"\r\n.\r\n", b"\r\n.\r", b"\n.\n", b"\r\n.", b" ",
    b"\t", b"<", b">", b"<>", b'"', b"\\", b"@", b":", b"=", b"+", b"\xff", b"\xe3\x81\x82",
    b"\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\x1b", b"\x7f", b"\x08", b"%s", b"{}", b"$(x)",
    b"DATA\r\n", b"RSET\r\n", b"\r\nMAIL FROM:<>\r\n", b"QUIT\r\n", b"NOOP\r\n", b"SIZE=",
    b"SIZE=99999999999999", b"SIZE=-1", b"SIZE=1e9", b"BODY=", b"SMTPUTF8", b"ORCPT=rfc822;",
    b"XTEXT+", b"AUTH=<>", b"\xff\xf4\xff\xfd\x06", b"Subject: x\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=x\r\n",
)  # fmt: skip
STRANGERS = (
    b"GET / HTTP/1.1\r\nHost: relay.example\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"AUTH LOGIN\r\nYQ==\r\nYg==\r\n*\r\n",
    b"STARTTLS\r\nEHLO x\r\n",
    b"BDAT 10 LAST\r\n0123456789",
    b"XFORWARD NAME=x ADDR=192.0.2.1\r\n",
)


def make_case(seed: int) -> Case:
    """Return the case of a seed."""
    chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    kind = chance.randrange(10)
    if kind == 0:
        octets = chance.randbytes(chance.choice((1, 10, 100, 5000)))
    elif kind == 1:
        octets = b"".join(_piece(chance) for _ in range(chance.randint(1, 200)))
    elif kind == 2:
        octets = chance.choice(STRANGERS) + _dialogue(chance)
    elif kind < 5:
        octets = _dialogue(chance)
    else:
        octets = _wound(chance, _dialogue(chance))
    octets = octets[:CASE_MAX_BYTES]
    ending = chance.choices(list(Ending), weights=(2, 6, 2))[0]
    return Case(tuple(_cut(chance, octets)), chance.random() < 0.5, ending)


def make_commands(seed: int, count: int) -> list[str]:
    """Return command lines in an order that is mostly sensible: for servers to be compared."""
    chance = random.Random(seed)  # noqa: S311
    return [_command(chance) if chance.random() < 0.7 else _odd(chance) for _ in range(count)]


def _odd(chance: random.Random) -> str:
    """Return a MAIL or RCPT that some server, somewhere, has taken."""
    begin = chance.choice(("MAIL FROM:", "RCPT TO:", "mail from: ", "Rcpt To:\t", "MAIL  FROM:"))
    parameters = "" if chance.random() < 0.5 else chance.choice(_PARAMETERS)
    return begin + chance.choice(_ADDRESSES) + parameters


def _command(chance: random.Random) -> str:
    kind = chance.randrange(12)
    if kind < 3:
        return chance.choice(("EHLO client.example", "HELO client.example", "ehlo [192.0.2.1]"))
    if kind < 6:
        return chance.choice(RIGHT_MAILS if chance.random() < 0.8 else WRONG_MAILS)
    if kind < 9:
        return chance.choice(RIGHT_RECIPIENTS if chance.random() < 0.8 else WRONG_RECIPIENTS)
    if kind < 10:
        return chance.choice(_SPACED)
    verb = chance.choice(VERBS)
    return verb if chance.random() < 0.6 else f"{verb} {chance.choice(_ARGUMENTS)}"


_ADDRESSES = (
    "<a@b.example>", "<>", "a@b.example", "<a b@c.example>", '<"a b"@c.example>',
    "<a@b.example>,", "<a@b.example>>", "<<a@b.example>>", "<a@b.example", "a@b.example>",
    "<a@[192.0.2.1]>", "<a>", "<a@[IPv6:2001:db8::1]>", "<@r.example,@s.example:a@b.example>",
    "<a%c.example@b.example>", "<b.example!a>", '<"a\\"b"@c.example>', '<"a>b"@c.example>',
    "<a@b.example.>", "<a@@b.example>", "<@b.example>", "<a@>", "<.a@b.example>",
    "<a.@b.example>", "<a..b@c.example>", "<あ@b.example>", "<a@あ.example>", "<a@b_c.example>",
    "<a@-b.example>", "<a(c)@b.example>", "A <a@b.example>", '"A" <a@b.example>',
    "<a@b.example> (c)", "(c) <a@b.example>", "<a;b@c.example>", "< a@b.example >",
    "<a,b@c.example>", "<a:b@c.example>", "<postmaster>", "<" + "a" * 65 + "@b.example>", '<"">',
    '<""@b.example>', "<a@" + "b" * 64 + ".example>", "<a\\@b@c.example>", "<a@b.example> ",
    "<\t>", "<" + "a" * 500 + "@b.example>", "<a@" + "b." * 130 + "example>", "<=a+b@c.example>",
    '<"a"b@c.example>',
)  # fmt: skip
_PARAMETERS = (
    " SIZE=10", "SIZE=10", " SIZE=", " SIZE=x", " SIZE=-1", " SIZE=0", " size=1",
    " BODY=8BITMIME", " body=7bit", " BODY=", " BODY=X", " SMTPUTF8", " SMTPUTF8=1", " RET=FULL",
    " RET=x", " ENVID=a+2Bb", " ENVID=a+b", " ENVID=", " NOTIFY=NEVER", " NOTIFY=never,success",
    " NOTIFY=", " ORCPT=x", " ORCPT=rfc822;a@b.example", " AUTH=<>", " X=1", " X",
    "  SIZE=1   BODY=7BIT  ", "\tSIZE=1", " =", " SIZE=1 SIZE=2", " BODY=8BITMIME BODY=7BIT",
    " SIZE=1,BODY=7BIT", " A=B=C", " MT-PRIORITY=3",
)  # fmt: skip
_SPACED = (
    " NOOP", "NOOP ", "NOOP\tx", "RSET ", "RSET x", "DATA ", "DATA", "VRFY", "VRFY a b",
    "VRFY <a@b.example>", "EHLO a b", "EHLO あ", "EHLO  client.example", "EHLO client.example ",
    "HELO", "HELO x y", "\tEHLO x", "NOOP " + "x" * 400, "EHLO " + "x" * 300, "HELO [IPv6:::1]",
    "EHLO _", "EHLO -", "EHLO <x>", "noop", "NOOPx", "RSETx", "DATAx", "MAIL", "RCPT", "MAIL:",
    "mail FROM<a@b.example>", "RCPT <a@b.example>", "RCPT TO<a@b.example>",
    "MAIL FROM :<a@b.example>", "MAIL FROM", "MAIL FROM: ", "SEND FROM:<a@b.example>",
)  # fmt: skip
_ARGUMENTS = (
    "x", "client.example", "FROM:<a@b.example>", "TO:<c@d.example>", "<a@b.example>", "あ", "0",
    "FROM:<" + "a" * 3000 + "@b.example>", "TO:<c@d.example> " + "X=1 " * 900, "\t", '"', "PLAIN",
    "*", "=", "FROM:<a@b.example> SIZE=" + "9" * 4000,
    "TO:<" + "@r.example," * 200 + ":c@d.example>",
    "FROM:" + "<" * 500, 'FROM:<"' + "\\" * 1001 + '"@b.example>', "a" * 5000, "TO:<a@b.example>>",
)  # fmt: skip


def _dialogue(chance: random.Random) -> bytes:
    """Return a dialogue of up to three transactions, its parts in any order, some left out."""
    lines: list[bytes] = []
    if chance.random() < 0.9:
        lines.append(b"EHLO client.example\r\n")
    for _ in range(chance.randint(1, 3)):
        parts = [_line(chance.choice(RIGHT_MAILS))]
        parts += [_line(chance.choice(RIGHT_RECIPIENTS)) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.2:
            parts *= chance.randint(2, 200)
        parts += [_line(_command(chance)) for _ in range(chance.choice((0, 0, 1, 5)))]
        if chance.random() < 0.2:
            chance.shuffle(parts)
        lines += [*parts, b"DATA\r\n", _message(chance)]
    return b"".join(lines)


def _line(command: str) -> bytes:
    return command.encode() + b"\r\n"


def _message(chance: random.Random) -> bytes:
    lines = [chance.choice((b"Subject: x", b"", b".", b"..", b"a", _piece(chance)))]
    lines += [_piece(chance) for _ in range(chance.choice((0, 3, 50)))]
    if chance.random() < 0.1:
        lines.append(b"x" * chance.choice((998, 1001, 70_000, 300_000)))
    ending = chance.choices((b"\r\n", b"\n", b"\r"), weights=(8, 1, 1))[0]
    return ending.join(lines) + (b"\r\n.\r\n" if chance.random() < 0.9 else b"\r\n.\n")


def _piece(chance: random.Random) -> bytes:
    return chance.choice(PIECES)


def _wound(chance: random.Random, octets: bytes) -> bytes:
    data = bytearray(octets)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        length = chance.choice((0, 1, 2, 8, 64, 512))
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + length] = b""
        elif kind == 1:
            data[at:at] = _piece(chance) * chance.choice((1, 2, 50))
        elif kind == 2:
            data[at:at] = data[at : at + length] * chance.choice((1, 20))
        elif kind == 3:
            data[at : at + 1] = chance.randbytes(1)
        elif kind == 4:
            data[at:at] = chance.choice((b"A", b"\0", b" ", b"\xff")) * chance.choice((600, 5000))
        else:
            other = chance.randint(0, len(data))
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def _cut(chance: random.Random, octets: bytes) -> list[bytes]:
    """Cut into up to 20 pieces, anywhere or behind lines."""
    if chance.random() < 0.3:
        return octets.splitlines(keepends=True)[:200]
    places = sorted(chance.randint(0, len(octets)) for _ in range(chance.choice((0, 1, 5, 20))))
    return [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True) if a < b]
