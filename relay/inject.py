"""The splice: a message with the note in each text alternative, and the way back in its mark.

Promise 3 of DESIGN: the message is never parsed and written out again. Every change is an insertion
at a mapped offset inside one text part (base64: from the first changed line on) plus one header
field in front of all others; a DKIM signature that this breaks gets another name. Before a result
is handed out it is restored and compared with the original; if that failed the letter would pass
untouched (`not_reversible`).

Pure: bytes in, bytes out. Whether the letter is a rejection is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from relay.mimemap import MapError, MessageMap, Part, header_start, map_message
from relay.note import Note, Notes
from relay.partcharset import CharsetRefused, PartCharset, charset_of
from relay.placement import HtmlSurface, NoPlace, NotShown, Place, PlainSurface, own_counts
from relay.safety import NotInjected, Rules, check_safety, find_targets, header_of
from relay.signaturefields import set_aside
from relay.transfer import BodyRefused, Change, Undo, insert_decoded
from relay.undo import Mark, NotOurs, render_field, restore

__all__ = ["Injected", "Mark", "NotInjected", "Rules", "inject"]


_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Injected:
    """The changed message, and in how many parts the note stands."""

    message: bytes
    parts: int


def inject(
    message_map: MessageMap, note: Note | Notes, mark: Mark, rules: Rules | None = None
) -> Injected:
    """Return the message with the note spliced in; raise `NotInjected` with the reason if not."""
    decoded = check_safety(message_map, rules or Rules())
    notes = note if isinstance(note, Notes) else Notes((note,))
    line_end = _line_end_of(message_map.message, "\r\n")
    targets = find_targets(message_map)
    bodies = [decoded[part.body_start] for part in targets]
    changes = _changes(message_map, targets, bodies, notes, line_end)
    changed = _assemble(message_map, targets, changes, mark, line_end.encode("ascii"))
    if not _is_sound(message_map, targets, changed):
        raise NotInjected("not_reversible")
    return Injected(changed, len(targets))


def _is_sound(message_map: MessageMap, targets: Sequence[Part], changed: bytes) -> bool:
    """Tell whether the change can be undone and leaves every other part as it was.

    The second could fail where text that begins with a boundary comes to stand at a line start.
    """
    try:
        if restore(changed) != message_map.message:
            return False
        changed_map = map_message(changed)
    except (NotOurs, MapError):
        return False
    before, after = list(message_map.leaves()), list(changed_map.leaves())
    return len(before) == len(after) and all(
        old in targets
        or message_map.message[old.start : old.body_end] == changed[new.start : new.body_end]
        for old, new in zip(before, after, strict=True)
    )


def _changes(
    message_map: MessageMap,
    targets: Sequence[Part],
    decoded: Sequence[bytes],
    notes: Notes,
    line_end: str,
) -> list[Change]:
    """Return the change of each target's body, offsets counted from the start of that body."""
    try:
        bodies = [
            _Body.read(message_map, part, body) for part, body in zip(targets, decoded, strict=True)
        ]
        counts = own_counts([body.surface for body in bodies])
        return [
            body.change(notes, count, line_end) for body, count in zip(bodies, counts, strict=True)
        ]
    except MapError as error:
        raise NotInjected(error.reason) from error
    except CharsetRefused as error:
        raise NotInjected("charset_unsupported") from error
    except NotShown as error:
        raise NotInjected("structure_unsupported") from error
    except NoPlace as error:
        raise NotInjected("no_text_part") from error
    except BodyRefused as error:
        raise NotInjected("not_reversible") from error


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of one target: as sent, decoded, and as a reader sees it."""

    raw: bytes
    decoded: bytes
    transfer_encoding: str
    is_html: bool
    charset: PartCharset
    surface: PlainSurface | HtmlSurface

    @classmethod
    def read(cls, message_map: MessageMap, part: Part, decoded: bytes) -> _Body:
        is_html = part.content_type == "text/html"
        charset = charset_of(part, decoded, html=is_html)
        return cls(
            raw=message_map.message[part.body_start : part.body_end],
            decoded=decoded,
            transfer_encoding=part.transfer_encoding,
            is_html=is_html,
            charset=charset,
            surface=HtmlSurface(decoded, charset)
            if is_html
            else PlainSurface(
                decoded,
                charset,
                is_flowed=part.parameters.get("format", "").lower() == "flowed",
            ),
        )

    def change(self, notes: Notes, count: int, message_line_end: str) -> Change:
        """Return the change that puts the note behind the first `count` visible lines."""
        # Encoded lines keep the message's line ends; identity and base64 text may have its own.
        line_end = message_line_end
        if self.transfer_encoding != "quoted-printable":
            line_end = _line_end_of(self.decoded, line_end)
        place = self.surface.place(count, line_end)
        if isinstance(self.surface, HtmlSurface):
            fullest = notes.wordings[0]
            if not self.surface.shows(place, fullest.html, fullest.link):
                raise NoPlace
        return insert_decoded(
            self.raw,
            self.transfer_encoding,
            place.offset,
            self._units(place, notes, line_end),
            message_line_end.encode("ascii"),
            self.decoded,
        )

    def _units(self, place: Place, notes: Notes, line_end: str) -> list[bytes]:
        """Return the note as encoded units, in the fullest wording the charset can write."""
        for note in notes.wordings:
            words = (note.html if self.is_html else note.text).replace("\n", line_end)
            lines = _LINE.findall(place.before + words + place.after)
            units = [
                # A link is another one in each letter.
                (_units_of.__wrapped__ if "://" in line else _units_of)(
                    self.charset, line, references=self.is_html
                )
                for line in lines
            ]
            if None not in units:
                return [unit for line in units if line is not None for unit in line]
        raise CharsetRefused


@lru_cache(maxsize=512)  # The lines of the note's templates in a few charsets, again and again.
def _units_of(charset: PartCharset, line: str, *, references: bool) -> tuple[bytes, ...] | None:
    units = charset.units(line, references=references)
    return None if units is None else tuple(units)


def _assemble(
    message_map: MessageMap,
    targets: Sequence[Part],
    changes: Sequence[Change],
    mark: Mark,
    line_end: bytes,
) -> bytes:
    """Return the whole changed message; the targets are in the order of their bytes."""
    message = message_map.message
    body_start = message_map.root.body_start
    pieces: list[bytes] = []
    splices: list[Undo] = []
    position = body_start
    grown = 0
    for part, change in zip(targets, changes, strict=True):
        offset = part.body_start + change.offset
        pieces += (message[position:offset], change.new)
        position = offset + change.old_length
        moved = part.body_start - body_start + grown
        splices.append(replace(change.undo, offset=change.undo.offset + moved))
        grown += len(change.new) - change.old_length
    pieces.append(message[position:])
    field = render_field(mark, splices, message[body_start:], line_end)
    front = message[: header_start(message)]
    return b"".join((front, field, set_aside(header_of(message_map)), *pieces))


def _line_end_of(data: bytes, default: str) -> str:
    """Return the line end of the first line, the default where there is only one line."""
    first = data.find(b"\n")
    if first == -1:
        return default
    return "\r\n" if data[first - 1 : first] == b"\r" else "\n"
