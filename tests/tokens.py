"""Tokens that nobody issued: random ones, and real ones with one character changed.

    python tests/tokens.py [--random 10000000] [--changed 1000000] [--seed 7]

All of them have the form of a token and are checked against a ring of several keys, for several
companies. None may be accepted; one that is is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from datetime import UTC, datetime

from signer.base32 import ALPHABET
from signer.keyring import KeyRing
from signer.tokens import LINK_ID_CHARS, TOKEN_CHARS, make_token, read_token

NOW = datetime(2026, 1, 5, tzinfo=UTC)
COMPANIES = ("aozora", "hokuto")
# A random token names a key of the ring in most cases, so that tags are what refuses it.
KEYS = 24


def make_ring(chance: random.Random) -> KeyRing:
    """Return a ring in which most key ids are known and some are revoked."""
    ring = KeyRing.generate(NOW, chance.randbytes)
    for _ in range(KEYS - 1):
        ring = ring.with_new_key(NOW, chance.randbytes)
    return ring.with_revoked(ring.keys[-1].id, NOW)


def random_token(chance: random.Random) -> str:
    """Return 43 characters of the alphabet."""
    number = chance.getrandbits(5 * TOKEN_CHARS)
    return "".join([ALPHABET[number >> 5 * at & 31] for at in range(TOKEN_CHARS)])


def changed_token(chance: random.Random, ring: KeyRing) -> str:
    """Return a token of the ring with one character changed."""
    at = chance.randrange(TOKEN_CHARS)
    link_id = random_token(chance)[:LINK_ID_CHARS]
    token = make_token(ring, chance.choice(COMPANIES), link_id)
    other = ALPHABET[(ALPHABET.index(token[at]) + chance.randrange(1, len(ALPHABET))) % 32]
    return token[:at] + other + token[at + 1 :]


def accepted(random_count: int, changed_count: int, seed: int) -> list[str]:
    """Return those of so many tokens that a company is credited for: there must be none."""
    chance = random.Random(seed)  # noqa: S311 (to be made again, not to be secret)
    ring = make_ring(chance)
    found = [
        token
        for token in (random_token(chance) for _ in range(random_count))
        if not read_token(ring, token, COMPANIES).refusal
    ]
    found += [
        token
        for token in (changed_token(chance, ring) for _ in range(changed_count))
        if not read_token(ring, token, COMPANIES).refusal
    ]
    return found


def main() -> int:
    """Try as many as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=10_000_000)
    parser.add_argument("--changed", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    started = time.monotonic()
    found = accepted(options.random, options.changed, options.seed)
    seconds = time.monotonic() - started
    for token in found:
        sys.stdout.write(f"accepted: {token} (seed {options.seed})\n")
    sys.stdout.write(
        f"{options.random} random and {options.changed} changed tokens, {len(found)} accepted, "
        f"{seconds:.0f} s\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
