"""Links survive what mail software does to them, and nothing else becomes a token."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.base32 import ALPHABET
from signer.damage import CANDIDATES_MAX, TEXT_CHARS_MAX, TOKEN_CHARS, find_candidates, find_token
from signer.errors import BadToken
from signer.keyring import Key, KeyRing, KeyState
from signer.tokens import make_token, read_link

NOW = datetime(2026, 1, 5, tzinfo=UTC)
RING = KeyRing((Key("a", bytes(range(32)), KeyState.ACTIVE, NOW),))
TOKEN = make_token(RING, "aozora", "abcdefghijklmnop")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
VECTORS = DOCUMENT.partition("```damage\n")[2].partition("```")[0].splitlines()


def written(vector: str) -> str:
    """Return the characters that a vector of the document stands for."""
    for name in ("\\u200b", "\\ufeff", "\\u00ad"):
        vector = vector.replace(name, chr(int(name[2:], 16)))
    return vector.replace("\\r", "\r").replace("\\n", "\n")


def test_there_are_vectors() -> None:
    """The document has all kinds of damage that links are known to suffer."""
    assert len(VECTORS) == 25
    assert len(set(VECTORS)) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS)
def test_written_damage(vector: str) -> None:
    """Every damaged link of the document proves itself, and as the token that was issued."""
    claims = read_link(RING, written(vector), ("hokuto", "aozora"))
    assert (claims.company, claims.token) == ("aozora", TOKEN)


@given(
    at=st.integers(0, TOKEN_CHARS),
    what=st.sampled_from(
        ["=\r\n", "=\n", "=", "=3D\n", "=3D", "\r\n", "\n> ", " ", "\u200b", "\u2060", "\u00ad"]
    ),
    is_upper=st.booleans(),
    encodings=st.integers(0, 2),
)
def test_one_wound_anywhere(at: int, what: str, is_upper: bool, encodings: int) -> None:
    """One wound of each kind, at any place, in any case, encoded or not, costs nobody the link."""
    text = TOKEN.upper() if is_upper else TOKEN
    text = text[:at] + what + text[at:]
    for _ in range(encodings):
        text = quote(text, safe="")
    assert read_link(RING, text, ("aozora",)).token == TOKEN


@given(position=st.integers(0, TOKEN_CHARS - 1), char=st.sampled_from(ALPHABET + "=1890 \u0430"))
def test_a_changed_character_is_no_damage(position: int, char: str) -> None:
    """A token with another character in it is refused, however forgivingly it is read."""
    changed = TOKEN[:position] + char + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(BadToken):
            read_link(RING, changed, ("aozora",))


@given(st.text(max_size=300) | st.text(alphabet="ab27=3dD%\r\n >\u200b\uff41", max_size=300))
def test_any_text_gives_few_candidates(text: str) -> None:
    """Whatever stands in a URL, what comes out has the form of a token, and is not much."""
    found = list(find_candidates(text))
    assert len(found) <= CANDIDATES_MAX
    assert all(len(each) == TOKEN_CHARS and set(each) <= set(ALPHABET) for each in found)
    assert find_token(text) == (found[0] if found else None)


@pytest.mark.parametrize(
    "piece", ["a=", "a ", "a=        ", "=3d", "%25", "\r\n>", "a" * 42 + "=", "\u200b", "a\n> |"]
)
def test_endless_text_costs_little(piece: str) -> None:
    """Beyond its limit nothing of a text is looked at, so that a long one says the same."""
    limit = piece * TEXT_CHARS_MAX
    assert list(find_candidates(limit)) == list(find_candidates(limit[:TEXT_CHARS_MAX]))


def test_reasons() -> None:
    """A text without a token says so; one with a token of nobody's says why it is none."""
    with pytest.raises(BadToken, match="damaged"):
        read_link(RING, "robots.txt", ("aozora",))
    with pytest.raises(BadToken, match="bad_tag"):
        read_link(RING, TOKEN, ("hokuto",))
    with pytest.raises(BadToken, match="unknown_key"):
        read_link(RING, "b" + TOKEN[1:], ("aozora",))
