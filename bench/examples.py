"""The letters that are learned from, read as the relay reads them.

They are those of `../shared/letters`, `tests/written`, `tests/letters` and others of the tests,
whose answer is known. The source of a letter is the file it stands in, and mostly one author.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from relay.candidates import find_candidates
from relay.cli.judge import build_message
from relay.cli.letterfile import envelope_from_header
from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.evidence import weigh_texts
from relay.letter import Letter, read_letter
from relay.mimemap import MapError, map_message
from relay.sentences import language_of, normalise
from relay.verdict import ground_of, is_ruled_out, weight_of
from relay.wording import Ground, subject_of

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "letters"
WRITTEN = ROOT / "tests" / "written"
SAMPLES = ROOT / "tests" / "letters"

# Runs of words in English, of characters in Japanese: longer ones recur too seldom.
GRAM_SIZES = {"en": range(1, 5), "ja": range(2, 5)}
# Of subjects, runs of characters in any language: they are short, and half of them no sentences.
SUBJECT_SIZES = range(2, 5)
# Pairs of letters that differ in one thing each teach, but no mailbox is made of them. How sure a
# sum is shows on the other letters that were written for us.
TWINS = "-twins"


@dataclass(frozen=True, slots=True)
class Example:
    """A letter whose answer is known: its source, its grams, and what the lexicon says."""

    source: str
    id: str
    is_rejection: bool
    is_forbidden: bool
    ground: Ground
    whole: Counter[str]
    subject: Counter[str]
    weight: float
    is_arguable: bool


def read_rows() -> Iterable[tuple[str, dict[str, Any]]]:
    """Give each letter as a row, with the source it comes from."""
    for path in sorted([*SHARED.glob("*.jsonl"), *WRITTEN.glob("*.jsonl")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield path.stem, {**row, "subject": row.get("subject"), "note": row.get("note") or ""}
    for name in ("longer_letters", "short_letters"):
        tables = tomllib.loads((ROOT / "tests" / "relay" / f"{name}.toml").read_text("utf-8"))
        for label, rows in tables.items():
            for number, row in enumerate(rows):
                yield (
                    name,
                    {
                        "id": f"{name}-{label}-{number}",
                        "label": "rejection" if label == "rejection" else "negative",
                        "subject": row.get("subject"),
                        "body": row["text"],
                        "note": "",
                    },
                )


def read_examples(language: str, lexicons: Lexicons) -> list[Example]:
    """Return the letters of a language, each with what the lexicon says of it."""
    letters = chain(
        ((source, row, letter_of(row)) for source, row in read_rows()),
        read_samples(),
    )
    read = (read_example(*letter, language, lexicons) for letter in letters)
    return [example for example in read if example is not None]


def read_samples() -> Iterable[tuple[str, dict[str, Any], Letter]]:
    """Give the sample letters of the tests, which are whole messages."""
    for path in sorted(SAMPLES.glob("*.eml")):
        known = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
        try:
            message_map = map_message(path.read_bytes())
        except MapError:
            continue
        envelope = Envelope(known.get("sender", ""), tuple(known.get("recipients", ())))
        label = "rejection" if known["verdict"] == "rejection" else "negative"
        arguable = "ambiguous" if known["verdict"] == "unsure" else ""
        row = {"id": path.stem, "label": label, "note": arguable}
        yield "samples", row, read_letter(message_map, envelope)


def letter_of(row: dict[str, Any]) -> Letter:
    """Return the letter of a row, made into a mail and read as one."""
    message_map = map_message(build_message(row))
    return read_letter(message_map, envelope_from_header(message_map))


def read_example(
    source: str, row: dict[str, Any], letter: Letter, language: str, lexicons: Lexicons
) -> Example | None:
    """Return what is learned from a letter, if it is in this language."""
    lexicon = lexicons[language]
    subject, text = normalise(letter.subject), normalise(letter.text)
    whole = f"{subject}\n{text}"
    if language_of(whole) != language:
        return None
    candidates = find_candidates(subject, text, lexicons)
    evidence = weigh_texts(letter, subject, text, language, candidates, lexicons)
    return Example(
        source=source,
        id=row["id"],
        is_rejection=row["label"] == "rejection",
        is_forbidden=is_ruled_out(evidence),
        ground=ground_of(evidence),
        whole=Counter(grams_of(lexicon.wording_text(whole), language)),
        subject=Counter(runs_of(subject_of(subject), SUBJECT_SIZES)),
        weight=round(weight_of(evidence), 3),
        is_arguable="ambiguous" in row["note"] or "borderline" in row["note"],
    )


def grams_of(text: str, language: str) -> Iterable[str]:
    """Give the grams of a text as the model of the language reads it."""
    sizes = GRAM_SIZES[language]
    if language == "ja":
        yield from runs_of(text, sizes)
        return
    words = text.split()
    for size in sizes:
        for at in range(len(words) - size + 1):
            yield f" {' '.join(words[at : at + size])} "


def runs_of(text: str, sizes: Iterable[int]) -> Iterable[str]:
    """Give the runs of characters of a text."""
    for size in sizes:
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def calibrating() -> set[str]:
    """Return the sources that show how sure a sum is."""
    return {path.stem for path in WRITTEN.glob("*.jsonl") if not path.stem.endswith(TWINS)}
