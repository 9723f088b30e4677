"""The file of revoked links, beside the key ring: JSON, replaced in one step, changed under a lock.

It holds no secret, but who can write it can take credits away: it is for its owner alone to write.
Where there is none, no link is revoked. docs/formats.md has the format.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from signer.errors import KeyRingError
from signer.files import locked, read_file, write_file
from signer.revocations import Batch, Revocations

FORMAT = "careerrelay-revoked-links/1"
FILE_SIZE_MAX_BYTES = 32 * 1024 * 1024  # Ten times `LINKS_MAX`: each batch may be a single link.
FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IWOTH


def revocations_path(key_ring: Path) -> Path:
    """Return where the revoked links of a key ring stand: `keys.json` has `keys.revoked.json`."""
    return key_ring.with_name(f"{key_ring.stem}.revoked.json")


def load_revocations(path: Path) -> Revocations:
    """Return what is revoked; `KeyRingError` names the file and what is wrong with it."""
    try:
        text = read_file(path, FORBIDDEN_MODE, FILE_SIZE_MAX_BYTES, hint="who runs us must read it")
    except KeyRingError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Revocations()
        raise
    try:
        return parse_revocations(text)
    except KeyRingError as error:
        raise KeyRingError(f"{path}: {error}") from error


def change_revocations(key_ring: Path, change: Callable[[Revocations], Revocations]) -> Revocations:
    """Replace what is revoked beside a key ring by what `change` makes of it, and return that."""
    path = revocations_path(key_ring)
    with locked(path, like=key_ring):
        found = load_revocations(path)
        changed = change(found)
        if changed is not found:
            write_file(path, encode_revocations(changed), is_replacing=True, like=key_ring)
    return changed


def parse_revocations(text: bytes) -> Revocations:
    """Return what `encode_revocations` wrote."""
    try:
        document = cast("dict[str, Any]", json.loads(text))
        if document["format"] != FORMAT:
            raise KeyRingError(f"format is {document['format']!r}, expected {FORMAT!r}")
        return Revocations(tuple(_parse_batch(row) for row in document["batches"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyRingError(f"not a file of revoked links ({type(error).__name__})") from error


def _parse_batch(row: dict[str, Any]) -> Batch:
    revoked = datetime.fromisoformat(row["revoked"])
    links = tuple(row["links"])
    return Batch(row["company"], revoked, row["why"], links)


def encode_revocations(revocations: Revocations) -> bytes:
    """Return the JSON form, a batch a line."""
    rows = ",\n".join(
        json.dumps(
            {
                "company": batch.company,
                "revoked": batch.revoked.isoformat(),
                "why": batch.why,
                "links": list(batch.links),
            },
            ensure_ascii=False,
        )
        for batch in revocations.batches
    )
    return f'{{"format": "{FORMAT}", "batches": [\n{rows}\n]}}\n'.encode()
