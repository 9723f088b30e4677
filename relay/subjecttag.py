"""A recruiter's tag in the subject of a letter, and the letter without it.

Whoever writes `[no-relay]` into a subject tells us, not the candidate. The tag is taken out where
it stands: in plain text, in encoded words of any charset, across several of them, folded or not.
Everything outside of the field stays the same octets, and so does what is left of the field. The
result counts only if it reads, by the reader that all letters are read with, as the subject did
without the tag. Else nothing is changed, and `Kept` says why.

One space goes with the tag where it would be left over: at the edge, or beside another one.

Of RFC 6376 §3.5 it implements the question which fields a signature covers. Pure; raises nothing on
any octets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.charset import decode_header
from relay.mimemap import HEADER_MAX_BYTES, header_start
from relay.phrases import fold
from relay.subjectvalue import Character, Subject, Unsafe, count_joined_words

# 250 Japanese characters take 1,500 octets; what is much longer was typed by nobody.
SUBJECT_SIZE_MAX_BYTES = 8 * 1024
# A recruiter writes a tag once, a reply or a template may add another.
TAGS_REMOVED_MAX = 16

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_SUBJECT = re.compile(rb"^subject[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_SIGNATURE = re.compile(
    rb"^(?:dkim-signature|arc-message-signature|domainkey-signature)[ \t]*:"
    rb"([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK_LINE = re.compile(rb"\n[ \t\r]*(?:\n|\Z)")
_SPACES = frozenset(" \t\u3000\xa0")


class Kept(StrEnum):
    """Why a tag stays in the subject."""

    TWO_SUBJECTS = "two_subjects"
    DKIM_SIGNED = "dkim_signed"
    NOT_SAFE = "not_safe"  # it cannot be read for certain, or would not read as it should after
    SEALED = "sealed"  # signed or encrypted: the subject may be in there a second time
    NOT_MAPPED = "not_mapped"  # the message can be read in more than one way
    OBSERVE = "observe"  # the company only watches: nothing is changed


@dataclass(frozen=True, slots=True)
class Untagged:
    """A message whose tag was taken out, or, unchanged, one whose tag is kept."""

    message: bytes
    kept: Kept | None = None


def find_tag(subject: str, tags: Sequence[str]) -> str | None:
    """Return the first of the tags that a decoded subject holds."""
    if not tags:
        return None
    folded = fold(subject)
    return next((tag for tag in tags if fold(tag) in folded), None)


def find_tag_in(message: bytes, tags: Sequence[str]) -> str | None:
    """Return the first of the tags that a Subject field of a message holds."""
    values = _values(_SUBJECT, message) if tags else ()
    return next((tag for value in values if (tag := _tag_in(value, tags))), None)


def take_out(message: bytes, tags: Sequence[str]) -> Untagged:
    """Return the message without any of the tags in its subject, or with why they are kept."""
    places = list(_places(_SUBJECT, message))
    values = [message[place.start : place.stop] for place in places]
    if not any(_tag_in(value, tags) for value in values):
        return Untagged(message)
    if len(values) > 1:
        return Untagged(message, Kept.TWO_SUBJECTS)
    if any(map(_covers_subject, _values(_SIGNATURE, message))):
        return Untagged(message, Kept.DKIM_SIGNED)
    start, stop = places[0].start, places[0].stop
    line_end = b"\r\n" if message[stop : stop + 2] == b"\r\n" else b"\n"
    try:
        value = _without_tags(values[0], tags, line_end)
    except Unsafe:
        return Untagged(message, Kept.NOT_SAFE)
    return Untagged(message[:start] + value + message[stop:])


def _values(pattern: re.Pattern[bytes], message: bytes) -> Iterator[bytes]:
    return (message[place.start : place.stop] for place in _places(pattern, message))


def _places(pattern: re.Pattern[bytes], message: bytes) -> Iterator[range]:
    """Yield where the values of the fields are that a pattern finds in the header block."""
    start = header_start(message)
    if message.startswith((b"\n", b"\r\n"), start):
        return
    gap = _EMPTY_LINE.search(message, start, start + HEADER_MAX_BYTES)
    end = gap.start() + 1 if gap else min(len(message), start + HEADER_MAX_BYTES)
    for met in pattern.finditer(message, start, end):
        yield range(met.start(1), met.end(1) - met[1].endswith(b"\r"))


def _tag_in(value: bytes, tags: Sequence[str]) -> str | None:
    return find_tag(decode_header(value), tags)


def _covers_subject(signature: bytes) -> bool:
    """Tell whether a signature breaks with the subject; one that does not say so may."""
    items = [item.partition(b"=") for item in b"".join(signature.split()).lower().split(b";")]
    signed = next((names for tag, _, names in items if tag == b"h"), b"subject")
    return b"subject" in signed.split(b":")


def _without_tags(value: bytes, tags: Sequence[str], line_end: bytes) -> bytes:
    if len(value) > SUBJECT_SIZE_MAX_BYTES:
        raise Unsafe
    for _ in range(TAGS_REMOVED_MAX):
        tag = _tag_in(value, tags)
        if tag is None:
            return value
        value = _without_tag(value, fold(tag), line_end)
    raise Unsafe


def _without_tag(value: bytes, tag: str, line_end: bytes) -> bytes:
    """Return the value of a field without the first place where a folded tag stands."""
    subject = Subject.read(value)
    for gone in _with_spaces(subject.characters, subject.find(tag)):
        characters = subject.characters
        expected = "".join(
            one.text for one in (*characters[: gone.start], *characters[gone.stop :])
        )
        changed = subject.without(gone, line_end)
        if (
            decode_header(changed).strip(" \t") == expected.strip(" \t")
            and count_joined_words(changed) <= count_joined_words(value)
            and not _BLANK_LINE.search(changed)
        ):
            return changed
    raise Unsafe


def _with_spaces(characters: Sequence[Character], tag: range) -> list[range]:
    """Return what may go with a tag: the space that would be left over, the better one first."""
    start, stop = tag.start, tag.stop
    is_first, is_last = start == 0, stop == len(characters)
    before = (
        None if is_first or characters[start - 1].text not in _SPACES else characters[start - 1]
    )
    behind = None if is_last or characters[stop].text not in _SPACES else characters[stop]
    choices: list[tuple[bool, range]] = []
    if behind and (before or is_first):
        choices.append((behind.is_folded, range(start, stop + 1)))
    if before and (behind or is_last):
        choices.append((before.is_folded, range(start - 1, stop)))
    # Folded lines stay folded where they can.
    return [choice for _, choice in sorted(choices, key=lambda one: one[0])] or [tag]
