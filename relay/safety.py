"""What is never touched, and which parts of a message carry the letter's text.

`check_safety` refuses whatever a change could break (signatures, encryption, digests) or a reader
would not expect (calendar, reports, a second note). `find_targets` returns the one text part, or
the two alternatives, that a person reads first; a structure where that is not plain gets no note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from relay.mimemap import MapError, MessageMap, Part, body_of, header_start
from relay.signaturefields import has_set_aside, has_signature
from relay.undo import Mark, parse_field

# Gmail, Microsoft 365 and Exchange accept letters up to 25 to 35 MiB; a larger one is no letter.
MESSAGE_MAX_BYTES = 40 * 1024 * 1024
# A long letter (HTML by Word, with styles) has 200 KiB of text; ten times that is something else.
TEXT_MAX_BYTES = 2 * 1024 * 1024

_DIGEST_FIELDS = frozenset({"content-length", "content-md5", "lines", "body-length"})
_BY_TYPE = {
    "multipart/signed": "signed",
    "application/pkcs7-signature": "signed",
    "application/x-pkcs7-signature": "signed",
    "application/pgp-signature": "pgp",
    "multipart/encrypted": "encrypted",
    "application/pgp-encrypted": "encrypted",
    "application/pkcs7-mime": "encrypted",
    "application/x-pkcs7-mime": "encrypted",
    "text/calendar": "calendar",
    "application/ics": "calendar",
    "application/ms-tnef": "tnef",
    "application/vnd.ms-tnef": "tnef",
    "multipart/report": "delivery_report",
    "message/delivery-status": "delivery_report",
    "message/disposition-notification": "delivery_report",
}
_INLINE_PGP = re.compile(rb"-----BEGIN PGP (?:SIGNED )?MESSAGE-----")
_SLASHES = (b"/", b"%2f", b"%252f", b"_", b"&#x2f;", b"&#47;", b"-2f")
_TEXT_TYPES = ("text/plain", "text/html")


class NotInjected(Exception):
    """The letter passes as it is; `reason` is the value of a `relay.policy.Reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _any_mark(_mark: Mark) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation holds inviolable.

    `base_url` is the one of our links, `""` if unknown. `is_own_mark` tells a mark of ours from a
    forged one. `may_set_aside` says that a DKIM signature which the change breaks is no reason to
    let the letter pass: it is set aside.
    """

    base_url: str = ""
    is_own_mark: Callable[[Mark], bool] = _any_mark
    may_set_aside: bool = False


def check_safety(message_map: MessageMap, rules: Rules) -> dict[int, bytes]:
    """Return if the message may be changed; raise `NotInjected` with the reason if not.

    What comes back are the decoded bodies of its text parts, by the offset where each begins:
    decoding is half of the work, and whoever changes the message needs them.
    """
    if len(message_map.message) > MESSAGE_MAX_BYTES:
        raise NotInjected("too_large")
    for value in message_map.headers("x-career-relay"):
        field = parse_field(value)
        if field is not None and rules.is_own_mark(field.mark):
            raise NotInjected("already_marked")
    header = header_of(message_map)
    if has_set_aside(header):
        raise NotInjected("already_marked")
    # A broken signature is worth less to the receiver of a letter than none.
    if has_signature(header) and not rules.may_set_aside:
        raise NotInjected("dkim_signed")
    if message_map.root.content_type.startswith("message/"):
        raise NotInjected("structure_unsupported")
    bodies: dict[int, bytes] = {}
    size = 0
    for part in _all_parts(message_map.root):
        _check_part(part)
        if part.content_type in _TEXT_TYPES and part.disposition != "attachment":
            size += part.body_end - part.body_start
            if size > TEXT_MAX_BYTES:
                raise NotInjected("too_large")
            bodies[part.body_start] = _checked_text(message_map, part, rules)
    return bodies


def header_of(message_map: MessageMap) -> bytes:
    """Return the header block of a message, without the `From ` line of an mbox."""
    message = message_map.message
    return message[header_start(message) : message_map.root.body_start]


def is_sealed(message_map: MessageMap) -> bool:
    """Tell whether a part is signed or encrypted: the subject may stand in there a second time."""
    reasons = {_BY_TYPE.get(part.content_type) for part in _all_parts(message_map.root)}
    return not reasons.isdisjoint({"signed", "encrypted", "pgp"})


def _all_parts(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children:
        yield from _all_parts(child)


def _check_part(part: Part) -> None:
    reason = _BY_TYPE.get(part.content_type)
    if reason == "encrypted" and part.parameters.get("smime-type", "").lower() == "signed-data":
        reason = "signed"
    if reason is None and (part.filename or "").lower() in ("winmail.dat", "smime.p7m"):
        reason = "tnef" if (part.filename or "").lower() == "winmail.dat" else "encrypted"
    if reason is not None:
        raise NotInjected(reason)
    if any(name in _DIGEST_FIELDS for name, _ in part.headers):
        raise NotInjected("body_digest_header")


def _checked_text(message_map: MessageMap, part: Part, rules: Rules) -> bytes:
    """Return the decoded body of a text part that may be changed."""
    try:
        body = body_of(message_map, part)
    except MapError as error:
        raise NotInjected(error.reason) from error
    if b"-----BEGIN PGP" in body and _INLINE_PGP.search(body):
        raise NotInjected("pgp")
    if rules.base_url and _carries_link(body, rules.base_url):
        raise NotInjected("already_linked")
    return body


def _carries_link(body: bytes, base_url: str) -> bool:
    """Tell whether a link of ours stands there, also one rewritten by a scanner, or quoted.

    It is ASCII in every charset that we write.
    """
    host, _, path = base_url.partition("://")[2].lower().encode("ascii").partition(b"/")
    text = body.lower()
    if host not in text:
        return False
    # How scanners and mail programs write a slash in an address within an address.
    return any(host + slash + path.replace(b"/", slash) in text for slash in _SLASHES)


def find_targets(message_map: MessageMap) -> tuple[Part, ...]:
    """Return the text part, or both alternatives, in the order of their bytes.

    Raise `NotInjected` when there is none, or when readers would differ on what they show.
    """
    return _targets_in(message_map, message_map.root)


def _targets_in(message_map: MessageMap, part: Part) -> tuple[Part, ...]:
    if not part.is_multipart:
        if part.content_type not in _TEXT_TYPES or _is_attached(part):
            raise NotInjected("no_text_part")
        return (part,)
    if part.content_type == "multipart/alternative":
        return _alternatives(message_map, part)
    if part.content_type == "multipart/related":
        start = part.parameters.get("start")
        first_id = (part.children[0].header("content-id") or b"").strip().decode("latin-1")
        if start and start != first_id:
            raise NotInjected("structure_unsupported")
        return _targets_in(message_map, part.children[0])
    if part.content_type == "multipart/mixed":
        texts = [
            child
            for child in part.children
            if any(_is_body_text(message_map, leaf) for leaf in child.leaves())
        ]
        if len(texts) > 1:
            # Apple Mail continues a letter behind a picture: the end of the text is there then.
            raise NotInjected("structure_unsupported")
        if not texts:
            raise NotInjected("no_text_part")
        return _targets_in(message_map, texts[0])
    raise NotInjected("structure_unsupported")


def _alternatives(message_map: MessageMap, part: Part) -> tuple[Part, ...]:
    targets: list[Part] = []
    for child in part.children:
        if child.content_type not in (*_TEXT_TYPES, "multipart/related"):
            # A calendar, a watch or an AMP version would be shown without the note.
            raise NotInjected("structure_unsupported")
        targets.extend(_targets_in(message_map, child))
    if len({target.content_type for target in targets}) < len(targets):
        raise NotInjected("structure_unsupported")
    return tuple(targets)


def _is_attached(part: Part) -> bool:
    return part.disposition == "attachment" or part.filename is not None


def _is_body_text(message_map: MessageMap, leaf: Part) -> bool:
    """Tell whether a leaf is shown as text; one of white space only does not count."""
    if leaf.content_type not in _TEXT_TYPES or _is_attached(leaf):
        return False
    try:
        return bool(body_of(message_map, leaf).strip())
    except MapError as error:
        raise NotInjected(error.reason) from error
