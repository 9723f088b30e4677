"""The key-ring file: JSON, readable and writable by its owner alone, replaced in one step.

Who changes it holds a lock from reading it to replacing it, so that of two changes at once none is
lost. Beside it stands the file of revoked links (`signer.revocations_file`), which `load_key_ring`
reads as well.
"""

from __future__ import annotations

import base64
import binascii
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from signer.errors import KeyRingError
from signer.files import locked, read_file, write_file
from signer.keyring import Key, KeyRing, KeyState
from signer.revocations_file import load_revocations, revocations_path

FORMAT = "careerrelay-key-ring/1"
FILE_SIZE_MAX_BYTES = 64 * 1024  # 32 keys take under 8 KiB; more is not a key ring.
# Fields that stand in a key only once it has come so far.
_LATER_TIMES = ("activated", "retired", "revoked")
FORBIDDEN_MODE = stat.S_IRWXG | stat.S_IRWXO


def load_key_ring(path: Path) -> KeyRing:
    """Return the ring in `path` with the revoked links from the file beside it.

    `KeyRingError` names the file and what is wrong with it.
    """
    revoked = load_revocations(revocations_path(path)).link_ids
    return replace(_load(path), revoked_links=revoked)


def change_key_ring(path: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Replace the ring in `path` by what `change` makes of it, and return that.

    Another process that changes it at the same time waits. Nothing is written when `change` raises.
    """
    with locked(path):
        changed = change(_load(path))
        save_key_ring(path, changed, replace=True)
    return changed


def _load(path: Path) -> KeyRing:
    text = read_file(path, FORBIDDEN_MODE, FILE_SIZE_MAX_BYTES, hint="`careerrelay init` makes one")
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
    created = _parse_time(row, "created")
    if created is None:
        raise KeyRingError("a key lacks `created`")
    try:
        secret = base64.b64decode(row["secret"], validate=True)
    except binascii.Error as error:
        raise KeyRingError("a secret is not base64") from error
    times = (_parse_time(row, name) for name in _LATER_TIMES)
    return Key(row["id"], secret, KeyState(row["state"]), created, *times)


def _parse_time(row: dict[str, str], name: str) -> datetime | None:
    text = row.get(name, "")
    if not text:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise KeyRingError(f"`{name}` of a key lacks a time zone")
    return time


def encode_key_ring(ring: KeyRing) -> bytes:
    """Return the JSON form of the ring, secrets included."""
    rows = [
        {
            "id": key.id,
            "state": key.state.value,
            "created": key.created.isoformat(),
            "secret": base64.b64encode(key.secret).decode("ascii"),
            **{
                name: time.isoformat()
                for name in _LATER_TIMES
                if (time := getattr(key, name)) is not None
            },
        }
        for key in ring.keys
    ]
    return (json.dumps({"format": FORMAT, "keys": rows}, indent=2) + "\n").encode()


def save_key_ring(path: Path, ring: KeyRing, *, replace: bool) -> None:
    """Write the ring with mode 0600, in one step: a crash leaves the old file or the new one.

    With `replace=False` an existing file is an error, so that no key is ever lost by accident. Who
    replaces a ring that is in use holds its lock: see `change_key_ring`.
    """
    write_file(path, encode_key_ring(ring), is_replacing=replace)
