"""The base32 of tokens: one text for one sequence of bytes, whoever reads it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.base32 import ALPHABET, encode_base32, parse_base32


@given(st.binary(max_size=40))
def test_there_and_back(data: bytes) -> None:
    """What is written is what the standard library reads, and comes back the same."""
    text = encode_base32(data)
    assert base64.b32decode(text.upper() + "=" * (-len(text) % 8)) == data
    assert parse_base32(text) == data


@given(st.text(alphabet=ALPHABET + "A=8 \n", max_size=30))
def test_only_the_one_form_is_taken(text: str) -> None:
    """A text that can be read is the very text that its bytes are written as."""
    try:
        data = parse_base32(text)
    except ValueError:
        return
    assert encode_base32(data) == text


@pytest.mark.parametrize("text", ["a", "abc", "abcdef", "ab" + "=" * 6, "AE", "a1", "ab", "ae\n"])
def test_other_forms_are_refused(text: str) -> None:
    """Impossible lengths, padding, capitals, foreign characters, unused bits that are set."""
    with pytest.raises(ValueError, match="base32"):
        parse_base32(text)
