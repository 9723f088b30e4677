"""The pieces of writing a text must hold for a pattern to match it, read off the pattern itself.

Both functions give, for each pattern, groups of strings: whatever the pattern matches holds at
least one string of each group, as it stands. `literals` gives whole words, which are found in a
set; these are looked for in the text, are longer, and there are some where a script has no words.
Where nothing is certain there are fewer groups, never wrong ones: leaving out a text that lacks a
group changes no verdict.

Reads the tree that Python's own compiler makes of the pattern (`re._parser`, undocumented), so that
both read the same thing; what it does not know in there needs nothing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any

_parser: Any = import_module("re._parser")

# Looking for more strings than these costs more than their being longer tells.
JOINED_MAX_COUNT = 24
STRINGS_MAX_COUNT = 100
# Spellings such as [職社] have few members; a class of more is any letter.
CLASS_MAX_COUNT = 4
# All languages together have a few dozen decisions.
ENTRIES_MAX_COUNT = 256

Groups = tuple[tuple[str, ...], ...]
_Strings = frozenset[str]
# All strings a piece of a pattern can match, if they are known; else the groups that it needs.
_Piece = tuple[_Strings | None, tuple[_Strings, ...]]

_NOTHING: _Piece = (frozenset({""}), ())
_ANYTHING: _Piece = (None, ())
# Parts of a sentence that the text it was cut from may show in another way.
_UNSURE_FRAGMENT = re.compile(r"[\s\"「」『』]")
_UNSURE_PHRASE = re.compile(r"\s\s|[^ -~]|[\"']|^.?$")


@lru_cache(ENTRIES_MAX_COUNT)
def fragments_needed(patterns: tuple[str, ...]) -> tuple[Groups, ...]:
    """Return what patterns for a script without spaces need: strings without white space."""
    return tuple(_needed_by(pattern, _UNSURE_FRAGMENT) for pattern in patterns)


@lru_cache(ENTRIES_MAX_COUNT)
def phrases_needed(patterns: tuple[str, ...]) -> tuple[Groups, ...]:
    """Return what patterns for a script with spaces need: ASCII with single spaces."""
    return tuple(_needed_by(pattern, _UNSURE_PHRASE) for pattern in patterns)


def _needed_by(pattern: str, unsure: re.Pattern[str]) -> Groups:
    tree = _parser.parse(pattern)
    if tree.state.flags & re.IGNORECASE:
        return ()
    groups = {group for group in _groups_of(_read_all(tree)) if not any(map(unsure.search, group))}
    # The longest are the rarest: most texts are told apart by the first group.
    ordered = sorted(groups, key=lambda group: (-min(map(len, group)), len(group), sorted(group)))
    return tuple(tuple(sorted(group, key=len)) for group in ordered)


def _read_all(items: Iterable[tuple[object, Any]]) -> _Piece:
    """Read pieces that follow each other; their strings are joined while they are few."""
    groups: list[_Strings] = []
    joined = frozenset({""})
    is_known = True
    for operation, argument in items:
        strings, needed = piece = _read(str(operation), argument)
        if piece == _NOTHING:
            continue
        if strings is not None and len(joined) * len(strings) <= JOINED_MAX_COUNT:
            joined = frozenset(left + right for left in joined for right in strings)
            continue
        is_known = False
        groups += (joined, *needed)
        joined = frozenset({""}) if strings is None else strings
    return (joined, ()) if is_known else (None, (*groups, joined))


def _read(operation: str, argument: Any) -> _Piece:
    match operation:
        case "LITERAL":
            return frozenset({chr(argument)}), ()
        case "IN":
            if len(argument) > CLASS_MAX_COUNT or any(
                str(kind) != "LITERAL" for kind, _ in argument
            ):
                return _ANYTHING
            return frozenset(chr(code) for _, code in argument), ()
        case "BRANCH":
            return _read_branches([_read_all(branch) for branch in argument[1]])
        case "SUBPATTERN":
            _, added_flags, removed_flags, items = argument
            return _ANYTHING if added_flags or removed_flags else _read_all(items)
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, items = argument
            if least == 0:
                return _ANYTHING
            piece = _read_all(items)
            return piece if least == most == 1 else (None, _groups_of(piece))
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return _NOTHING  # It takes no room; what it asks for is not made use of.
        case _:
            return _ANYTHING


def _read_branches(branches: list[_Piece]) -> _Piece:
    known = [strings for strings, _ in branches if strings is not None]
    if len(known) == len(branches) and sum(map(len, known)) <= STRINGS_MAX_COUNT:
        return frozenset[str]().union(*known), ()
    best = [
        max(_groups_of(piece), key=lambda group: min(map(len, group)), default=frozenset[str]())
        for piece in branches
    ]
    return (None, (frozenset[str]().union(*best),)) if all(best) else _ANYTHING


def _groups_of(piece: _Piece) -> tuple[_Strings, ...]:
    """Return the groups that tell something, without strings that hold another of their group."""
    strings, groups = piece
    told = groups if strings is None else (strings,)
    return tuple(_shortest(group) for group in told if "" not in group)


def _shortest(group: _Strings) -> _Strings:
    return frozenset(
        text for text in group if not any(other != text and other in text for other in group)
    )
