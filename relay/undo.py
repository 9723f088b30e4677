"""The mark we put on a changed letter, and the way back to the original bytes.

    X-Career-Relay: v=1; link=<16 characters>; mac=<26 characters>;
     undo=<splice>[,<splice>];
     added=<number>;
     sum=<13 characters>

Each splice is `offset:length`, counted from the start of the message's body, so that fields which
later relays add or fold anew do not matter; for base64 it is
`offset:length:inner:inner_length:width`, see `relay.transfer.Undo`. `sum` is the beginning of the
SHA-256 of the original body in lower-case base32: `restore` gives back the original or nothing.
`added` tells how many header fields behind the mark are ours as well (DKIM signatures, an ARC set),
and is left out where there is none. A signature that the change broke stays in its place under
another name, see `relay.signaturefields`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.mimemap import header_start
from relay.signaturefields import put_back
from relay.transfer import BodyRefused, Undo, undo_change

FIELD_NAME = b"X-Career-Relay"
# Text and HTML: a letter has two alternatives at most.
SPLICES_MAX = 2
# 65 bits: damage is noticed; forging is the mac's business.
SUM_CHARS = 13
# The last line end and an empty line behind it. Each is another sum of the whole.
ENDS_DIFFER_MAX = 2
# Two DKIM signatures and an ARC set are five fields.
ADDED_MAX_COUNT = 20

_FIELD = re.compile(
    rb"^x-career-relay[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)", re.IGNORECASE | re.MULTILINE
)
_ONE_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n")
_SUM = re.compile(rb" sum=")
_ADDED = re.compile(rb" added=[0-9]+;\r?\n")
_EMPTY_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_NUMBERS = re.compile(rb"[0-9]{1,10}(?::[0-9]{1,10})*\Z")


class NotOurs(Exception):
    """The message is none that we changed, or was changed again behind us; see `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Mark:
    """What identifies a letter we changed: the id of its link, and the MAC that proves it."""

    link_id: str
    mac: str


@dataclass(frozen=True, slots=True)
class MarkField:
    """A parsed mark field with the record of our splices, in the order of their offsets."""

    mark: Mark
    splices: tuple[Undo, ...]
    digest: str
    added: int = 0


def render_field(
    mark: Mark, splices: Sequence[Undo], original_body: bytes, line_end: bytes
) -> bytes:
    """Return the header field, folded to lines of at most 76 columns, with its line end."""
    record = ",".join(_encode_splice(splice) for splice in splices)
    first = f"X-Career-Relay: v=1; link={mark.link_id}; mac={mark.mac};".encode("ascii")
    lines = (first, f" undo={record};".encode(), f" sum={_digest(original_body)}".encode())
    return b"".join(line + line_end for line in lines)


def parse_field(value: bytes) -> MarkField | None:
    """Return the mark in the value of an X-Career-Relay field, `None` if it has another form."""
    # Relays may fold anywhere; no item of ours holds white space.
    items = b"".join(value.split()).split(b";")
    fields = {name: text for name, _, text in (item.partition(b"=") for item in items)}
    if fields.get(b"v") != b"1" or not value.isascii():
        return None
    record = fields.get(b"undo")
    splices = [_parse_splice(item) for item in record.split(b",")] if record else []
    known = tuple(splice for splice in splices if splice is not None)
    if len(known) < len(splices) or len(known) > SPLICES_MAX:
        return None
    link_id, mac, digest = (fields.get(name, b"").decode() for name in (b"link", b"mac", b"sum"))
    added = fields.get(b"added", b"0")
    if not added.isdigit() or len(added) > 2 or int(added) > ADDED_MAX_COUNT:
        return None
    return MarkField(Mark(link_id, mac), known, digest, int(added))


def read_mark(message: bytes) -> Mark:
    """Return the mark on a message we changed; raise `NotOurs` where there is none."""
    return _find_mark(message, 0, len(message))[1].mark


def add_fields(message: bytes, fields: bytes) -> bytes:
    """Return a message we changed with more header fields of ours, put behind its mark.

    `message` comes from `relay.inject`, `fields` are whole, each with its line end.
    """
    met, known = _find_mark(message, 0, len(message))
    line_end = b"\r\n" if met[0].endswith(b"\r\n") else b"\n"
    count = known.added + len(_ONE_FIELD.findall(fields))
    mark = _SUM.sub(b" added=%d;%b sum=" % (count, line_end), _ADDED.sub(b"", met[0]))
    return b"".join((message[: met.start()], mark, fields, message[met.end() :]))


def restore(message: bytes) -> bytes:
    """Return the bytes the message had before we changed it; raise `NotOurs` with the reason.

    A file saved with other line ends than the letter travelled with is understood, too. Empty lines
    at the end that came or went on the way do not matter: all that is taken for the original has
    its sum.
    """
    try:
        return _restore(message)
    except NotOurs as error:
        if error.reason != "body_changed":
            raise
        for changed, line_ends in _as_it_may_have_been(message):
            try:
                return _restore(changed).replace(*line_ends)
            except NotOurs:
                continue
        raise


def _as_it_may_have_been(message: bytes) -> Iterator[tuple[bytes, tuple[bytes, bytes]]]:
    """Give the message with other line ends and ends, and what to replace in the result."""
    crlf, lf = b"\r\n", b"\n"
    is_crlf = crlf in message
    there, other = (crlf, lf) if is_crlf else (lf, crlf)
    swapped = message.replace(there, other)
    yield swapped, (other, there)
    # A relay adds the last line end, an mbox an empty line; programs that save a file drop them.
    for text, line_end, back in (
        (message, there, (b"", b"")),
        (swapped, other, (other, there)),
    ):
        bare = text.rstrip(b"\r\n")
        tail = text[len(bare) :]
        if tail.replace(line_end, b""):
            continue  # Ends that are no line ends of this message are none of these.
        count = len(tail) // len(line_end)
        for other_count in range(max(count - ENDS_DIFFER_MAX, 0), count + ENDS_DIFFER_MAX + 1):
            if other_count != count:
                yield bare + line_end * other_count, back


def _restore(message: bytes) -> bytes:
    start = header_start(message)
    gap = _EMPTY_LINE.search(message, start)
    header_end, body_start = (gap.start(), gap.end()) if gap else (len(message), len(message))
    met, field = _find_mark(message, start, header_end)
    body = message[body_start:]
    try:
        for splice in reversed(field.splices):
            body = undo_change(body, splice)
    except BodyRefused as error:
        raise NotOurs("body_changed") from error
    if _digest(body) != field.digest:
        raise NotOurs("body_changed")
    behind = met.end()
    for _ in range(field.added):
        ours = _ONE_FIELD.match(message, behind, header_end)
        if ours is None:
            raise NotOurs("header_changed")
        behind = ours.end()
    header = message[: met.start()] + message[behind:body_start]
    return put_back(header) + body


def _find_mark(message: bytes, start: int, end: int) -> tuple[re.Match[bytes], MarkField]:
    """Return the first field of ours that tells of a change: others may say that we saw it."""
    reason = "no_mark"
    for met in _FIELD.finditer(message, start, end):
        field = parse_field(met[1])
        if field is not None and field.splices:
            return met, field
        reason = "unreadable_mark"
    raise NotOurs(reason)


def _encode_splice(splice: Undo) -> str:
    numbers = [splice.offset, splice.length]
    if splice.width:
        numbers += [splice.inner, splice.inner_length, splice.width]
    return ":".join(str(number) for number in numbers)


def _parse_splice(item: bytes) -> Undo | None:
    if not _NUMBERS.match(item):
        return None
    numbers = [int(number) for number in item.split(b":")]
    return Undo(*numbers) if len(numbers) in (2, 5) else None


def _digest(body: bytes) -> str:
    beginning = hashlib.sha256(body).digest()[:SUM_CHARS]  # A character tells of less than a byte.
    return base64.b32encode(beginning).decode("ascii").lower()[:SUM_CHARS]
