"""Secret keys in files: 32 random bytes, made once, readable by their owner alone.

The file is one line: what the key is for, a space, and the key in base64. The purpose stands in
the file so that one key cannot be mistaken for another.
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

KEY_SIZE_BYTES: Final = 32
LOG_KEY: Final = "careerrelay-log-key-v1"
SUBJECT_KEY: Final = "careerrelay-subject-key-v1"


class KeyFileError(LedgerError):
    """The key file cannot be made or used; the message names the file, never the key."""


def create_log_key(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Make the key that signs checkpoints; raises `KeyFileError` when the file exists."""
    _create(path, LOG_KEY, random_bytes)


def create_subject_key(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Make the key behind people's references; raises `KeyFileError` when the file exists."""
    _create(path, SUBJECT_KEY, random_bytes)


def load_subject_key(path: Path) -> bytes:
    """Return the key behind people's references."""
    return load_key(path, SUBJECT_KEY)


def load_key(path: Path, purpose: str) -> bytes:
    """Return the key; refuses a file that others may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.read(1024)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; `careerrelay init` makes one") from error
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode is {mode:04o}, others may read it; make it 0600")
    name, _, text = found.decode("ascii", "replace").strip().partition(" ")
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if name != purpose or len(key) != KEY_SIZE_BYTES:
        raise KeyFileError(f"{path}: not a {purpose} file")
    return key


def _create(path: Path, purpose: str, random_bytes: Callable[[int], bytes]) -> None:
    text = f"{purpose} {base64.b64encode(random_bytes(KEY_SIZE_BYTES)).decode()}\n"
    try:
        # O_EXCL: a key that signed something is never overwritten.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
