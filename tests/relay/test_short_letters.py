"""Rejections are found; what is said in the same words is never taken for one.

In the order of the tests: letters of a sentence or two, and letters as companies write them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from relay.letter import Letter
from relay.verdict import Kind, judge
from tests.lexicons import installed_lexicons

FILES = ("short_letters.toml", "longer_letters.toml")
LETTERS = [
    tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8")) for name in FILES
]
REJECTIONS = [row for letters in LETTERS for row in letters["rejection"]]
OTHERS = [row for letters in LETTERS for row in letters["other"]]
LEXICONS = installed_lexicons()
# The address of a recruiter makes every refusal look a little more like a rejection.
SENDERS = [("x@example.jp", ""), ("recruit@example.jp", "採用担当")]


def judged(row: dict[str, str], sender: tuple[str, str]) -> Kind:
    """Return the verdict on a row sent by `sender`."""
    letter = Letter(row["subject"], *sender, ("y@mail.example.com",), row["text"])
    return judge(letter, LEXICONS).kind


@pytest.mark.parametrize("sender", SENDERS, ids=["person", "recruiter"])
@pytest.mark.parametrize("row", REJECTIONS, ids=lambda row: row["text"][:30])
def test_a_rejection_is_found(row: dict[str, str], sender: tuple[str, str]) -> None:
    """One or two sentences are enough, with or without a subject, and many do not hide it."""
    assert judged(row, sender) is Kind.REJECTION


@pytest.mark.parametrize("sender", SENDERS, ids=["person", "recruiter"])
@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row["text"][:30])
def test_a_look_alike_is_not_taken_for_one(row: dict[str, str], sender: tuple[str, str]) -> None:
    """Offers, dates, customers, vendors, contests, colleagues and agencies, even from HR."""
    assert judged(row, sender) is not Kind.REJECTION
