"""Our read-only view of a message: who writes to whom, and the text a person would read.

Reads the message through its map, never changes it, and raises nothing: what cannot be read
is empty, and an empty letter is no rejection. Of multipart/alternative the plain part is read
unless it is only a hint to use another program; attached texts and forwarded messages are not
the letter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from relay.charset import decode_header, decode_text
from relay.envelope import Envelope
from relay.mimemap import MapError, MessageMap, Part, body_of
from relay.newest import end_of_own_text, own_lines
from relay.visible import visible_text

# Text behind this is not read: the longest letters of a person are a tenth of it, and decoding and
# cutting cost time in proportion.
READ_SIZE_MAX_BYTES = 256 * 1024
# A plain alternative shorter than this beside a much longer HTML part is a hint, not the letter.
HINT_SIZE_MAX_CHARS = 120
# A letter to an applicant names one person in To; of a long list the beginning tells enough.
ADDRESSES_SIZE_MAX_CHARS = 500

# Who is named beside an address; what stands there without one is none.
_SHOWN_IN = ("from", "to")
_NAME = re.compile(r"([^<>,;\"@]{2,100}?)\"?\s*<[^<>]{0,320}>")
_ADDRESS = re.compile(r"<([^<>]{0,320})>\s*$")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a person would read of a message, and the headers that say what kind of mail it is."""

    subject: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    text: str
    """The writer's own newest text, decoded, lines separated by LF; NFKC is not applied."""
    addressed_to: str = ""
    """The To field as written, decoded: names tell a person from a department."""
    history: str = ""
    """What follows it: signature, quoted history, footers."""
    is_auto_reply: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What of a letter is judged first: most mail is told apart by that alone."""

    subject: str
    text: str
    rest: Sequence[str]
    """The lines behind the own text."""


def read_words(message_map: MessageMap) -> Words:
    """Return subject and own text of a message. Never raises; what cannot be read is empty."""
    lines = _text_of(message_map).split("\n")
    end = end_of_own_text(lines)
    text = "\n".join(own_lines(lines, end))
    return Words(_decode(message_map.header("subject")), text, lines[end:])


def read_letter(message_map: MessageMap, envelope: Envelope, words: Words | None = None) -> Letter:
    """Return the letter in a message, with its words if they have been read. Never raises."""
    words = words or read_words(message_map)
    name, address = _read_address(message_map.header("from"))
    auto = (message_map.header("auto-submitted") or b"").strip().lower()
    return Letter(
        subject=words.subject,
        sender=address or envelope.sender,
        sender_name=name,
        recipients=envelope.recipients,
        addressed_to=_decode(message_map.header("to"))[:ADDRESSES_SIZE_MAX_CHARS],
        text=words.text,
        history="\n".join(words.rest),
        # RFC 3834 §5: applicant tracking systems say auto-generated, absence notices auto-replied.
        is_auto_reply=auto.startswith((b"auto-replied", b"auto-notified")),
    )


def read_names(message_map: MessageMap) -> tuple[str, ...]:
    """Return the names that From and To show beside their addresses."""
    fields = (_decode(message_map.header(name))[:ADDRESSES_SIZE_MAX_CHARS] for name in _SHOWN_IN)
    return tuple(name.strip() for field in fields for name in _NAME.findall(field) if name.strip())


def _decode(value: bytes | None) -> str:
    return "" if value is None else decode_header(value).strip()


def _read_address(value: bytes | None) -> tuple[str, str]:
    """Return display name and address of a From field, as far as they can be told apart."""
    text = _decode(value)
    match = _ADDRESS.search(text[-400:])
    if match is None:
        return ("", text) if "@" in text else (text, "")
    name = text[: text.rfind("<")].strip().strip("\"'")
    return name, match.group(1).strip()


def _text_of(message_map: MessageMap) -> str:
    plain, html = _find_texts(message_map, message_map.root)
    plain_text = _read_plain(message_map, plain) if plain else ""
    if html is None:
        return plain_text
    if plain is not None and len(plain_text.strip()) > HINT_SIZE_MAX_CHARS:
        return plain_text
    html_text = visible_text(_read_part(message_map, html))
    if plain is not None and len(html_text) < 3 * len(plain_text):
        return plain_text
    return html_text


def _find_texts(message_map: MessageMap, part: Part) -> tuple[Part | None, Part | None]:
    """Return the first plain and the first HTML part that are the letter itself."""
    plain: Part | None = None
    html: Part | None = None
    for leaf in part.leaves():
        if leaf.disposition == "attachment" or leaf.filename:
            continue
        if leaf.content_type == "text/plain" and plain is None and html is None:
            plain = leaf
        elif leaf.content_type == "text/html" and html is None:
            html = leaf
    return plain, html


def _read_part(message_map: MessageMap, part: Part) -> str:
    try:
        body = body_of(message_map, part)
    except MapError:
        return ""
    return decode_text(body[:READ_SIZE_MAX_BYTES], part.parameters.get("charset"))


def _read_plain(message_map: MessageMap, part: Part) -> str:
    text = _read_part(message_map, part).replace("\r\n", "\n").replace("\r", "\n")
    if part.parameters.get("format", "").lower() != "flowed":
        return text
    return _unflow(text, deletes_space=part.parameters.get("delsp", "").lower() == "yes")


def _unflow(text: str, *, deletes_space: bool) -> str:
    """Return format=flowed text with its soft line breaks taken out (RFC 3676 §4.1, §4.2)."""
    out: list[str] = []
    is_open = False
    for raw in text.split("\n"):
        is_quoted = raw.startswith(">")
        line = raw[1:] if raw.startswith(" ") else raw  # Space-stuffing.
        if is_open and not is_quoted:
            out[-1] += line
        else:
            out.append(line)
        is_soft = line.endswith(" ") and line != "-- " and not is_quoted
        if is_soft and deletes_space:
            out[-1] = out[-1][:-1]
        is_open = is_soft
    return "\n".join(out)
