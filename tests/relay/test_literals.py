"""The words that a pattern needs are in everything it matches."""

from __future__ import annotations

import re
from operator import attrgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.entries import Entry, Lexicon, Section
from relay.literals import pairs_needed, stems_needed, words_needed
from tests.lexicons import installed_lexicons

pytestmark = pytest.mark.long

LEXICONS = installed_lexicons()
ENTRIES = LEXICONS["en"].of(Section.DECISION)
ALL_ENTRIES = [
    (lexicon, entry)
    for lexicon in LEXICONS.values()
    for entries in lexicon.entries.values()
    for entry in entries
]
WORD = re.compile(r"[a-z]+")


def groups(pattern: str) -> list[set[str]]:
    """Return the groups as plain sets, in a fixed order."""
    return sorted((set(group) for group in words_needed(pattern)), key=sorted)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\bnot\b", [{"not"}]),
        (r"not", []),  # "another" holds it, but not as a word.
        (r"\bnot \w+", [{"not"}]),
        (r"\b(?:not|never)\b.{0,9}\bgo(?:es|ing)?\b", [{"go", "goes", "going"}, {"never", "not"}]),
        (r"\b(?:not|never)?\b", []),
        (r"\b(?:no longer|not)\b", [{"longer", "not"}]),
        (r"\bhir(?:e|ed) (?:\w+ ){0,2}you\b", [{"hire", "hired"}, {"you"}]),
        (r"\bhir\w+ (?:\w+ )?internally\b", [{"internally"}]),
        (r"\b(?:closed|gone)\b|\btaken\b", [{"closed", "gone", "taken"}]),
        (r"\b(?:closed|.on)\b", []),
        (r"\bcan't go\b", [{"go"}]),  # A spelling variant changes "can't".
        (r"\bnot (?!now)here\b", [{"here"}, {"not"}]),
        (r"(?i)\bnot\b", []),
        (r"(\bnot\b)(?:\1)", [{"not"}]),
    ],
)
def test_words_of_a_pattern(pattern: str, expected: list[set[str]]) -> None:
    """Whole words only, one group for each place that must be filled."""
    assert groups(pattern) == sorted(expected, key=sorted)


@pytest.mark.parametrize("entry", ENTRIES, ids=attrgetter("name"))
def test_most_patterns_of_decisions_need_words(entry: Entry) -> None:
    """Each pattern of the English decisions can be left out for want of a word."""
    assert all(entry.needs)


@pytest.mark.parametrize("entry", ENTRIES, ids=attrgetter("name"))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_a_pattern_matches_holds_its_words(entry: Entry, data: st.DataObject) -> None:
    """Texts made from the pattern itself hold a word of each group of one alternative."""
    text = data.draw(st.from_regex(entry.pattern, alphabet=st.characters(codec="ascii")))
    found = set(WORD.findall(text))
    if entry.pattern.search(text) and text == text.lower():
        assert any(all(not found.isdisjoint(group) for group in needs) for needs in entry.needs)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\bwithdraw\w*", ("with",)),  # Four letters are enough, the rest may differ.
        (r"withdraw", ()),  # "unwithdrawn" holds it, but not as the beginning of a word.
        (r"\b(?:cat|pets?)\b", ("cat", "pet", "pets")),  # Whole, because the word ends there.
        (r"\bcat", ()),  # "category" begins with another four letters.
        (r"\b(?:dear|hi),? all\b", ("dear", "hi", "all")),
        (r"\bré", ("r",)),  # As a text of ASCII letters is taken apart, too.
    ],
)
def test_stems_of_a_pattern(pattern: str, expected: tuple[str, ...]) -> None:
    """Words count by how they begin, short ones where they are whole."""
    assert {word for group in stems_needed(pattern) for word in group} == set(expected)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("採用", ("採用",)),
        ("採用.{0,9}結果", ("採用", "結果")),
        ("ご(?:応募|縁)", ("ご縁",)),
        ("お話し", ("お話",)),
        ("いたし", ("いた",)),  # Nothing but kana: then these.
        ("方", ("方",)),
        ("氏\\n様", ("様",)),  # No sentence holds a line end.
        ("(?:^|\\n)", ()),
        ("(?:採用|.*)", ()),
    ],
)
def test_pairs_of_a_pattern(pattern: str, expected: tuple[str, ...]) -> None:
    """Two characters side by side, kanji before kana, and none beside a line end."""
    found = {word for group in pairs_needed(pattern) for word in group}
    assert set(expected) <= found if expected else not found


@pytest.mark.parametrize(
    ("lexicon", "entry"),
    [pytest.param(lexicon, entry, id=entry.name) for lexicon, entry in ALL_ENTRIES],
)
@given(data=st.data())
# What a look-around forbids is filtered out: of a few patterns that is most of what is drawn.
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_whatever_a_pattern_matches_shows_its_signs(
    lexicon: Lexicon, entry: Entry, data: st.DataObject
) -> None:
    """Texts made from the pattern itself are never left out, whatever stands around them."""
    text = data.draw(st.from_regex(entry.pattern))
    if entry.pattern.search(text):
        lines = text.split("\n")
        signs = set[str]().union(*map(lexicon.signs_in, lines))
        assert entry.may_match(signs)
