"""Secret keys in files: 32 random bytes, made once, readable by their owner alone.

The file is one line: what the key is for, a space, and the key in base64; the ring of the keys that
seal people's data has a line for each. The purpose stands in the file so that one key cannot be
mistaken for another.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledger.store import LedgerError
from signer.errors import KeyRingError
from signer.files import locked, write_file

KEY_SIZE_BYTES: Final = 32
LOG_KEY: Final = "careerrelay-log-key-v1"
SUBJECT_KEY: Final = "careerrelay-subject-key-v1"
PERSON_KEY: Final = "careerrelay-person-key-v1"
# One a year for half a century.
PERSON_KEYS_MAX: Final = 50
FILE_MAX_BYTES: Final = 8192


class KeyFileError(LedgerError):
    """The key file cannot be made or used; the message names the file, never the key."""


def create_log_key(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Make the key that signs checkpoints; raises `KeyFileError` when the file exists."""
    _create(path, LOG_KEY, random_bytes)


def create_subject_key(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Make the key behind people's references; raises `KeyFileError` when the file exists."""
    _create(path, SUBJECT_KEY, random_bytes)


def create_person_keys(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Make the ring of keys that seal people's data, with one key in it."""
    _create(path, PERSON_KEY, random_bytes)


def load_person_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys that people's data are sealed with, one a line, the newest last."""
    lines = _read(path).splitlines()
    if not 1 <= len(lines) <= PERSON_KEYS_MAX:
        raise KeyFileError(f"{path}: expected 1 to {PERSON_KEYS_MAX} lines")
    return tuple(_parse(path, PERSON_KEY, line) for line in lines)


def add_person_key(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> int:
    """Put a new key into the ring, which seals from then on; return how many there are.

    A crash leaves the ring of before, or the new one. Where the name is a link to the file, it
    stays one; a file that root writes stays that of its owner.
    """
    try:
        # Two at once wait for each other: a key that is lost takes with it whom it has sealed.
        with locked(path):
            keys = load_person_keys(path)
            if len(keys) == PERSON_KEYS_MAX:
                raise KeyFileError(f"{path}: has {len(keys)} keys, the most that it can have")
            text = "".join(_line(PERSON_KEY, key) for key in (*keys, random_bytes(KEY_SIZE_BYTES)))
            write_file(path, text.encode(), is_replacing=True)
    except KeyRingError as error:
        raise KeyFileError(str(error)) from error
    return len(keys) + 1


def load_subject_key(path: Path) -> bytes:
    """Return the key behind people's references."""
    return load_key(path, SUBJECT_KEY)


def load_key(path: Path, purpose: str) -> bytes:
    """Return the key; refuses a file that others may read."""
    return _parse(path, purpose, _read(path).strip())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.read(FILE_MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; `careerrelay init` makes one") from error
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode is {mode:04o}, others may read it; make it 0600")
    return found.decode("ascii", "replace")


def _parse(path: Path, purpose: str, line: str) -> bytes:
    name, _, text = line.strip().partition(" ")
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if name != purpose or len(key) != KEY_SIZE_BYTES:
        raise KeyFileError(f"{path}: not a {purpose} file")
    return key


def _line(purpose: str, key: bytes) -> str:
    return f"{purpose} {base64.b64encode(key).decode()}\n"


def _create(path: Path, purpose: str, random_bytes: Callable[[int], bytes]) -> None:
    _write(path, _line(purpose, random_bytes(KEY_SIZE_BYTES)))


def _write(path: Path, text: str) -> None:
    try:
        # O_EXCL: a key that signed something is never overwritten.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
