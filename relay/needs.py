"""What the patterns of the lexicons need a text to hold, found out beforehand.

`relay.literals` and `relay.fragments` read it off a pattern; for all patterns of ours that takes
more than a second, and every start would have to wait for it. So the answers lie beside the
lexicons, in `relay/lexicon/needs.json`: by kind and pattern (16 digits of its BLAKE2b). They are
written by `make needs`, and a test finds out everything anew. What is not in there, as a company's
own patterns are not, is found out when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from relay import fragments, literals

FILE = Path(__file__).parent / "lexicon" / "needs.json"

_Answers = dict[str, list[list[str]]]
# Groups of these come in any order; those of the others are looked for in the order they come in.
_UNORDERED = frozenset({"words", "stems", "pairs"})


def words_needed(pattern: str) -> literals.Groups:
    """Return what `relay.literals.words_needed` does."""
    return tuple(map(frozenset, _answer("words", pattern, literals.words_needed)))


def stems_needed(pattern: str) -> literals.Groups:
    """Return what `relay.literals.stems_needed` does."""
    return tuple(map(frozenset, _answer("stems", pattern, literals.stems_needed)))


def pairs_needed(pattern: str) -> literals.Groups:
    """Return what `relay.literals.pairs_needed` does."""
    return tuple(map(frozenset, _answer("pairs", pattern, literals.pairs_needed)))


def phrases_needed(patterns: Iterable[str]) -> tuple[fragments.Groups, ...]:
    """Return what `relay.fragments.phrases_needed` does."""
    return tuple(
        tuple(map(tuple, _answer("phrases", pattern, _phrases_of))) for pattern in patterns
    )


def fragments_needed(patterns: Iterable[str]) -> tuple[fragments.Groups, ...]:
    """Return what `relay.fragments.fragments_needed` does."""
    return tuple(
        tuple(map(tuple, _answer("fragments", pattern, _fragments_of))) for pattern in patterns
    )


def find_out(ask: Callable[[], object]) -> str:
    """Return the content of a file with the answers to all that `ask` asks, found out anew."""
    kept = _kept()
    before = dict(kept)
    kept.clear()
    try:
        ask()
        found = {kind: dict(sorted(answers.items())) for kind, answers in sorted(kept.items())}
    finally:
        kept.clear()
        kept.update(before)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n"


def _answer(kind: str, pattern: str, find: Callable[[str], Iterable[Iterable[str]]]) -> Any:
    answers = _kept().setdefault(kind, {})
    key = blake2b(pattern.encode(), digest_size=8).hexdigest()
    if key not in answers:
        groups = [sorted(group, key=lambda text: (len(text), text)) for group in find(pattern)]
        if kind in _UNORDERED:
            groups.sort(key=lambda group: (len(group), group))
        answers[key] = groups
    return answers[key]


@cache
def _kept() -> dict[str, _Answers]:
    try:
        rows: dict[str, _Answers] = json.loads(FILE.read_bytes())
    except FileNotFoundError:
        return {}
    return rows


def _phrases_of(pattern: str) -> fragments.Groups:
    return fragments.phrases_needed((pattern,))[0]


def _fragments_of(pattern: str) -> fragments.Groups:
    return fragments.fragments_needed((pattern,))[0]
