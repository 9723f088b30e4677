"""The strings that a pattern needs are in everything it matches."""

from __future__ import annotations

from operator import attrgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.entries import Entry, Section
from relay.fragments import Groups, fragments_needed, phrases_needed
from tests.lexicons import installed_lexicons

JAPANESE = installed_lexicons()["ja"].of(Section.DECISION)
ENGLISH = installed_lexicons()["en"].of(Section.DECISION)


def as_sets(groups: Groups) -> list[set[str]]:
    """Return the groups as plain sets, in a fixed order."""
    return sorted(map(set, groups), key=sorted)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("不採用", [{"不採用"}]),
        ("採用(?:を)?見送り", [{"採用"}, {"見送り"}]),
        ("見送(?:ら|り|る)", [{"見送ら", "見送り", "見送る"}]),
        ("(?:採用|採用枠)", [{"採用"}]),  # What holds the one holds the other.
        (
            "採用.{0,8}[はが](?:難しい|困難)",
            [{"採用"}, {"は難しい", "は困難", "が難しい", "が困難"}],
        ),
        ("(?:採用.|募集)終了", [{"採用", "募集"}, {"終了"}]),
        ("(?:採用|.)終了", [{"終了"}]),
        ("採用(?!枠)は$", [{"採用は"}]),
        ("採用 [^。]枠", [{"枠"}]),  # White space vanishes from a sentence.
        ("(?:採用){2,3}", [{"採用"}]),
        ("(?:採用)*", []),
        ("(?i)採用", []),
        ("[一-三]次", [{"次"}]),
    ],
)
def test_fragments_of_a_pattern(pattern: str, expected: list[set[str]]) -> None:
    """One group for each place that must be filled, no string twice."""
    (groups,) = fragments_needed((pattern,))
    assert as_sets(groups) == sorted(expected, key=sorted)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\bnot (?:be )?selected\b", [{"not "}, {"selected"}]),
        (r"\bgone to\b", [{"gone to"}]),
        (r"\bcan't go\b", []),  # A spelling variant changes "can't".
        (r"not  so", []),  # Two spaces become one.
        (r"\bapplicant é", []),
        (r"a\w+b", []),  # A single letter is in every text.
    ],
)
def test_phrases_of_a_pattern(pattern: str, expected: list[set[str]]) -> None:
    """Words with the single spaces between them."""
    (groups,) = phrases_needed((pattern,))
    assert as_sets(groups) == sorted(expected, key=sorted)


@pytest.mark.parametrize("entry", JAPANESE, ids=attrgetter("name"))
def test_all_patterns_of_decisions_need_fragments(entry: Entry) -> None:
    """Each pattern of the Japanese decisions can be left out for want of one."""
    assert all(fragments_needed(entry.alternatives))


@pytest.mark.parametrize("entry", JAPANESE + ENGLISH, ids=attrgetter("name"))
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_pattern_matches_holds_what_it_needs(entry: Entry, data: st.DataObject) -> None:
    """Texts made from a pattern itself hold a string of each of its groups."""
    index = data.draw(st.integers(0, len(entry.alternatives) - 1))
    text = data.draw(st.from_regex(entry.alternatives[index]))
    for groups in (fragments_needed(entry.alternatives), phrases_needed(entry.alternatives)):
        for group in groups[index]:
            assert any(map(text.__contains__, group))
