"""How like a rejection the wording of a letter is as a whole: a linear model, learned from letters.

The lexicons know what decides, the model knows how such letters sound. It is two lists of grams,
runs of words or characters, one for the whole letter and one for its subject, each gram with a
weight; those of a letter are counted, scaled to its length and added up. The sum is one more
observation beside those of the lexicon, in the same units, and never outranks a counter-cue that
forbids. What a sum means differs with what the lexicon finds, see `Ground`.

The files are data, `relay/lexicon/<language>.wording`, written by `bench/train.py`, which says how
they come about. Their first lines are `name<TAB>value`; behind an empty line follow the grams of
the letter, behind another one those of the subject: `weight<TAB>rarity<TAB>gram`.

Pure: values in, values out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from relay.needles import Strings

# How many times a gram was found counts as little more than that it was found.
_DAMPED = [0.0, *(1.0 + math.log(count) for count in range(1, 65))]
# Words as the model reads them: letters and the ends of sentences, all else is space.
_ENDS = (b".", b"?", b"!")
_LETTERS = bytes(
    code if chr(code).islower() or chr(code) in "'.?!" else 0x20 for code in range(256)
)
_NUMBER = re.compile(r"[0-9]+")


# A run of words or characters, its weight and its rarity.
Gram = tuple[str, float, float]


class WordingError(Exception):
    """A wording file is wrong; the text says which file, which line and what is expected."""


class Ground(StrEnum):
    """What the lexicon finds: the more there is to go by, the less of the wording is enough."""

    PLAIN = "plain"  # a decision, an application and what stands around a refusal, nothing against
    CLEAR = "clear"  # a decision is stated, and nothing of weight speaks against it
    CONTESTED = "contested"  # a decision is stated, and something speaks against it
    UNSTATED = "unstated"  # no decision is stated that the lexicon knows


@dataclass(frozen=True, slots=True)
class Curve:
    """How sure a rejection is for a sum: a logistic curve, as found for letters never seen."""

    offset: float
    slope: float

    def at(self, total: float) -> float:
        """Return the share of letters of this sum that are rejections, 0 to 1."""
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, self.offset + self.slope * total))))


@dataclass(frozen=True, slots=True)
class Scale:
    """How the sum of the grams is read: as a weight among those of the lexicon, and as a score."""

    bias: float
    # What a unit of weight in the lexicon is worth, in units of the sum.
    unit: float
    curves: Mapping[Ground, Curve]


class Grams:
    """Runs of words or characters, each with a weight and a rarity."""

    def __init__(self, grams: Sequence[Gram]) -> None:
        """Take over the grams."""
        self._strings = Strings(gram for gram, _, _ in grams)
        self._weighted = [weight * rarity for _, weight, rarity in grams]
        self._squared = [rarity * rarity for _, _, rarity in grams]

    def weigh(self, plain: str) -> float:
        """Return the sum of the grams of a text, as of a text of length one."""
        total = length = 0.0
        for gram, count in Counter(self._strings.find(plain)).items():
            damped = _DAMPED[min(count, len(_DAMPED) - 1)]
            total += damped * self._weighted[gram]
            length += damped * damped * self._squared[gram]
        return total / math.sqrt(length) if length else 0.0


class Wording:
    """The model of one language."""

    def __init__(self, scale: Scale, whole: Sequence[Gram], subject: Sequence[Gram]) -> None:
        """Take over the grams of a whole letter and those of its subject."""
        self.scale = scale
        self._whole = Grams(whole)
        self._subject = Grams(subject)

    def weigh(self, subject: str, plain: str) -> float:
        """Return what the wording of a letter weighs.

        `plain` is subject and text as `words_of` or `characters_of` give them.
        """
        grams = self._whole.weigh(plain) + self._subject.weigh(subject_of(subject))
        return (grams + self.scale.bias) / self.scale.unit

    def rules_out(self, weight: float, grounds: Iterable[Ground]) -> bool:
        """Tell whether a letter is not worth reading on: this is the most it can come to."""
        return max(self.score(weight, ground) for ground in grounds) < READ_ON_SCORE_MIN

    def score(self, weight: float, ground: Ground) -> float:
        """Return how sure a rejection is, 0 to 1, for the weight of all that was observed."""
        return self.scale.curves[ground].at(weight * self.scale.unit)


# From here on a letter is taken for a rejection, and from there on for worth a second look.
REJECTION_SCORE_MIN = 0.9
UNSURE_SCORE_MIN = 0.35
# Plain cases count from here on: the curves are found on letters of which half were written to
# mislead, and in a mailbox hardly anything but a rejection is plain.
PLAIN_REJECTION_SCORE_MIN = 0.7
# What cannot come to more than this by all that the lexicon may find is not read on: most mail.
READ_ON_SCORE_MIN = 0.7


def rejection_score_min(ground: Ground) -> float:
    """Return the score from which on a letter that states a decision is taken for a rejection."""
    return PLAIN_REJECTION_SCORE_MIN if ground is Ground.PLAIN else REJECTION_SCORE_MIN


def words_of(text: str) -> str:
    """Return a text as a model of words reads it: each word and end of sentence between spaces."""
    octets = text.lower().encode("ascii", "ignore").translate(_LETTERS)
    for end in _ENDS:
        octets = octets.replace(end, b" " + end + b" ")
    return f" {b' '.join(octets.split()).decode('ascii')} "


def characters_of(text: str) -> str:
    """Return a text as a model of characters reads it: without white space, numbers alike."""
    return _NUMBER.sub("0", "".join(text.lower().split()))


def subject_of(text: str) -> str:
    """Return a subject as the model reads it: in lower case, numbers alike, between spaces."""
    return _NUMBER.sub("0", f" {' '.join(text.lower().split())} ")


# What the head of a file says, and the lists behind it.
SCALE = (
    "bias",
    "unit",
    *(f"{ground}-{kind}" for ground in Ground for kind in ("offset", "slope")),
)
GRAM_LISTS = ("whole", "subject")


def load_wording(path: Path) -> Wording:
    """Return the model in a file; raise WordingError naming the line that is wrong."""
    try:
        head, *rows = path.read_text(encoding="utf-8").split("\n\n")
    except FileNotFoundError as error:
        raise WordingError(
            f"{path}: not there; install careerrelay again, or `make model`"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise WordingError(f"{path.name}: {error}") from error
    values = dict(_pairs(head.splitlines(), path.name))
    try:
        bias, unit, *curves = (float(values[name]) for name in SCALE)
    except (KeyError, ValueError) as error:
        raise WordingError(f"{path.name}: {', '.join(SCALE)}: {error}") from error
    if len(rows) != len(GRAM_LISTS):
        raise WordingError(
            f"{path.name}: expected {len(GRAM_LISTS)} lists of grams behind the head"
        )
    whole, subject = (
        list(_grams(part.splitlines(), f"{path.name}: {name}"))
        for name, part in zip(GRAM_LISTS, rows, strict=True)
    )
    pairs = map(Curve, curves[::2], curves[1::2])
    return Wording(Scale(bias, unit, dict(zip(Ground, pairs, strict=True))), whole, subject)


def _pairs(lines: Iterable[str], file: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        name, tab, value = line.partition("\t")
        if not tab:
            raise WordingError(f"{file}: line {number}: expected name, tab and value")
        yield name, value


def _grams(lines: Iterable[str], file: str) -> Iterable[Gram]:
    for number, line in enumerate(lines, 1):
        try:
            weight, rarity, gram = line.split("\t")
            yield gram.replace("_", " "), float(weight), float(rarity)
        except ValueError as error:
            raise WordingError(
                f"{file}: gram {number}: expected weight, rarity and gram: {error}"
            ) from error
