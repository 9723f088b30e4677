"""Links in our own mail: for one purpose, for a time, by a key of the ring."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.confirmations import (
    LIFETIMES,
    ExpiredLink,
    Purpose,
    make_confirmation,
    read_confirmation,
)
from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState

NOW = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
OLD = Key("a", bytes(32), KeyState.ACTIVE, NOW)
RING = KeyRing((OLD,))
TOKEN = make_confirmation(RING, Purpose.CONFIRM, "abc123", NOW)


def reason(text: str, purpose: Purpose = Purpose.CONFIRM, now: datetime = NOW) -> str:
    """Return why a token is refused, "" when it is not."""
    try:
        read_confirmation(RING, purpose, text, now)
    except BadToken as error:
        return error.reason
    return ""


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_is_good_for_its_purpose_and_time(purpose: Purpose) -> None:
    """To the second, and for no other purpose."""
    token = make_confirmation(RING, purpose, "abc123", NOW)
    end = NOW + LIFETIMES[purpose]
    found = read_confirmation(RING, purpose, token, end)
    assert (found.value, found.time) == ("abc123", NOW)
    with pytest.raises(ExpiredLink) as caught:
        read_confirmation(RING, purpose, token, end + timedelta(seconds=1))
    assert caught.value.value == "abc123"
    for other in set(Purpose) - {purpose}:
        assert reason(token, other) == "bad_tag"


def test_a_clock_that_is_behind_a_little_is_forgiven() -> None:
    """A link made tomorrow is none."""
    assert reason(TOKEN, now=NOW - timedelta(minutes=5)) == ""
    assert reason(TOKEN, now=NOW - timedelta(minutes=6)) == "from_the_future"


@given(st.integers(0, len(TOKEN) - 3), st.characters(codec="ascii", exclude_characters="\0"))
def test_any_changed_character_is_refused(at: int, char: str) -> None:
    """But the last two, whose spare bits base64 spells in several ways."""
    changed = TOKEN[:at] + char + TOKEN[at + 1 :]
    assert (reason(changed) == "") == (changed == TOKEN)


@given(st.text(max_size=600))
def test_arbitrary_text_is_refused_calmly(text: str) -> None:
    """With our own error, whatever it is."""
    assert reason(text)


def test_what_mail_programs_glue_behind_is_cut_off() -> None:
    """The end of a sentence, a bracket, white space."""
    for glued in (" " + TOKEN, TOKEN + "。", TOKEN + ">", TOKEN + "\r\n"):
        assert reason(glued) == ""


def test_keys_change_and_end() -> None:
    """A key that only verifies still does; a revoked one takes its links with it."""
    ring = KeyRing(
        (
            Key("a", bytes(32), KeyState.VERIFY_ONLY, NOW),
            Key("b", bytes([1]) * 32, KeyState.ACTIVE, NOW),
        )
    )
    assert read_confirmation(ring, Purpose.CONFIRM, TOKEN, NOW).value == "abc123"
    assert make_confirmation(ring, Purpose.CONFIRM, "abc123", NOW).startswith("b")
    revoked = KeyRing((Key("a", bytes(32), KeyState.REVOKED, NOW), ring.keys[1]))
    with pytest.raises(BadToken, match="revoked"):
        read_confirmation(revoked, Purpose.CONFIRM, TOKEN, NOW)
    with pytest.raises(BadToken, match="unknown_key"):
        read_confirmation(KeyRing((ring.keys[1],)), Purpose.CONFIRM, TOKEN, NOW)


def test_the_signature_is_whole() -> None:
    """256 bit of SHA-256 by the standard library, as docs/formats.md says."""
    assert TOKEN == "aabc123.avpxsA.xtOvLT3IxDXs0a427FC2BCS7VG9O82qfG2r0JYi4Qms"  # noqa: S105
    signed, _, signature = TOKEN.rpartition(".")
    derived = hmac.digest(bytes(32), b"careerrelay.confirmation.v1\0confirm", "sha256")
    key = hmac.digest(derived, b"careerrelay.confirmation.confirm", "sha256")
    ours = hmac.digest(key, signed.encode(), "sha256")
    assert base64.urlsafe_b64encode(ours).decode().rstrip("=") == signature
    assert int.from_bytes(base64.urlsafe_b64decode("avpxsA==")) == int(NOW.timestamp())


@pytest.mark.parametrize("value", ["", "A", "a.b", "a" * 65, "ä"])
def test_values_are_letters_and_digits(value: str) -> None:
    """Nothing personal fits in by accident."""
    with pytest.raises(ValueError, match="1 to 64"):
        make_confirmation(RING, Purpose.CONFIRM, value, NOW)
