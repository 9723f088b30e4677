"""Backups: a copy of the store that was opened and compared, what was signed, and a manifest.

    FILE               the store of one moment, an SQLite database
    FILE.checkpoints   the newest signed checkpoint of every log in it
    FILE.manifest      JSON: time, size and SHA-256 of FILE, and how long every log is

Promises: nothing is overwritten; all three are readable by their owner alone and on disk before the
backup is reported; FILE is whole once FILE.manifest is there. A crash leaves files without
a manifest, to be deleted by hand; a failure deletes them.

Keys are not in it: whoever has both can say who is behind a reference.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger import store_backup, store_log
from ledger.events import Event, EventType, format_time, installation_event
from ledger.log import frontier_of, root
from ledger.store import LedgerError, Store, Transaction
from ledger.store_log import CheckpointRow

MANIFEST_FORMAT: Final = "careerrelay-backup/1"
# Read at once when the copy is digested.
CHUNK_BYTES: Final = 1024 * 1024


class BackupError(LedgerError):
    """There is no backup; the text says why."""


@dataclass(frozen=True, slots=True)
class LogState:
    """How long a log was, and what was last signed of it."""

    entries: int
    newest: CheckpointRow | None


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written."""

    path: Path
    size_bytes: int
    sha256: str
    logs: Mapping[str, LogState]

    @property
    def entries(self) -> int:
        """How many entries all logs in it have."""
        return sum(state.entries for state in self.logs.values())

    def event(self, time: datetime, event_id: str) -> Event:
        """Return the event that puts the backup on record. It is not in the backup itself."""
        return installation_event(
            EventType.STORE_BACKED_UP,
            time,
            event_id=event_id,
            subject="store:careerrelay",
            data={
                "digest": self.sha256,
                "size_bytes": self.size_bytes,
                "logs": len(self.logs),
                "entries": self.entries,
            },
        )


def back_up(store: Store, path: Path, *, installation: str, now: datetime) -> Backup:
    """Copy a store that is a file to `path`; raises `BackupError` or `StoreError`."""
    written: list[Path] = []
    try:
        # FILE first: from here on another backup to the same place is refused.
        _create(path, b"", written)
        with store.read() as transaction:
            before = states(transaction)
        store_backup.copy_file(store, path)
        logs = _check_copy(path, before)
        found = Backup(path, path.stat().st_size, _digest(path), logs)
        _create(checkpoints_path(path), _notes(logs), written)
        _create(manifest_path(path), _manifest(found, installation, now), written)
        _sync_folder(path.parent)
    except BaseException as error:
        for one in written:
            one.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BackupError(f"{error.filename or path}: {error.strerror}") from error
        raise
    return found


def save_checkpoints(store: Store, path: Path) -> Path:
    """Write the newest signed checkpoints alone, for a store whose copy others make."""
    written: list[Path] = []
    target = checkpoints_path(path)
    try:
        with store.read() as transaction:
            notes = _notes(states(transaction))
        _create(target, notes, written)
        _sync_folder(path.parent)
    except OSError as error:
        raise BackupError(f"{error.filename or target}: {error.strerror}") from error
    return target


def checkpoints_path(path: Path) -> Path:
    """Return where the checkpoints of a backup are."""
    return path.with_name(f"{path.name}.checkpoints")


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a backup is."""
    return path.with_name(f"{path.name}.manifest")


def states(transaction: Transaction) -> dict[str, LogState]:
    """Return every log's state; raises `DamagedLog`."""
    return {
        log: LogState(
            store_log.size(transaction, log), store_log.newest_checkpoint(transaction, log)
        )
        for log in store_log.names(transaction)
    }


def _check_copy(path: Path, before: Mapping[str, LogState]) -> dict[str, LogState]:
    """Return the states of the logs in the copy, which has all that was there before."""
    copy = Store(f"sqlite:///{path}", may_create=False)
    try:
        with copy.read() as transaction:
            if problem := copy.problem(transaction):
                raise BackupError(f"{path}: integrity check: {problem}")
            found = states(transaction)
            for log, state in before.items():
                own = found.get(log)
                if own is None or own.entries < state.entries:
                    raise BackupError(f"{path}: log {log} is not whole in the copy")
                _check_signed(transaction, path, log, own, state.newest)
    finally:
        copy.close()
    return found


def _check_signed(
    transaction: Transaction, path: Path, log: str, own: LogState, before: CheckpointRow | None
) -> None:
    newest = own.newest
    if newest is None:
        if before is not None:
            raise BackupError(f"{path}: log {log} has lost its checkpoints in the copy")
        return
    read = store_log.node_reader(transaction, log)
    if newest.size > own.entries or (before and newest.size < before.size):
        raise BackupError(f"{path}: log {log} is shorter than was signed")
    if root(frontier_of(newest.size, read)) != newest.root:
        raise BackupError(f"{path}: log {log} is not what was signed; see `careerrelay log verify`")


def _notes(logs: Mapping[str, LogState]) -> bytes:
    """Return the notes with an empty line between them, as `log verify --against` reads them."""
    return b"\n".join(state.newest.note for state in logs.values() if state.newest)


def _manifest(backup: Backup, installation: str, now: datetime) -> bytes:
    fields = {
        "format": MANIFEST_FORMAT,
        "time": format_time(now),
        "installation": installation,
        "file": backup.path.name,
        "size_bytes": backup.size_bytes,
        "sha256": backup.sha256,
        "logs": [
            {
                "log": log,
                "entries": state.entries,
                "checkpoint_size": state.newest.size if state.newest else 0,
            }
            for log, state in backup.logs.items()
        ],
    }
    return json.dumps(fields, indent=1).encode() + b"\n"


def _create(path: Path, content: bytes, written: list[Path]) -> None:
    """Make a file that was not there, on disk."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    written.append(path)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
