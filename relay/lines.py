"""The sentences of a letter made ready for the patterns of their language.

Only letters that may hold a decision come here, and of each of their sentences several questions
are asked. What an entry needs is looked for in all sentences at once, so that few patterns are
tried in vain, and what was found is kept. Only what certainly does not match is left out.

Pure: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

from relay.candidates import has_cue, without_emphasis
from relay.entries import Entry, Lexicon, Lexicons, Scope, Section
from relay.fragments import fragments_needed, phrases_needed
from relay.needles import PARAGRAPH_END, Needles
from relay.sentences import Sentence

# There are lexicons of seven languages, and of companies with wordings of their own at most 200.
LEXICONS_MAX = 256

# What is looked for in each sentence besides decisions.
_SECTIONS = (Section.OBJECT, Section.FOREIGN, Section.SUPPORT, Section.COUNTER, Section.READER)

Match = tuple[Entry, re.Match[str]]
_Likely = Mapping[Section, Sequence[Entry]]


def _nothing_known() -> dict[Section, tuple[Match, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence as its lexicon expects it (`plain`) and as it was read (`text`)."""

    plain: str
    text: str
    lexicon: Lexicon
    is_subject: bool
    signs: Set[str]
    # What may be in it, by section and in the order of the file.
    likely: _Likely
    # What `found` found of that; nobody else writes here.
    _known: dict[Section, tuple[Match, ...]] = field(default_factory=_nothing_known)

    def found(self, section: Section) -> tuple[Match, ...]:
        """Return what the sentence holds of a section."""
        known = self._known.get(section)
        if known is None:
            known = tuple(matching(self.plain, self.likely.get(section, ())))
            self._known[section] = known
        return known


def matching(plain: str, entries: Iterable[Entry]) -> Iterable[Match]:
    """Give the entries that match a plain text, each with its first match."""
    for entry in entries:
        if not entry.cues or has_cue(entry, plain):
            match = entry.pattern.search(plain)
            if match:
                yield entry, match


def prepare(sentences: Iterable[Sentence], lexicons: Lexicons) -> list[Line]:
    """Return the sentences of languages that have a lexicon."""
    lines: list[Line] = []
    for language, group in groupby(sentences, key=lambda sentence: sentence.language):
        lexicon = lexicons.get(language)
        if lexicon is None:
            continue
        run = tuple(group)
        plains = lexicon.plain_lines([without_emphasis(sentence.text) for sentence in run])
        signs = [lexicon.signs_in(plain) for plain in plains]
        likely = _likely(plains, signs, lexicon)
        lines += [
            Line(plain, sentence.text, lexicon, sentence.is_subject, shown, known)
            for sentence, plain, shown, known in zip(run, plains, signs, likely, strict=True)
        ]
    return lines


def _likely(
    plains: Sequence[str], signs: Sequence[Set[str]], lexicon: Lexicon
) -> Sequence[_Likely]:
    """Return for each sentence what may be in it."""
    entries = [entry for section in _SECTIONS for entry in lexicon.of(section, Scope.SENTENCE)]
    alternatives = [entry for entry in entries for _ in entry.alternatives]
    needles = _needles(tuple(entry.alternatives for entry in entries), has_words=lexicon.folds_case)
    likely: list[dict[Section, list[Entry]]] = [{} for _ in plains]
    text = PARAGRAPH_END.join(plain.replace(PARAGRAPH_END, " ") for plain in plains)
    for index, places in needles.find(text).items():
        entry = alternatives[index]
        for place in places:
            if entry.may_match(signs[place]):
                known = likely[place].setdefault(entry.section, [])
                if not known or known[-1] is not entry:
                    known.append(entry)
    return likely


@lru_cache(maxsize=LEXICONS_MAX)
def _needles(patterns: tuple[tuple[str, ...], ...], *, has_words: bool) -> Needles:
    """Return the strings that the patterns of some entries need, made ready to be looked for."""
    needed = phrases_needed if has_words else fragments_needed
    return Needles(groups for alternatives in patterns for groups in needed(alternatives))
