"""The DKIM signatures on a message: found, set aside where a change breaks them, and put back.

A signature that no longer fits is worse than none. It is not thrown away but renamed, so that
`relay.undo` gives the field back as it was, byte for byte and in its place:

    DKIM-Signature: v=1; …   ->   X-Career-Relay-DKIM-Signature: v=1; …

Works on the header block as bytes. Implements RFC 6376 §3.5 as far as it is needed here.
DomainKey-Signature (RFC 4870, historic) is checked by nobody and stays, as do ARC sets (RFC 8617):
they say what their sealers saw, and no receiver rejects a letter for a chain that ends. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from relay.mimemap import HEADER_MAX_BYTES

PREFIX = b"X-Career-Relay-"

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_LINES = rb"([^\n]*(?:\n[ \t][^\n]*)*)"
_SIGNATURE = re.compile(rb"^dkim-signature[ \t]*:" + _LINES, re.IGNORECASE | re.MULTILINE)
_SET_ASIDE = re.compile(rb"^" + PREFIX + rb"(dkim-signature[ \t]*:)", re.IGNORECASE | re.MULTILINE)
# dkimpy refuses to sign these, as RFC 6376 §5.4.1 advises: they change on the way.
_NEVER_SIGNED = frozenset(
    {b"return-path", b"received", b"comments", b"keywords", b"bcc", b"resent-bcc"}
    # Ours are not done with when the signature is made.
    | {b"dkim-signature", b"x-career-relay", b"x-career-relay-dkim-signature"}
)
# Whoever signs fewer leaves the reader's eyes to others.
_ALWAYS_SIGNED = (b"from", b"to", b"subject", b"date", b"message-id")
# Of a list of names this long nothing is copied: a signature names two dozen.
NAMES_MAX_COUNT = 100


def has_signature(header: bytes) -> bool:
    """Tell whether a header block holds a signature that a change of the body breaks."""
    return _SIGNATURE.search(header) is not None


def count_dkim(message: bytes) -> int:
    """Return how many DKIM signatures the header of a message has."""
    gap = _EMPTY_LINE.search(message)
    header = message[: gap.start() + 1] if gap else message
    return len(_SIGNATURE.findall(header))


def key_names(message: bytes, count_max: int) -> list[bytes]:
    """Return under which names the DNS has the keys of a message's first DKIM signatures.

    Any message, however large its header is: beyond what a letter may have nothing is looked at.
    """
    gap = _EMPTY_LINE.search(message, 0, HEADER_MAX_BYTES)
    end = gap.start() + 1 if gap else HEADER_MAX_BYTES
    first = islice(_SIGNATURE.finditer(message, 0, end), count_max)
    found = [_tags(met[1]) for met in first]
    return [
        b"%b._domainkey.%b" % (tags[b"s"], tags[b"d"])
        for tags in found
        if tags.get(b"s") and tags.get(b"d")
    ]


def has_set_aside(header: bytes) -> bool:
    """Tell whether a header block holds a signature that was set aside."""
    return _SET_ASIDE.search(header) is not None


def set_aside(header: bytes) -> bytes:
    """Return the header block with its signatures renamed."""
    return _SIGNATURE.sub(lambda met: PREFIX + met[0], header)


def put_back(header: bytes) -> bytes:
    """Return the header block with the signatures that were set aside as they were."""
    return _SET_ASIDE.sub(rb"\1", header)


def names_signed(header: bytes, domain: str) -> Sequence[bytes]:
    """Return the fields that a DKIM signature of a header block covers, as often as it does.

    That is what the writer's own system thinks worth signing and, named once more than they are
    there, worth keeping out (RFC 6376 §8.15). The signature of `domain` or one below or above it
    comes before others. Empty where there is none to go by.
    """
    signatures = [_tags(value) for value in _SIGNATURE.findall(header)]
    signatures.sort(
        key=lambda tags: not are_related(tags.get(b"d", b"").decode("ascii", "replace"), domain)
    )
    for tags in signatures:
        names = tags.get(b"h", b"").split(b":")[:NAMES_MAX_COUNT]
        kept = [name for name in names if name and name not in _NEVER_SIGNED and name.isascii()]
        if b"from" in kept:
            return [*kept, *(name for name in _ALWAYS_SIGNED if name not in kept)]
    return ()


def _tags(value: bytes) -> dict[bytes, bytes]:
    items = [item.partition(b"=") for item in b"".join(value.split()).lower().split(b";")]
    return {name: text for name, _, text in items}


def is_below(domain: str, above: str) -> bool:
    """Tell whether a domain is another one, or below it; neither may be empty."""
    return bool(domain and above) and f".{domain}".endswith(f".{above}")


def are_related(domain: str, other: str) -> bool:
    """Tell whether of two domains one is the other, or below it (RFC 7489 §3.1.1, relaxed)."""
    return is_below(domain, other) or is_below(other, domain)
