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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from relay.entries import (
    ANY_TEXT,
    Alternative,
    Entry,
    Lexicon,
    LexiconError,
    Lexicons,
    Scope,
    Section,
)
from relay.needles import Needles, Strings
from relay.needs import (
    fragments_needed,
    pairs_needed,
    phrases_needed,
    stems_needed,
    words_needed,
)
from relay.wording import Wording, WordingError, characters_of, load_wording

# Entries come from our own files, but a company may extend them: a slip must not eat the memory.
PATTERN_SIZE_MAX_CHARS = 4000
PHRASE_SIZE_MAX_CHARS = 100

_WORD = re.compile(r"\{([a-z_]+)\}")
_FOLDER = Path(__file__).parent / "lexicon"


def load_lexicons(folder: Path = _FOLDER, *, with_wording: bool = True) -> Lexicons:
    """Return every lexicon of the folder by language; raises LexiconError on the first fault.

    Whoever learns a model of the wording loads the lexicons without.
    """
    lexicons: dict[str, Lexicon] = {}
    for path in sorted(folder.glob("*.toml")):
        lexicon = parse_lexicon(path.read_text(encoding="utf-8"), path.name)
        if lexicon.needs_wording and with_wording:
            wording = _load_wording(path.with_suffix(".wording"))
            lexicon = replace(lexicon, wording=wording)
        lexicons[lexicon.language] = lexicon
    if not lexicons:
        raise LexiconError(f"{folder}: no lexicon file (*.toml) found")
    return lexicons


def stages_of(lexicons: Lexicons) -> tuple[str, ...]:
    """Return the codes that `Verdict.stage` may have, sorted."""
    entries = chain.from_iterable(lexicon.of(Section.STAGE) for lexicon in lexicons.values())
    return tuple(sorted({entry.code for entry in entries}))


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
    needs_wording = bool(data.pop("needs_wording", False))
    gate = _list_of_strings(data.pop("gate", []), f"{file}: 'gate'")
    words = _strings(data.pop("words", {}), f"{file}: [words]")
    spellings = _strings(data.pop("spellings", {}), f"{file}: [spellings]")
    entries = _parse_sections(data, words, spellings, file, folds_case=folds_case)
    lexicon = _assemble(language, spellings, entries, folds_case=folds_case)
    strings = _gate_strings(gate, folds_case=folds_case)
    return replace(lexicon, gate=Strings(strings) if gate else None, needs_wording=needs_wording)


def extend_lexicon(lexicon: Lexicon, data: dict[str, Any], file: str) -> Lexicon:
    """Return a lexicon with the entries of a parsed file behind its own, and with an open gate.

    The gate knows of words that a company's own wording need not hold.
    """
    words = _strings(data.pop("words", {}), f"{file}: [words]")
    spellings = {variant: form for _, variant, form in lexicon.spellings}
    further = _parse_sections(data, words, spellings, file, folds_case=lexicon.folds_case)
    entries = {
        section: (*lexicon.of(section), *further.get(section, ()))
        for section in {**lexicon.entries, **further}
    }
    whole = _assemble(lexicon.language, spellings, entries, folds_case=lexicon.folds_case)
    return replace(whole, wording=lexicon.wording)


def _parse_sections(
    data: Mapping[str, Any],
    words: Mapping[str, str],
    spellings: Mapping[str, str],
    file: str,
    *,
    folds_case: bool,
) -> dict[Section, tuple[Entry, ...]]:
    entries: dict[Section, tuple[Entry, ...]] = {}
    for key, rows in data.items():
        if key not in set(Section):
            raise LexiconError(f"{file}: unknown section [[{key}]]; known: {', '.join(Section)}")
        section = Section(key)
        if not isinstance(rows, list):
            raise LexiconError(f"{file}: write [[{section}]] before each entry, in double brackets")
        parsed = (
            _parse_entry(row, section, words, spellings, file, folds_case=folds_case)
            for row in cast(list[object], rows)
        )
        if folds_case and section is Section.DECISION:
            parsed = (_with_needs(entry, spellings) for entry in parsed)
        entries[section] = tuple(parsed)
    return entries


def _assemble(
    language: str,
    spellings: Mapping[str, str],
    entries: Mapping[Section, tuple[Entry, ...]],
    *,
    folds_case: bool,
) -> Lexicon:
    """Return the lexicon of some entries, with all that finds them made ready."""
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
        spellings=tuple((rarest(variant), variant, form) for variant, form in spellings.items()),
        folds_case=folds_case,
        entries=entries,
        scoped=scoped,
        hides_phrases=any(map(_hides_phrases, spellings)),
        alternatives=alternatives,
        needles=Needles(one.strings for one in alternatives),
        needed_words=frozenset(
            word for one in alternatives for group in one.words for word in group
        ),
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
        comment=fields["comment"],
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
