"""Stored mail, wherever it lies: mbox files, Maildirs, folders of letters, a Gmail Takeout.

What a file is shows in its bytes; its name is asked only where they do not tell. Folders are read
in the order of their names, so that a second walk meets the same files. Of a Maildir with folders
for sent mail, and of messages with Gmail's labels, only what was sent counts.

Nothing here writes, locks or marks anything as seen. A file that cannot be read is an answer
with a reason, never an exception; so is a message.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from relay.charset import decode_header
from relay.mbox import (
    HEADER_LOOK_MAX_BYTES,
    begins_like_mbox,
    holds_messages,
    read_slot,
    read_slots,
)

# What mail programs and Gmail call sent mail, in the languages whose letters we read or soon will.
SENT_NAMES = frozenset(
    "sent|sent mail|sent items|sent messages|outbox sent|送信済み|送信済みメール|送信済みアイテム"
    "|送信済みトレイ|送信済みメッセージ|送信箱|보낸편지함|보낸메일함|已发送|已发送邮件|寄件備份"
    "|gesendet|gesendete elemente|gesendete objekte|envoyés|messages envoyés|éléments envoyés"
    "|enviados|elementos enviados".split("|")
)
# The beginning of a file, by which it is told what it is.
HEAD_SIZE_BYTES = 4096

_MBOX_NAMES = frozenset({".mbox", ".mbx"})
_LETTER_NAMES = frozenset({".eml", ".mht", ".rfc822"})
_KNOWN_FIELD = re.compile(
    rb"^(?:from|to|cc|subject|date|message-id|received|return-path|mime-version|delivered-to"
    rb"|x-gm-thrid|x-gmail-labels|content-type)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_GMAIL_LABELS = re.compile(rb"^x-gmail-labels:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_UTF_7 = re.compile(r"&([A-Za-z0-9+,]*)-")
# Archives and mailboxes of programs that keep them to themselves, and the way out.
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"!BDN", "an Outlook data file (.pst): export the folder as .eml or mbox first"),
    (b"\xd0\xcf\x11\xe0", "an Outlook message (.msg): save it as .eml"),
    (b"SQLite format 3", "a database"),
)


class Form(StrEnum):
    """The forms in which a file holds mail."""

    MBOX = "mbox"
    LETTER = "letter"


class Fault(StrEnum):
    """Why a file or a message could not be read."""

    UNREADABLE = "unreadable"  # no rights, gone, or the disk failed
    NOT_MAIL = "not_mail"
    CHANGED = "changed"  # somebody wrote to the file while it was read
    EMPTY = "empty"
    NO_FROM_LINE = "no_from_line"  # what an mbox begins with is no message
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Source:
    """One file: the form of its mail, or why there is none for us. `detail` is for people."""

    path: Path
    form: Form | None = None
    size_bytes: int = 0
    mtime_ns: int = 0
    head: bytes = b""
    fault: Fault | None = None
    detail: str = ""

    @property
    def is_other(self) -> bool:
        """The file is simply something else than mail, and nobody said that it was."""
        return self.form is None and self.fault is None


@dataclass(frozen=True, slots=True)
class Stored:
    """One message in a file, or why it cannot be read. A fault of number 0 is one of the file.

    `end` is how far the file has been read with it.
    """

    path: Path
    number: int
    offset: int
    end: int
    message: bytes = b""
    fault: Fault | None = None


def find_sources(path: Path, sent_names: Set[str] = SENT_NAMES) -> Iterator[Source]:
    """Yield every file of a path, in an order that is the same each time."""
    if os.path.isdir(path):
        yield from _walk(path, sent_names)
    else:
        yield look_at(path, is_named=True)


def look_at(path: Path, *, is_named: bool = False, form: Form | None = None) -> Source:
    """Return what a file holds. With `is_named` somebody says that it is mail, with `form` which.

    Nothing but a plain file is opened: a pipe would be waited for.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Source(path, fault=Fault.NOT_MAIL if is_named else None, detail="not a file")
        suffix = path.suffix.lower()
        with path.open("rb") as file:
            head = file.read(HEAD_SIZE_BYTES)
            found, detail = (form, "") if form else _form_of(head, suffix)
            if found is None and suffix in _MBOX_NAMES:
                # Its beginning is damaged; the rest of it may be whole.
                if holds_messages(file.fileno(), status.st_size):
                    found = Form.MBOX
    except OSError as error:
        return _unreadable(path, error)
    is_mistake = found is None and (is_named or suffix in _LETTER_NAMES | _MBOX_NAMES)
    fault = Fault.NOT_MAIL if is_mistake else None
    return Source(path, found, status.st_size, status.st_mtime_ns, head, fault, detail)


def read_source(
    source: Source, size_max_bytes: int, *, offset: int = 0, number: int = 1
) -> Iterator[Stored]:
    """Yield the messages of a file, from the one on that begins at `offset`."""
    reached = offset
    try:
        descriptor = os.open(source.path, os.O_RDONLY)
        try:
            for stored in _read(source, descriptor, size_max_bytes, offset, number):
                yield stored
                reached = stored.end
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        yield Stored(source.path, 0, reached, source.size_bytes, fault=Fault.UNREADABLE)
        return
    if (status.st_size, status.st_mtime_ns) != (source.size_bytes, source.mtime_ns):
        yield Stored(source.path, 0, reached, source.size_bytes, fault=Fault.CHANGED)


def read_one(path: Path, number: int) -> bytes | None:
    """Return message `number` of a file, None where it has fewer; `OSError` if it is unreadable."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for slot in read_slots(file.fileno(), size):
            if slot.number == number:
                return read_slot(file.fileno(), slot)
    return None


def is_sent(message: bytes, sent_names: Set[str] = SENT_NAMES) -> bool:
    """Say whether a message was sent, by Gmail's labels; without them all of it was."""
    gap = _EMPTY_LINE.search(message, 0, HEADER_LOOK_MAX_BYTES)
    labels = _GMAIL_LABELS.search(message, 0, gap.start() + 1 if gap else HEADER_LOOK_MAX_BYTES)
    if labels is None:
        return True
    # Encoded words may break within a label: first decoded, then split.
    return any(_plain(one) in sent_names for one in decode_header(labels[1]).split(","))


def sent_names_of(names: list[str]) -> frozenset[str]:
    """Return names of sent mail as they are compared: case and width do not count."""
    return frozenset(_plain(name) for name in names)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().strip('"').casefold()


def _form_of(head: bytes, suffix: str) -> tuple[Form | None, str]:
    """Return the form of a file by its first bytes, or None and what it is instead."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"From ") and (suffix in _MBOX_NAMES or begins_like_mbox(text)):
        return Form.MBOX, ""
    for magic, detail in _FOREIGN:
        if head.startswith(magic):
            return None, detail
    if _FIRST_FIELD.match(text) and _KNOWN_FIELD.search(text):
        # An mbox that has lost its beginning.
        return (Form.MBOX if suffix in _MBOX_NAMES else Form.LETTER), ""
    if not text and suffix in _LETTER_NAMES:
        return Form.LETTER, ""  # An empty letter, which is counted as one.
    return None, "neither a letter nor an mbox" if text else "empty"


def _walk(folder: Path, sent_names: Set[str]) -> Iterator[Source]:
    """Yield the files of a folder and those below it. Links to folders are not followed."""
    if _is_maildir(folder):
        yield from _walk_maildir(folder, sent_names)
        return
    try:
        names = _names_in(folder)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for name in names:
        path = folder / name
        if path.is_symlink() or not os.path.isdir(path):
            if not name.startswith("."):
                yield look_at(path)
        elif not name.startswith(".") or _is_maildir(path):
            yield from _walk(path, sent_names)


def _walk_maildir(folder: Path, sent_names: Set[str]) -> Iterator[Source]:
    """Yield the messages of a Maildir: of its folders for sent mail, or else of all."""
    try:
        below = [folder / name for name in _names_in(folder) if _is_maildir(folder / name)]
    except OSError as error:
        yield _unreadable(folder, error)
        return
    sent = [path for path in below if _is_called_sent(path.name, sent_names)]
    for each in sent or (folder, *below):
        for part in (each / "cur", each / "new"):
            try:
                names = _names_in(part)
            except OSError as error:
                yield _unreadable(part, error)
                continue
            for name in names:
                if not name.startswith("."):
                    yield look_at(part / name, form=Form.LETTER)


def _names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder), key=os.fsencode)


def _unreadable(path: Path, error: OSError) -> Source:
    return Source(path, fault=Fault.UNREADABLE, detail=error.strerror or str(error))


def _is_maildir(path: Path) -> bool:
    return all(os.path.isdir(path / part) for part in ("cur", "new"))


def _is_called_sent(name: str, sent_names: Set[str]) -> bool:
    """Say whether a Maildir's folder is one for sent mail: `.Sent`, `.Sent.2025`, `Sent`."""
    return any(_plain(_from_utf_7(part)) in sent_names for part in name.split("."))


def _from_utf_7(name: str) -> str:
    """Return a folder's name written in modified UTF-7 (RFC 3501 §5.1.3) as it is read."""

    def decoded(found: re.Match[str]) -> str:
        text = found[1].replace(",", "/")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be") or "&"
        except (binascii.Error, UnicodeDecodeError):
            return found[0]

    return _UTF_7.sub(decoded, name)


def _read(
    source: Source, descriptor: int, size_max_bytes: int, offset: int, number: int
) -> Iterator[Stored]:
    path, size = source.path, source.size_bytes
    if source.form is not Form.MBOX:
        if number > 1:
            return  # It was read before.
        if size > size_max_bytes:
            yield Stored(path, 1, 0, size, fault=Fault.TOO_LARGE)
            return
        message = os.pread(descriptor, size, 0)
        fault = None if message.strip() else Fault.EMPTY
        yield Stored(path, 1, 0, size, message, fault)
        return
    for slot in read_slots(descriptor, size, offset, number):
        message, fault = b"", None
        if slot.size_bytes > size_max_bytes:
            fault = Fault.TOO_LARGE
        else:
            message = read_slot(descriptor, slot)
            if not message.strip():
                fault = Fault.EMPTY
            elif slot.start == slot.offset and not _FIRST_FIELD.match(message.lstrip()):
                fault = Fault.NO_FROM_LINE
        yield Stored(path, slot.number, slot.offset, slot.end, message, fault)
