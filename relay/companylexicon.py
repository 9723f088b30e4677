"""A company's own wordings: entries that are added to a lexicon of ours for its letters alone.

The file has the form of `relay/lexicon/<language>.toml`, with the sections that say what a letter
decides and about what. It is written by people who know their letters and tried on every letter, so
it is checked more strictly than ours: how much there is, what weighs how much, and patterns that
would match everything or take very long. Each fault names file, entry and what is expected.

Where a decision of the company's own stands, the lexicon alone is asked: the model of the wording
has never met the company's way to say it. All other letters are judged by both, as everywhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from relay.entries import Entry, LexiconError, Lexicons, Section
from relay.evidence import Evidence
from relay.letter import Letter
from relay.lexicons import extend_lexicon
from relay.verdict import Verdict, judge, judge_words

# Ours have 100 KB and some 200 entries; a company says the same in a few ways.
FILE_SIZE_MAX_BYTES = 256 * 1024
ENTRIES_MAX_COUNT = 500
# Each is a megabyte or so, and as many are kept ready to be looked for (`relay.lines`).
FILES_MAX_COUNT = 200
# What forbids a rejection whatever else is there, and as much for one.
WEIGHT_MAX = 10.0
# Of ours the surest weigh as much, and the least that any wants of a job beside it is this.
DECISION_WEIGHT_MAX = 4.0
OBJECT_MIN_MIN = 0.5
# A part that may come more often must not hold another that varies: tried in every division, a
# sentence of 40 letters takes for ever.
REPEATED_MAX_COUNT = 10

SECTIONS = (
    Section.DECISION,
    Section.OBJECT,
    Section.FOREIGN,
    Section.SUPPORT,
    Section.COUNTER,
    Section.ASSERTION,
)

_parser: Any = import_module("re._parser")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


@dataclass(frozen=True, slots=True)
class CompanyLexicons:
    """What the letters of one company are judged by."""

    lexicons: Lexicons
    # The same without a model of the wording.
    _without_model: Lexicons
    own: frozenset[str]
    """What evidence from the company's own entries is called."""

    def judge_words(self, subject: str, text: str, read: Callable[[], Letter]) -> Verdict:
        """Return what `relay.verdict.judge_words` does, for a letter of the company."""
        verdict = judge_words(subject, text, read, self._without_model)
        if any(item.name.startswith("decision.") for item in self.own_evidence(verdict)):
            return verdict
        return judge_words(subject, text, read, self.lexicons)

    def judge(self, letter: Letter) -> Verdict:
        """Return what `relay.verdict.judge` does, for a letter of the company."""
        verdict = self.judge_words(letter.subject, letter.text, lambda: letter)
        return verdict if self.own_evidence(verdict) else judge(letter, self.lexicons)

    def own_evidence(self, verdict: Verdict) -> tuple[Evidence, ...]:
        """Return the evidence that comes from the company's own entries."""
        return tuple(item for item in verdict.evidence if item.name in self.own)


def load_company_lexicons(
    lexicons: Lexicons, files: Mapping[str, Path]
) -> Mapping[str, CompanyLexicons]:
    """Return what the letters of each company that has a file are judged by."""
    known: dict[Path, CompanyLexicons] = {}
    if len(set(files.values())) > FILES_MAX_COUNT:
        raise LexiconError(f"[[company]]: expected at most {FILES_MAX_COUNT} different lexicons")
    for path in files.values():
        if path not in known:
            known[path] = for_company(lexicons, _read(path), str(path))
    return {company: known[path] for company, path in files.items()}


def for_company(lexicons: Lexicons, text: str, file: str) -> CompanyLexicons:
    """Return what the letters of a company with these entries are judged by."""
    whole = extended(lexicons, text, file)
    without_model = {
        language: lexicon if lexicon is lexicons[language] else replace(lexicon, wording=None)
        for language, lexicon in whole.items()
    }
    return CompanyLexicons(whole, without_model, _names(whole) - _names(lexicons))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise LexiconError(
            f"{path}: {error.strerror}; a [[company]] names it as lexicon"
        ) from error
    if len(text) > FILE_SIZE_MAX_BYTES:
        raise LexiconError(f"{path}: larger than {FILE_SIZE_MAX_BYTES} bytes")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LexiconError(f"{path}: byte {error.start} is not UTF-8") from error


def extended(lexicons: Lexicons, text: str, file: str) -> Lexicons:
    """Return the lexicons with the entries in `text` added to one; `file` is named in errors."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LexiconError(f"{file}: not TOML: {error}") from error
    language = data.pop("language", None)
    if not isinstance(language, str) or language not in lexicons:
        raise LexiconError(f"{file}: 'language' must be one of {', '.join(sorted(lexicons))}")
    for key in data.keys() - {"words", *SECTIONS}:
        raise LexiconError(
            f"{file}: {key!r} is nothing a company can add; known: words, {', '.join(SECTIONS)}"
        )
    ours = lexicons[language]
    whole = extend_lexicon(ours, data, file)
    count = sum(len(whole.of(section)) - len(ours.of(section)) for section in SECTIONS)
    if not 0 < count <= ENTRIES_MAX_COUNT:
        raise LexiconError(f"{file}: expected 1 to {ENTRIES_MAX_COUNT} entries, found {count}")
    for section in SECTIONS:
        names = {entry.name for entry in ours.of(section)}
        for entry in whole.of(section)[len(ours.of(section)) :]:
            _check(entry, names, f"{file}: [[{section}]] {entry.name!r}")
            names.add(entry.name)
    return {**lexicons, language: whole}


def _names(lexicons: Lexicons) -> frozenset[str]:
    return frozenset(
        f"{section}.{entry.name}"
        for lexicon in lexicons.values()
        for section in SECTIONS
        for entry in lexicon.of(section)
    )


def _check(entry: Entry, taken: set[str], where: str) -> None:
    if entry.name in taken:
        raise LexiconError(f"{where}: another entry has this name, perhaps one of ours")
    if not -WEIGHT_MAX <= entry.weight <= WEIGHT_MAX:
        raise LexiconError(f"{where}: 'weight' must be from -{WEIGHT_MAX:g} to {WEIGHT_MAX:g}")
    if entry.section is Section.DECISION:
        if not 0 < entry.weight <= DECISION_WEIGHT_MAX:
            raise LexiconError(
                f"{where}: 'weight' of a decision must be above 0, at most {DECISION_WEIGHT_MAX:g}"
            )
        if not entry.object_min >= OBJECT_MIN_MIN:
            raise LexiconError(
                f"{where}: 'object_min' must be {OBJECT_MIN_MIN:g} or more: how much else a letter "
                "has to say about a job"
            )
    for pattern in entry.alternatives:
        if re.search(pattern, ""):
            raise LexiconError(f"{where}: {pattern!r} matches every sentence")
        if any(map(_is_endless, _parser.parse(pattern))):
            raise LexiconError(
                f"{where}: {pattern!r} repeats a part in which something is repeated: a sentence "
                f"may take very long; write the outer one as {{0,{REPEATED_MAX_COUNT}}} or without"
            )


def _is_endless(item: Any) -> bool:
    """Tell whether a part that is repeated often has a part in it that varies in length."""
    inner = list(_within(item))
    return (_is_often(item) and any(map(_varies, inner))) or any(map(_is_endless, inner))


def _is_often(item: Any) -> bool:
    return str(item[0]) in _REPEATS and int(item[1][1]) > REPEATED_MAX_COUNT


def _varies(item: Any) -> bool:
    is_repeat = str(item[0]) in _REPEATS and item[1][0] != item[1][1] and int(item[1][1]) > 1
    return is_repeat or any(_varies(inner) for inner in _within(item))


def _within(item: Any) -> Iterator[Any]:
    """Yield the items that stand directly in an item of a parsed pattern."""
    stack: list[Any] = [item[1]]
    while stack:
        found = stack.pop()
        if isinstance(found, _parser.SubPattern):
            yield from found
        elif isinstance(found, tuple | list):
            stack += cast("list[Any]", found)
