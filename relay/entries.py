"""What a lexicon is once it is read: named observations, and what is looked for before them.

`relay.lexicons` reads the files and says what each section is for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from relay.fragments import Groups as Pieces
from relay.literals import Groups, pairs_in, stems_in
from relay.needles import Needles, Strings
from relay.wording import Wording, characters_of, words_of

# The sign that every text shows, and a pattern needs of which nothing better is known.
ANY_TEXT = ""


class LexiconError(Exception):
    """A lexicon file is wrong; the text says which file, which entry and what is expected."""


class Section(StrEnum):
    """What an entry is evidence of."""

    DECISION = "decision"
    OBJECT = "object"
    FOREIGN = "foreign"
    READER = "reader"
    SUPPORT = "support"
    COUNTER = "counter"
    ASSERTION = "assertion"
    STAGE = "stage"
    POSITION = "position"


class Scope(StrEnum):
    """Where the patterns of an entry are looked for."""

    SENTENCE = "sentence"  # each sentence of the text and the subject
    OPENING = "opening"  # the first lines, joined: salutation and who writes
    TEXT = "text"  # the whole own text, joined
    SUBJECT = "subject"
    SENDER = "sender"  # display name and address of From
    RECIPIENT = "recipient"  # names and addresses of To
    BEFORE = "before"  # assertion: in the sentence, before the words of the decision
    AFTER = "after"  # assertion: directly behind the words of the decision
    WITHIN = "within"  # assertion: anywhere in the sentence of the decision
    COUNTER = "counter"  # assertion: voids not a decision but the softer counter-cues beside it


@dataclass(frozen=True, slots=True)
class Entry:
    """One named observation the lexicon can make."""

    name: str
    section: Section
    scope: Scope
    pattern: re.Pattern[str]
    alternatives: tuple[str, ...]
    weight: float
    # Plain strings one of which a text must hold before the pattern is tried; empty: always tried.
    cues: tuple[str, ...]
    # For each pattern of a decision the words it needs, where a script has words and case.
    needs: tuple[Groups, ...]
    # Of these a text has one that the pattern matches, see `Lexicon.signs_in`.
    signs: frozenset[str]
    # How much other evidence of a job application a decision of this wording needs.
    object_min: float
    # Whether the words refuse grants and loans as well, so that the letter must name a job.
    needs_job: bool
    code: str
    # What it is for, in the words of who wrote it.
    comment: str

    def may_match(self, signs: Set[str]) -> bool:
        """Tell whether the pattern may match a text that has these signs."""
        return not self.signs.isdisjoint(signs)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One pattern of a decision, and what a text holds wherever the pattern matches."""

    entry: Entry
    # Where a script has words and case: of each group one as a whole word.
    words: Groups
    # Of each group one as it stands: words with the spaces between them, or pieces of writing.
    strings: Pieces


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The entries of one language by section, and its spelling variants."""

    language: str
    # Each variant with its rarest character, which is looked for first, and the form it gets.
    spellings: tuple[tuple[str, str, str], ...]
    folds_case: bool
    entries: Mapping[Section, tuple[Entry, ...]]
    scoped: Mapping[tuple[Section, Scope], tuple[Entry, ...]]
    # Whether a variant met over the end of a sentence changes more than signs.
    hides_phrases: bool
    # All patterns of decisions, and how their strings are found.
    alternatives: tuple[Alternative, ...]
    needles: Needles
    # All words that a pattern of a decision needs.
    needed_words: frozenset[str]
    # Words of which a letter holds one, if it is worth reading; `None`: any letter is.
    gate: Strings | None = None
    # Whether a model of what letters in this language sound like belongs to it, and the model.
    needs_wording: bool = False
    wording: Wording | None = None

    def may_concern(self, wording_text: str) -> bool:
        """Tell whether a letter, as `wording_text` gives it, may speak of work at all."""
        return self.gate is None or bool(self.gate.find(wording_text))

    def wording_text(self, text: str) -> str:
        """Return a text as the gate and the model of the wording read it."""
        return words_of(text) if self.folds_case else characters_of(text)

    def of(self, section: Section, scope: Scope | None = None) -> tuple[Entry, ...]:
        """Return the entries of a section, or those of one scope, in the order of the file."""
        if scope is None:
            return self.entries.get(section, ())
        return self.scoped.get((section, scope), ())

    def plain(self, text: str) -> str:
        """Return `text` with case and spelling variants made alike, as the patterns expect it."""
        if self.folds_case:
            text = text.lower()
        for mark, variant, form in self.spellings:
            if mark in text and variant in text:
                text = text.replace(variant, form)
        return text

    def signs_in(self, plain: str) -> Set[str]:
        """Return what a plain text shows of its words, for `Entry.may_match`."""
        signs = stems_in(plain) if self.folds_case else pairs_in(plain)
        signs.add(ANY_TEXT)
        return signs

    def likely(
        self, section: Section, signs: Set[str], scope: Scope = Scope.SENTENCE
    ) -> list[Entry]:
        """Return the entries that may match a text with these signs, in the order of the file."""
        entries = self.scoped.get((section, scope), ())
        return [entry for entry in entries if not entry.signs.isdisjoint(signs)]

    def plain_lines(self, lines: Sequence[str]) -> list[str]:
        """Return the lines, each made plain; all at once, because no variant holds a line end."""
        plain = self.plain("\n".join(lines)).split("\n")
        # A subject may hold a line end, in an encoded word.
        return plain if len(plain) == len(lines) else [self.plain(line) for line in lines]


Lexicons = Mapping[str, Lexicon]
