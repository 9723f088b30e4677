"""The passwords of those who may send through us (SMTP AUTH), kept as Argon2id hashes (RFC 9106).

The configuration holds hashes in the PHC string form, never a password. A check takes its memory
and time on purpose, so checks run beside the event loop, few at a time. A name that nobody has
takes as long as a wrong password does. Nothing of this is ever logged here.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# What OWASP recommends (19 MiB, two passes, one lane). A mail system logs in with every connection:
# this is some 30 ms of one core, where the second recommendation of RFC 9106 §4 (64 MiB, three
# passes) is 180 ms.
MEMORY_KIB = 19 * 1024
ITERATIONS = 2
LANES = 1
SALT_SIZE_BYTES = 16  # RFC 9106 §3.1 recommends 16 for passwords.
HASH_SIZE_BYTES = 32

# Hashes made elsewhere may cost more or less, within reason. OWASP's smallest choice is 7 MiB. The
# upper ends together are two seconds of a core, and in all checks 512 MiB.
MEMORY_MIN_KIB, MEMORY_MAX_KIB = 7 * 1024, 256 * 1024
ITERATIONS_MAX = 10
LANES_MAX = 16
SALT_SIZES_BYTES = range(8, 65)  # RFC 9106 §3.1 sets the lower end.
HASH_SIZES_BYTES = range(16, 65)  # Below 128 bits chance becomes a way in.

# How many are checked at once in a process: of passwords that are guessed at a high rate no more
# memory is taken and the cores of a small machine are left to the mail. The others wait.
CHECKS_MAX = 2
# Longer than any that is typed or generated; the hash reads all of it.
PASSWORD_MAX_BYTES = 1024

_PHC = re.compile(
    r"\$argon2id\$v=19\$m=([1-9]\d{0,8}),t=([1-9]\d{0,8}),p=([1-9]\d{0,8})"
    r"\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})",
    re.ASCII,
)


def hash_password(password: bytes) -> str:
    """Return the hash of a password as a PHC string, with a salt of its own."""
    if not 0 < len(password) <= PASSWORD_MAX_BYTES:
        raise ValueError(f"expected a password of 1 to {PASSWORD_MAX_BYTES} bytes")
    return Argon2id(
        salt=secrets.token_bytes(SALT_SIZE_BYTES),
        length=HASH_SIZE_BYTES,
        iterations=ITERATIONS,
        lanes=LANES,
        memory_cost=MEMORY_KIB,
    ).derive_phc_encoded(password)


def check_password_hash(text: str) -> str:
    """Return the hash as it is; `ValueError` says what is expected of one. It is not quoted."""
    found = _PHC.fullmatch(text)
    if found is None:
        raise _unexpected('a hash that starts with "$argon2id$v=19$", not the password')
    memory, iterations, lanes = (int(number) for number in found.group(1, 2, 3))
    if not MEMORY_MIN_KIB <= memory <= MEMORY_MAX_KIB:
        raise _unexpected(f"a hash with m from {MEMORY_MIN_KIB} to {MEMORY_MAX_KIB} (KiB)")
    if iterations > ITERATIONS_MAX or lanes > LANES_MAX:
        raise _unexpected(f"a hash with t up to {ITERATIONS_MAX} and p up to {LANES_MAX}")
    salt, digest = (_decoded_size_bytes(part) for part in found.group(4, 5))
    if salt not in SALT_SIZES_BYTES or digest not in HASH_SIZES_BYTES:
        raise _unexpected("a whole hash: the end of this one is missing or changed")
    return text


def _unexpected(what: str) -> ValueError:
    return ValueError(f"expected {what}; `careerrelay hash-password` makes one")


def _decoded_size_bytes(text: str) -> int:
    """Return the size of what unpadded base64 stands for, 0 where it is not exactly that."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # binascii.Error is one.
        return 0
    # The library refuses other spellings of the same octets only when somebody logs in.
    return len(octets) if base64.b64encode(octets).decode().rstrip("=") == text else 0


class Users:
    """Those who may log in: names with hashes that `check_password_hash` has let through."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)
        # For names that nobody has: the hash that costs most, so that they are never the faster.
        self._decoy = max(self._hashes.values(), key=_cost, default="")
        # Threads start with the first check, and end with this object.
        self._threads = ThreadPoolExecutor(CHECKS_MAX, thread_name_prefix="password")

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self._hashes)

    async def knows(self, name: str, password: bytes) -> bool:
        """Say whether this is somebody's name, exactly, and the password to it.

        Raises `MemoryError` where there is no memory for a check.
        """
        if not self or not 0 < len(password) <= PASSWORD_MAX_BYTES:
            return False
        text = self._hashes.get(name, self._decoy)
        fits = await asyncio.get_running_loop().run_in_executor(
            self._threads, _fits, password, text
        )
        return fits and name in self._hashes


def _cost(text: str) -> int:
    found = _PHC.fullmatch(text)
    assert found is not None, "the configuration lets no other hash through"
    return int(found[1]) * int(found[2])


def _fits(password: bytes, text: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password, text)
    except InvalidKey:
        return False
    return True
