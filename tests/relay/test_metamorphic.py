"""What changes nothing about a letter, and what makes another thing of it.

Each letter (our own, and the development letters where they are beside the repository) is written
in other lines, widths, charsets and markup and set among other words: it is read and judged as
before. Quoted, conditional, turned round or about something else, a rejection is none any more.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from relay.cli.letterfile import envelope_from_header
from relay.letter import Words, read_letter, read_words
from relay.mimemap import map_message
from relay.sentences import cut, language_of, normalise
from relay.verdict import Kind, Verdict, judge
from tests.lexicons import installed_lexicons
from tests.relay import exchanged, opposites, rewriting
from tests.relay.rewriting import build, is_wide

Row = dict[str, str]

HERE = Path(__file__).parent
DEVELOPMENT = HERE.parents[1].parent / "shared" / "letters"
FILES = ("ja.jsonl", "en.jsonl", "public-en.jsonl")
LEXICONS = installed_lexicons()


def _own_letters() -> Iterator[Row]:
    letters = tomllib.loads((HERE / "longer_letters.toml").read_text(encoding="utf-8"))
    for label, rows in letters.items():
        for number, row in enumerate(rows):
            body = row["text"].strip("\n")
            yield {
                "id": f"{label}-{number}",
                "label": label,
                "subject": row["subject"],
                "body": body,
            }


def _development_letters() -> Iterator[Row]:
    for name in FILES if DEVELOPMENT.is_dir() else ():
        for line in (DEVELOPMENT / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield {
                key: row.get(key) or "" for key in ("id", "label", "subject", "from", "to", "body")
            }


LETTERS = [*_own_letters(), *_development_letters()]
WIDE = [row for row in LETTERS if is_wide(row["body"])]
LATIN = [row for row in LETTERS if not is_wide(row["body"])]
# A signature below history belongs to whoever wrote that.
HISTORY_MARKS = ("\n>", "wrote:", "-----", "差出人", "From:")
FRESH = [row for row in LETTERS if not any(mark in row["body"] for mark in HISTORY_MARKS)]


def words_of(message: bytes) -> Words:
    """Return what is read of a message."""
    return read_words(map_message(message))


@cache
def own_words(number: int) -> Words:
    """Return what is read of a letter as it is."""
    row = LETTERS[number]
    return words_of(build(row, row["body"]))


NUMBERS = {row["id"]: number for number, row in enumerate(LETTERS)}


def as_written(row: Row) -> Words:
    """Return what is read of the letter of a row as it is."""
    return own_words(NUMBERS[row["id"]])


def sentences(words: Words) -> list[str]:
    """Return what the judge looks at: the sentences of subject and text."""
    return cut(normalise(words.subject), normalise(words.text))


def judged(message: bytes) -> Verdict:
    """Return the verdict on a message."""
    message_map = map_message(message)
    return judge(read_letter(message_map, envelope_from_header(message_map)), LEXICONS)


@cache
def verdict_as_written(number: int) -> Verdict:
    """Return the verdict on a letter as it is."""
    return judged(build(LETTERS[number], LETTERS[number]["body"]))


def is_rejection(verdict: Verdict) -> bool:
    """Tell whether a letter would get the line."""
    return verdict.kind is Kind.REJECTION


def language(row: Row) -> str:
    """Return the language of a letter."""
    return language_of(normalise(as_written(row).text))


def read_otherwise(rows: list[Row], rewrite: Callable[[Row], bytes]) -> list[str]:
    """Return the ids of the letters of which other sentences are read when they are rewritten."""
    return [
        row["id"] for row in rows if sentences(words_of(rewrite(row))) != sentences(as_written(row))
    ]


CHARSETS = [
    ("iso2022_jp", "iso-2022-jp", "7bit"),
    ("iso2022_jp", "iso-2022-jp", "base64"),
    ("cp932", "shift_jis", "8bit"),
    ("cp932", "windows-31j", "quoted-printable"),
    ("euc_jp", "euc-jp", "base64"),
    ("euc_jp", "euc-jp", "8bit"),
    ("utf-8", "utf-8", "8bit"),
    ("utf-8", "utf-8", "quoted-printable"),
    ("utf-16", "utf-16", "base64"),
    ("utf-8", "iso-2022-jp", "8bit"),
    ("cp932", "iso-2022-jp", "base64"),
    ("euc_jp", "utf-8", "quoted-printable"),
]


@pytest.mark.parametrize(("codec", "label", "encoding"), CHARSETS)
def test_the_charset_does_not_matter(codec: str, label: str, encoding: str) -> None:
    """What a charset can write is read in it to the letter, also under a wrong label."""
    rows = [row for row in WIDE if is_writable(row["body"], codec)]
    assert 2 * len(rows) > len(WIDE)
    changed = [
        row["id"]
        for row in rows
        if words_of(build(row, row["body"], charset=label, codec=codec, encoding=encoding))
        != as_written(row)
    ]
    assert changed == []


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1252", "utf-8", "us-ascii"])
def test_the_western_charset_does_not_matter(label: str) -> None:
    """Letters in Latin script are read in the charset of Windows under any usual label."""
    rows = [row for row in LATIN if is_writable(row["body"], "cp1252")]
    assert 2 * len(rows) > len(LATIN)
    changed = [
        row["id"]
        for row in rows
        if words_of(build(row, row["body"], charset=label, codec="cp1252")) != as_written(row)
    ]
    assert changed == []


def is_writable(text: str, codec: str) -> bool:
    """Tell whether a charset has all characters of a text."""
    try:
        # Python writes some that are not in CP932 as others that look alike.
        return text.encode(codec).decode(codec).replace("～", "〜") == text.replace("～", "〜")
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize(
    "markup",
    [rewriting.as_word, rewriting.as_gmail, rewriting.as_apple, rewriting.as_ats],
    ids=["word", "gmail", "apple", "ats"],
)
def test_markup_does_not_matter(markup: Callable[[str], str]) -> None:
    """As HTML of four programs, a letter says the same sentences."""
    assert (
        read_otherwise(LETTERS, lambda row: build(row, markup(row["body"]), subtype="html")) == []
    )


@pytest.mark.parametrize(
    "width",
    [rewriting.half_kana, rewriting.full_width, rewriting.half_width],
    ids=["half-kana", "full-width", "half-width"],
)
def test_widths_do_not_matter(width: Callable[[str], str]) -> None:
    """Kana, digits and Latin letters of another width are the same, in signatures as well."""
    assert read_otherwise(WIDE, lambda row: build(row, width(row["body"]))) == []


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("script", ["ja", "en"])
def test_signatures_and_footers_are_not_the_letter(script: str, number: int) -> None:
    """What is added below a letter does not change what is read of it."""
    rows = [row for row in FRESH if is_wide(row["body"]) == (script == "ja")]
    added = rewriting.SIGNATURES[script][number]
    assert read_otherwise(rows, lambda row: build(row, row["body"] + added)) == []


@pytest.mark.parametrize(
    "style",
    ["gmail", "outlook", "outlook-divider", "apple", "gmail-forward", "unmarked"],
)
def test_a_quoted_letter_is_not_the_writers(style: str) -> None:
    """Of a reply or forward the words above are read, and nothing of the letter below."""
    wrong: list[str] = []
    # A letter that begins with a quote of its own is answered below it.
    for row in (row for row in LETTERS if not row["body"].startswith(">")):
        cover, quoted = rewriting.quotes(row["body"])[style]
        if words_of(build(row, f"{cover}\n\n{quoted}")).text != cover:
            wrong.append(row["id"])
    assert wrong == []


REWRAPPED: dict[str, tuple[list[Row], Callable[[str], str]]] = {
    "ja-30": (WIDE, lambda text: rewriting.rewrap(text, 30)),
    "ja-36": (WIDE, lambda text: rewriting.rewrap(text, 36)),
    "en-60": (LATIN, lambda text: rewriting.rewrap(text, 60)),
    "en-72": (LATIN, lambda text: rewriting.rewrap(text, 72)),
    "unwrapped": (LETTERS, rewriting.unwrap),
}


@pytest.mark.parametrize("way", REWRAPPED)
def test_the_columns_do_not_matter(way: str) -> None:
    """However wide its lines, a letter is judged as before, and says nearly the same sentences."""
    rows, rewrap = REWRAPPED[way]
    otherwise = read_otherwise(rows, lambda row: build(row, rewrap(row["body"])))
    assert len(otherwise) < 0.1 * len(rows)
    changed = {
        name
        for name in otherwise
        if is_rejection(
            judged(build(LETTERS[NUMBERS[name]], rewrap(LETTERS[NUMBERS[name]]["body"])))
        )
        != is_rejection(verdict_as_written(NUMBERS[name]))
    }
    assert changed == set()


def test_a_salutation_does_not_matter() -> None:
    """A letter that addresses somebody else first is judged as before."""
    changed: list[str] = []
    rows = [row for row in FRESH if language(row) in ("ja", "en")]
    for number, row in enumerate(rows):
        names = rewriting.salutations(row["body"])
        message = build(row, names[number % len(names)] + row["body"])
        if is_rejection(judged(message)) != is_rejection(verdict_as_written(NUMBERS[row["id"]])):
            changed.append(row["id"])
    assert changed == []


REJECTIONS = [
    row for row in LETTERS if row["label"] == "rejection" and language(row) in ("ja", "en")
]
NEUTRAL = {"subject": "ご連絡"}
APPLICANT = {
    "subject": "Re: ご連絡",
    "from": "砂川 美帆 <m.sunakawa@mail.example.com>",
    "to": "採用ご担当者様 <saiyo@yamanami.example.jp>",
}


def still_rejected(letters: list[tuple[Row, Row, str]]) -> list[str]:
    """Return the ids of the rows whose rewritten letters are taken for rejections."""
    return [row["id"] for row, header, text in letters if is_rejection(judged(build(header, text)))]


def conditionals() -> list[tuple[Row, Row, str]]:
    """Return the letters that can be put in the conditional, with their header."""
    made = (
        (row, opposites.conditional(as_written(row).text, number))
        for number, row in enumerate(REJECTIONS)
    )
    return [(row, {**row, **NEUTRAL}, text) for row, text in made if text is not None]


def applicants(turn: Callable[[str], str | None]) -> list[tuple[Row, Row, str]]:
    """Return the letters that an applicant can say, with their header."""
    made = ((row, turn(as_written(row).text)) for row in REJECTIONS)
    return [(row, APPLICANT, text) for row, text in made if text is not None]


def others(thing: str) -> list[tuple[Row, Row, str]]:
    """Return the letters that can be about something else, with their header."""
    made = ((row, exchanged.about(as_written(row).text, thing)) for row in REJECTIONS)
    senders = exchanged.SENDERS[thing]
    return [
        (row, {**NEUTRAL, "from": senders[not is_wide(text)]}, text)
        for row, text in made
        if text is not None
    ]


def share(least: float) -> float:
    """Return how many of the rejections a share is."""
    return least * len(REJECTIONS)


def test_a_condition_is_no_decision() -> None:
    """What would be decided under a condition is not decided; a fifth of the letters can say it."""
    letters = conditionals()
    assert len(letters) >= share(0.2)
    assert still_rejected(letters) == []


@pytest.mark.parametrize(("turn", "least"), [(opposites.reported, 0.2), (opposites.withdrawn, 0.1)])
def test_an_applicant_rejects_nobody(turn: Callable[[str], str | None], least: float) -> None:
    """Reporting the decision or withdrawing in its words, the applicant turns no applicant down."""
    letters = applicants(turn)
    assert len(letters) >= share(least)
    assert still_rejected(letters) == []


@pytest.mark.parametrize("thing", exchanged.SENDERS)
def test_another_object_is_no_job(thing: str) -> None:
    """The same words to a bidder, a borrower or an entrant are no rejection of an applicant."""
    letters = others(thing)
    assert len(letters) >= share(0.1)
    assert still_rejected(letters) == []
