"""What the sum of a model means: read off letters that a model without their source has told.

For each ground that the lexicon may give a logistic curve is fitted (Platt 1999), so that of the
letters with a score of 0.9 nine in ten are rejections.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence

from examples import Example, calibrating
from learning import learn

from relay.wording import Curve, Ground

# So many models are learned to see how letters are told that were not learned from.
PARTS = 5
CURVE_STEPS = 30
CURVE_RIDGE = 0.001


def cross_validate(
    examples: Sequence[Example], language: str, sources: set[str] | None = None
) -> list[float]:
    """Return the sum of each letter under a model that has seen no letter of its source.

    Each source goes into one of a few parts, which are left out one after the other. Letters of
    other sources than those asked for keep the sum 0.
    """
    counts = Counter(one.source for one in examples if sources is None or one.source in sources)
    parts: list[set[str]] = [set() for _ in range(PARTS)]
    for source, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        min(parts, key=lambda part: sum(counts[one] for one in part)).add(source)
    sums = [0.0] * len(examples)
    for part in filter(None, parts):
        learned = learn([one for one in examples if one.source not in part])
        held = [place for place, one in enumerate(examples) if one.source in part]
        for place, told in zip(held, learned.sums([examples[i] for i in held]), strict=True):
            sums[place] = told
        print(f"{language}: without {', '.join(sorted(part))}: {len(held)}", file=sys.stderr)
    return sums


def find_curves(examples: Sequence[Example], sums: Sequence[float]) -> dict[Ground, Curve]:
    """Return what a sum means on each ground."""
    shown = calibrating()
    told: dict[Ground, list[tuple[float, bool]]] = {ground: [] for ground in Ground}
    for one, example in zip(sums, examples, strict=True):
        if example.source in shown and not (example.is_forbidden or example.is_arguable):
            told[example.ground].append((one, example.is_rejection))
    return {ground: fit_curve(letters) for ground, letters in told.items()}


def fit_curve(told: Sequence[tuple[float, bool]]) -> Curve:
    """Return the logistic curve that fits sums and answers best, by Newton's method."""
    offset, slope = 0.0, 1.0
    for _ in range(CURVE_STEPS):
        curve = Curve(offset, slope)
        shares = [curve.at(one) for one, _ in told]
        errors = [
            is_rejection - share for share, (_, is_rejection) in zip(shares, told, strict=True)
        ]
        spreads = [share * (1.0 - share) for share in shares]
        by_offset = math.fsum(errors)
        by_slope = math.fsum(error * one for error, (one, _) in zip(errors, told, strict=True))
        # A little is added so that letters that are told apart without a fault have a curve, too.
        a = math.fsum(spreads) + CURVE_RIDGE
        b = math.fsum(spread * one for spread, (one, _) in zip(spreads, told, strict=True))
        c = math.fsum(s * one * one for s, (one, _) in zip(spreads, told, strict=True))
        by_slope -= CURVE_RIDGE * slope
        by_offset -= CURVE_RIDGE * offset
        c += CURVE_RIDGE
        whole = a * c - b * b
        offset += (c * by_offset - b * by_slope) / whole
        slope += (a * by_slope - b * by_offset) / whole
    return Curve(round(offset, 3), round(slope, 3))
