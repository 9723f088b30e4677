"""The words a text must hold for a pattern to match it, read off the pattern itself.

Trying a pattern at every letter of every sentence costs thousands of times what it costs to look
whether its words are there at all. `words_needed` gives, for a pattern over lower-case text, groups
of words: whatever the pattern matches holds at least one whole word of each group. `stems_needed`
gives the same of the beginnings of words, and `pairs_needed` of two characters side by side, for a
script that is written without spaces; `stems_in` and `pairs_in` give those that a text holds. Where
they cannot tell they give fewer groups, never wrong ones: leaving out a text that lacks a word
changes no verdict.

Reads the tree that Python's own compiler makes of the pattern (`re._parser`, undocumented), so that
both read the same thing; what it does not know in there needs no words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from operator import add
from typing import Any

_parser: Any = import_module("re._parser")

# Stands for `\b`, the edge of a word, in the strings that a piece of a pattern can match.
_EDGE = "\0"
# The verbs of taking somebody else make a hundred strings; more are as good as any.
STRINGS_MAX_COUNT = 500
# Spellings such as [sz] have few members; a class of more is any letter.
CLASS_MAX_COUNT = 4

# A phrase is known by a few of its words; each further one costs a look.
GROUPS_MAX_COUNT = 4

# Every letter holds these: they are looked for where a phrase has no other words only.
COMMON_WORDS = frozenset(
    "a an and are at be been by do for from had has have i in is it of on or our so that the this"
    " to was we were will with you your".split()
)

# Not beside an apostrophe: a spelling variant may have changed the word there.
_WHOLE_WORD = re.compile(r"(?<=[\0 ,.:;/-])[a-z]{2,}(?=[\0 ,.:;/-])")
_OUTSIDE_WORDS = frozenset("\0 ,.:;/-")

# Of a word this many letters are looked at: with fewer, more texts hold them by chance; with more,
# fewer patterns give as many letters of a word that may go on.
STEM_SIZE_CHARS = 4
_STEM = re.compile(rf"(?<=[^a-z])(?:[a-z]{{{STEM_SIZE_CHARS}}}|[a-z]+(?=[^a-z]))")
_ASCII_WORD = re.compile(r"[a-z]+")
_ONLY_LETTERS = {code: " " for code in range(128) if not chr(code).islower()}
# Endings of verbs, in every letter: looked for where a phrase has no other characters only.
_HIRAGANA = frozenset(map(chr, range(0x3041, 0x3097)))

Groups = tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is known of a piece of a pattern: all strings it matches, or the words it needs."""

    strings: frozenset[str] | None
    groups: Groups = ()
    ends_outside_word: bool = False
    """What the unknown piece matches is empty or ends in a space or the like."""
    starts_outside_word: bool = False


_NOTHING = _Piece(frozenset({""}))
_ANYTHING = _Piece(None)


def words_needed(pattern: str) -> Groups:
    """Return groups of words; whatever the pattern matches holds a whole word of each of them."""
    return _Reader(_words_of).read(pattern)


def stems_needed(pattern: str) -> Groups:
    """Return groups of which `stems_in` whatever the pattern matches has one each."""
    return _Reader(_stems_of).read(pattern)


def pairs_needed(pattern: str) -> Groups:
    """Return groups of which `pairs_in` whatever the pattern matches has one each."""
    return _Reader(_pairs_of).read(pattern)


def stems_in(text: str) -> set[str]:
    """Return how the lower-case words of a text begin, short ones whole."""
    if text.isascii():
        words = text.translate(_ONLY_LETTERS).split()
    else:
        words = _ASCII_WORD.findall(text)
    return {word[:STEM_SIZE_CHARS] for word in words}


def pairs_in(text: str) -> set[str]:
    """Return the characters of a text, and all that stand side by side."""
    return {*text, *map(add, text, text[1:])}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what a pattern needs; `words_of` gives what a text is known to hold beside a string.

    There `_EDGE` is what it is to the pattern: the string stands in a text that may go on, in the
    middle of a word, on both sides.
    """

    words_of: Callable[[str], list[str]]

    def read(self, pattern: str) -> Groups:
        """Return groups of words; whatever the pattern matches holds one of each of them."""
        tree = _parser.parse(pattern)
        if tree.state.flags & re.IGNORECASE:
            return ()
        return tuple(sorted(set(self._groups_of(self._read_all(tree))), key=len))

    def _groups_of(self, piece: _Piece) -> Groups:
        """Return the groups of a piece, those of its strings too."""
        return piece.groups if piece.strings is None else self._groups(piece.strings)

    def _read_all(
        self,
        items: Iterable[tuple[object, Any]],
        *,
        at_edge: bool = False,
        before_edge: bool = False,
    ) -> _Piece:
        """Read pieces that follow each other; their strings are joined while they are few.

        `at_edge` says that what stands before them is no part of a word, `before_edge` that what
        follows them is none.
        """
        groups: list[frozenset[str]] = []
        strings = frozenset({_EDGE if at_edge else ""})
        is_known = True
        items = list(items)
        for index, (operation, argument) in enumerate(items):
            is_outside = all(text[-1:] in _OUTSIDE_WORDS for text in strings)
            is_before = _is_edge(items, index + 1) or (before_edge and index + 1 == len(items))
            piece = self._read(str(operation), argument, at_edge=is_outside, before_edge=is_before)
            if piece.strings is not None and len(strings) * len(piece.strings) <= STRINGS_MAX_COUNT:
                strings = frozenset(left + right for left in strings for right in piece.strings)
                continue
            is_known = False
            if piece.starts_outside_word and _is_edge(items, index + 1):
                strings = frozenset(text + _EDGE for text in strings)
            groups += (*self._groups(strings), *piece.groups)
            if piece.strings is not None:
                strings = piece.strings
            elif piece.ends_outside_word and is_outside:
                strings = frozenset({_EDGE})
            else:
                strings = frozenset({""})
        if before_edge:
            strings = frozenset(text + _EDGE for text in strings)
        return _Piece(strings) if is_known else _Piece(None, (*groups, *self._groups(strings)))

    def _read(self, operation: str, argument: Any, *, at_edge: bool, before_edge: bool) -> _Piece:
        match operation:
            case "LITERAL":
                return _Piece(frozenset({chr(argument)}))
            case "AT":
                return _Piece(frozenset({_EDGE})) if str(argument) == "AT_BOUNDARY" else _NOTHING
            case "IN":
                return _read_class(argument)
            case "BRANCH":
                return self._read_branches(
                    [
                        self._read_all(branch, at_edge=at_edge, before_edge=before_edge)
                        for branch in argument[1]
                    ]
                )
            case "SUBPATTERN":
                _, added_flags, removed_flags, items = argument
                if added_flags or removed_flags:
                    return _ANYTHING
                return self._read_all(items, at_edge=at_edge, before_edge=before_edge)
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._read_repeat(*argument, at_edge=at_edge)
            case "ASSERT" | "ASSERT_NOT":
                return _NOTHING  # It takes no room; what it asks for is not made use of.
            case _:
                return _ANYTHING

    def _read_branches(self, branches: list[_Piece]) -> _Piece:
        known = [piece.strings for piece in branches if piece.strings is not None]
        if len(known) == len(branches) and sum(map(len, known)) <= STRINGS_MAX_COUNT:
            return _Piece(frozenset[str]().union(*known))
        best = [
            min(self._groups_of(piece), key=len, default=frozenset[str]()) for piece in branches
        ]
        return _Piece(None, (frozenset[str]().union(*best),) if all(best) else ())

    def _read_repeat(
        self, least: int, most: int, items: Iterable[tuple[object, Any]], *, at_edge: bool
    ) -> _Piece:
        items = list(items)
        piece = self._read_all(items, at_edge=at_edge and most == 1)
        if least == 0 and most == 1 and piece.strings is not None:
            return _Piece(piece.strings | {""})
        return _Piece(
            None,
            self._groups_of(piece) if least else (),
            ends_outside_word=_is_outside_word(items, -1),
            starts_outside_word=_is_outside_word(items, 0),
        )

    def _groups(self, strings: frozenset[str]) -> Groups:
        """Return groups such that each string holds a whole word of each of them.

        The word that most strings share comes first: of "not going" and "not proceeding" that gives
        the groups "not" and "going, proceeding".
        """
        groups: list[frozenset[str]] = []
        rest: list[set[str]] = [set(self.words_of(text)) for text in strings]
        if all(words - COMMON_WORDS for words in rest):
            rest = [words - COMMON_WORDS for words in rest]
        while all(rest) and len(groups) < GROUPS_MAX_COUNT:
            group: set[str] = set()
            uncovered: list[set[str]] = rest
            while uncovered:
                counts: Counter[str] = Counter(word for words in uncovered for word in words)
                best = max(counts, key=lambda word: (counts[word], len(word), word))
                group.add(best)
                uncovered = [words for words in uncovered if best not in words]
            groups.append(frozenset(group))
            rest = [words - group for words in rest]
        return tuple(groups)


def _read_class(members: list[tuple[object, Any]]) -> _Piece:
    if len(members) > CLASS_MAX_COUNT or any(str(kind) != "LITERAL" for kind, _ in members):
        return _ANYTHING
    return _Piece(frozenset(chr(code) for _, code in members))


def _is_edge(items: list[tuple[object, Any]], index: int) -> bool:
    return index < len(items) and str(items[index][1]) == "AT_BOUNDARY"


def _is_outside_word(items: list[tuple[object, Any]], index: int) -> bool:
    """Tell whether the first or the last of the pieces is a character that is in no word."""
    operation, argument = items[index]
    match str(operation):
        case "LITERAL":
            return chr(argument) in _OUTSIDE_WORDS
        case "IN":
            return all(
                str(kind) == "LITERAL" and chr(code) in _OUTSIDE_WORDS for kind, code in argument
            )
        case "MAX_REPEAT":
            least, _, repeated = argument
            return least > 0 and _is_outside_word(list(repeated), index)
        case _:
            return False


def _words_of(text: str) -> list[str]:
    return [met[0] for met in _WHOLE_WORD.finditer(text)]


def _stems_of(text: str) -> list[str]:
    return [met[0] for met in _STEM.finditer(text) if len(met[0]) <= STEM_SIZE_CHARS]


def _pairs_of(text: str) -> list[str]:
    pairs: list[str] = []
    # Sentences are joined by line ends: what stands beside one of those is in no sentence.
    lines = text.replace(_EDGE, "").split("\n")
    for line in lines:
        pairs += map(add, line, line[1:])
    rare = [pair for pair in pairs if not _HIRAGANA.issuperset(pair)]
    return rare or pairs or list("".join(lines))
