"""Which of many strings a text holds, told by one look for all of them.

`Needles` tells which of many alternatives the paragraphs of a text may hold.

Each alternative needs one string of each of its groups. Every group of every alternative is a bit:
the strings that a paragraph holds, put together, show which alternatives have all that they need.
The only file that knows ahocorasick_rs, which finds them all in one pass.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Sequence

from ahocorasick_rs import BytesAhoCorasick

from relay.fragments import Groups
from relay.literals import COMMON_WORDS

PARAGRAPH_END = "\0"

_END = re.compile(PARAGRAPH_END.encode())


class Needles:
    """The strings of some alternatives, made ready to be looked for."""

    def __init__(self, needs: Iterable[Groups]) -> None:
        bits: dict[str, int] = {}
        self._needed: list[int] = []
        bit = 1
        for groups in needs:
            needed = 0
            for group in groups:
                if not any(map(_is_common, group)):  # Else it tells nothing.
                    needed |= bit
                    for string in group:
                        bits[string] = bits.get(string, 0) | bit
                    bit <<= 1
            self._needed.append(needed)
        self._bits = list(bits.values())
        # In octets: counting characters would take as long as looking for them.
        self._automaton = BytesAhoCorasick(map(str.encode, bits))

    def find(self, text: str) -> dict[int, Sequence[int]]:
        """Return which alternatives may stand in which paragraphs, both counted from 0.

        `PARAGRAPH_END` stands between two paragraphs. What is left out is certainly in none.
        """
        octets = text.encode(errors="replace")
        found = self._automaton.find_matches_as_indexes(octets, overlapping=True)
        bits = self._bits
        whole = 0
        for string, _, _ in found:
            whole |= bits[string]
        possible = [n for n, needed in enumerate(self._needed) if whole & needed == needed]
        if not possible:
            return {}
        ends = [end.start() for end in _END.finditer(octets)]
        held = [0] * (len(ends) + 1)
        for string, start, _ in found:
            held[bisect(ends, start)] |= bits[string]
        places: dict[int, Sequence[int]] = {}
        for index in possible:
            needed = self._needed[index]
            fitting = [place for place, has in enumerate(held) if has & needed == needed]
            if fitting:
                places[index] = fitting
        return places


class Strings:
    """Strings that are looked for as they stand, wherever they stand."""

    def __init__(self, strings: Iterable[str]) -> None:
        self._automaton = BytesAhoCorasick(map(str.encode, strings))

    def find(self, text: str) -> list[int]:
        """Return which of the strings were found, counted from 0, each as often as it was."""
        octets = text.encode(errors="replace")
        found = self._automaton.find_matches_as_indexes(octets, overlapping=True)
        return [string for string, _, _ in found]


def _is_common(string: str) -> bool:
    """Tell whether a string is in most texts: a kana, a letter, small words of English."""
    return (len(string) == 1 and string < "一") or COMMON_WORDS.issuperset(string.split())
