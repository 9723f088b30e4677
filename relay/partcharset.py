"""The charset a text part is really written in, and our words written the same way.

A part keeps its charset. Where its label and its bytes disagree (UTF-8 called ISO-2022-JP), the
bytes decide, so that the note shares the fate of the letter's own words. Nothing but ASCII goes
into a part that is ASCII or declared 7bit. In ISO-2022-JP (RFC 1468) our words begin and end in the
ASCII state, and are only put where the text is in it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from relay.charset import GBK_LABELS, decode_gbk, decode_text
from relay.mimemap import Part

# Label -> codec. Each is a superset of ASCII or, ISO-2022-JP, ASCII until an escape.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-2022-jp": "iso2022_jp",
    "csiso2022jp": "iso2022_jp",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "euc-jp": "euc_jp",
    "eucjp": "euc_jp",
    "x-euc-jp": "euc_jp",
    # No second byte of these is a quote, "<", "=" or ">": their markup is found without a mask.
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    **dict.fromkeys(GBK_LABELS, "gb18030"),
    "gb18030": "gb18030",
    "big5": "cp950",
    **{f"iso-8859-{number}": f"iso8859-{number}" for number in (1, 2, 5, 7, 9, 15)},
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
}
_LATIN = frozenset({"iso8859-1", "iso8859-15", "cp1252"})
# What Windows types for signs that JIS writes in another way (JIS X 0208 against CP932).
_SIGNS_OF_WINDOWS = str.maketrans("～－∥￠￡￢", "〜−‖¢£¬")
# Two and three bytes to a character, whatever the vendor put there (NEC row 13 is in none of
# Python's EUC codecs, and real letters have it).
_EUC_JP = re.compile(rb"(?:[\x00-\x7f]|\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2}|[\xa1-\xfe]{2})*+\Z")
_SHIFT_JIS = re.compile(rb"(?:[\x00-\x7f\xa1-\xdf]|[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc])*+\Z")
_SHIFT_JIS_PAIR = re.compile(rb"[\x81-\x9f\xe0-\xfc].", re.DOTALL)
_ISO_2022_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([A-Z@]|\([A-Z])|\x1b|[\x0e\x0f]|[\r\n]+")
_JAPANESE_RUN = re.compile(rb"\x1b(?!\([BJ])[^\r\n]*?(?:\x1b\([BJ]|(?=[\r\n])|\Z)")
_ASCII_STATES = (b"\x1b(B", b"\x1b(J")
# Damage, or a pair of octets that no standard gives a character.
_NO_CHARACTER = re.compile("[\ufffd\ue000-\uf8ff]")
_LINK = re.compile(r"https?://[^\s\"'<>]+|\r\n|\n")


class CharsetRefused(Exception):
    """The part's charset is none that we can write, or its bytes are broken."""


@dataclass(frozen=True, slots=True)
class PartCharset:
    """How one part is read and written: the codec, and the codec for our words."""

    codec: str
    note_codec: str

    def decode(self, data: bytes) -> str:
        """Return text of the part; never raises."""
        if data.isascii() and b"\x1b" not in data:
            return data.decode("ascii")  # As it is in every charset there is here.
        if self.codec == "gb18030":
            return decode_gbk(data)  # A piece of it may look like Japanese, the whole does not.
        return decode_text(data, "us-ascii" if self.codec == "ascii" else self.codec)

    def mask(self, data: bytes) -> bytes:
        """Return the bytes with every byte of a multi-byte character that looks ASCII hidden.

        The result has the same length, so that offsets of markup found in it are true.
        """
        if self.codec == "cp932":
            return _SHIFT_JIS_PAIR.sub(b"\x80\x80", data)
        if self.codec == "iso2022_jp":
            return _JAPANESE_RUN.sub(lambda run: b"\x80" * len(run[0]), data)
        return data

    def is_ascii_state(self, data: bytes, offset: int) -> bool:
        """Tell whether text put at `offset` would be read as ASCII."""
        return self.ascii_states(data, (offset,))[0]

    def ascii_states(self, data: bytes, offsets: Sequence[int]) -> list[bool]:
        """Tell the same for each of many offsets, which do not fall; each byte is read once."""
        if self.codec != "iso2022_jp":
            return [True] * len(offsets)
        states: list[bool] = []
        position, escape = 0, -1
        for offset in offsets:
            line_start = data.rfind(b"\n", position, offset) + 1
            last = data.rfind(b"\x1b", max(position, line_start), offset)
            escape = last if last != -1 or line_start else escape
            states.append(escape == -1 or data.startswith(b"\x1b(B", escape, offset))
            position = offset
        return states

    def units(self, text: str, *, references: bool = False) -> list[bytes] | None:
        """Return the text encoded, one link, line end or character to a unit.

        `None` when the charset lacks a character, unless `references` puts numeric character
        references (HTML 4 §5.3.1) in its place.
        """
        if self.note_codec in ("iso2022_jp", "euc_jp"):
            text = text.translate(_SIGNS_OF_WINDOWS)
        units: list[bytes] = []
        position = 0
        try:
            for met in _LINK.finditer(text):
                units += self._characters(text[position : met.start()], references)
                units.append(met[0].encode("ascii"))
                position = met.end()
            return units + self._characters(text[position:], references)
        except UnicodeEncodeError:
            return None

    def _characters(self, text: str, references: bool) -> list[bytes]:
        encoder = codecs.getincrementalencoder(self.note_codec)()
        units: list[bytes] = []
        for letter in text:
            try:
                units.append(encoder.encode(letter))
            except UnicodeEncodeError:
                if not references:
                    raise
                # Encoded by the same encoder, which leaves a double-byte state where it must.
                units.append(encoder.encode(f"&#{ord(letter)};"))
        closing = encoder.encode("", final=True)
        if closing and units:
            units[-1] += closing
        return units


def charset_of(part: Part, body: bytes, *, html: bool) -> PartCharset:
    """Return the charset of a text part with this decoded body; raise `CharsetRefused`."""
    label = part.parameters.get("charset", "").strip().lower()
    codec = _CODECS.get(label, "ascii" if not label else "")
    if not codec:
        raise CharsetRefused
    if codec in _LATIN and not body.isascii() and _fits(body, "utf-8"):
        codec = "utf-8"  # PHP's mailers call everything Latin-1, which any bytes are.
    if not _fits(body, codec):
        codec = next((other for other in _likely_codecs(body) if _fits(body, other)), "")
        if not codec:
            raise CharsetRefused
    # RFC 2045 §2.7: a part that says 7bit gets no 8-bit byte from us. Where nothing is said and
    # the bytes are 8-bit already, more of them do no new harm.
    seven_bit = part.transfer_encoding == "7bit" and (
        part.header("content-transfer-encoding") is not None or body.isascii()
    )
    unlabelled_html = html and not label
    ascii_only = (seven_bit and codec != "iso2022_jp") or unlabelled_html
    # What readers of such a label know: GB 18030 has characters of four octets besides.
    written_as = "gbk" if codec == "gb18030" and label in GBK_LABELS else codec
    return PartCharset(codec, "ascii" if ascii_only else written_as)


def _likely_codecs(body: bytes) -> tuple[str, ...]:
    if body.isascii():
        return ("iso2022_jp",)
    guess = decode_text(body, None)
    for codec in ("utf-8", "cp932", "euc_jp"):
        try:
            if body.decode(codec) == guess:
                return (codec,)
        except UnicodeDecodeError:
            continue
    return ()


def _fits(body: bytes, codec: str) -> bool:
    """Tell whether the bytes are well formed in a codec, vendor characters included."""
    if codec == "ascii":
        return body.isascii() and b"\x1b" not in body
    if codec == "euc_jp":
        return _EUC_JP.match(body) is not None
    if codec == "cp932":
        return _SHIFT_JIS.match(body) is not None
    if codec == "gb18030":
        return body.isascii() or _is_gbk(body)
    if codec == "iso2022_jp":
        return body.isascii() and _ends_lines_in_ascii(body)
    try:
        body.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _is_gbk(body: bytes) -> bool:
    """Tell whether bytes are GBK: nearly any pair is one, also of Big5, and Shift_JIS can be."""
    text = decode_gbk(body)
    return _NO_CHARACTER.search(text) is None and decode_text(body, "gb18030") == text


def _ends_lines_in_ascii(body: bytes) -> bool:
    """RFC 1468: every line ends in the ASCII state (or its old twin, JIS-Roman)."""
    state = b"\x1b(B"
    for met in _ISO_2022_ESCAPE.finditer(body):
        token = met[0]
        if token[:1] in b"\r\n":
            if state not in _ASCII_STATES:
                return False
            state = b"\x1b(B"
        elif len(token) < 3:
            return False
        else:
            state = token
    return state in _ASCII_STATES
