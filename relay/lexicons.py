"""The words we know a rejection by: data files of one language each,
`relay/lexicon/<language>.toml`.

The files are for people who know letters, not code. Every entry has a name, what it is for, a
weight and patterns; `[words]` names parts that patterns share. A pattern is matched against
one sentence (or what `scope` says) after the language's spelling variants have been made
alike. `phrases` are plain words without any pattern language: trades, say. Loading checks
everything and names file, entry and fault, so a slip in a data file stops the start, not a letter.

Sections, in the order in which they decide:

    decision    the sentence says that the reader is not taken
    object      words of a job application        foreign   words of anything else one can refuse
    reader      words to an applicant: without any, the letter may be about one, not to one
    support     what stands around a rejection    counter   what never stands in one (an offer)
    assertion   what makes a decision conditional, reported or denied: it then counts nothing
    stage, position   what is read off for the statistics, without personal data
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, cast

from relay.fragments import Groups as Pieces
from relay.fragments import fragments_needed, phrases_needed
from relay.literals import (
    Groups,
    pairs_in,
    pairs_needed,
    stems_in,
    stems_needed,
    words_needed,
)
from relay.needles import Needles, Strings
from relay.wording import Wording, WordingError, characters_of, load_wording, words_of

# Entries come from our own files, but a company may extend them: a slip must not eat the memory.
PATTERN_SIZE_MAX_CHARS = 4000
PHRASE_SIZE_MAX_CHARS = 100

# The sign that every text shows, and a pattern needs of which nothing better is known.
ANY_TEXT = ""

_WORD = re.compile(r"\{([a-z_]+)\}")
_FOLDER = Path(__file__).parent / "lexicon"


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
    # What letters in this language sound like, if that was learned.
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


def load_lexicons(folder: Path = _FOLDER) -> Lexicons:
    """Return every lexicon of the folder by language; raises LexiconError on the first fault."""
    lexicons: dict[str, Lexicon] = {}
    for path in sorted(folder.glob("*.toml")):
        lexicon = parse_lexicon(path.read_text(encoding="utf-8"), path.name)
        learned = path.with_suffix(".wording")
        if learned.exists():
            lexicon = replace(lexicon, wording=_load_wording(learned))
        lexicons[lexicon.language] = lexicon
    if not lexicons:
        raise LexiconError(f"{folder}: no lexicon file (*.toml) found")
    return lexicons


def _load_wording(path: Path) -> Wording:
    try:
        return load_wording(path)
    except WordingError as error:
        raise LexiconError(str(error)) from error


def parse_lexicon(text: str, file: str) -> Lexicon:
    """Return the lexicon written in `text`; `file` is named in errors."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LexiconError(f"{file}: not TOML: {error}") from error
    language = data.pop("language", None)
    if not isinstance(language, str) or not language:
        raise LexiconError(f"{file}: 'language' must be a language code such as \"ja\"")
    folds_case = bool(data.pop("folds_case", False))
    gate = _list_of_strings(data.pop("gate", []), f"{file}: 'gate'")
    words = _strings(data.pop("words", {}), f"{file}: [words]")
    spellings = _strings(data.pop("spellings", {}), f"{file}: [spellings]")
    entries: dict[Section, tuple[Entry, ...]] = {}
    for key, rows in data.items():
        if key not in set(Section):
            raise LexiconError(f"{file}: unknown section [[{key}]]; known: {', '.join(Section)}")
        section = Section(key)
        parsed = (
            _parse_entry(row, section, words, spellings, file, folds_case=folds_case)
            for row in rows
        )
        if folds_case and section is Section.DECISION:
            parsed = (_with_needs(entry, spellings) for entry in parsed)
        entries[section] = tuple(parsed)
    variants = tuple((rarest(variant), variant, form) for variant, form in spellings.items())
    decisions = entries.get(Section.DECISION, ())
    alternatives = tuple(
        chain.from_iterable(_alternatives(entry, has_words=folds_case) for entry in decisions)
    )
    scoped = {
        (section, scope): tuple(entry for entry in found if entry.scope is scope)
        for section, found in entries.items()
        for scope in Scope
    }
    return Lexicon(
        language=language,
        spellings=variants,
        folds_case=folds_case,
        entries=entries,
        scoped=scoped,
        hides_phrases=any(map(_hides_phrases, spellings)),
        alternatives=alternatives,
        needles=Needles(one.strings for one in alternatives),
        needed_words=frozenset(
            word for one in alternatives for group in one.words for word in group
        ),
        gate=Strings(_gate_strings(gate, folds_case=folds_case)) if gate else None,
    )


def _gate_strings(words: Sequence[str], *, folds_case: bool) -> list[str]:
    """Return what is looked for in a text as the model of the wording reads it."""
    if not folds_case:
        return [characters_of(word) for word in words]
    return [
        f" {word.lower().removesuffix('*')}" + ("" if word.endswith("*") else " ") for word in words
    ]


def _alternatives(entry: Entry, *, has_words: bool) -> list[Alternative]:
    if has_words:
        strings = phrases_needed(entry.alternatives)
        return [Alternative(entry, *needs) for needs in zip(entry.needs, strings, strict=True)]
    return [Alternative(entry, (), needs) for needs in fragments_needed(entry.alternatives)]


def _hides_phrases(variant: str) -> bool:
    return " " in variant and not variant.isspace() and not variant.startswith("'")


def rarest(text: str) -> str:
    """Return the character of a word that most texts lack: a sign, or what comes last in Unicode.

    Of kana and kanji that is the kanji.
    """
    return max(text, key=lambda character: (character in "'-", character), default="")


_ALLOWED = {
    "name",
    "patterns",
    "phrases",
    "weight",
    "cues",
    "scope",
    "object_min",
    "needs_job",
    "code",
    "comment",
}


def _parse_entry(
    row: Any,
    section: Section,
    words: Mapping[str, str],
    spellings: Mapping[str, str],
    file: str,
    *,
    folds_case: bool,
) -> Entry:
    if not isinstance(row, dict):
        raise LexiconError(f"{file}: [[{section}]] must be a table")
    fields = cast(dict[str, Any], row)
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        raise LexiconError(f"{file}: an entry of [[{section}]] has no 'name'")
    where = f"{file}: [[{section}]] {name!r}"
    for unknown in fields.keys() - _ALLOWED:
        raise LexiconError(
            f"{where}: unknown key {unknown!r}; known: {', '.join(sorted(_ALLOWED))}"
        )
    if not isinstance(fields.get("comment"), str):
        raise LexiconError(f"{where}: 'comment' must say what the entry is for")
    try:
        scope = Scope(fields.get("scope", Scope.SENTENCE))
    except ValueError as error:
        raise LexiconError(f"{where}: 'scope' must be one of {', '.join(Scope)}") from error
    cues = tuple(filter(None, _list_of_strings(fields.get("cues", []), f"{where}: 'cues'")))
    patterns = _filled(fields.get("patterns", []), words, where)
    phrases = _list_of_strings(fields.get("phrases", []), f"{where}: 'phrases'")
    if phrases:
        patterns.append(_pattern_of(phrases, spellings, where, folds_case=folds_case))
    if not patterns:
        raise LexiconError(f"{where}: 'patterns' is empty")
    pattern = "|".join(patterns)
    groups = stems_needed(pattern) if folds_case else pairs_needed(pattern)
    return Entry(
        name=name,
        section=section,
        scope=scope,
        pattern=re.compile(pattern),
        alternatives=tuple(patterns),
        needs=(),
        signs=min(groups, key=len, default=frozenset({ANY_TEXT})),
        weight=_number(fields, "weight", where),
        cues=cues,
        object_min=_number(fields, "object_min", where),
        needs_job=fields.get("needs_job", False) is True,
        code=str(fields.get("code", "")),
    )


def _with_needs(entry: Entry, spellings: Mapping[str, str]) -> Entry:
    """Return the entry with the words that each of its patterns needs."""
    # A variant of two words may be met over the end of a sentence, and hides words there.
    unsure = {word for variant in spellings if " " in variant for word in variant.split()}
    needs = (
        tuple(group for group in words_needed(pattern) if group.isdisjoint(unsure))
        for pattern in entry.alternatives
    )
    return replace(entry, needs=tuple(needs))


def _filled(patterns: Any, words: Mapping[str, str], where: str) -> list[str]:
    """Return the patterns of an entry with their words filled in, each checked."""
    alternatives: list[str] = []
    for pattern in _list_of_strings(patterns, f"{where}: 'patterns'"):
        try:
            filled = _fill(pattern, words)
            re.compile(filled)
        except KeyError as error:
            raise LexiconError(
                f"{where}: {pattern!r} uses {{{error.args[0]}}}, not in [words]"
            ) from None
        except re.error as error:
            raise LexiconError(f"{where}: {pattern!r} is no regular expression: {error}") from error
        if len(pattern) > PATTERN_SIZE_MAX_CHARS:
            raise LexiconError(f"{where}: a pattern is over {PATTERN_SIZE_MAX_CHARS} characters")
        alternatives.append(filled)
    return alternatives


def _pattern_of(
    phrases: Sequence[str], spellings: Mapping[str, str], where: str, *, folds_case: bool
) -> str:
    """Return the pattern of plain words: whole ones, or their plural, where a script has words."""
    plain: set[str] = set()
    for phrase in phrases:
        if not phrase.strip() or len(phrase) > PHRASE_SIZE_MAX_CHARS:
            raise LexiconError(
                f"{where}: a phrase must have 1 to {PHRASE_SIZE_MAX_CHARS} characters: {phrase!r}"
            )
        text = phrase.lower() if folds_case else phrase
        for variant, form in spellings.items():
            text = text.replace(variant, form)
        plain.add(re.escape(text.strip()).replace("\\ ", " ").replace("\\-", "-"))
    joined = "|".join(sorted(plain, key=lambda text: (-len(text), text)))
    return rf"\b(?:{joined})(?:s|es)?\b" if folds_case else joined


def _fill(pattern: str, words: Mapping[str, str]) -> str:
    """Return the pattern with each `{word}` replaced, words within words too."""
    for _ in range(4):  # Words nest a few levels at most; a word that names itself ends here.
        filled = _WORD.sub(lambda m: f"(?:{words[m.group(1)]})", pattern)
        if filled == pattern:
            break
        pattern = filled
    return pattern


def _number(fields: Mapping[str, Any], key: str, where: str) -> float:
    value = fields.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LexiconError(f"{where}: {key!r} must be a number")
    return float(value)


def _list_of_strings(value: object, where: str) -> list[str]:
    if not isinstance(value, list):
        raise LexiconError(f"{where} must be a list of strings")
    items = cast(list[object], value)
    if not all(isinstance(item, str) for item in items):
        raise LexiconError(f"{where} must be a list of strings")
    return cast(list[str], items)


def _strings(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(v, str) for v in cast(dict[str, Any], value).values()
    ):
        raise LexiconError(f"{where} must be a table of strings")
    return cast(dict[str, str], value)
