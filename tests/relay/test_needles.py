"""Strings of many alternatives, looked for at once: nothing that a paragraph holds is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.needles import PARAGRAPH_END, Needles

LETTERS = st.text("ab採用 ", min_size=1, max_size=4)
GROUP = st.lists(LETTERS, min_size=1, max_size=3).map(tuple)
NEEDS = st.lists(st.lists(GROUP, max_size=3).map(tuple), max_size=5)
PARAGRAPHS = st.lists(st.text("ab採用 ", max_size=12), min_size=1, max_size=4)


@given(NEEDS, PARAGRAPHS)
def test_what_a_paragraph_holds_is_found(
    needs: list[tuple[tuple[str, ...], ...]], paragraphs: list[str]
) -> None:
    """An alternative is found in each paragraph that has a string of each of its groups."""
    found = Needles(needs).find(PARAGRAPH_END.join(paragraphs))
    for index, groups in enumerate(needs):
        for place, paragraph in enumerate(paragraphs):
            if all(any(string in paragraph for string in group) for group in groups):
                assert place in found.get(index, ())


def test_strings_of_two_paragraphs_make_nothing() -> None:
    """All that an alternative needs must stand in one paragraph."""
    needles = Needles([(("採用",), ("見送", "断念")), (("採用",),)])
    assert needles.find(PARAGRAPH_END.join(["採用の件", "見送ります", "採用を断念"])) == {
        0: [2],
        1: [0, 2],
    }
    assert needles.find("資料の件") == {}
