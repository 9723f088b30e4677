"""The messages of the soak: each made from its number, the same at every attempt."""

from __future__ import annotations

import random
import re
from pathlib import Path

from relay.wire import stuff

LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
REJECTIONS_EVERY = 10
LARGE_BYTES = 20 * 1024 * 1024


def ordinary(number: int) -> bytes:
    """Return an ordinary message in wire form: dots, eight bits, long lines, some of it large."""
    chance = random.Random(number)  # noqa: S311 (the same message at every attempt)
    lines = [b".", b"..", b".x", b"", b"\xe3\x81\x82\xff", b"x" * 1500, b"See you on Monday."]
    size = chance.choices((5, 60, 4000), weights=(60, 39, 1))[0]
    body = b"\r\n".join(chance.choice(lines) + b"%x" % chance.getrandbits(200) for _ in range(size))
    head = b"Message-ID: <soak-%d@aozora.example.jp>\r\nSubject: minutes %d\r\n" % (number, number)
    return stuff(head + b"From: recruit@aozora.example.jp\r\n\r\nnumber %d\r\n" % number + body)


def rejection(number: int) -> bytes:
    """Return a rejection letter of our company, its number in Message-ID and body."""
    message_id = b"Message-ID: <soak-%d@aozora.example.jp>\r" % number
    letter = re.sub(rb"(?m)^Message-ID: .*\r$", message_id, REJECTION)
    letter = letter.replace(b"chihaya.example.co.jp", b"aozora.example.jp")
    return stuff(letter + b"number %d\r\n" % number)


def is_rejection(number: int) -> bool:
    """Say whether the message of this number is a rejection letter."""
    return number % REJECTIONS_EVERY == 0


def wire_of(number: int) -> bytes:
    """Return the message of a number in wire form."""
    return rejection(number) if is_rejection(number) else ordinary(number)


_BLOCK = bytes(random.Random(0).choices(range(32, 127), k=1022)) + b"\r\n"  # noqa: S311


def large_wire_of(number: int) -> bytes:
    """Return a message of 20 MiB in wire form."""
    head = b"Message-ID: <large-%d@aozora.example.jp>\r\nSubject: large\r\n\r\n" % number
    return stuff(head + b"x" + _BLOCK * (LARGE_BYTES // len(_BLOCK)))
