"""The spill file: what was accepted while the store was away, on this machine's disk until then.

One line for a record: a digest, a space, JSON. A record is on disk (`fdatasync`) when `append`
returns. Records are taken in again in their order; they stay in the file until all are, so that a
process that is killed in between takes some of them in twice, which their ids make once. Each
process has a file of its own, locked; one that was left behind is taken in by any other.

A last line that is not whole was never answered and goes. A damaged line before it is kept in a
file beside, named `….damaged`, and said.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger import faults

# A day of clicks of a large installation; beyond it nothing is accepted, and the caller hears so.
SIZE_MAX_BYTES: Final = 1 << 30
# The largest record is a reported signup: its body and what sealing adds.
RECORD_MAX_BYTES: Final = 64 * 1024
BATCH_RECORDS: Final = 256
CHUNK_BYTES: Final = 64 * 1024
LAST_BYTES: Final = 64 * 1024  # A hundred clicks: some milliseconds.
FILES_MAX: Final = 1000  # Processes of one machine.
DIGEST_CHARS: Final = 32

_log: Final = logging.getLogger(__name__)


class SpillError(Exception):
    """The record could not be kept; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Record:
    """Something accepted: its kind, when (milliseconds since 1970), and the bytes."""

    kind: str
    received_ms: int
    payload: bytes
    detail: bytes = b""


Take = Callable[[Sequence[Record]], None]


class Spill:
    """The spill files of a folder, of which this process has one. Thread-safe.

    The folder is made at the first record. `take` in `drain` must not return before the records are
    durable elsewhere; whatever it raises leaves them where they are.
    """

    def __init__(self, directory: Path, *, size_max_bytes: int = SIZE_MAX_BYTES) -> None:
        self._directory = directory
        self._size_max_bytes = size_max_bytes
        # Guards the three below.
        self._lock = threading.Lock()
        self._handle = -1
        self._size = 0
        self._path = directory
        # One drain at a time.
        self._draining = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Tell whether this process has nothing waiting; other files are not asked."""
        return self._size == 0

    def append(self, *records: Record) -> None:
        """Keep records, all or none; raises `SpillError`."""
        lines = b"".join(map(_encode, records))
        with self._lock:
            if self._size + len(lines) > self._size_max_bytes:
                raise SpillError(f"{self._path}: is full ({self._size_max_bytes} bytes)")
            try:
                self._see_to_the_file()
                _append(self._handle, self._size, lines)
                self._size += len(lines)
            except OSError as error:
                raise SpillError(f"{self._path}: {error.strerror or error}") from error
        faults.reach("spill.kept")

    def drain(self, take: Take) -> int:
        """Hand over all records, oldest first, and empty the files; return how many."""
        with self._draining:
            count = sum(self._drain_left(path, take) for path in self._left_behind())
            return count + self._drain_own(take)

    def check(self) -> None:
        """Return if the folder can be written to; raises `SpillError`."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._directory) as file:
                file.write(b"x")
        except OSError as error:
            raise SpillError(f"{self._directory}: {error.strerror or error}") from error

    def set_aside(self, record: Record) -> None:
        """Keep a record that cannot be taken in where a person finds it."""
        _set_aside(self._directory / "spill.jsonl", _encode(record))

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle, self._size = -1, 0

    def _drain_own(self, take: Take) -> int:
        """Take in until nothing is left; then the file goes.

        The last records are taken in while nobody may add any: under a steady load there would
        always be some. By then the store has answered once; while it is away nobody waits for it.
        """
        count = start = 0
        while (end := self._size) > start:
            with self._lock:  # Its own handle: in place of a deleted file another is opened.
                handle = os.dup(self._handle)
            try:
                count += self._take_own(handle, start, end, take)
            finally:
                os.close(handle)
            start = end
            if self._size - start <= LAST_BYTES:
                break
        with self._lock:
            if self._size > start:
                count += self._take_own(self._handle, start, self._size, take)
            if self._handle >= 0:
                self._path.unlink(missing_ok=True)
                os.close(self._handle)
                self._handle, self._size, self._path = -1, 0, self._directory
        return count

    def _take_own(self, handle: int, start: int, end: int, take: Take) -> int:
        count = _take_in(handle, self._path, start, end, take)
        faults.reach("spill.taken_in")
        return count

    def _drain_left(self, path: Path, take: Take) -> int:
        """Take in the file of a process that is gone."""
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:
            return 0
        try:
            if not _try_lock(handle):
                return 0
            count = _take_in(handle, path, 0, os.fstat(handle).st_size, take)
            path.unlink()
            return count
        finally:
            os.close(handle)

    def _left_behind(self) -> list[Path]:
        found = self._directory.glob("spill-*.jsonl") if self._directory.is_dir() else ()
        return sorted(path for path in found if path != self._path)

    def _see_to_the_file(self) -> None:
        """Open a file, also in place of one that somebody has deleted, whose records are kept."""
        if self._handle < 0:
            self._path, self._handle = self._open()
        elif not os.fstat(self._handle).st_nlink:
            _log.error("%s: was deleted while in use; it is made anew", self._path)
            path, handle = self._open()
            try:
                _append(handle, 0, os.pread(self._handle, self._size, 0))
            except OSError:
                os.close(handle)  # The next record tries again, and needs the file's lock.
                raise
            os.close(self._handle)  # Not before all that is in it is elsewhere.
            self._path, self._handle = path, handle

    def _open(self) -> tuple[Path, int]:
        """Return a locked file with nothing in it, on disk under its name.

        One with something in it is a dead process's, and is taken in as such.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(FILES_MAX):
            path = self._directory / f"spill-{number}.jsonl"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if _try_lock(handle) and _is_new(handle, path):
                break
            os.close(handle)
        else:
            raise SpillError(f"{self._directory}: {FILES_MAX} files are in use")
        folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path, handle


def _is_new(handle: int, path: Path) -> bool:
    """Tell whether the file is empty, and still at its path: a drain may have removed it."""
    found = os.fstat(handle)
    try:
        return not found.st_size and os.path.samestat(found, os.stat(path))
    except FileNotFoundError:
        return False


def _append(handle: int, size: int, lines: bytes) -> None:
    """Put lines behind the first `size` bytes, on disk; after an `OSError` none is there."""
    try:
        if os.write(handle, lines) != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(handle)
    except OSError:
        os.ftruncate(handle, size)  # Half a line would spoil the next.
        raise


def _take_in(handle: int, path: Path, start: int, end: int, take: Take) -> int:
    """Hand over the records of a part of the file; damaged ones are set aside once all are."""
    count = 0
    batch: list[Record] = []
    damaged: list[bytes] = []
    for record in _read(handle, start, end, damaged):
        batch.append(record)
        if len(batch) == BATCH_RECORDS:
            take(batch)
            count += len(batch)
            batch = []
    if batch:
        take(batch)
    for line in damaged:
        _set_aside(path, line)
    return count + len(batch)


def _read(handle: int, start: int, end: int, damaged: list[bytes]) -> Iterator[Record]:
    for line in _lines(handle, start, end):
        record = _decode(line)
        if record is not None:
            yield record
        elif line.strip():
            damaged.append(line)


def _lines(handle: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines of a part of the file, but for a last one that is not whole.

    The place in the file is ours to count: that of the handle moves to the end with each record
    that another thread adds meanwhile.
    """
    rest = b""
    while start < end:
        chunk = os.pread(handle, min(CHUNK_BYTES, end - start), start)
        if not chunk:
            raise OSError(errno.EIO, "is shorter than what was written to it")
        start += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > RECORD_MAX_BYTES + DIGEST_CHARS + 1:  # No line of ours.
            yield rest
            rest = b""


def _set_aside(path: Path, line: bytes) -> None:
    beside = path.with_suffix(".damaged")
    with open(beside, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(line)
    _log.error("%s: a record of %d bytes cannot be taken in; see %s", path, len(line), beside.name)


def _encode(record: Record) -> bytes:
    text = json.dumps(
        [
            record.kind,
            record.received_ms,
            base64.b64encode(record.payload).decode(),
            base64.b64encode(record.detail).decode(),
        ],
        separators=(",", ":"),
    ).encode()
    if len(text) > RECORD_MAX_BYTES:
        raise SpillError(f"a record of {len(text)} bytes; the limit is {RECORD_MAX_BYTES}")
    return _digest(text) + b" " + text + b"\n"


def _decode(line: bytes) -> Record | None:
    digest, gap, text = line.partition(b" ")
    if not gap or not line.endswith(b"\n") or _digest(text[:-1]) != digest:
        return None
    kind, received_ms, payload, detail = json.loads(text)
    return Record(kind, received_ms, base64.b64decode(payload), base64.b64decode(detail))


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:DIGEST_CHARS].encode()


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
