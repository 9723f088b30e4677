"""The letters and mails that recognisers are measured on, read as the relay reads them.

The letters are those of `examples.py` that stand in `../shared/letters` and `tests/written`. The
other letters of the tests are learned from and not measured: whoever wrote the lexicons wrote them
beside. Ordinary mail is that of a public collection, `../shared/mime/ordinary`: none of it turns an
applicant down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from examples import (
    ROOT,
    SHARED,
    TWINS,
    WRITTEN,
    Example,
    letter_of,
    read_example,
    read_rows,
    read_samples,
)

from relay.cli.letterfile import envelope_from_header
from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.letter import Letter
from relay.mimemap import MapError, map_message
from relay.sentences import normalise

LANGUAGES = ("ja", "en")
ORDINARY = ROOT.parent / "shared" / "mime" / "ordinary"
ORDINARY_SOURCE = "-ordinary"
QUICK_SOURCES = ("first-round", "ja-a", "ja-b", "en-a", "en-b")
QUICK_MAILS = 40


class Group(StrEnum):
    """What letters are counted together."""

    LETTERS = "letters"
    TWINS = "twins"  # Pairs that differ in the one thing that decides.
    ORDINARY = "ordinary"  # Business mail that was not written to mislead.
    ARGUABLE = "arguable"  # People could argue about the answer; their notes say so.


@dataclass(frozen=True, slots=True)
class Sample:
    """A letter whose answer is known."""

    example: Example
    kind: str
    letter: Letter
    text: str
    """Subject and own text, which the peers are given as well: no quotes, no signature."""
    is_measured: bool

    @property
    def group(self) -> Group:
        """Return where the letter counts."""
        if self.example.is_arguable:
            return Group.ARGUABLE
        source = self.example.source
        if source.endswith(TWINS):
            return Group.TWINS
        return Group.ORDINARY if source.endswith(ORDINARY_SOURCE) else Group.LETTERS


@dataclass(frozen=True, slots=True)
class Mail:
    """An ordinary mail and the envelope that it probably had."""

    message: bytes
    envelope: Envelope


def read_language(language: str, lexicons: Lexicons, *, is_quick: bool) -> list[Sample]:
    """Return the letters in a language, or those of a few sources."""
    files = {path.stem for folder in (SHARED, WRITTEN) for path in folder.glob("*.jsonl")}
    rows = ((source, row, letter_of(row)) for source, row in read_rows())
    samples: list[Sample] = []
    for source, row, letter in chain(rows, read_samples()):
        if is_quick and source not in QUICK_SOURCES:
            continue
        example = read_example(source, row, letter, language, lexicons)
        if example is not None:
            text = f"{normalise(letter.subject)}\n{normalise(letter.text)}"
            samples.append(Sample(example, row.get("kind", ""), letter, text, source in files))
    return samples


def read_ordinary(*, is_quick: bool) -> Sequence[Mail]:
    """Return the ordinary mails, or a few of them; none where the collection is not to be had."""
    paths = sorted(ORDINARY.glob("*.eml"))
    mails: list[Mail] = []
    for path in paths[:: max(1, len(paths) // QUICK_MAILS) if is_quick else 1]:
        message = path.read_bytes()
        try:
            found = envelope_from_header(map_message(message))
        except MapError:
            found = Envelope("", ())
        # Some say nothing that can be read of who wrote to whom, and had an envelope all the same.
        mails.append(Mail(message, Envelope(found.sender or "-", found.recipients or ("-",))))
    return mails
