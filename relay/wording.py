"""How like a rejection the wording of a letter is as a whole: a linear model, learned from letters.

The lexicons know what decides, the model knows how such letters sound. It is a list of grams, runs
of one to four words or characters, each with a weight; a letter's grams are counted, scaled to the
letter's length and added up. The sum is one more observation beside those of the lexicon, in the
same units, and never outranks a counter-cue that forbids.

The files are data, `relay/lexicon/<language>.wording`, written by `bench/train.py`, which says how
they come about. Their first lines are `name<TAB>value`, an empty line ends them, then one gram a
line: `weight<TAB>rarity<TAB>gram`.

Pure: values in, values out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.needles import Strings

# How many times a gram was found counts as little more than that it was found.
_DAMPED = [0.0, *(1.0 + math.log(count) for count in range(1, 65))]
# So far below the sum that is worth a second look, no rejection of `bench/train.py` was found whose
# lexicon weight had made it one.
RULED_OUT_MARGIN = 0.1
# Words as the model reads them: letters and the ends of sentences, all else is space.
_ENDS = (b".", b"?", b"!")
_LETTERS = bytes(
    code if chr(code).islower() or chr(code) in "'.?!" else 0x20 for code in range(256)
)
_NUMBER = re.compile(r"[0-9]+")


class WordingError(Exception):
    """A wording file is wrong; the text says which file, which line and what is expected."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the sum of the grams is read: as a weight among those of the lexicon, and as a score."""

    bias: float
    # What a unit of weight in the lexicon is worth, in units of the sum.
    unit: float
    # The sums from which on a letter is taken for a rejection, and for worth a second look.
    rejection: float
    unsure: float


class Wording:
    """The model of one language."""

    def __init__(self, scale: Scale, grams: Sequence[tuple[str, float, float]]) -> None:
        """Take over grams, each with its weight and its rarity."""
        self.scale = scale
        self._strings = Strings(gram for gram, _, _ in grams)
        self._weighted = [weight * rarity for _, weight, rarity in grams]
        self._squared = [rarity * rarity for _, _, rarity in grams]

    def weigh(self, plain: str) -> float:
        """Return what the wording of a text, as `words_of` or `characters_of` give it, weighs."""
        total = length = 0.0
        for gram, count in Counter(self._strings.find(plain)).items():
            damped = _DAMPED[min(count, len(_DAMPED) - 1)]
            total += damped * self._weighted[gram]
            length += damped * damped * self._squared[gram]
        grams = total / math.sqrt(length) if length else 0.0
        return (grams + self.scale.bias) / self.scale.unit

    def rules_out(self, weight: float) -> bool:
        """Tell whether nothing said in such wording makes it a rejection."""
        # Of a short letter there are few grams, and the sum is little more than the bias.
        usual = min(self.scale.unsure, self.scale.bias)
        return weight * self.scale.unit < usual - RULED_OUT_MARGIN

    def score(self, weight: float) -> float:
        """Return how sure a rejection is, 0 to 1, for the weight of all that was observed."""
        scale = self.scale
        certain, doubtful = _logit(REJECTION_SCORE_MIN), _logit(UNSURE_SCORE_MIN)
        slope = (certain - doubtful) / (scale.rejection - scale.unsure)
        logit = doubtful + slope * (weight * scale.unit - scale.unsure)
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, logit))))


# From here on a letter is taken for a rejection, and from there on for worth a second look.
REJECTION_SCORE_MIN = 0.8
UNSURE_SCORE_MIN = 0.35


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))


def words_of(text: str) -> str:
    """Return a text as a model of words reads it: each word and end of sentence between spaces."""
    octets = text.lower().encode("ascii", "ignore").translate(_LETTERS)
    for end in _ENDS:
        octets = octets.replace(end, b" " + end + b" ")
    return f" {b' '.join(octets.split()).decode('ascii')} "


def characters_of(text: str) -> str:
    """Return a text as a model of characters reads it: without white space, numbers alike."""
    return _NUMBER.sub("0", "".join(text.lower().split()))


def load_wording(path: Path) -> Wording:
    """Return the model in a file; raise WordingError naming the line that is wrong."""
    try:
        head, _, rows = path.read_text(encoding="utf-8").partition("\n\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WordingError(f"{path.name}: {error}") from error
    values = dict(_pairs(head.splitlines(), path.name))
    try:
        scale = Scale(*(float(values[name]) for name in ("bias", "unit", "rejection", "unsure")))
    except (KeyError, ValueError) as error:
        raise WordingError(f"{path.name}: bias, unit, rejection, unsure: {error}") from error
    return Wording(scale, list(_grams(rows.splitlines(), path.name)))


def _pairs(lines: Iterable[str], file: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        name, tab, value = line.partition("\t")
        if not tab:
            raise WordingError(f"{file}: line {number}: expected name, tab and value")
        yield name, value


def _grams(lines: Iterable[str], file: str) -> Iterable[tuple[str, float, float]]:
    for number, line in enumerate(lines, 1):
        try:
            weight, rarity, gram = line.split("\t")
            yield gram.replace("_", " "), float(weight), float(rarity)
        except ValueError as error:
            raise WordingError(
                f"{file}: gram {number}: expected weight, rarity and gram: {error}"
            ) from error
