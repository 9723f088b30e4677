"""Whose domain an address is at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domains import flags_for, plain_domain
from ledger.signupflags import SIGNUP_FLAGS, join_flags

OWN = ("aozora.example.jp", "日本語.jp", "Straße.example.")


@pytest.mark.parametrize(
    ("address", "flags"),
    [
        ("hanako@example.jp", ""),
        ("a..b@docomo.ne.jp", ""),
        ("hanako@gmail.com", ""),
        ("hanako@aozora.example.jp", "own_domain"),
        ("hanako@AOZORA.Example.JP.", "own_domain"),
        ("hanako@hr.aozora.example.jp", "own_domain"),
        ("hanako@notaozora.example.jp", ""),
        ("hanako@aozora.example.jp.example.com", ""),
        ("hanako@日本語.jp", "own_domain"),
        ("hanako@xn--wgv71a119e.jp", "own_domain"),
        ("hanako@日本語。jp", "own_domain"),
        ("hanako@mail.日本語.jp", "own_domain"),
        ("hanako@straße.example", "own_domain"),
        ('"a@mailinator.com"@example.jp', ""),
        ("hanako@mailinator.com", "disposable_domain"),
        ("hanako@MAILINATOR.COM", "disposable_domain"),
        ("hanako@box7.mailinator.com", "disposable_domain"),
        ("hanako@mailinator.com.example.jp", ""),
        ("", ""),
        ("@", ""),
        ("hanako", ""),
        ("hanako@-.", ""),
        ("hanako@" + "ー" * 300, ""),
    ],
)
def test_flags_of_an_address(address: str, flags: str) -> None:
    """Own domains and those below them in any spelling; disposable ones; nothing else."""
    assert flags_for(address, OWN) == flags


def test_an_own_domain_may_be_disposable() -> None:
    """Both are said, in their order."""
    assert flags_for("a@mailinator.com", ["mailinator.com"]) == " ".join(SIGNUP_FLAGS)


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_gives_flags_or_none(address: str, own: list[str]) -> None:
    """Whatever a person types, the answer is one that an event takes."""
    flags = flags_for(address, own)
    assert flags == join_flags(flags.split())


@given(st.text(max_size=80))
def test_a_plain_domain_stays_as_it_is(text: str) -> None:
    """Made plain twice is made plain once."""
    once = plain_domain(text)
    assert plain_domain(once) == once
