"""Checkpoints: signed statements of a log's size and root, so that later tampering shows.

Format: C2SP tlog-checkpoint in a C2SP signed note with one Ed25519 signature. The origin, which is
also the key name, is `<installation>/<log id>`, so no log's checkpoint passes for another's.

A checkpoint vouches for the entries up to its size. What was appended since the last one (at most
`INTERVAL_SECONDS`, or until the next start after a kill) is protected by the tree alone.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger import faults, store_log
from ledger.keyfiles import LOG_KEY, load_key
from ledger.log import HASH_SIZE_BYTES, frontier_of, root
from ledger.store import LedgerError, Store, StoreError, Transaction

# Signing is cheap, its row and file are not: once a second per log at most.
INTERVAL_SECONDS: Final = 1.0

NOTE_SIZE_MAX_BYTES: Final = 4096
ED25519: Final = b"\x01"

_log: Final = logging.getLogger(__name__)

# C2SP signed-note: a key name is not empty and holds neither white space nor a plus sign.
_ORIGIN = re.compile(r"[!-*,-~]+")
_SIGNATURE = re.compile(r"— (\S+) (\S+)")


class CheckpointError(LedgerError):
    """The note is not a checkpoint of this log signed by this key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The statement: the log `origin` had `size` entries and this root."""

    origin: str
    size: int
    root: bytes


class LogKey:
    """The key that signs checkpoints."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: Final = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64 byte signature."""
        return self._private.sign(message)


def load_log_key(path: Path) -> LogKey:
    """Return the key of a file that `create_log_key` made; raises `KeyFileError`."""
    return LogKey(load_key(path, LOG_KEY))


def log_origin(installation: str, log: str) -> str:
    """Return the origin of one log of an installation."""
    origin = f"{installation}/{log}"
    if not _ORIGIN.fullmatch(origin):
        raise CheckpointError(f"not usable as a checkpoint's origin: {origin!r}")
    return origin


def verifier_key(origin: str, public: bytes) -> str:
    """Return the public key as C2SP signed-note spells it: name, key id, type and key."""
    key_id = _key_id(origin, public).hex()
    return f"{origin}+{key_id}+{base64.b64encode(ED25519 + public).decode()}"


def sign_checkpoint(checkpoint: Checkpoint, key: LogKey) -> bytes:
    """Return the signed note."""
    encoded = base64.b64encode(checkpoint.root).decode()
    body = f"{checkpoint.origin}\n{checkpoint.size}\n{encoded}\n".encode()
    signature = _key_id(checkpoint.origin, key.public) + key.sign(body)
    line = f"— {checkpoint.origin} {base64.b64encode(signature).decode()}\n"
    return body + b"\n" + line.encode()


def open_checkpoint(note: bytes, origin: str, public: bytes) -> Checkpoint:
    """Return the checkpoint of a note; raises `CheckpointError` unless signed for this origin."""
    if len(note) > NOTE_SIZE_MAX_BYTES:
        raise CheckpointError("the note is too large")
    body, gap, signatures = note.rpartition(b"\n\n")
    body += b"\n"
    if not gap or not _is_signed(body, signatures, origin, public):
        raise CheckpointError(f"no valid signature for {origin}")
    try:
        name, size, encoded, *_ = body.decode().split("\n")
        found = _decode(encoded)
    except ValueError:
        raise CheckpointError("the signed text is not a checkpoint") from None
    if name != origin or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size, re.ASCII):
        raise CheckpointError("the signed text is not a checkpoint of this log")
    if len(found) != HASH_SIZE_BYTES:
        raise CheckpointError("the root is not a hash")
    return Checkpoint(name, int(size), found)


class Checkpointer:
    """Signs the logs of a store that have grown, into the store and into files."""

    def __init__(
        self,
        store: Store,
        key: LogKey,
        *,
        installation: str,
        directory: Path,
        clock: Callable[[], datetime],
    ) -> None:
        log_origin(installation, "x")
        self._store = store
        self._key = key
        self._installation = installation
        self._directory = directory
        self._clock = clock
        # When each log was last signed here, or could not be; written by `sign_due` alone, in
        # whatever thread. A race signs once too often, which the store settles.
        self._signed: dict[str, datetime] = {}

    def due(self) -> list[str]:
        """Return the logs that have grown since they were signed."""
        with self._store.read() as transaction:
            sizes = store_log.sizes(transaction)
        return sorted(log for log, (last, signed) in sizes.items() if _has_grown(last, signed))

    def sign_due(self, *, at_once: bool = False) -> int:
        """Sign every log that is due, or due `at_once`; return how many were signed."""
        now, interval = self._clock(), timedelta(seconds=INTERVAL_SECONDS)
        count = 0
        for log in self.due():
            last = self._signed.get(log)
            if at_once or last is None or not timedelta(0) <= now - last < interval:
                self._signed[log] = now
                try:
                    self._sign(log)
                except (store_log.DamagedLog, CheckpointError) as error:
                    # It keeps the checkpoint it has; the other logs get theirs.
                    _log.error("not signed: %s", error)
                    continue
                count += 1
        return count

    def _sign(self, log: str) -> None:
        # Under the writer's lock, so that files are replaced in the order of their sizes. A crash
        # after the file and before the commit leaves a file that is right and a row that the next
        # round adds.
        with self._store.write() as transaction:
            frontier = store_log.frontier(transaction, log)
            newest = store_log.newest_checkpoint(transaction, log)
            if newest and newest.size >= frontier.size:
                return
            found = root(frontier)
            origin = log_origin(self._installation, log)
            self._check_published(transaction, log, frontier.size)
            note = sign_checkpoint(Checkpoint(origin, frontier.size, found), self._key)
            row = store_log.CheckpointRow(frontier.size, found, note)
            store_log.insert_checkpoint(transaction, log, row)
            try:
                _replace(checkpoint_path(self._directory, log), note)
            except OSError as error:
                raise StoreError(str(self._directory), error.strerror or "") from error
            faults.reach("checkpoint.published")
        faults.reach("checkpoint.signed")

    def _check_published(self, transaction: Transaction, log: str, size: int) -> None:
        """Raise `DamagedLog` unless the log continues the one that was published.

        When the store is lost or rewritten as a whole, the published checkpoint is the only witness
        here, so it is not replaced before someone has looked (and has moved the file away).
        """
        try:
            note = checkpoint_path(self._directory, log).read_bytes()
            found = open_checkpoint(note, log_origin(self._installation, log), self._key.public)
        except (OSError, CheckpointError):
            return  # None there, or none of ours: it is no witness.
        if found.size > size:
            raise store_log.LogShrunk(log, size, found.size)
        if root(frontier_of(found.size, store_log.node_reader(transaction, log))) != found.root:
            raise store_log.DamagedLog(f"log {log}: does not continue its published checkpoint")


def _has_grown(last: object, signed: object) -> bool:
    """Tell whether there is something to sign; what is no number is, so that it is looked at."""
    if not isinstance(last, int) or not isinstance(signed, int | None):
        return True
    return last + 1 > (signed or 0)


def checkpoint_path(directory: Path, log: str) -> Path:
    """Return where the newest checkpoint of a log is published."""
    return directory / f"checkpoint-{log}"


def _replace(path: Path, content: bytes) -> None:
    """Put the content at the path: a reader, or a crash, finds the old file or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _key_id(name: str, public: bytes) -> bytes:
    # C2SP signed-note: key name, newline, signature type, public key.
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def _is_signed(body: bytes, signatures: bytes, origin: str, public: bytes) -> bool:
    key_id = _key_id(origin, public)
    for line in signatures.decode("utf-8", "replace").splitlines():
        found = _SIGNATURE.fullmatch(line)
        if not found or found[1] != origin:
            continue  # C2SP signed-note: signatures of unknown keys are left alone.
        try:
            signature = _decode(found[2])
            if signature[:4] == key_id:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], body)
                return True
        except (ValueError, InvalidSignature):
            continue
    return False


def _decode(text: str) -> bytes:
    """Return what the base64 text encodes; raises `ValueError`.

    The library takes several spellings of the last character; here one note is one text.
    """
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError("not the one spelling of its bytes")
    return found
