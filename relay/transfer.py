"""Splicing into a transfer-encoded body: the change of raw bytes that inserts decoded ones.

7bit, 8bit, binary and quoted-printable bodies get a pure insertion of bytes. A base64 body is
encoded again from the first changed line to its end, with its own line width and line ends, because
three bytes share four characters. Every change carries what undoes it; `undo_change` gives back the
body as it was. A change that is not exactly undone is never handed out (`BodyRefused`).

Implements RFC 2045 §6.7 (quoted-printable) and §6.8 (base64).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.mimemap import MapError, decode_body

# RFC 2045 §6.7 (5) and §6.8: encoded lines are no longer than 76 characters.
ENCODED_LINE_MAX = 76

# Runs of escapes, a soft line break, or literal text.
_QP_TOKEN = re.compile(rb"(?:=[0-9A-Fa-f]{2})+|=[ \t]*(?:\r?\n|\Z)|[^=]+")
_LITERAL = frozenset(range(0x21, 0x7F)) - {ord("=")}
_BLANK = (0x20, 0x09)
_SPACE = b" \t\r\n"
_LINE_ENDS = frozenset({b"\r\n", b"\n"})
_LINE_END = re.compile(rb"\r?\n")


class BodyRefused(Exception):
    """The body is of a form that we could not restore byte for byte."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes one insertion out of a changed body again; offsets count from its start.

    For a pure insertion, `length` bytes at `offset`. For base64 (`width` > 0) that is the region
    that was encoded again, `inner` and `inner_length` are the insertion within its decoded bytes,
    and `width` is the line width the region had.
    """

    offset: int
    length: int
    inner: int = 0
    inner_length: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """Replace `old_length` raw bytes at `offset` of the body by `new`."""

    offset: int
    old_length: int
    new: bytes
    undo: Undo

    def apply(self, body: bytes) -> bytes:
        """Return the changed body."""
        return body[: self.offset] + self.new + body[self.offset + self.old_length :]


def insert_decoded(
    body: bytes,
    transfer_encoding: str,
    at: int,
    units: Sequence[bytes],
    line_end: bytes,
    decoded: bytes | None = None,
) -> Change:
    """Return the change that puts `units` at the decoded offset `at` of a body.

    A unit is never torn apart by an encoded line end: it is one character, one link or one line
    end. `line_end` is the one of the raw message, which encoded lines get; `decoded` is the body
    decoded, where that is known. Raises `BodyRefused`
    when the original could not be had back, `MapError` when the body does not decode.
    """
    inserted = b"".join(units)
    if transfer_encoding == "base64":
        change = _insert_base64(body, at, inserted, line_end)
    elif transfer_encoding == "quoted-printable":
        change = _insert_quoted_printable(body, at, units, line_end)
    else:
        change = Change(at, 0, inserted, Undo(at, len(inserted)))
    changed = change.apply(body)
    before = decode_body(body, transfer_encoding) if decoded is None else decoded
    wanted = before[:at] + inserted + before[at:]
    if (
        decode_body(changed, transfer_encoding) != wanted
        or undo_change(changed, change.undo) != body
    ):
        raise BodyRefused
    return change


def undo_change(body: bytes, undo: Undo) -> bytes:
    """Return the body without the insertion; `BodyRefused` when the record does not fit it."""
    end = undo.offset + undo.length
    if not 0 <= undo.offset <= end <= len(body):
        raise BodyRefused
    if undo.width == 0:
        return body[: undo.offset] + body[end:]
    region = body[undo.offset : end]
    try:
        decoded = decode_body(region, "base64")
    except MapError as error:
        raise BodyRefused from error
    inner_end = undo.inner + undo.inner_length
    if not 0 <= undo.inner <= inner_end <= len(decoded):
        raise BodyRefused
    met = _LINE_END.search(region)
    line_end = met[0] if met else b"\r\n"
    original = _base64_lines(decoded[: undo.inner] + decoded[inner_end:], undo.width, line_end)
    return body[: undo.offset] + original + body[end:]


def _insert_base64(body: bytes, at: int, inserted: bytes, line_end: bytes) -> Change:
    """Encode again from the last line that starts on a quantum at or before `at`."""
    start, decoded_start, width = _base64_region(body, at)
    end = len(body.rstrip(_SPACE))
    region = body[start:end]
    met = _LINE_END.search(body, 0, end)
    line_end = met[0] if met else line_end
    decoded = decode_body(region, "base64")
    inner = at - decoded_start
    new = _base64_lines(decoded[:inner] + inserted + decoded[inner:], width, line_end)
    undo = Undo(start, len(new), inner, len(inserted), width)
    return Change(start, end - start, new, undo)


def _base64_region(body: bytes, at: int) -> tuple[int, int, int]:
    """Return offset and decoded offset of the first line to change, and the line width."""
    position = start = 0
    characters = decoded_start = width = 0
    for line in body.split(b"\n"):
        text = line.strip(_SPACE)
        if characters % 4 == 0 and characters // 4 * 3 <= at and text:
            start = position + line.index(text)
            decoded_start = characters // 4 * 3
        width = max(width, len(text))
        characters += len(text)
        position += len(line) + 1
    # A body of one short line does not show its width; the standard one is then as good.
    single = width == characters
    return start, decoded_start, max(width, ENCODED_LINE_MAX) if single else width


def _base64_lines(data: bytes, width: int, line_end: bytes) -> bytes:
    encoded = base64.b64encode(data)
    if len(encoded) <= width:
        return encoded
    return line_end.join(encoded[at : at + width] for at in range(0, len(encoded), width))


def _insert_quoted_printable(
    body: bytes, at: int, units: Sequence[bytes], line_end: bytes
) -> Change:
    offset = _raw_offset(body, at)
    line_start = body.rfind(b"\n", 0, offset) + 1
    column = offset - line_start
    parts: list[bytes] = []
    opens_line = units[0] in _LINE_ENDS
    if column and (not opens_line or body[offset - 1] in _BLANK):
        # White space before a hard line end would be lost: the soft one protects it.
        parts.append(b"=" + line_end)
        column = 0
    ends_line = units[-1] in _LINE_ENDS
    parts.extend(_quoted_lines(units, line_end, column))
    if offset < len(body) and not ends_line:
        parts.append(b"=" + line_end)
    new = b"".join(parts)
    return Change(offset, 0, new, Undo(offset, len(new)))


def _raw_offset(body: bytes, at: int) -> int:
    """Return the raw offset of a decoded offset, behind any soft line breaks there."""
    decoded = offset = 0
    # Whole lines first. No byte takes less than one: as many on, the place is not passed yet.
    while (line := body.rfind(b"\n", offset, offset + at - decoded) + 1) > offset:
        decoded += len(decode_body(body[offset:line], "quoted-printable"))
        offset = line
    for met in _QP_TOKEN.finditer(body, offset):
        token = met[0]
        if token[:1] != b"=":
            raw_per_byte, size = 1, len(token)
        elif token[1:3].isalnum():
            raw_per_byte, size = 3, len(token) // 3
        elif token[-1:] == b"\n":
            raw_per_byte, size = 1, 0
        else:
            # A soft break that breaks nothing, at the very end.
            return met.start()
        if decoded + size > at:
            return met.start() + raw_per_byte * (at - decoded)
        decoded += size
        offset = met.end()
    return offset


def _quoted_lines(units: Iterable[bytes], line_end: bytes, column: int) -> Iterable[bytes]:
    """Give the quoted-printable form of the units, line by line."""
    line: list[bytes] = []
    for unit in units:
        if unit not in _LINE_ENDS:
            line.append(unit)
            continue
        yield _quoted_line(tuple(line), line_end, column) + line_end
        line.clear()
        column = 0
    yield _quoted_line(tuple(line), line_end, column)


@lru_cache(maxsize=256)  # The lines of the note's templates, again and again; a link's line once.
def _quoted_line(units: tuple[bytes, ...], line_end: bytes, column: int) -> bytes:
    """Return one line of units encoded; soft line breaks fall between two of them."""
    pieces: list[bytes] = []
    for index, unit in enumerate(units):
        for piece in _quoted_unit(unit, index + 1 == len(units)):
            # One column is kept for the "=" of a soft line break.
            if column and column + len(piece) > ENCODED_LINE_MAX - 1:
                pieces.append(b"=" + line_end)
                column = 0
            pieces.append(piece)
            column += len(piece)
    return b"".join(pieces)


@lru_cache(maxsize=1024)  # The few hundred characters of the note's templates, again and again.
def _quoted_unit(unit: bytes, last: bool) -> tuple[bytes, ...]:
    """Return a unit encoded: in one piece if it fits a line, else byte by byte."""
    pieces = tuple(
        bytes((byte,))
        if byte in _LITERAL or (byte in _BLANK and not (last and index + 1 == len(unit)))
        else b"=%02X" % byte
        for index, byte in enumerate(unit)
    )
    whole = b"".join(pieces)
    return (whole,) if len(whole) < ENCODED_LINE_MAX else pieces
