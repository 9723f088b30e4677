"""Learn what rejections sound like: writes `relay/lexicon/<language>.wording`, to the byte.

    python bench/train.py [ja] [en]          (make model)

It reads the letters of `../shared/letters`, `tests/written`, `tests/letters` and others of the
tests, whose answer is known, and the
weight that the lexicon gives each of them. A linear support vector machine (squared hinge loss,
classes balanced) learns the weights of the grams beside that weight, by dual coordinate descent
(Hsieh et al., ICML 2008). The grams that tell most are kept and learned once more. Nothing but sums
and products of floats decides, in a fixed order, exactly summed: two machines write the same file.

`--cross-validate` learns without one source of letters at a time and says how the letters of that
source are then told: no letter is judged by a model that has seen it or its author's others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import mul
from pathlib import Path
from typing import Any

from relay.candidates import find_candidates
from relay.cli.judge import build_message
from relay.cli.letterfile import envelope_from_header
from relay.entries import Lexicons
from relay.envelope import Envelope
from relay.evidence import weigh_texts
from relay.letter import Letter, read_letter
from relay.lexicons import load_lexicons
from relay.mimemap import MapError, map_message
from relay.sentences import language_of, normalise
from relay.verdict import is_ruled_out, weight_of

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "letters"
WRITTEN = ROOT / "tests" / "written"
SAMPLES = ROOT / "tests" / "letters"
MODELS = ROOT / "relay" / "lexicon"

# Runs of words in English, of characters in Japanese: longer ones recur too seldom.
GRAM_SIZES = {"en": range(1, 5), "ja": range(2, 5)}
GRAMS_MAX = 14_000
# What an error costs, and how far the weight of the lexicon is scaled down beside the grams.
COST = 1.0
WEIGHT_FACTOR = 0.05
WEIGHT_DIVISOR = 8.0
PASSES_MAX = 200
TOLERANCE = 0.01
# Pairs of letters that differ in one thing each teach, but no mailbox is made of them. How sure a
# sum is shows on the other letters that were written for us.
TWINS = "-twins"
# Letters told at the sums that the thresholds stand for are, in cross-validation, right so often.
PRECISION_REJECTION = 0.98
PRECISION_UNSURE = 0.90

# Gives weights for the columns, of rows (columns, their values, whether a rejection) and how many.
Solver = Callable[[list[list[int]], list[list[float]], list[bool], int], list[float]]


@dataclass(frozen=True, slots=True)
class Example:
    """A letter whose answer is known: its source, its grams, and what the lexicon says."""

    source: str
    id: str
    is_rejection: bool
    is_forbidden: bool
    counts: Counter[str]
    weight: float
    is_arguable: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """A model before it is written."""

    grams: Sequence[str]
    rarities: Sequence[float]
    weights: Sequence[float]
    unit: float
    bias: float

    def sums(self, examples: Sequence[Example]) -> list[float]:
        """Return the sum of each example, the weight of the lexicon in it."""
        index = {gram: place for place, gram in enumerate(self.grams)}
        return [
            sum(
                value * self.weights[place]
                for place, value in _vector(example.counts, index, self.rarities)
            )
            + self.bias
            + self.unit * example.weight
            for example in examples
        ]


def main() -> None:
    """Write the models, or say how well they tell letters that they have not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=["ja", "en"])
    parser.add_argument("--cross-validate", action="store_true")
    options = parser.parse_args()
    lexicons = load_lexicons()
    for language in options.languages or ["ja", "en"]:
        examples = read_examples(language, lexicons)
        sums = cross_validate(examples, language, None if options.cross_validate else calibrating())
        rejection = threshold(examples, sums, PRECISION_REJECTION)
        unsure = min(threshold(examples, sums, PRECISION_UNSURE), rejection - 0.1)
        if options.cross_validate:
            report(language, examples, sums, rejection)
            continue
        learned = learn(examples, language)
        path = MODELS / f"{language}.wording"
        path.write_text(_written(learned, rejection, unsure), encoding="utf-8")
        print(f"{path.name}: {len(learned.grams)} grams from {len(examples)} letters")


def read_rows() -> Iterable[tuple[str, dict[str, Any]]]:
    """Give each letter as a row, with the source it comes from."""
    for path in sorted([*SHARED.glob("*.jsonl"), *WRITTEN.glob("*.jsonl")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield path.stem, {**row, "subject": row.get("subject"), "note": row.get("note") or ""}
    for name in ("longer_letters", "short_letters"):
        tables = tomllib.loads((ROOT / "tests" / "relay" / f"{name}.toml").read_text("utf-8"))
        for label, rows in tables.items():
            for number, row in enumerate(rows):
                yield (
                    name,
                    {
                        "id": f"{name}-{label}-{number}",
                        "label": "rejection" if label == "rejection" else "negative",
                        "subject": row.get("subject"),
                        "body": row["text"],
                        "note": "",
                    },
                )


def read_examples(language: str, lexicons: Lexicons) -> list[Example]:
    """Return the letters of a language, each with what the lexicon says of it."""
    letters = chain(
        ((source, row, letter_of(row)) for source, row in read_rows()),
        read_samples(),
    )
    read = (read_example(*letter, language, lexicons) for letter in letters)
    return [example for example in read if example is not None]


def read_samples() -> Iterable[tuple[str, dict[str, Any], Letter]]:
    """Give the sample letters of the tests, which are whole messages."""
    for path in sorted(SAMPLES.glob("*.eml")):
        known = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
        try:
            message_map = map_message(path.read_bytes())
        except MapError:
            continue
        envelope = Envelope(known.get("sender", ""), tuple(known.get("recipients", ())))
        label = "rejection" if known["verdict"] == "rejection" else "negative"
        arguable = "ambiguous" if known["verdict"] == "unsure" else ""
        row = {"id": path.stem, "label": label, "note": arguable}
        yield "samples", row, read_letter(message_map, envelope)


def letter_of(row: dict[str, Any]) -> Letter:
    """Return the letter of a row, made into a mail and read as one."""
    message_map = map_message(build_message(row))
    return read_letter(message_map, envelope_from_header(message_map))


def read_example(
    source: str, row: dict[str, Any], letter: Letter, language: str, lexicons: Lexicons
) -> Example | None:
    """Return what is learned from a letter, if it is in this language."""
    lexicon = lexicons[language]
    subject, text = normalise(letter.subject), normalise(letter.text)
    whole = f"{subject}\n{text}"
    if language_of(whole) != language:
        return None
    candidates = find_candidates(subject, text, lexicons)
    evidence = weigh_texts(letter, subject, text, language, candidates, lexicons)
    return Example(
        source=source,
        id=row["id"],
        is_rejection=row["label"] == "rejection",
        is_forbidden=is_ruled_out(evidence),
        counts=Counter(grams_of(lexicon.wording_text(whole), language)),
        weight=round(weight_of(evidence), 3),
        is_arguable="ambiguous" in row["note"] or "borderline" in row["note"],
    )


def grams_of(text: str, language: str) -> Iterable[str]:
    """Give the grams of a text as the model of the language reads it."""
    sizes = GRAM_SIZES[language]
    if language == "ja":
        for size in sizes:
            yield from (text[at : at + size] for at in range(len(text) - size + 1))
        return
    words = text.split()
    for size in sizes:
        for at in range(len(words) - size + 1):
            yield f" {' '.join(words[at : at + size])} "


def learn(examples: Sequence[Example], language: str, solve: Solver | None = None) -> Learned:
    """Return the model of some letters: learned twice, the second time of what told most.

    `solve` finds the weights in another way than ours, which is exact and slow.
    """
    seen = Counter(gram for example in examples for gram in example.counts)
    grams = sorted(gram for gram, count in seen.items() if count > 1 and "_" not in gram)
    first = _fit(examples, grams, seen, solve or _descend)
    if len(grams) > GRAMS_MAX:
        told = {
            gram: abs(weight) * math.sqrt(seen[gram])
            for gram, weight in zip(grams, first.weights, strict=True)
        }
        grams = sorted(sorted(grams, key=lambda gram: (-round(told[gram], 9), gram))[:GRAMS_MAX])
        first = _fit(examples, grams, seen, solve or _descend)
    return first


def _fit(
    examples: Sequence[Example], grams: Sequence[str], seen: Counter[str], solve: Solver
) -> Learned:
    index = {gram: place for place, gram in enumerate(grams)}
    rarities = [round(1.0 + math.log((1 + len(examples)) / (1 + seen[gram])), 3) for gram in grams]
    rows = [_vector(example.counts, index, rarities) for example in examples]
    factor = WEIGHT_FACTOR / WEIGHT_DIVISOR
    extra = len(grams)
    places = [[*(place for place, _ in row), extra, extra + 1] for row in rows]
    values = [
        [*(value for _, value in row), example.weight * factor, 1.0]
        for row, example in zip(rows, examples, strict=True)
    ]
    weights = solve(places, values, [example.is_rejection for example in examples], extra + 2)
    return Learned(
        grams,
        rarities,
        [round(weight, 4) for weight in weights[:extra]],
        unit=round(weights[extra] * factor, 5),
        bias=round(weights[extra + 1], 5),
    )


def _vector(
    counts: Counter[str], index: dict[str, int], rarities: Sequence[float]
) -> list[tuple[int, float]]:
    """Return the known grams of a letter, damped, by rarity, scaled to length one."""
    found = [
        (index[gram], round(1.0 + math.log(min(count, 64)), 6) * rarities[index[gram]])
        for gram, count in counts.items()
        if gram in index
    ]
    length = math.sqrt(math.fsum(value * value for _, value in found))
    return [(place, value / length) for place, value in found]


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


def calibrating() -> set[str]:
    """Return the sources that show how sure a sum is."""
    return {path.stem for path in WRITTEN.glob("*.jsonl") if not path.stem.endswith(TWINS)}


def cross_validate(
    examples: Sequence[Example], language: str, sources: set[str] | None = None
) -> list[float]:
    """Return the sum of each letter under a model that has seen no letter of its source.

    Letters of other sources than those asked for keep the sum 0.
    """
    by_source: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        by_source[example.source].append(place)
    sums = [0.0] * len(examples)
    for source, held in sorted(by_source.items()):
        if sources is not None and source not in sources:
            continue
        learned = learn([one for one in examples if one.source != source], language)
        for place, told in zip(held, learned.sums([examples[i] for i in held]), strict=True):
            sums[place] = told
        print(f"{language}: without {source}: {len(held)} letters", file=sys.stderr)
    return sums


def threshold(examples: Sequence[Example], sums: Sequence[float], precision: float) -> float:
    """Return the lowest sum from which on letters are right so often."""
    shown = calibrating()
    ranked = sorted(
        (
            (told, example.is_rejection)
            for told, example in zip(sums, examples, strict=True)
            if example.source in shown and not (example.is_forbidden or example.is_arguable)
        ),
        reverse=True,
    )
    right = 0
    best = ranked[0][0]
    for count, (told, is_rejection) in enumerate(ranked, 1):
        right += is_rejection
        if right >= precision * count:
            best = told
    return round(best, 4)


def report(
    language: str, examples: Sequence[Example], sums: Sequence[float], rejection: float
) -> None:
    """Print precision and recall of each source at the threshold."""
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for example, told in zip(examples, sums, strict=True):
        found = told >= rejection and not example.is_forbidden
        for name in (example.source, "all"):
            counts = by_source[name]
            counts["letters"] += 1
            counts["rejections"] += example.is_rejection
            counts["right"] += found and example.is_rejection
            counts["wrong"] += found and not example.is_rejection
    print(f"{language}: threshold {rejection}")
    for source, counts in by_source.items():
        found = counts["right"] + counts["wrong"]
        print(
            f"  {source:16} letters {counts['letters']:5} rejections {counts['rejections']:5}"
            f" found {counts['right']:5} wrong {counts['wrong']:3}"
            f" precision {counts['right'] / max(1, found):.3f}"
            f" recall {counts['right'] / max(1, counts['rejections']):.3f}"
        )


def _written(learned: Learned, rejection: float, unsure: float) -> str:
    rows = "".join(
        f"{weight:.4f}\t{rarity:.3f}\t{gram.replace(' ', '_')}\n"
        for gram, rarity, weight in zip(
            learned.grams, learned.rarities, learned.weights, strict=True
        )
        if weight
    )
    digest = hashlib.sha256(rows.encode()).hexdigest()[:16]
    return (
        f"bias\t{learned.bias}\nunit\t{learned.unit}\nrejection\t{rejection}\nunsure\t{unsure}\n"
        f"digest\t{digest}\n\n{rows}"
    )


if __name__ == "__main__":
    main()
