"""Learn what rejections sound like: writes `relay/lexicon/<language>.wording`, to the byte.

    python bench/train.py [ja] [en]          (make model)

It reads letters whose answer is known (`examples.py`) and the weight that the lexicon gives each of
them, and learns the weights of the grams beside that weight (`learning.py`). The grams that tell
most are kept and learned once more. What a sum means is found on letters that a model without their
source has told (`calibrated.py`). Two machines write the same file.

`--cross-validate` says how the letters of each source are told by a model that was learned without
it: no letter is judged by a model that has seen it or its author's others.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from itertools import chain

from calibrated import cross_validate, find_curves
from examples import ROOT, Example, calibrating, read_examples
from learning import Learned, learn

from relay.lexicons import load_lexicons
from relay.wording import SCALE, Curve, Ground, rejection_score_min

MODELS = ROOT / "relay" / "lexicon"


def main() -> None:
    """Write the models, or say how well they tell letters that they have not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=["ja", "en"])
    parser.add_argument("--cross-validate", action="store_true")
    options = parser.parse_args()
    lexicons = load_lexicons(with_wording=False)
    for language in options.languages or ["ja", "en"]:
        examples = read_examples(language, lexicons)
        sums = cross_validate(examples, language, None if options.cross_validate else calibrating())
        curves = find_curves(examples, sums)
        if options.cross_validate:
            report(language, examples, sums, curves)
            continue
        learned = learn(examples)
        path = MODELS / f"{language}.wording"
        path.write_text(_written(learned, curves, beside(language)), encoding="utf-8")
        print(f"{path.name}: {len(learned.whole.grams)} grams from {len(examples)} letters")


def report(
    language: str,
    examples: Sequence[Example],
    sums: Sequence[float],
    curves: Mapping[Ground, Curve],
) -> None:
    """Print precision and recall of each source, and what comes of each range of scores."""
    shown = calibrating()
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    by_score: dict[int, list[bool]] = defaultdict(list)
    for example, told in zip(examples, sums, strict=True):
        score = 0.0 if example.is_forbidden else curves[example.ground].at(told)
        needed = rejection_score_min(example.ground)
        found = score >= needed and example.ground is not Ground.UNSTATED
        if example.source in shown and not example.is_arguable:
            by_score[min(9, int(score * 10))].append(example.is_rejection)
        for name in (example.source, example.ground.value, "all"):
            counts = by_source[name]
            counts["letters"] += 1
            counts["rejections"] += example.is_rejection
            counts["right"] += found and example.is_rejection
            counts["wrong"] += found and not example.is_rejection
    for tenth, answers in sorted(by_score.items()):
        print(
            f"{language}: score {tenth / 10:.1f} to {tenth / 10 + 0.1:.1f}:"
            f" letters {len(answers):5} rejections {sum(answers) / len(answers):.3f}"
        )
    for source, counts in by_source.items():
        found = counts["right"] + counts["wrong"]
        print(
            f"  {source:16} letters {counts['letters']:5} rejections {counts['rejections']:5}"
            f" found {counts['right']:5} wrong {counts['wrong']:3}"
            f" precision {counts['right'] / max(1, found):.3f}"
            f" recall {counts['right'] / max(1, counts['rejections']):.3f}"
        )


def beside(language: str) -> str:
    """Return a digest of the lexicon that a model of this language is learned beside."""
    return hashlib.sha256((MODELS / f"{language}.toml").read_bytes()).hexdigest()[:16]


def _written(learned: Learned, curves: Mapping[Ground, Curve], lexicon: str) -> str:
    scale = (learned.bias, learned.unit, *chain.from_iterable(map(astuple, curves.values())))
    head = "".join(f"{name}\t{value}\n" for name, value in zip(SCALE, scale, strict=True))
    rows = "\n".join(
        "".join(
            f"{weight:.4f}\t{rarity:.3f}\t{gram.replace(' ', '_')}\n"
            for gram, weight, rarity in weighed.rows()
        )
        for weighed in (learned.whole, learned.subject)
    )
    digest = hashlib.sha256(rows.encode()).hexdigest()[:16]
    return f"{head}digest\t{digest}\nlexicon\t{lexicon}\n\n{rows}"


if __name__ == "__main__":
    main()
