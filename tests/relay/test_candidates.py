"""The cheap look at a letter leaves out no decision that the patterns would have found."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.candidates import Candidate, Candidates, find_candidates
from relay.entries import Lexicons, Section
from relay.evidence import weigh_texts
from relay.fragments import fragments_needed, phrases_needed
from relay.letter import Letter
from relay.sentences import language_of, normalise
from relay.verdict import NOTHING_SAID, judge, judge_mail
from tests.lexicons import installed_lexicons

FOLDER = Path(__file__).parent
# What holds words together, takes them apart or hides them.
GLUES = (
    *(
        "",
        "",
        " ",
        " ",
        "\n",
        "\n",
        "\n\n",
        ". ",
        ".",
        "。",
        "、",
        "!",
        "?",
        "; ",
        ": ",
        ", ",
        " - ",
    ),
    *(
        '"',
        "”",
        "’",
        "'",
        "「",
        "」",
        "『",
        "』",
        " 「",
        "」\n",
        "」また、",
        "—",
        "…",
        "\u3000",
        "\u200b",
    ),
    *(
        "n't ",
        "'m ",
        "cannot",
        "won’t",
        "résumé",
        "御",
        "頂",
        "事",
        "・",
        "> ",
        "不",
        "İ",
        "ſ",
        "_",
    ),
)


@cache
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


@cache
def letters() -> tuple[tuple[str, str], ...]:
    """Return subject and text of the invented letters."""
    rows: list[tuple[str, str]] = []
    for path in sorted(FOLDER.glob("*letters*.toml")):
        for section in tomllib.loads(path.read_text(encoding="utf-8")).values():
            rows += [(row["subject"], row["text"]) for row in section]
    return tuple(rows)


@cache
def words() -> tuple[str, ...]:
    """Return what decisions are known by: cues, words that are needed, pieces of letters."""
    found: set[str] = set()
    for lexicon in lexicons().values():
        found |= lexicon.needed_words
        for entry in lexicon.of(Section.DECISION):
            found |= set(entry.cues)
            for needs in (
                *fragments_needed(entry.alternatives),
                *phrases_needed(entry.alternatives),
            ):
                found |= {text for group in needs for text in group}
    for _, text in letters():
        found |= {text[at : at + 12] for at in range(0, len(text), 12)}
    return tuple(sorted(found))


def everything() -> Candidates:
    """Return the candidates without any shortcut: all decisions of all languages."""
    return {
        language: tuple(Candidate(entry, ()) for entry in lexicon.of(Section.DECISION))
        for language, lexicon in lexicons().items()
    }


def assert_nothing_is_left_out(raw_subject: str, raw_text: str) -> None:
    """Weigh a letter with all candidates and with those of the cheap look."""
    letter = Letter(raw_subject, "hr@example.com", "", ("a@example.com",), raw_text)
    subject, text = normalise(raw_subject), normalise(raw_text)
    language = language_of(f"{subject}\n{text}")
    full = weigh_texts(letter, subject, text, language, everything(), lexicons())
    found = find_candidates(subject, text, lexicons())
    assert weigh_texts(letter, subject, text, language, found, lexicons()) == full
    assert judge(letter, lexicons()).language == language


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_words_glued_at_random(data: st.DataObject) -> None:
    """Whatever words and line ends make of each other, no decision is left out."""
    pieces = st.lists(st.sampled_from(words()) | st.sampled_from(GLUES), max_size=60)
    subject = "".join(data.draw(st.lists(st.sampled_from(words()), max_size=3)))
    assert_nothing_is_left_out(subject, "".join(data.draw(pieces)))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_letters_wounded_at_random(data: st.DataObject) -> None:
    """A letter with marks, line ends and quotes put into it keeps its evidence."""
    subject, text = data.draw(st.sampled_from(letters()))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(GLUES)) + text[at:]
    if data.draw(st.booleans()):
        width = data.draw(st.integers(12, 80))
        text = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert_nothing_is_left_out(subject, text)


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_decisions_made_from_their_patterns_and_wounded(data: st.DataObject) -> None:
    """What a pattern matches is found, wherever it is wrapped, spaced or quoted."""
    entries = [e for lexicon in lexicons().values() for e in lexicon.of(Section.DECISION)]
    entry = data.draw(st.sampled_from(entries))
    text = data.draw(st.from_regex(data.draw(st.sampled_from(entry.alternatives))))
    text = data.draw(st.sampled_from(("", *entry.cues))) + text
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(GLUES)) + text[at:]
    before, behind = (
        data.draw(st.sampled_from(("", "。", "\n\n", "事", "お見", "It is "))) for _ in "ab"
    )
    assert_nothing_is_left_out("", before + text + behind)


@pytest.mark.parametrize(
    "text",
    [
        'We have decided n「o」t to move forward with your application, not "now".',
        "We are unable 「\nto」 offer you the position.\n\nNo「\nt selected.",
        "I am sorry, but we will no「\nt be moving forward with your application. Not so.",
        "word " * 260 + "we will not be moving forward with your application, not at all",
        "拝啓\n\nNOT「\n」SELECTED\n\n不\n採\n用\n\nご縁が\nありません\nでした。採用",
    ],
)
def test_words_made_where_something_vanished(text: str) -> None:
    """Quote marks, brackets and joined lines make words that are not in the text as it stands."""
    assert_nothing_is_left_out("", text)


def test_ordinary_letter_has_no_candidates() -> None:
    """A letter that holds common words of decisions, but none in a sentence, goes the short way."""
    text = (
        "Hi Yui,\n\nI am not sure whether the other colleague can go to the meeting on Monday.\n"
        "Could you ask whether the position of the desks is right? We will have a look.\n"
    )
    assert find_candidates("Desks", text, lexicons()) == {}
    letter = Letter("Desks", "hr@example.com", "", ("a@example.com",), text)
    assert judge_mail(letter, lexicons()) is NOTHING_SAID
