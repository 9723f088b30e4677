"""Exporting a log: its entries as lines, from any place on, in constant memory.

Every format has one line an entry. As `jsonl` a line is the stored bytes, which an auditor can
hash; the others are made of what the bytes say. What goes out is counted and digested, so that the
export itself can be put on record.

A file is continued where it ended: the id in its last whole line is looked up in the log, what
stands behind that line is cut off. A kill in the middle of an export leaves just such a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from ledger import exports_cef, exports_csv, exports_json, exports_ocsf, store_log
from ledger.events import Event, EventError, EventType, installation_event, parse
from ledger.store import LedgerError, Store

# The longest line is an OCSF event of an entry of 8 KiB, each byte of it escaped to six.
LINE_MAX_BYTES: Final = 64 * 1024


class ExportError(LedgerError):
    """The log cannot be exported, or the file not be continued; the text says why."""


class Format(StrEnum):
    """What the lines are."""

    JSONL = "jsonl"
    CSV = "csv"
    CEF = "cef"
    OCSF = "ocsf"
    CLOUDEVENTS = "cloudevents"


@dataclass(frozen=True, slots=True)
class _Writing:
    """A format: `encode` gives the line of an entry, `None` the stored bytes as they are."""

    encode: Callable[[int, Event], bytes] | None
    id_in: Callable[[bytes], str]
    header: bytes = b""


_WRITINGS: Final = {
    Format.JSONL: _Writing(None, exports_json.id_in_entry),
    Format.CSV: _Writing(exports_csv.encode_csv, exports_csv.id_in_csv, exports_csv.header()),
    Format.CEF: _Writing(exports_cef.encode_cef, exports_cef.id_in_cef),
    Format.OCSF: _Writing(exports_ocsf.encode_ocsf, exports_ocsf.id_in_ocsf),
    Format.CLOUDEVENTS: _Writing(exports_json.encode_cloudevent, exports_json.id_in_cloudevent),
}


class Export:
    """One export of a log, from entry `first` on; `next` is where the following one begins.

    When `run` fails, `next` and `digest` stand for all that was handed to the writer: more than
    that has not left the house.
    """

    def __init__(self, store: Store, log: str, form: Format, first: int = 0) -> None:
        self._store = store
        self._writing = _WRITINGS[form]
        self._hash = hashlib.sha256()
        self.log: Final = log
        self.form: Final = form
        self.first: Final = first
        self.next = first
        self.size = first  # Of the log, as it is when the export begins.

    @property
    def count(self) -> int:
        """How many entries were exported."""
        return self.next - self.first

    @property
    def digest(self) -> str:
        """SHA-256 of all bytes that were written, in hexadecimal."""
        return self._hash.hexdigest()

    def run(self, write: Callable[[bytes], object], *, is_begun: bool = False) -> None:
        """Write the entries there are now; `is_begun` when the lines go behind earlier ones.

        Raises `ExportError` at an entry that cannot be exported (those before it are written),
        `StoreError`, and what `write` raises.
        """
        with self._store.read() as transaction:
            self.size = store_log.size(transaction, self.log)
        if self.first > self.size:
            raise ExportError(f"log {self.log} has {self.size} entries, none from {self.first} on")
        if self._writing.header and not is_begun:
            self._hash.update(self._writing.header)
            write(self._writing.header)
        while self.next < self.size:
            # A transaction for each chunk: a long one would keep SQLite's write-ahead file from
            # beginning anew. Entries never change, so the chunks fit together all the same.
            with self._store.read() as transaction:
                rows = next(store_log.entries(transaction, self.log, self.next), None)
            if rows is None:
                raise ExportError(f"log {self.log} ends at {self.next} of {self.size}")
            self._write(rows[: self.size - self.next], write)

    def _write(self, rows: list[store_log.EntryRow], write: Callable[[bytes], object]) -> None:
        lines: list[bytes] = []
        problem: ExportError | None = None
        for place, row in enumerate(rows, start=self.next):
            try:
                lines.append(self._line(place, row))
            except (EventError, UnicodeDecodeError) as error:
                what = f"log {self.log}, entry {place}: {error}; see `careerrelay log verify`"
                problem = ExportError(what)
                break
        data = b"".join(lines)
        self._hash.update(data)
        self.next += len(lines)
        write(data)
        if problem:
            raise problem

    def _line(self, place: int, row: store_log.EntryRow) -> bytes:
        if row.seq != place:
            raise EventError("seq", f"the next entry in the store is {row.seq}")
        if self._writing.encode is None:
            if b"\n" in row.body:
                raise EventError("event", "has a line end in it")
            return row.body + b"\n"
        return self._writing.encode(place, parse(row.body))

    def event(self, time: datetime, event_id: str) -> Event:
        """Return the event that puts this export on record."""
        return installation_event(
            EventType.LOG_EXPORTED,
            time,
            event_id=event_id,
            subject=f"log:{self.log}",
            data={
                "log": self.log,
                "format": str(self.form),
                "first": self.first,
                "size": self.next,
                "digest": self.digest,
            },
        )


class ExportFile:
    """A file of an export, made anew or continued; one process at a time writes it.

    It is readable by its owner alone. Opening raises `ExportError`.
    """

    def __init__(self, path: Path, *, may_exist: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | (0 if may_exist else os.O_EXCL)
        try:
            self._file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "r+b")
        except FileExistsError:
            raise ExportError(f"{path} is there already; --resume continues it") from None
        except OSError as error:
            raise ExportError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ExportError(f"{path}: another export writes it at this moment") from None
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append the bytes."""
        self._file.write(data)

    def sync(self) -> None:
        """Return when what was written is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def next_place(self, store: Store, log: str, form: Format) -> tuple[int, bool]:
        """Return the place behind the last whole line, and whether there is a line at all.

        What stands behind that line is cut off: it was not written to its end.
        """
        line = self._cut_torn_line()
        if line is None:
            return 0, False
        try:
            event_id = _WRITINGS[form].id_in(line)
        except ValueError as error:
            raise ExportError(f"{self._path}: its last line: {error}") from None
        if not event_id:
            return 0, True
        with store.read() as transaction:
            place = store_log.place_of(transaction, log, event_id)
        if place is None:
            raise ExportError(f"{self._path}: its last entry, {event_id[:200]}, is not in {log}")
        return place + 1, True

    def _cut_torn_line(self) -> bytes | None:
        size = self._file.seek(0, os.SEEK_END)
        start = max(0, size - 2 * LINE_MAX_BYTES)
        self._file.seek(start)
        tail = self._file.read()
        end = tail.rfind(b"\n") + 1
        if not end and start:
            raise ExportError(f"{self._path}: its lines are too long to be those of an export")
        self._file.truncate(start + end)
        self._file.seek(start + end)
        if not end:
            return None
        begin = tail.rfind(b"\n", 0, end - 1) + 1
        if not begin and start:
            raise ExportError(f"{self._path}: its lines are too long to be those of an export")
        return tail[begin:end]
