"""Links in our own mail: signed, timed, each good for one purpose; no login stands behind them.

    key id (1) | value | "." | time | "." | signature        in URL-safe base64, 256 bit

itsdangerous' `TimestampSigner` signs under a key derived for the purpose, with the active key of
the ring; a key that is revoked takes its links with it. The value names a registration or is a
keyed hash: nothing personal is in it. Base64 has several spellings of one signature, so
nobody may tell two links apart by their text: what a link does is done once because of its value.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous.exc import BadData
from itsdangerous.timed import TimestampSigner

from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState

PURPOSE = "confirmation"
CONFIRMATION_MAX_CHARS = 400  # The longest of ours has some 110.

_VALUE = re.compile(r"[a-z0-9]{1,64}\Z")
# What mail programs glue behind a link is cut off.
_FORM = re.compile(r"[a-z2-7][a-z0-9]{1,64}\.[A-Za-z0-9_-]{1,12}\.[A-Za-z0-9_-]{43}")
# Clocks of several machines differ by less.
_AHEAD_MAX = timedelta(minutes=5)


class Purpose(StrEnum):
    """What a link in a mail of ours is for, with how long it is good (`LIFETIMES`)."""

    CONFIRM = "confirm"
    AGAIN = "again"  # Send the mail once more.
    OPT_OUT = "opt_out"
    DELETE = "delete"


LIFETIMES = {
    Purpose.CONFIRM: timedelta(days=7),
    Purpose.AGAIN: timedelta(hours=1),
    # As long as anything of the person may be kept, and a mail is looked for.
    Purpose.OPT_OUT: timedelta(days=365),
    Purpose.DELETE: timedelta(days=365),
}


class ExpiredLink(BadToken):
    """The link was one of ours, and its time is over; `value` is what it was about."""

    def __init__(self, value: str) -> None:
        super().__init__("expired")
        self.value = value


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a good link says."""

    value: str
    time: datetime


class _Timed(TimestampSigner):
    """The library's, with a clock that is given."""

    def __init__(self, key: Key, purpose: Purpose, now: datetime) -> None:
        # Both defaults of the library (SHA-1, "django-concat") are replaced; the key is derived
        # here as "hmac" would do.
        super().__init__(
            key.derive(PURPOSE, purpose),
            salt=f"careerrelay.{PURPOSE}.{purpose}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.timestamp())


def make_confirmation(ring: KeyRing, purpose: Purpose, value: str, now: datetime) -> str:
    """Return a token; `value` is 1 to 64 lower-case letters and digits."""
    if not _VALUE.match(value):
        raise ValueError("a value has 1 to 64 of a-z and 0-9")
    key = ring.active
    return _Timed(key, purpose, now).sign(key.id + value).decode()


def read_confirmation(ring: KeyRing, purpose: Purpose, text: str, now: datetime) -> Confirmation:
    """Return what a token says; `BadToken`, or `ExpiredLink`, unless it is good for the purpose."""
    found = _FORM.match(text.strip()[:CONFIRMATION_MAX_CHARS])
    if found is None:
        raise BadToken("malformed")
    token = found.group()
    key = ring.find(token[0])
    if key is None:
        raise BadToken("unknown_key")
    try:
        signed, time = _Timed(key, purpose, now).unsign(token, return_timestamp=True)
    except (BadData, ValueError, OverflowError) as error:
        raise BadToken("bad_tag") from error
    if key.state is KeyState.REVOKED:
        raise BadToken("revoked")
    value, time = signed.decode()[1:], time.astimezone(UTC)
    if time - now > _AHEAD_MAX:
        raise BadToken("from_the_future")
    if now - time > LIFETIMES[purpose]:
        raise ExpiredLink(value)
    return Confirmation(value, time)
