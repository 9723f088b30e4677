"""Hostile input for the parsers: our sample letters, mutated at random, for as long as you like.

    python tests/fuzz.py --seconds 60 [--seed 7]

Each mutated message goes through the map, the readers, the splice and the way back. Only the named
errors may come out, a changed letter must restore to the same bytes, and no message may take long.
A failure prints how to make it again, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from relay.charset import decode_header, decode_text
from relay.company import Company
from relay.inject import Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, body_of, map_message
from relay.note import Notes, load_templates
from relay.undo import NotOurs, restore

LETTERS = Path(__file__).parent / "letters"
LINK = "https://r.example.jp/" + "k" * 43
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
MARK = Mark("abcdefghijklmnop", "m" * 26)
# A letter of usual size takes milliseconds; more than this is an attack that works.
MESSAGE_MAX_SECONDS = 2.0
# Pieces that mean something to one of the scanners.
PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b"--", b"=", b"=\r\n", b"=3D", b"<", b">", b"<!--", b"-->", b"<p",
    b"</td>", b"<script>", b"<div style=display:none>", b'"', b"'", b";", b"(", b"\\", b"\x1b$B",
    b"\x1b(B", b"\x1b(I", b"\xe3\x81\x82", b"\x82\xa0", b"\xff", b"=?utf-8?B?", b"?=", b"&#12354;",
    b"-- \r\n", b"> ", b"From: x\r\n", b"Content-Type: text/html\r\n", b"charset=iso-2022-jp",
    b"Content-Transfer-Encoding: base64\r\n", b"X-Career-Relay: v=1; undo=1:2\r\n", b" \r\n",
)  # fmt: skip


def mutate(chance: random.Random, message: bytes, other: bytes) -> bytes:
    """Return the message with a few random wounds."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(data))
        length = chance.choice((0, 1, 2, 8, 64, 512))
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + length] = b""
        elif kind == 1:
            data[at:at] = chance.choice(PIECES)
        elif kind == 2:
            data[at : at + length] = chance.choice(PIECES) * chance.randint(1, 3)
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:
            start = chance.randint(0, len(other))
            data[at : at + length] = other[start : start + length]
        elif at < len(data):
            data[at] = chance.randrange(256)
    if chance.random() < 0.1:
        return bytes(data).replace(b"\r\n", b"\n")
    return bytes(data)


def run_one(message: bytes, notes: Notes) -> str:
    """Send one message through everything; return what became of it."""
    with suppress(NotOurs):
        restore(message)
    try:
        message_map = map_message(message)
    except MapError as error:
        return error.reason
    for name, value in message_map.root.headers:
        decode_header(value)
        decode_text(value, name)
    for leaf in message_map.leaves():
        with suppress(MapError):
            decode_text(body_of(message_map, leaf), leaf.parameters.get("charset"))
    try:
        result = inject(message_map, notes, MARK, Rules("https://r.example.jp/"))
    except NotInjected as error:
        return error.reason
    if restore(result.message) != message:
        raise AssertionError("the way back leads elsewhere")
    return "injected"


def fuzz(seconds: float, seed: int) -> int:
    """Run until the time is over; return the number of failures."""
    notes = load_templates().notes(COMPANY, "ja", LINK)
    letters = [path.read_bytes() for path in sorted(LETTERS.glob("*.eml"))]
    counts: dict[str, int] = {}
    failures = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        chance = random.Random(seed)  # noqa: S311 (repeatable wounds, not secrets)
        message = mutate(chance, chance.choice(letters), chance.choice(letters))
        begin = time.monotonic()
        try:
            reason = run_one(message, notes)
            if time.monotonic() - begin > MESSAGE_MAX_SECONDS:
                raise AssertionError("took too long")
        except Exception:  # Whatever it is, it is what we look for.
            failures += 1
            reason = "FAILED"
            sys.stderr.write(f"--seed {seed}\n{traceback.format_exc()}\n")
        counts[reason] = counts.get(reason, 0) + 1
        seed += 1
    total = sum(counts.values())
    rows = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{total} messages, {failures} failures ({rows})")
    return failures


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Hostile input for the parsers.")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first message")
    options = parser.parse_args()
    return 1 if fuzz(options.seconds, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
