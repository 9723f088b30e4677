"""The key-ring file: JSON, readable and writable by its owner alone, replaced in one step."""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from signer.errors import KeyRingError
from signer.keyring import Key, KeyRing, KeyState

FORMAT = "careerrelay-key-ring/1"
FILE_SIZE_MAX_BYTES = 64 * 1024  # 32 keys take under 8 KiB; more is not a key ring.
FORBIDDEN_MODE = stat.S_IRWXG | stat.S_IRWXO


def load_key_ring(path: Path) -> KeyRing:
    """Return the ring in `path`; `KeyRingError` names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(FILE_SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise KeyRingError(f"{path}: {error.strerror}; `careerrelay init` makes one") from error
    if mode & FORBIDDEN_MODE:
        raise KeyRingError(
            f"{path}: mode is {mode:04o}, others may read it; expected 0600 (chmod 600)"
        )
    if len(text) > FILE_SIZE_MAX_BYTES:
        raise KeyRingError(f"{path}: larger than {FILE_SIZE_MAX_BYTES} bytes: not a key ring")
    try:
        return parse_key_ring(text)
    except KeyRingError as error:
        raise KeyRingError(f"{path}: {error}") from error


def parse_key_ring(text: bytes) -> KeyRing:
    """Return the ring that `encode_key_ring` wrote."""
    try:
        document = cast("dict[str, Any]", json.loads(text))
        if document["format"] != FORMAT:
            raise KeyRingError(f"format is {document['format']!r}, expected {FORMAT!r}")
        return KeyRing(tuple(_parse_key(row) for row in document["keys"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Not the error's own text: it may quote a secret.
        raise KeyRingError(f"not a key ring ({type(error).__name__})") from error


def _parse_key(row: dict[str, str]) -> Key:
    created = datetime.fromisoformat(row["created"])
    if created.tzinfo is None:
        raise KeyRingError("`created` of a key lacks a time zone")
    try:
        secret = base64.b64decode(row["secret"], validate=True)
    except binascii.Error as error:
        raise KeyRingError("a secret is not base64") from error
    return Key(row["id"], secret, KeyState(row["state"]), created)


def encode_key_ring(ring: KeyRing) -> bytes:
    """Return the JSON form of the ring, secrets included."""
    rows = [
        {
            "id": key.id,
            "state": key.state.value,
            "created": key.created.isoformat(),
            "secret": base64.b64encode(key.secret).decode("ascii"),
        }
        for key in ring.keys
    ]
    return (json.dumps({"format": FORMAT, "keys": rows}, indent=2) + "\n").encode()


def save_key_ring(path: Path, ring: KeyRing, *, replace: bool) -> None:
    """Write the ring with mode 0600, in one step: a crash leaves the old file or the new one.

    With `replace=False` an existing file is an error, so that no key is ever lost by accident.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(encode_key_ring(ring))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            fresh.replace(path)
        else:
            os.link(fresh, path)  # Unlike a rename, refuses to replace what is there.
    except FileExistsError as error:
        raise KeyRingError(f"{path}: exists already; it is not overwritten") from error
    except OSError as error:
        raise KeyRingError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        # Left behind only by a crash before this line; holds keys, but for the owner alone.
        fresh.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
