"""What a sentence may hold is told before a pattern is tried, and nothing is left out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from relay.entries import Scope, Section
from relay.lines import prepare
from relay.sentences import Sentence, language_of, normalise, split
from tests.lexicons import installed_lexicons

LEXICONS = installed_lexicons()
FILES = ("short_letters.toml", "longer_letters.toml")
LETTERS = [
    row
    for name in FILES
    for rows in tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8")).values()
    for row in rows
]
SECTIONS = (Section.OBJECT, Section.FOREIGN, Section.SUPPORT, Section.COUNTER, Section.READER)


def sentences_of(row: dict[str, str]) -> tuple[Sentence, ...]:
    """Return the sentences of a letter."""
    subject, text = normalise(row.get("subject", "")), normalise(row["text"])
    return split(subject, text, language_of(f"{subject}\n{text}"))


def test_a_sentence_holds_all_that_matches_it() -> None:
    """Every entry whose pattern matches is found, in the order of the file."""
    lines = [line for row in LETTERS for line in prepare(sentences_of(row), LEXICONS)]
    assert len(lines) > len(LETTERS)
    for line in lines:
        for section in SECTIONS:
            entries = line.lexicon.of(section, Scope.SENTENCE)
            matching = [entry.name for entry in entries if entry.pattern.search(line.plain)]
            assert [entry.name for entry, _ in line.found(section)] == matching


@pytest.mark.parametrize("text", ["We thank you\0 for applying", "ご応募\0ありがとう", "\0"])
def test_an_end_of_paragraph_in_a_sentence_moves_nothing(text: str) -> None:
    """What stands behind it is told of its own sentence."""
    sentences = [Sentence(text, "ja"), Sentence("採用担当の者です。", "ja")]
    alone, after = prepare(sentences[1:], LEXICONS), prepare(sentences, LEXICONS)
    names = [entry.name for entry, _ in alone[0].found(Section.OBJECT)]
    assert names
    assert [entry.name for entry, _ in after[1].found(Section.OBJECT)] == names
