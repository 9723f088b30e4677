"""An mbox file, message by message, in memory of one chunk and one message whatever its size.

The format has no standard (RFC 4155 names its default form only), so all of its dialects are read:
`From ` lines of every writer we know, the quoting of mboxo and mboxrd (`>From `), the lengths of
mboxcl and mboxcl2 where they are true, LF and CRLF, lines of any length. A `From ` line in the
text of a letter is told from one that begins a message by what stands before and behind it.

A message comes out as it was sent: unquoted, and without the Content-Length and Lines that mbox
writers add; they count bytes that are gone. The standard library's `mailbox` reads the whole
file before the first message comes out, keeps the quoting, and knows no lengths.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

# Read at once: larger does not read faster, and two of them are all that searching takes.
CHUNK_SIZE_BYTES = 1024 * 1024
# A `From ` line and the beginning of the next: an address has 320 octets at most, a date 40.
LOOK_MAX_BYTES = 512
# As far into a message as a header field of the mailbox is looked for: writers put theirs there.
HEADER_LOOK_MAX_BYTES = 64 * 1024
_CONTEXT_BYTES = 4  # CRLF CRLF before a `From ` line.

_MARK = b"\nFrom "
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_DATED = re.compile(
    rb"From [^\n]*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b[^\n]*\d:\d\d[^\n]*\b\d{4}\b[^\n]*(?:\n|\Z)"
)
_BRIEF = re.compile(rb"From (?:[^\n]*\d:\d\d[^\n]*|[^\s]*[ \t]*\r?)(?:\n|\Z)")
_THEN_FIELD = re.compile(rb"From [^\n]*\n(?:>From [^\n]*\n)?[!-9;-~]+[ \t]*:")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_COUNTS = re.compile(rb"^(?:content-length|lines):[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a message stands in its file: `offset` is that of its `From ` line."""

    number: int
    """From 1, as `careerrelay check FILE:NUMBER` takes it."""
    offset: int
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How long the message is in the file."""
        return self.end - self.start


def read_slots(descriptor: int, size: int, offset: int = 0, number: int = 1) -> Iterator[Slot]:
    """Yield the place of each message from `offset` on, where message `number` begins.

    What stands before the first `From ` line of a file is a message of its own: it may be one
    whose line is lost. `size` is how far the file is read, however it grows.
    """
    begin = offset
    known_end = 0
    for end in chain(_separators(descriptor, size, offset), (size,)):
        if end <= begin or end < known_end:
            continue
        start = min(_message_start(descriptor, begin), end)
        if end < size:
            known_end = _announced_end(descriptor, start, end, size)
            if known_end > end:
                continue
        if begin or start or not _is_blank(descriptor, begin, end):
            yield Slot(number, begin, start, end)
            number += 1
        begin = end


def read_slot(descriptor: int, slot: Slot) -> bytes:
    """Return the message of a slot as it was before it was put into the file."""
    message = os.pread(descriptor, slot.size_bytes, slot.start)
    for line_end in (b"\r\n", b"\n"):
        if message.endswith(line_end * 2):
            message = message[: -len(line_end)]
            break
    return _unquote(_without_counts(message))


def begins_like_mbox(head: bytes) -> bool:
    """Say whether a file with this beginning has messages behind `From ` lines."""
    return _begins_message(b"\n\n" + head, 1)


def holds_messages(descriptor: int, size: int) -> bool:
    """Say whether a message begins anywhere in a file, whatever it begins with itself."""
    return next(_separators(descriptor, size, 0), None) is not None


def _separators(descriptor: int, size: int, start: int) -> Iterator[int]:
    """Yield the offsets of the lines that begin a message, in their order."""
    base = max(0, start - _CONTEXT_BYTES)
    window = b"\n\n" if base == 0 else b""  # The first line follows an empty one, so to speak.
    base -= len(window)
    searched = 0
    at_end = False
    while not at_end:
        position = base + len(window)
        chunk = os.pread(descriptor, min(CHUNK_SIZE_BYTES, size - position), position)
        at_end = not chunk
        window += chunk
        # Near the end of the window it cannot be seen what stands behind the line.
        limit = len(window) if at_end else max(searched, len(window) - LOOK_MAX_BYTES)
        at = window.find(_MARK, searched, limit + len(_MARK) - 1)
        while at != -1:
            if base + at + 1 >= start and _begins_message(window, at):
                yield base + at + 1
            at = window.find(_MARK, at + 1, limit + len(_MARK) - 1)
        done = max(0, limit - _CONTEXT_BYTES)
        window = window[done:]
        base += done
        searched = limit - done


def _begins_message(window: bytes, at: int) -> bool:
    """Say whether the `From ` line behind the line end at `at` begins a message."""
    follows_empty_line = window[at - 1 : at] == b"\n" or window[at - 2 : at] == b"\n\r"
    stop = at + 1 + LOOK_MAX_BYTES
    is_dated = _DATED.match(window, at + 1, stop) is not None
    if is_dated and follows_empty_line:
        return True
    has_field = _THEN_FIELD.match(window, at + 1, stop) is not None
    if is_dated or not follows_empty_line:
        return is_dated and has_field
    return has_field and _BRIEF.match(window, at + 1, stop) is not None


def _message_start(descriptor: int, offset: int) -> int:
    """Return where the message begins whose `From ` line, if it has one, stands at `offset`."""
    line = os.pread(descriptor, LOOK_MAX_BYTES, offset)
    if not line.startswith(b"From "):
        return offset
    return offset + (line.find(b"\n") + 1 or len(line))


def _announced_end(descriptor: int, start: int, end: int, size: int) -> int:
    """Return where the next message begins by this one's Content-Length, if one begins there.

    mboxcl2 leaves `From ` lines in the text as they are. A length that leads to anything else
    than the beginning of a message or the end of the file is wrong, and tells nothing: 0.
    """
    head = os.pread(descriptor, min(end - start, HEADER_LOOK_MAX_BYTES), start)
    gap = _EMPTY_LINE.search(head)
    length = _LENGTH.search(head, 0, gap.start() + 1) if gap else None
    if gap is None or length is None:
        return 0
    announced = start + gap.end() + int(length[1])
    if announced <= end or announced > size:
        return 0
    behind = os.pread(descriptor, 2 * _CONTEXT_BYTES + len(_MARK), announced)
    line = behind.lstrip(b"\r\n")
    if line and not line.startswith(b"From "):
        return 0
    return announced + len(behind) - len(line)


def _is_blank(descriptor: int, start: int, end: int) -> bool:
    """Say whether nothing but white space stands there; more than a chunk is not looked at."""
    return end - start <= CHUNK_SIZE_BYTES and not os.pread(descriptor, end - start, start).strip()


def _without_counts(message: bytes) -> bytes:
    gap = _EMPTY_LINE.search(message, 0, HEADER_LOOK_MAX_BYTES)
    if gap is None or _COUNTS.search(message, 0, gap.start() + 1) is None:
        return message
    head = gap.start() + 1
    return _COUNTS.sub(b"", message[:head]) + message[head:]


def _unquote(message: bytes) -> bytes:
    """Undo the quoting of `From ` lines, unless one stands there as it is: then nobody quoted."""
    if b">From " not in message or b"\nFrom " in message:
        return message
    return _QUOTED.sub(rb"\1", message)
