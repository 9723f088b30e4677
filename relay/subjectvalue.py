"""The value of a Subject field as the characters that a person reads, each with its octets.

Plain text and encoded words of any charset, folded or not. Characters can be left out as the octets
that they are: no charset is ever written, what stays is as it was, and a word without any character
goes. Where these characters are not what the reader of all letters reads, `Unsafe` is raised.

Implements RFC 5322 §2.2.3 (folding), RFC 2047 §2, §5 and §6 (encoded words), RFC 1468, RFC 6532.
Pure.
"""

from __future__ import annotations

import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from relay.charset import decode_header, decode_text
from relay.phrases import fold

_WORD = re.compile(rb"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=")
_Q_OCTET = re.compile(rb"=[0-9A-Fa-f]{2}|[^=]")
# A character; a fold belongs to the white space behind it.
_PLAIN_CHARACTER = re.compile(r"(?:\r?\n(?=[ \t]))?.", re.DOTALL)
_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([BJHI])")
# An escape sequence that the next one undoes: RFC 1468 has a character between the two.
_IDLE_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([BJHI])(?=\x1b[$(])")
_WHITE = b" \t\r\n"
# One of them reads a word as `decode_text` does, whatever its label says.
_CODECS = ("utf-8", "cp932", "euc_jp", "cp1252", "gb18030", "cp949")


class Unsafe(Exception):
    """The value cannot be read, or changed, so that everybody reads the same."""


@dataclass(frozen=True, slots=True)
class Character:
    """A character of a subject, and its octets: of which piece, and counted from its start."""

    text: str
    octets: tuple[tuple[int, int], ...]
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of plain text, or an encoded word with its octets decoded."""

    raw: bytes
    label: bytes = b""
    encoding: bytes = b""
    payload: bytes = b""
    data: bytes = b""

    @classmethod
    def word(cls, met: re.Match[bytes]) -> _Piece:
        encoding, payload = met[2].upper(), met[3]
        try:
            data = (
                binascii.a2b_base64(payload, strict_mode=True)
                if encoding == b"B"
                else binascii.a2b_qp(payload, header=True)
            )
        except binascii.Error as error:
            raise Unsafe from error
        if encoding == b"Q" and len(_Q_OCTET.findall(payload)) != len(data):
            raise Unsafe
        return cls(met[0], met[1], encoding, payload, data)

    @property
    def is_word(self) -> bool:
        return bool(self.encoding)

    @property
    def is_blank(self) -> bool:
        """It is no word and has no text but white space, which between two words is none."""
        return not self.raw.strip(_WHITE)

    def without(self, gone: set[int]) -> bytes:
        """Return the octets of the piece without some; the rest stays as it is written."""
        if not gone:
            return self.raw
        if not self.is_word:
            return _leave_out(self.raw, gone)
        if self.encoding == b"Q":
            octets = enumerate(_Q_OCTET.findall(self.payload))
            payload = b"".join(octet for at, octet in octets if at not in gone)
        else:
            data = _IDLE_ESCAPE.sub(b"", _leave_out(self.data, gone))
            payload = binascii.b2a_base64(data, newline=False)
        return self.raw[: -len(self.payload) - 2] + payload + b"?="


@dataclass(frozen=True, slots=True)
class Subject:
    """A field's value: plain text and encoded words in turn, and the characters that they make."""

    pieces: tuple[_Piece, ...]
    characters: tuple[Character, ...]

    @classmethod
    def read(cls, value: bytes) -> Subject:
        """Return the subject in a value; raise `Unsafe` where we read it otherwise than others."""
        pieces: list[_Piece] = []
        position = 0
        for met in _WORD.finditer(value):
            pieces += (_Piece(value[position : met.start()]), _Piece.word(met))
            position = met.end()
        pieces.append(_Piece(value[position:]))
        characters = _trimmed(list(_characters_of(pieces)), pieces)
        if "".join(one.text for one in characters) != decode_header(value):
            raise Unsafe
        return cls(tuple(pieces), tuple(characters))

    def find(self, tag: str) -> range:
        """Return where a folded tag stands, in whole characters."""
        folded = ""
        owners: list[tuple[int, int]] = []
        for start, stop in self._clusters():
            part = fold("".join(one.text for one in self.characters[start:stop]))
            folded += part
            owners += [(start, stop)] * len(part)
        at = folded.find(tag)
        while at != -1:
            end = at + len(tag)
            first, last = owners[at], owners[end - 1]
            is_whole = (not at or owners[at - 1] != first) and (
                end == len(owners) or owners[end] != last
            )
            if is_whole:
                return range(first[0], last[1])
            at = folded.find(tag, at + 1)
        raise Unsafe

    def _clusters(self) -> Iterator[tuple[int, int]]:
        """Yield runs of characters that are folded together: a letter with its marks."""
        start = 0
        for index, one in enumerate(self.characters):
            if index and not _is_mark(one.text):
                yield start, index
                start = index
        if self.characters:
            yield start, len(self.characters)

    def without(self, gone: range, line_end: bytes) -> bytes:
        """Return the value of the field without some characters."""
        octets: dict[int, set[int]] = {}
        for one in self.characters[gone.start : gone.stop]:
            for piece, offset in one.octets:
                octets.setdefault(piece, set()).add(offset)
        others = self.characters[: gone.start] + self.characters[gone.stop :]
        left = {piece for one in others for piece, _ in one.octets}
        out: list[bytes] = [self.pieces[0].without(octets.get(0, set()))]
        label = b""
        for index in range(1, len(self.pieces), 2):
            word, text = self.pieces[index], self.pieces[index + 1]
            behind = text.without(octets.get(index + 1, set()))
            is_last = index + 2 == len(self.pieces)
            if index in octets and index not in left:
                out[-1] = _merged(out[-1], behind, is_first=len(out) == 1, is_last=is_last)
                continue
            if len(out) > 1 and not self._is_gap(index - 1) and not out[-1].strip(_WHITE):
                out[-1] = _written_space(out[-1], label, line_end)
            out += (word.without(octets.get(index, set())), behind)
            label = word.label
        return b"".join(out)

    def _is_gap(self, index: int) -> bool:
        """Tell whether a piece stands between two words and says nothing."""
        return 0 < index < len(self.pieces) - 1 and self.pieces[index].is_blank


def _written_space(white: bytes, label: bytes, line_end: bytes) -> bytes:
    """Return the white space between two words as text: in a word, because else it is none."""
    spaces = len(white.replace(b"\r", b"").replace(b"\n", b""))
    if not spaces:
        return b" "
    fold_end = line_end + b" "  # RFC 2047 §2: lines with encoded words have 76 columns at most.
    return fold_end + b"=?" + label + b"?Q?" + b"_" * spaces + b"?=" + fold_end


def _merged(before: bytes, behind: bytes, *, is_first: bool, is_last: bool) -> bytes:
    """Return what stands in the place of a word that is gone, of the white space around it once."""
    is_blank_before, is_blank_behind = not before.strip(_WHITE), not behind.strip(_WHITE)
    if is_blank_behind and not (is_last and is_blank_before):
        return before
    if is_blank_before and (not is_first or is_blank_behind or behind[:1] in _WHITE):
        return behind
    return before + behind


def _characters_of(pieces: Sequence[_Piece]) -> Iterator[Character]:
    """Yield the characters of all pieces; words of one charset side by side are read as one."""
    run: list[tuple[int, _Piece]] = []
    for index, piece in enumerate(pieces):
        is_gap = 0 < index < len(pieces) - 1 and piece.is_blank
        if piece.is_word:
            run.append((index, piece))
        elif not is_gap:
            yield from _characters_of_words(run)
            run.clear()
            yield from _characters_of_plain(index, piece.raw)
    yield from _characters_of_words(run)


def _characters_of_plain(index: int, raw: bytes) -> Iterator[Character]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unsafe from error
    offset = 0
    for met in _PLAIN_CHARACTER.finditer(text):
        end = offset + len(met[0].encode())
        octets = tuple((index, at) for at in range(offset, end))
        yield Character(met[0][-1], octets, is_folded=len(met[0]) > 1)
        offset = end


def _characters_of_words(words: Sequence[tuple[int, _Piece]]) -> Iterator[Character]:
    for _, group in groupby(words, key=lambda word: word[1].label.lower()):
        run = list(group)
        data = b"".join(piece.data for _, piece in run)
        octets = [(index, at) for index, piece in run for at in range(len(piece.data))]
        for text, start, stop in _spans(data, run[0][1].label.decode("latin-1")):
            yield Character(text, tuple(octets[start:stop]))


_Spans = list[tuple[str, int, int]]


def _spans(data: bytes, label: str) -> _Spans:
    """Return the characters of some octets, each with the offsets of its first and last."""
    text = decode_text(data, label)
    readings = (
        (_escaped_spans(data),) if b"\x1b" in data else (_codec_spans(data, one) for one in _CODECS)
    )
    for spans in readings:
        if "".join(span[0] for span in spans) == text:
            return spans
    raise Unsafe


def _codec_spans(data: bytes, codec: str) -> _Spans:
    """Return what a codec reads; nothing where it cannot."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    spans: _Spans = []
    start = 0
    try:
        for at in range(len(data)):
            text = decoder.decode(data[at : at + 1])
            if text:
                spans.append((text, start, at + 1))
                start = at + 1
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return []
    return spans


def _escaped_spans(data: bytes) -> _Spans:
    """Return what ISO-2022-JP says; its escape sequences belong to no character."""
    spans: _Spans = []
    escape = b"\x1b(B"
    at = 0
    while at < len(data):
        met = _ESCAPE.match(data, at)
        if met:
            escape, at = met[0], met.end()
            continue
        end = at + (2 if escape[1:2] == b"$" else 1)
        octets = data[at:end]
        is_ascii = escape == b"\x1b(B"
        text = octets.decode("latin-1") if is_ascii else _shifted(escape, octets)
        spans.append((text, at, end))
        at = end
    return spans


def _shifted(escape: bytes, octets: bytes) -> str:
    return decode_text(escape + octets + b"\x1b(B", "iso-2022-jp")


def _trimmed(characters: list[Character], pieces: Sequence[_Piece]) -> list[Character]:
    """Return the characters without the white space around a value, which is none of its text."""

    def is_outside(one: Character) -> bool:
        return one.text in " \t" and not pieces[one.octets[0][0]].is_word

    while characters and is_outside(characters[-1]):
        characters.pop()
    start = 0
    while start < len(characters) and is_outside(characters[start]):
        start += 1
    return characters[start:]


def _is_mark(text: str) -> bool:
    """Tell whether a character is written onto the one before it."""
    is_combining = any(map(unicodedata.combining, text))
    return is_combining or text in "\uff9e\uff9f" or "\u1160" <= text <= "\u11ff"


def _leave_out(octets: bytes, gone: set[int]) -> bytes:
    return bytes(octet for at, octet in enumerate(octets) if at not in gone)


def count_joined_words(value: bytes) -> int:
    """Count the words that no white space parts from their neighbours: readers differ on them."""
    return sum(
        value[met.start() - 1 : met.start()].strip(_WHITE) != b""
        or value[met.end() : met.end() + 1].strip(_WHITE) != b""
        for met in _WORD.finditer(value)
    )
