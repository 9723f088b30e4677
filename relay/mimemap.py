"""A map of a message in byte offsets: where each part, its header and its body begin and end.

The map is made by scanning the raw bytes once per nesting level; nothing is decoded, copied or
written out again, so a splice at a mapped offset leaves every other byte as it was. Where two
mail programs could read a message differently (a field twice, a boundary reused or never closed),
the scanner refuses with a named reason: we never change what we may have misread.

Implements RFC 5322 §2.2 (header fields), RFC 2045 §5 and §6, RFC 2046 §5.1 (multipart). Lines may
end in CRLF (the wire) or LF (files). Attached messages are leaves: we never look into them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from relay.mimefields import FieldError, parse_content_type, parse_disposition, parse_token

# Newsletters with every image inline stay under 100 parts; a letter to an applicant under 20.
PARTS_MAX_COUNT = 200
# mixed > related > alternative > related is the deepest real nesting; forwarding adds a few more.
DEPTH_MAX = 10
# Exchange and Postfix both default to about this much header; more is an attack or a loop.
HEADER_MAX_BYTES = 256 * 1024

# A field that decides how a part is read; met twice, mail programs differ on which one counts.
_DECISIVE_FIELDS = frozenset(
    {"content-type", "content-transfer-encoding", "content-disposition", "mime-version"}
)
_IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_NAME = re.compile(rb"([!-9;-~]+)([ \t]*):")
# A whole field with the lines it is folded on. Nothing behind it fails: no input starts it over.
_FIELD = re.compile(rb"^([!-9;-~]++):([^\n]*+(?:\n[ \t][^\n]*+)*)", re.MULTILINE)
_BLANK_FOLD = re.compile(rb"\n\s*(?:\n|\Z)")
_BROKEN_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r?\n|\Z))")
_PADDED_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n|\Z)")


class MapReason(StrEnum):
    """Why a message has no map, or a part no decoded body."""

    AMBIGUOUS_MIME = "ambiguous_mime"
    BROKEN_HEADER = "broken_header"
    UNCLOSED_MULTIPART = "unclosed_multipart"
    TOO_MANY_PARTS = "too_many_parts"
    TOO_DEEP = "too_deep"
    HEADER_TOO_LARGE = "header_too_large"
    NUL_BYTES = "nul_bytes"
    BROKEN_ENCODING = "broken_encoding"
    UNKNOWN_ENCODING = "unknown_encoding"


class MapError(Exception):
    """The message cannot be read in one way only; `reason` is a value of `MapReason`."""

    def __init__(self, reason: MapReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason: str = reason.value
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message; the root part is the message itself. Offsets count from its start.

    `body_end` excludes the line end before the boundary, which RFC 2046 §5.1.1 gives to the
    boundary. Header values are raw: folded as sent, with the space after the colon.
    """

    start: int
    body_start: int
    body_end: int
    content_type: str
    parameters: Mapping[str, str]
    transfer_encoding: str
    disposition: str
    filename: str | None
    headers: tuple[tuple[str, bytes], ...]
    children: tuple[Part, ...] = ()

    @property
    def is_multipart(self) -> bool:
        """The part holds other parts."""
        return self.content_type.startswith("multipart/")

    def header(self, name: str) -> bytes | None:
        """Return the raw value of the first field of this (lower-case) name."""
        return next((value for field, value in self.headers if field == name), None)

    def leaves(self) -> Iterator[Part]:
        """Give the parts that hold content, in the order of their bytes."""
        if not self.is_multipart:
            yield self
        for child in self.children:
            yield from child.leaves()


@dataclass(frozen=True, slots=True)
class MessageMap:
    """A message and the map of its parts."""

    message: bytes
    root: Part

    def header(self, name: str) -> bytes | None:
        """Return the raw value of the message's first field of this (lower-case) name."""
        return self.root.header(name)

    def headers(self, name: str) -> list[bytes]:
        """Return the raw values of all the message's fields of this (lower-case) name."""
        return [value for field, value in self.root.headers if field == name]

    def leaves(self) -> Iterator[Part]:
        """Give the parts that hold content, in the order of their bytes."""
        return self.root.leaves()


def map_message(message: bytes) -> MessageMap:
    """Return the map of a message; raise `MapError` where it can be read in more than one way."""
    # RFC 5322 §2.1 and RFC 2045 §2.8: NUL is allowed nowhere but in binary bodies, and mail
    # programs written in C cut the text there.
    if b"\0" in message:
        raise MapError(MapReason.NUL_BYTES)
    return MessageMap(message, _Scanner(message).scan_root())


def header_start(message: bytes) -> int:
    """Return the offset of the first header field: behind the `From ` line of an mbox, if any."""
    return message.find(b"\n") + 1 if message.startswith(b"From ") else 0


def body_of(message_map: MessageMap, part: Part) -> bytes:
    """Return the body of a leaf with its transfer encoding undone; `MapError` if it is broken."""
    return decode_body(message_map.message[part.body_start : part.body_end], part.transfer_encoding)


def decode_body(body: bytes, transfer_encoding: str) -> bytes:
    """Return a body with its transfer encoding undone; `MapError` if it is broken."""
    if transfer_encoding in _IDENTITY_ENCODINGS:
        return body
    if transfer_encoding == "quoted-printable":
        return _decode_quoted_printable(body)
    if transfer_encoding == "base64":
        return _decode_base64(body)
    raise MapError(MapReason.UNKNOWN_ENCODING, transfer_encoding)


def _decode_quoted_printable(body: bytes) -> bytes:
    if _BROKEN_ESCAPE.search(body):
        raise MapError(MapReason.BROKEN_ENCODING, "'=' without two hexadecimal digits")
    # RFC 2045 §6.7 (3): a relay may have added white space behind a soft line break.
    return binascii.a2b_qp(_PADDED_SOFT_BREAK.sub(b"=", body))


def _decode_base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True)
    except binascii.Error as error:
        raise MapError(MapReason.BROKEN_ENCODING, str(error)) from error


class _Scanner:
    """Walks through one message and counts what it meets against the limits."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._part_count = 0

    def scan_root(self) -> Part:
        return self._scan_part(0, len(self._message), "text/plain", ())

    def _scan_part(
        self, start: int, end: int, default_type: str, boundaries: tuple[bytes, ...]
    ) -> Part:
        self._part_count += 1
        if self._part_count > PARTS_MAX_COUNT:
            raise MapError(MapReason.TOO_MANY_PARTS)
        at = header_start(self._message) if start == 0 else start
        headers, body_start = _scan_header(self._message, at, end)
        fields = _decisive_fields(headers)
        try:
            kind = parse_content_type(fields.get("content-type"), default_type)
            encoding = parse_token(fields.get("content-transfer-encoding")) or "7bit"
            disposition = parse_disposition(fields.get("content-disposition"))
        except FieldError as error:
            raise MapError(MapReason.AMBIGUOUS_MIME, str(error)) from error
        children: tuple[Part, ...] = ()
        if kind.name.startswith("multipart/"):
            if encoding not in _IDENTITY_ENCODINGS:
                # RFC 2045 §6.4: a composite part may not be encoded.
                raise MapError(MapReason.AMBIGUOUS_MIME, "encoded multipart")
            inner = "message/rfc822" if kind.name == "multipart/digest" else "text/plain"
            boundary = kind.parameters.get("boundary", "").encode("latin-1", "replace")
            children = self._scan_children(body_start, end, boundary, inner, boundaries)
        return Part(
            start=start,
            body_start=body_start,
            body_end=end,
            content_type=kind.name,
            parameters=kind.parameters,
            transfer_encoding=encoding,
            disposition=disposition.name,
            filename=disposition.parameters.get("filename") or kind.parameters.get("name"),
            headers=headers,
            children=children,
        )

    def _scan_children(
        self,
        body_start: int,
        body_end: int,
        boundary: bytes,
        default_type: str,
        outer: tuple[bytes, ...],
    ) -> tuple[Part, ...]:
        # RFC 2046 §5.1.1: a boundary does not end in a space; readers differ on cutting it.
        if not boundary or boundary != boundary.rstrip():
            raise MapError(MapReason.AMBIGUOUS_MIME, "multipart without a good boundary")
        if boundary in outer:
            raise MapError(MapReason.AMBIGUOUS_MIME, "boundary used twice")
        if len(outer) >= DEPTH_MAX:
            raise MapError(MapReason.TOO_DEEP)
        spans = _split(self._message, body_start, body_end, boundary)
        return tuple(
            self._scan_part(start, end, default_type, (*outer, boundary)) for start, end in spans
        )


def _scan_header(message: bytes, start: int, end: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    """Return the header fields and the offset of the body, which follows the first empty line."""
    if message.startswith((b"\n", b"\r\n"), start, end):
        return (), message.index(b"\n", start) + 1
    stop = min(end, start + HEADER_MAX_BYTES)
    gap = _EMPTY_LINE.search(message, start, stop)
    if gap is None and stop < end:
        raise MapError(MapReason.HEADER_TOO_LARGE)
    block_end, body_start = (gap.start() + 1, gap.end()) if gap else (end, end)
    return _split_fields(message[start:block_end]), body_start


def _split_fields(block: bytes) -> tuple[tuple[str, bytes], ...]:
    if not block:
        return ()
    if block.count(b"\r") != block.count(b"\r\n") + block.endswith(b"\r"):
        # Python's and other readers end a line at a bare CR and so see other fields than we do.
        raise MapError(MapReason.BROKEN_HEADER, "bare carriage return")
    block = block.removesuffix(b"\n")
    fields: list[tuple[bytes, bytes]] = _FIELD.findall(block)
    # Each has a colon, and a line end to the next. A block with more bytes has something odd in it.
    read_bytes = sum(map(len, chain.from_iterable(fields))) + 2 * len(fields) - 1
    if read_bytes != len(block) or _BLANK_FOLD.search(block):
        return _split_lines(block)
    return tuple(
        (name.decode("ascii").lower(), value.removesuffix(b"\r")) for name, value in fields
    )


def _split_lines(block: bytes) -> tuple[tuple[str, bytes], ...]:
    """Do the same line by line: raise what is wrong, or allow what is only unusual."""
    fields: list[tuple[str, list[bytes]]] = []
    for line in block.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            # RFC 5322 §4.2: a line of white space only is obsolete, and some readers end there.
            if not fields or not line.strip():
                raise MapError(MapReason.BROKEN_HEADER, "folded line without text or field")
            fields[-1][1].append(line)
            continue
        name = _FIELD_NAME.match(line)
        if name is None:
            raise MapError(MapReason.BROKEN_HEADER, "line without a field name")
        lowered = name[1].decode("ascii").lower()
        if name[2] and lowered in _DECISIVE_FIELDS:
            raise MapError(MapReason.AMBIGUOUS_MIME, f"space before the colon of {lowered}")
        fields.append((lowered, [line[name.end() :]]))
    return tuple((name, b"\n".join(lines).removesuffix(b"\r")) for name, lines in fields)


def _decisive_fields(headers: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for name, value in headers:
        if name in _DECISIVE_FIELDS:
            if name in fields:
                raise MapError(MapReason.AMBIGUOUS_MIME, f"{name} twice")
            fields[name] = value
    return fields


def _split(
    message: bytes, body_start: int, body_end: int, boundary: bytes
) -> list[tuple[int, int]]:
    """Return the spans between the delimiter lines of one multipart (RFC 2046 §5.1.1)."""
    delimiter = b"\n--" + boundary
    spans: list[tuple[int, int]] = []
    part_start: int | None = None
    closed = False
    # The first delimiter may follow the empty line at once; its line end is then the header's.
    found = message.find(delimiter, max(body_start - 1, 0), body_end)
    while found != -1:
        if closed:
            raise MapError(MapReason.AMBIGUOUS_MIME, "boundary after the closing one")
        after = found + len(delimiter)
        line_end = message.find(b"\n", after, body_end)
        rest = message[after : body_end if line_end == -1 else line_end].rstrip(b" \t\r")
        if rest not in (b"", b"--"):
            # RFC 2046 §5.1.1 lets readers compare the beginning of the line only.
            raise MapError(MapReason.AMBIGUOUS_MIME, "line begins with the boundary")
        if part_start is not None:
            part_end = found - (message[found - 1 : found] == b"\r")
            if part_end < part_start:
                raise MapError(MapReason.AMBIGUOUS_MIME, "two boundaries in a row")
            spans.append((part_start, part_end))
            if len(spans) > PARTS_MAX_COUNT:
                raise MapError(MapReason.TOO_MANY_PARTS)
        closed = rest == b"--"
        if line_end == -1:
            break
        part_start = line_end + 1
        found = message.find(delimiter, line_end, body_end)
    if not closed:
        raise MapError(MapReason.UNCLOSED_MULTIPART)
    if not spans:
        raise MapError(MapReason.AMBIGUOUS_MIME, "multipart without parts")
    return spans
