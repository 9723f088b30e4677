"""Tokens prove themselves, survive what mail software does to them, and cannot be forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.base32 import ALPHABET
from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState
from signer.links import URL_CHARS_MAX, link_url
from signer.tokens import TOKEN_CHARS, check_token, find_token, make_token

NOW = datetime(2026, 1, 5, tzinfo=UTC)
RING = KeyRing((Key("a", bytes(range(32)), KeyState.ACTIVE, NOW),))
LINK_ID = "abcdefghijklmnop"
TOKEN = make_token(RING, "aozora", LINK_ID)


def test_known_token() -> None:
    """The token is what the written format says, computed here with the standard library alone."""
    key = hmac.new(bytes(range(32)), b"careerrelay.token.v1\0aozora", hashlib.sha256).digest()
    tag = hmac.new(key, b"a" + LINK_ID.encode(), hashlib.sha256).digest()[:16]
    expected = "a" + LINK_ID + base64.b32encode(tag).decode().rstrip("=").lower()
    assert expected == TOKEN
    assert len(TOKEN) == TOKEN_CHARS == 43


def test_claims_name_company_link_and_key() -> None:
    """A token is attributed to the company whose key made it, among all companies."""
    claims = check_token(RING, TOKEN, ["hokuto", "aozora"])
    assert (claims.company, claims.link_id, claims.key_id) == ("aozora", LINK_ID, "a")


def test_token_of_another_company_is_refused() -> None:
    """A company that is not in the list is not credited."""
    with pytest.raises(BadToken, match="bad_tag"):
        check_token(RING, TOKEN, ["hokuto"])


@given(position=st.integers(0, TOKEN_CHARS - 1), char=st.sampled_from(ALPHABET))
def test_any_changed_character_is_refused(position: int, char: str) -> None:
    """No other text is accepted in place of a token, not even in its last character."""
    changed = TOKEN[:position] + char + TOKEN[position + 1 :]
    if changed == TOKEN:
        assert check_token(RING, changed, ["aozora"]).link_id == LINK_ID
    else:
        with pytest.raises(BadToken):
            check_token(RING, changed, ["aozora"])


@pytest.mark.parametrize(
    "seen",
    [
        TOKEN,
        TOKEN.upper(),
        TOKEN + ".",
        TOKEN + "。",
        TOKEN + "abc",
        TOKEN + "%E3%80%82",
        TOKEN + "/",
    ],
)
def test_forgiving_parser(seen: str) -> None:
    """Changed letter case, a full stop or glued text do not cost the candidate the link."""
    assert find_token(seen) == TOKEN


@given(st.text(max_size=300))
def test_parser_takes_any_text(text: str) -> None:
    """Whatever stands in the URL, the parser answers with a well-formed token or nothing."""
    found = find_token(text)
    assert found is None or (len(found) == TOKEN_CHARS and set(found) <= set(ALPHABET))


@pytest.mark.parametrize("text", ["", "robots.txt", TOKEN[:-1], "\u212a" * 43, TOKEN[:-1] + "1"])
def test_what_is_no_token(text: str) -> None:
    """Too short, with foreign letters or letters that only look ASCII: no token."""
    assert find_token(text) is None


def test_rotation_keeps_old_letters_working_until_revoked() -> None:
    """A token outlives the rotation of its key and dies with its revocation."""
    rotated = RING.with_new_key(NOW).with_activated("b", NOW)
    assert make_token(rotated, "aozora", LINK_ID)[0] == "b"
    assert check_token(rotated, TOKEN, ["aozora"]).state is KeyState.VERIFY_ONLY
    with pytest.raises(BadToken, match="revoked"):
        check_token(rotated.with_revoked("a", NOW), TOKEN, ["aozora"])


def test_unknown_key() -> None:
    """A token of a key that the ring does not hold is refused with that reason."""
    with pytest.raises(BadToken, match="unknown_key"):
        check_token(RING, "z" + TOKEN[1:], ["aozora"])


@pytest.mark.parametrize("base", ["https://r.example.jp/", "https://go1.hr.example.jp/"])
def test_link_fits_on_a_line_of_mail(base: str) -> None:
    """With a base of 26 characters a link stays on one line, soft break included."""
    assert len(base) in (21, 26)
    assert len(link_url(base, TOKEN)) <= URL_CHARS_MAX < 76


def test_written_vector() -> None:
    """The vector in docs/formats.md is this token."""
    assert f"    {TOKEN}\n" in (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
