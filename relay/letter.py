"""Our read-only view of a message: who writes to whom, and the text a person would read.

Reads the message through its map, never changes it, and raises nothing: what cannot be read
is empty, and an empty letter is no rejection. Of multipart/alternative the plain part is read
unless it is only a hint to use another program; attached texts and forwarded messages are not
the letter. A letter that goes on behind a picture is read on as long as it is the writer's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from relay.charset import decode_header, decode_text
from relay.envelope import Envelope
from relay.mimemap import MapError, MessageMap, Part, body_of
from relay.newest import end_of_own_text, own_lines
from relay.signature import is_part_of_signature
from relay.unseen import as_seen
from relay.visible import visible_text

# Text behind this is not read: the longest letters of a person are a tenth of it, and decoding and
# cutting cost time in proportion.
READ_SIZE_MAX_BYTES = 96 * 1024
# Apple Mail cuts a letter in two for each picture in it. More are no letter, and cost time.
TEXT_PARTS_MAX = 8
# A plain alternative shorter than this beside a much longer HTML part is a hint, not the letter:
# a sentence in two languages that says where the letter can be seen. Its link does not count.
HINT_SIZE_MAX_CHARS = 240
HINT_RATIO = 2
# Where an HTML letter without a label says what it is written in.
META_SIZE_MAX_BYTES = 2_048
# A letter to an applicant names one person in To; of a long list the beginning tells enough.
ADDRESSES_SIZE_MAX_CHARS = 500

_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,3}=\s{0,3}[\"']?([\w-]{2,30})", re.IGNORECASE
)
_LINK = re.compile(r"https?://\S+")
# In HTML several spaces are one: in a table of plain text they are no more.
_GAP = re.compile(r"(?<=\S)[ \t\xa0]{2,}|(?<=\S)[\t\xa0]")
_GAP_MARKS = ("  ", "\t", "\xa0")
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
    own: list[str] = []
    rest: list[str] = []
    for part_text in _first_of(_texts_of(message_map, message_map.root)):
        lines = as_seen(part_text).split("\n")
        first = next((line for line in lines if line.strip()), "")
        is_footer = bool(own) and is_part_of_signature(first)
        end = 0 if is_footer else end_of_own_text(lines)
        own += own_lines(lines, end)
        rest += lines[end:]
        if any(map(str.strip, rest)):
            break
    subject = as_seen(_decode(message_map.header("subject")))
    text = "\n".join(own)
    if any(map(text.__contains__, _GAP_MARKS)):
        text = _GAP.sub(" ", text)
    return Words(subject, text, rest)


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


def _texts_of(message_map: MessageMap, part: Part) -> Iterator[str]:
    """Yield what the text parts of a message say that are the letter itself, in order."""
    if part.content_type == "multipart/alternative":
        yield _read_alternatives(message_map, part)
    elif part.is_multipart:
        for child in part.children:
            yield from _texts_of(message_map, child)
    elif part.disposition != "attachment" and not part.filename:
        if part.content_type == "text/plain":
            yield _read_plain(message_map, part)
        elif part.content_type == "text/html":
            yield visible_text(_read_part(message_map, part))


def _read_alternatives(message_map: MessageMap, part: Part) -> str:
    """Return the plain text of a letter, or what its HTML shows where that is much more."""
    plain: Part | None = None
    html: Part | None = None
    for child in part.children:
        # The HTML comes with its pictures (multipart/related) or with attachments in between.
        types = [leaf.content_type for leaf in child.leaves()]
        if "text/html" in types:
            html = html or child
        elif "text/plain" in types:
            plain = plain or child
    plain_text = _join(message_map, plain)
    hint = _LINK.sub("", plain_text).strip() if "://" in plain_text else plain_text.strip()
    if html is None or len(hint) > HINT_SIZE_MAX_CHARS:
        return plain_text
    html_text = _join(message_map, html)
    return html_text if len(html_text) >= HINT_RATIO * len(hint) else plain_text


def _join(message_map: MessageMap, part: Part | None) -> str:
    return "\n\n".join(_first_of(_texts_of(message_map, part))) if part else ""


def _first_of(texts: Iterator[str]) -> Iterator[str]:
    """Give the first texts: so many, and until they are as long as what is read of one part."""
    size = 0
    for text in islice(texts, TEXT_PARTS_MAX):
        yield text
        size += len(text.encode(errors="replace"))
        if size >= READ_SIZE_MAX_BYTES // 2:
            break


def _read_part(message_map: MessageMap, part: Part) -> str:
    try:
        body = body_of(message_map, part)
    except MapError:
        return ""
    label = part.parameters.get("charset")
    if not label and part.content_type == "text/html":
        met = _META_CHARSET.search(body[:META_SIZE_MAX_BYTES])
        label = met[1].decode("latin-1") if met else None
    return decode_text(body[:READ_SIZE_MAX_BYTES], label)


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
