"""The MIME header fields that say how a part is to be read: type, encoding, disposition.

Implements RFC 2045 §5.1 (type and parameters, with comments), RFC 2183 (disposition) and RFC 2231
(long and encoded parameters). Strict where a reading decides what we would change: a parameter of
a text or multipart part that is given twice or does not follow the grammar is a `FieldError`.
For other parts (an attachment with an unquoted Japanese file name) what can be read is returned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from relay.charset import decode_header, decode_text

# Mail programs write the same few types, charsets and encodings all day: a letter has half a dozen
# such values, of a hundred in all.
KNOWN_VALUES_MAX_COUNT = 512
KNOWN_VALUE_MAX_BYTES = 120
# Comments may stand in comments (RFC 5322 §3.2.2); nobody writes three.
COMMENT_DEPTH_MAX = 5

_UNFOLD = re.compile(rb"\r?\n(?=[ \t])")
# An unclosed quote runs to the end: no input makes the search start over.
_COMMENT_OR_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*(?:"|\\?\Z)|\([^()]*+\)')
_TYPE = re.compile(r"[^\s;]+(?:[^;]*[^\s;])?")
_PARAMETER = re.compile(
    r"""\s*;\s*(?:([!#-'*+\-.0-9A-Z^-~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))\s*)?"""
)
_ESCAPED = re.compile(r"\\(.)")
_SECTION = re.compile(r"([^*]+)(?:\*([0-9]{1,2}))?(\*)?\Z")


class FieldError(Exception):
    """The field can be read in more than one way."""


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a structured field: its main word in lower case, and its parameters."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


def parse_content_type(value: bytes | None, default: str) -> Field:
    """Return media type and parameters; the default where the field is missing or empty."""
    if value is None:
        return Field(default)
    parsed, clean = _parse(value)
    if not parsed.name:
        return Field(default)
    if not clean and parsed.name.startswith(("text/", "multipart/")):
        raise FieldError("unreadable Content-Type parameters")
    return parsed


def parse_disposition(value: bytes | None) -> Field:
    """Return the disposition (`inline`, `attachment` …) and its parameters; `""` where missing."""
    return Field("") if value is None else _parse(value)[0]


def parse_token(value: bytes | None) -> str:
    """Return a field of one word in lower case, without comments; `""` where missing."""
    return "" if value is None else _parse(value)[0].name


def _parse(value: bytes) -> tuple[Field, bool]:
    """Return the field and whether every byte of it followed the grammar, each name once."""
    # Each message has a boundary of its own, and a file's name is nothing to be remembered.
    if len(value) > KNOWN_VALUE_MAX_BYTES or b"boundary" in value or b"name" in value:
        return _parse_anew(value)
    return _parse_known(value)


def _parse_anew(value: bytes) -> tuple[Field, bool]:
    # Latin-1 keeps raw 8-bit bytes one to one until the value's charset is guessed.
    text = _UNFOLD.sub(b"", value).decode("latin-1").strip()
    for _ in range(COMMENT_DEPTH_MAX):
        bare = _COMMENT_OR_QUOTED.sub(lambda met: " " if met[0][0] == "(" else met[0], text)
        if bare == text:
            break
        text = bare  # Without its innermost comments.
    text = text.strip()
    main = _TYPE.match(text)
    if main is None:
        return Field(""), not text
    raw: list[tuple[str, str]] = []
    position = main.end()
    while position < len(text):
        met = _PARAMETER.match(text, position)
        if met is None:
            break
        if met[1] is not None:
            plain = met[3] if met[3] is not None else _ESCAPED.sub(r"\1", met[2])
            raw.append((met[1].lower(), plain))
        position = met.end()
    parameters, once = _join(raw)
    return Field(main[0].lower(), parameters), once and not text[position:].strip()


_parse_known = lru_cache(KNOWN_VALUES_MAX_COUNT)(_parse_anew)


def _join(raw: list[tuple[str, str]]) -> tuple[dict[str, str], bool]:
    """Put RFC 2231 sections together; say whether each parameter came once and in one form."""
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    once = True
    for name, value in raw:
        met = _SECTION.match(name)
        if met is None:
            once = False
            continue
        index = int(met[2] or 0)
        known = sections.setdefault(met[1], {})
        # `filename=` beside `filename*=` is the customary fallback; the encoded form counts.
        if index in known and (known[index][1] == bool(met[3]) or met[1] == "boundary"):
            once = False
        if index not in known or met[3]:
            known[index] = (value, bool(met[3]))
    if any(name in ("boundary", "charset") and len(known) > 1 for name, known in sections.items()):
        once = False
    return {name: _decode_sections(name, known) for name, known in sections.items()}, once


def _decode_sections(name: str, sections: dict[int, tuple[str, bool]]) -> str:
    charset: str | None = None
    data = b""
    encoded_any = False
    for index in sorted(sections):
        value, encoded = sections[index]
        encoded_any = encoded_any or encoded
        if encoded and index == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        data += unquote_to_bytes(value.encode("latin-1")) if encoded else value.encode("latin-1")
    if encoded_any:
        return decode_text(data, charset)
    # Names of files come as encoded words or raw bytes; a boundary must stay byte for byte.
    return decode_header(data) if name in ("name", "filename") else data.decode("latin-1")
