"""DKIM signatures (RFC 6376, RFC 8463) and ARC seals (RFC 8617), as dkimpy makes and checks them.

The only file that knows dkimpy. It signs what is handed in and decides nothing. Public keys come
from a function, so that whoever calls says where they are looked up and for how long.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import dkim  # type: ignore[import-untyped]

from relay.dkimkeys import DkimKey
from relay.signaturefields import count_dkim

# What DKIM of today covers where no signature says what the writer's system thinks of it. From,
# To, Subject and Date are named once more than they are there: nobody adds a second.
DEFAULT_NAMES = tuple(
    name.encode()
    for name in (
        "from from to to subject subject date date cc reply-to message-id in-reply-to references"
        " mime-version content-type content-transfer-encoding"
    ).split()
)
# A letter has one or two; each costs a question to the DNS.
CHECKED_MAX_COUNT = 4
_RELAXED = (b"relaxed", b"relaxed")
# dkimpy tells what it does by logging headers; none of that belongs into a log.
_silent = logging.Logger("dkim", logging.CRITICAL + 1)

# What dkimpy raises on odd messages: its own errors, and what it did not think of.
_ERRORS = (dkim.DKIMException, ValueError, AssertionError, IndexError, KeyError, TypeError)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_RESULTS = re.compile(
    rb"^authentication-results[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)

# The public key under a name such as "s1._domainkey.example.jp.", `None` if there is none.
Lookup = Callable[[bytes, int], bytes | None]


class SigningError(Exception):
    """A message could not be signed; the text has nothing of the message."""


def sign(message: bytes, key: DkimKey, names: Sequence[bytes], line_end: bytes) -> bytes:
    """Return a DKIM-Signature field for a message, with its line end.

    `names` are the fields it covers, in lower case, as often as they are to be covered.
    """
    try:
        signer: Any = dkim.DKIM(
            message,
            logger=_silent,
            signature_algorithm=key.algorithm.encode(),
            linesep=line_end,
        )
        field = signer.sign(
            key.selector.encode(),
            key.domain.encode(),
            key.secret,
            canonicalize=_RELAXED,
            include_headers=list(names or DEFAULT_NAMES),
        )
    except _ERRORS as error:
        raise SigningError(f"DKIM: {type(error).__name__}") from error
    return cast("bytes", field)


def seal(message: bytes, key: DkimKey, results: str, line_end: bytes) -> bytes:
    """Return the three fields of an ARC set for a message, each with its line end.

    `results` is an Authentication-Results value of ours (RFC 8601): who found what. Its `arc`
    result is what the seal says of the sets that are there.
    """
    authserv_id = results.partition(";")[0].strip()
    # Whatever else claims to be a result of ours does not count (RFC 8601 §5); ARC signs none.
    gap = _EMPTY_LINE.search(message)
    header_end = gap.start() + 1 if gap else len(message)
    header = _RESULTS.sub(b"", message[:header_end])
    stamp = b"Authentication-Results: " + results.encode() + line_end
    stamped = stamp + header + message[header_end:]
    try:
        sealer: Any = dkim.ARC(stamped, logger=_silent, linesep=line_end)
        fields: list[bytes] = sealer.sign(
            key.selector.encode(), key.domain.encode(), key.secret, authserv_id.encode()
        )
    except _ERRORS as error:
        raise SigningError(f"ARC: {type(error).__name__}") from error
    if not fields:
        raise SigningError("ARC: the chain has ended")
    return b"".join(fields)


def check_dkim(message: bytes, index: int, find: Lookup) -> tuple[str, str]:
    """Return what the signature of this number, from the top, is worth, and whose it is.

    The first is a result of RFC 8601 §2.7.1: pass, fail, permerror or temperror.
    """
    lookup = _Lookup(find)
    checker: Any = None
    try:
        checker = dkim.DKIM(message, logger=_silent)
        verdict = "pass" if checker.verify(index, dnsfunc=lookup) else "fail"
    except _ERRORS:
        verdict = "permerror"
    domain = getattr(checker, "domain", None) or b""
    return "temperror" if lookup.failed else verdict, domain.decode("ascii", "replace")


def check_signatures(message: bytes, find: Lookup) -> list[tuple[str, str]]:
    """Return what `check_dkim` says of each signature of a message, the first few from the top."""
    count = min(count_dkim(message), CHECKED_MAX_COUNT)
    return [check_dkim(message, index, find) for index in range(count)]


def check_arc(message: bytes, find: Lookup) -> str:
    """Return what the ARC sets of a message are worth together: none, pass or fail.

    Raises `SigningError` where that cannot be told, or a seal says that the chain has ended.
    """
    lookup = _Lookup(find)
    try:
        checker: Any = dkim.ARC(message, logger=_silent)
        verdict, _, _ = checker.verify(dnsfunc=lookup)
    except _ERRORS:
        verdict = b"fail"
    if lookup.failed:
        raise SigningError("ARC: no answer from the DNS")
    if verdict is None:
        raise SigningError("ARC: the chain has ended")
    return cast("bytes", verdict).decode()


class _Lookup:
    """A lookup as dkimpy calls it, which takes a name without an answer for one without a key."""

    def __init__(self, find: Lookup) -> None:
        self._find = find
        self.failed = False

    def __call__(self, name: bytes, timeout: int = 5) -> bytes | None:
        try:
            return self._find(name, timeout)
        except TimeoutError:
            self.failed = True
            return None
