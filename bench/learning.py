"""A model of the wording of letters, learned from examples: the same to the bit wherever it is run.

A linear support vector machine (squared hinge loss, classes balanced) learns the weights of the
grams beside the weight of the lexicon, by dual coordinate descent (Hsieh et al., ICML 2008).
Nothing but sums and products of floats decides, in a fixed order, exactly summed.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import mul

from examples import Example

from relay.wording import Curve, Gram, Ground, Scale, Wording

GRAMS_MAX = 14_000
SUBJECT_GRAMS_MAX = 4_000
# How far the subject counts beside the whole letter, which holds it, too.
SUBJECT_FACTOR = 0.5
# What an error costs, and how far the weight of the lexicon is scaled down beside the grams.
COST = 1.0
WEIGHT_FACTOR = 0.05 / 8
PASSES_MAX = 200
TOLERANCE = 0.01
_MOST = (GRAMS_MAX, SUBJECT_GRAMS_MAX)
_FACTORS = (1.0, SUBJECT_FACTOR)

# Gives weights for the columns, of rows (columns, their values, whether a rejection) and how many.
Solver = Callable[[list[list[int]], list[list[float]], list[bool], int], list[float]]


class Column:
    """Grams of one kind, how rare each is, and how far they count."""

    def __init__(
        self, grams: Sequence[str], rarities: Sequence[float], factor: float = 1.0
    ) -> None:
        """Take over grams in the order of their places."""
        self.grams = grams
        self.rarities = rarities
        self.factor = factor
        self._index = {gram: place for place, gram in enumerate(grams)}

    def vector(self, counts: Mapping[str, int]) -> list[tuple[int, float]]:
        """Return the known grams of a letter, damped, by rarity, scaled to the length `factor`."""
        found = [
            (self._index[gram], round(1.0 + math.log(min(count, 64)), 6))
            for gram, count in counts.items()
            if gram in self._index
        ]
        values = [(place, damped * self.rarities[place]) for place, damped in found]
        length = math.sqrt(math.fsum(value * value for _, value in values))
        return [(place, self.factor * value / length) for place, value in values]


@dataclass(frozen=True, slots=True)
class Weighed:
    """Grams of one kind, with what each was found to weigh in a text of length one."""

    grams: Sequence[str]
    rarities: Sequence[float]
    weights: Sequence[float]

    def rows(self) -> list[Gram]:
        """Return the grams that weigh anything."""
        rows = zip(self.grams, self.weights, self.rarities, strict=True)
        return [row for row in rows if row[1]]

    def sums(self, letters: Iterable[Mapping[str, int]]) -> list[float]:
        """Return what the grams of each letter weigh."""
        column = Column(self.grams, self.rarities)
        return [
            sum(value * self.weights[place] for place, value in column.vector(counts))
            for counts in letters
        ]


@dataclass(frozen=True, slots=True)
class Learned:
    """A model before it is written."""

    whole: Weighed
    subject: Weighed
    unit: float
    bias: float

    def sums(self, examples: Sequence[Example]) -> list[float]:
        """Return the sum of each example, the weight of the lexicon in it."""
        whole = self.whole.sums(example.whole for example in examples)
        subject = self.subject.sums(example.subject for example in examples)
        return [
            of_whole + of_subject + self.bias + self.unit * example.weight
            for of_whole, of_subject, example in zip(whole, subject, examples, strict=True)
        ]

    def installed(self, curves: Mapping[Ground, Curve]) -> Wording:
        """Return the model as it is when it has been written and read again."""
        scale = Scale(self.bias, self.unit, curves)
        return Wording(scale, self.whole.rows(), self.subject.rows())


def learn(examples: Sequence[Example], solve: Solver | None = None) -> Learned:
    """Return the model of some letters: learned twice, the second time of what told most.

    `solve` finds the weights in another way than ours, which is exact and slow.
    """
    seen = [Counter(chain.from_iterable(one)) for one in zip(*map(_counts, examples), strict=True)]
    kept = [
        sorted(gram for gram, count in one.items() if count > 1 and "_" not in gram) for one in seen
    ]
    first = _fit(examples, kept, seen, solve or _descend)
    if all(len(grams) <= most for grams, most in zip(kept, _MOST, strict=True)):
        return first
    kept = [
        _telling(weighed, held, most)
        for weighed, held, most in zip((first.whole, first.subject), seen, _MOST, strict=True)
    ]
    return _fit(examples, kept, seen, solve or _descend)


def _counts(example: Example) -> tuple[Counter[str], Counter[str]]:
    return example.whole, example.subject


def _telling(weighed: Weighed, seen: Counter[str], most: int) -> list[str]:
    """Return the grams that tell most: of weight, and in many letters."""
    told = {
        gram: round(abs(weight) * math.sqrt(seen[gram]), 9)
        for gram, weight in zip(weighed.grams, weighed.weights, strict=True)
    }
    return sorted(sorted(told, key=lambda gram: (-told[gram], gram))[:most])


def _fit(
    examples: Sequence[Example],
    kept: Sequence[Sequence[str]],
    seen: Sequence[Counter[str]],
    solve: Solver,
) -> Learned:
    whole, subject = (
        Column(grams, [_rarity(held[gram], len(examples)) for gram in grams], factor)
        for grams, held, factor in zip(kept, seen, _FACTORS, strict=True)
    )
    # The places of a row: the grams of the letter, those of its subject, the lexicon, a constant.
    subject_start = len(whole.grams)
    lexicon = subject_start + len(subject.grams)
    rows = [
        [
            *whole.vector(example.whole),
            *((subject_start + place, value) for place, value in subject.vector(example.subject)),
            (lexicon, example.weight * WEIGHT_FACTOR),
            (lexicon + 1, 1.0),
        ]
        for example in examples
    ]
    weights = solve(
        [[place for place, _ in row] for row in rows],
        [[value for _, value in row] for row in rows],
        [example.is_rejection for example in examples],
        lexicon + 2,
    )
    return Learned(
        _weighed(whole, weights[:subject_start]),
        _weighed(subject, weights[subject_start:lexicon]),
        unit=round(weights[lexicon] * WEIGHT_FACTOR, 5),
        bias=round(weights[lexicon + 1], 5),
    )


def _weighed(column: Column, weights: Sequence[float]) -> Weighed:
    rounded = [round(weight * column.factor, 4) for weight in weights]
    return Weighed(column.grams, column.rarities, rounded)


def _rarity(letters: int, of: int) -> float:
    return round(1.0 + math.log((1 + of) / (1 + letters)), 3)


def _descend(
    places: list[list[int]], values: list[list[float]], truths: list[bool], size: int
) -> list[float]:
    """Return the weights that tell the rows apart: dual coordinate descent, squared hinge loss."""
    positive = sum(truths)
    costs = (
        COST * len(truths) / (2 * (len(truths) - positive)),
        COST * len(truths) / (2 * positive),
    )
    signs = [1.0 if truth else -1.0 for truth in truths]
    slack = [1.0 / (2.0 * costs[truth]) for truth in truths]
    curvature = [
        math.fsum(value * value for value in row) + more
        for row, more in zip(values, slack, strict=True)
    ]
    weights = [0.0] * size
    alphas = [0.0] * len(truths)
    order = list(range(len(truths)))
    shuffle = random.Random(0)  # noqa: S311 (an order, no secret)
    for _ in range(PASSES_MAX):
        shuffle.shuffle(order)
        largest = 0.0
        for row in order:
            where, what, sign = places[row], values[row], signs[row]
            product = math.fsum(map(mul, map(weights.__getitem__, where), what))
            gradient = sign * product - 1.0 + slack[row] * alphas[row]
            if alphas[row] == 0.0 and gradient >= 0.0:
                continue
            largest = max(largest, abs(gradient))
            before = alphas[row]
            alphas[row] = max(before - gradient / curvature[row], 0.0)
            step = (alphas[row] - before) * sign
            for place, value in zip(where, what, strict=True):
                weights[place] += step * value
        if largest < TOLERANCE:
            break
    return weights
