"""Approved letters: the templates that an admin has approved, and whether a letter is one of them.

Of a letter only its fingerprint is here, besides what the admin has said about it.

Pure: values in, values out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relay.candidates import without_quotations
from relay.entries import Lexicons, Section
from relay.evidence import FORBIDDING_WEIGHT, Evidence
from relay.fingerprint import Fingerprint, count_sentences
from relay.letter import Letter
from relay.lines import prepare
from relay.sentences import normalise, split
from relay.verdict import Verdict

# A letter of this many sentences is none that a template was written for.
SENTENCES_MAX = 200


@dataclass(frozen=True, slots=True)
class ApprovedLetter:
    """One template of a company."""

    company: str
    fingerprint: Fingerprint
    language: str
    approved: str
    """The moment, in UTC as ISO 8601 writes it."""
    label: str = ""
    """The admin's own name for it."""


class ApprovedLetters:
    """All approved letters, found by company and outline; never changed."""

    def __init__(self, letters: Iterable[ApprovedLetter] = ()) -> None:
        self.letters = tuple(letters)
        self._sizes = {(one.company, len(one.fingerprint.sentences)) for one in self.letters}
        self._companies = {company for company, _ in self._sizes}
        self._found: dict[tuple[str, str], list[ApprovedLetter]] = {}
        for letter in self.letters:
            key = letter.company, letter.fingerprint.outline
            self._found.setdefault(key, []).append(letter)

    def may_hold(self, company: str, text: str) -> bool:
        """Say whether one of the company's has as many sentences as a text, which most have not."""
        return company in self._companies and (company, count_sentences(text)) in self._sizes

    def find(self, company: str, fingerprint: Fingerprint) -> ApprovedLetter | None:
        """Return the approved letter of the company that a letter is, if any."""
        for letter in self._found.get((company, fingerprint.outline), ()):
            if fingerprint.matches(letter.fingerprint):
                return letter
        return None


def is_forbidden(verdict: Verdict) -> bool:
    """Say whether a counter-cue forbids the line, whoever has approved the letter."""
    return any(map(_forbids, verdict.evidence))


def find_forbidding(letter: Letter, verdict: Verdict, lexicons: Lexicons) -> Evidence | None:
    """Return a counter-cue for which a letter cannot be approved, if there is one.

    Of letters without a decision the verdict holds no evidence: their sentences are looked at here.
    """
    for item in verdict.evidence:
        if _forbids(item):
            return item
    subject, text = normalise(letter.subject), normalise(letter.text)
    sentences = split(subject, without_quotations(text), verdict.language)
    for line in prepare(sentences, lexicons):
        for entry, match in line.found(Section.COUNTER):
            if entry.weight <= FORBIDDING_WEIGHT:
                return Evidence(f"{entry.section}.{entry.name}", entry.weight, match.group())
    return None


def _forbids(item: Evidence) -> bool:
    return item.name.startswith("counter.") and item.weight <= FORBIDDING_WEIGHT
