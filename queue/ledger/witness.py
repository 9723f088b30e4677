"""Witnesses: checkpoints that are kept outside of the store, and tell when it is not what it was.

Inside, a store that was restored from an older copy is in perfect order: entries, tree, checkpoints
and ledger agree. Only what it said to others before shows what is gone. The nearest witness is the
file published beside the log key; the others are mails, downloads and backups.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger import store_log
from ledger.checkpoint import (
    Checkpoint,
    CheckpointError,
    checkpoint_path,
    log_origin,
    open_checkpoint,
)
from ledger.events import is_company
from ledger.log import frontier_of, root
from ledger.store import LedgerError, Store, Transaction

# A mail with notes of ten thousand logs is 3 MB.
FILE_MAX_BYTES: Final = 1 << 24

# C2SP tlog-checkpoint in a signed note: origin, size, root, perhaps more lines; an empty line;
# signatures. Ours have none and one; without bounds a hostile file is read again for each of its
# lines.
_NOTE: Final = re.compile(
    r"^[!-*,-~]+\n(?:0|[1-9][0-9]{0,18})\n[A-Za-z0-9+/]{43}=\n"
    r"(?:[^\n]+\n){0,16}\n(?:— [^\n]+\n){1,16}",
    re.MULTILINE,
)


class WitnessError(LedgerError):
    """The file holds no checkpoint of this installation that our key has signed."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A signed note from outside; `name` says where it comes from."""

    name: str
    note: bytes


def read_witnesses(
    paths: Iterable[Path], *, installation: str, public_key: bytes
) -> dict[str, list[Witness]]:
    """Return the notes of our logs in the files, by log; raises `WitnessError`.

    A file is a note, several of them, or a mail that holds some.
    """
    found: dict[str, list[Witness]] = {}
    for path in paths:
        known = list(_ours(find_notes(_read(path)), installation, public_key))
        if not known:
            raise WitnessError(f"{path}: no checkpoint of {installation}, signed by this log key")
        for log, note in known:
            found.setdefault(log, []).append(Witness(str(path), note))
    return found


def find_notes(data: bytes) -> list[bytes]:
    """Return all that looks like a signed checkpoint, as it stands there or in the parts of a mail.

    Line ends of mail are those of text files here: signed is the text with LF.
    """
    parts = [data]
    for part in email.message_from_bytes(data).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            parts.append(content)
    found: dict[bytes, None] = {}  # In their order, each once.
    for one in parts:
        text = one.decode("utf-8", "replace").replace("\r\n", "\n") + "\n"
        found.update((match[0].encode(), None) for match in _NOTE.finditer(text))
    return list(found)


def complaints(store: Store, *, public_key: bytes, installation: str, directory: Path) -> list[str]:
    """Return a line for each log that does not continue its published checkpoint.

    To be called when the worker starts: such a log takes entries and is never signed again until
    someone has looked. Raises `StoreError` or `WitnessError`.
    """
    prefix = checkpoint_path(directory, "").name
    # Before the snapshot, so that none is about entries that the snapshot does not have.
    published = {
        log: _read(path)
        for path in sorted(directory.glob(f"{prefix}*"))
        if is_company(log := path.name.removeprefix(prefix))
    }
    found: list[str] = []
    with store.read() as transaction:
        for log, note in published.items():
            signed = _open(note, log, installation, public_key)
            if signed and (problem := _problem(transaction, log, signed)):
                found.append(f"log {log} {problem}; see docs/admin/backup.md")
    return found


def _problem(transaction: Transaction, log: str, signed: Checkpoint) -> str:
    """Return what is wrong with a log that is to continue `signed`, empty when it does."""
    try:
        size = store_log.size(transaction, log)
        if size < signed.size:
            return (
                f"has {size} entries, but {signed.size} were published: "
                "was an older copy of the store restored?"
            )
        if root(frontier_of(signed.size, store_log.node_reader(transaction, log))) != signed.root:
            return f"is not the one whose first {signed.size} entries were published"
    except store_log.DamagedLog as error:
        return str(error)
    return ""


def _open(note: bytes, log: str, installation: str, public_key: bytes) -> Checkpoint | None:
    """Return the checkpoint, None when it is none of ours: then it is no witness."""
    try:
        return open_checkpoint(note, log_origin(installation, log), public_key)
    except CheckpointError:
        return None


def _ours(
    notes: Iterable[bytes], installation: str, public_key: bytes
) -> Iterator[tuple[str, bytes]]:
    for note in notes:
        origin, _, _ = note.decode().partition("\n")
        log = origin.removeprefix(f"{installation}/")
        if log != origin and is_company(log) and _open(note, log, installation, public_key):
            yield log, note


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise WitnessError(f"{path}: {error.strerror}") from error
    if len(found) > FILE_MAX_BYTES:
        raise WitnessError(f"{path}: larger than {FILE_MAX_BYTES} bytes")
    return found
