"""What patterns need is found out beforehand, and is what would be found out today."""

from __future__ import annotations

import pytest

from relay import fragments, literals, needs
from relay.lexicons import load_lexicons

PATTERN = "\\bwe (?:regret|are sorry)\\b.{0,20}\\bapplication\\b"


def test_the_file_is_that_of_today() -> None:
    """After a change to a lexicon, or to how patterns are read: `make needs`."""
    kept = needs.FILE.read_text(encoding="utf-8")
    assert kept == needs.find_out(lambda: load_lexicons(with_wording=False))


@pytest.mark.parametrize("kind", ["words", "stems", "pairs"])
def test_a_pattern_that_is_not_in_it_is_read(kind: str) -> None:
    """A company's own wordings are not known beforehand."""
    name = f"{kind}_needed"
    assert set(getattr(needs, name)(PATTERN)) == set(getattr(literals, name)(PATTERN))


def test_fragments_of_such_a_pattern_keep_their_order() -> None:
    """The first group is the one that most texts lack."""
    for name in ("phrases_needed", "fragments_needed"):
        found = [set(group) for group in getattr(needs, name)((PATTERN,))[0]]
        assert found == [set(group) for group in getattr(fragments, name)((PATTERN,))[0]]
