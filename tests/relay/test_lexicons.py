"""The lexicon files and their loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.entries import LexiconError, Section
from relay.lexicons import load_lexicons, parse_lexicon


def test_the_installed_lexicons_load() -> None:
    """Japanese and English are there, with every section that decides."""
    lexicons = load_lexicons()
    assert {"ja", "en"} <= lexicons.keys()
    for lexicon in (lexicons["ja"], lexicons["en"]):
        for section in Section:
            assert lexicon.of(section), f"{lexicon.language}: no [[{section}]]"


def test_names_are_unique_in_their_section() -> None:
    """A name in the evidence leads to one entry."""
    for lexicon in load_lexicons().values():
        for section in Section:
            names = [entry.name for entry in lexicon.of(section)]
            assert len(names) == len(set(names))


def test_words_are_filled_in_and_spellings_made_alike() -> None:
    """{word} stands for the words of that name, also inside words."""
    lexicon = parse_lexicon(
        """
        language = "xx"
        [spellings]
        "頂く" = "いただく"
        [words]
        a = "b|{c}"
        c = "d"
        [[decision]]
        name = "n"
        comment = "why"
        patterns = ["x{a}"]
        """,
        "xx.toml",
    )
    (entry,) = lexicon.of(Section.DECISION)
    assert entry.cues == ()
    assert entry.pattern.fullmatch("xd")
    assert lexicon.plain("頂く") == "いただく"


ENTRY = '[[decision]]\nname = "n"\ncomment = "c"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("language = ", "not TOML"),
        ("x = 1", "'language' must be"),
        ('language = "x"\n[[other]]\nname = "n"', "unknown section"),
        ('language = "x"\n[[decision]]\ncomment = "c"', "no 'name'"),
        ('language = "x"\n[[decision]]\nname = "n"\npatterns = ["a"]', "'comment' must"),
        (f'language = "x"\n{ENTRY}patterns = []', "'patterns' is empty"),
        (f'language = "x"\n{ENTRY}patterns = "a"', "list of strings"),
        (f'language = "x"\n{ENTRY}patterns = ["("]', "no regular expression"),
        (f'language = "x"\n{ENTRY}patterns = ["{{nope}}"]', "not in [words]"),
        (f'language = "x"\n{ENTRY}patterns = ["a"]\nweight = "much"', "'weight' must"),
        (f'language = "x"\n{ENTRY}patterns = ["a"]\nscope = "there"', "'scope' must"),
        (f'language = "x"\n{ENTRY}patterns = ["a"]\nwieght = 1', "unknown key 'wieght'"),
        (f'language = "x"\n{ENTRY}patterns = ["{"a" * 4001}"]', "over 4000"),
        ('language = "x"\ndecision = ["a"]', "must be a table"),
        ('language = "x"\nwords = ["a"]', "table of strings"),
    ],
)
def test_a_slip_is_named_with_its_file(text: str, complaint: str) -> None:
    """Each fault is told with the file and what is expected."""
    with pytest.raises(LexiconError) as caught:
        parse_lexicon(text, "slip.toml")
    assert "slip.toml" in str(caught.value)
    assert complaint in str(caught.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """Without words nothing would ever be recognised, in silence."""
    with pytest.raises(LexiconError):
        load_lexicons(tmp_path)
