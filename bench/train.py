"""Learn what rejections sound like: writes `relay/lexicon/<language>.wording`, to the byte.

    python bench/train.py [ja] [en]          (make model)

It reads the letters of `../shared/letters`, `tests/written`, `tests/letters` and others of the
tests, whose answer is known, and the
weight that the lexicon gives each of them. A linear support vector machine (squared hinge loss,
classes balanced) learns the weights of the grams beside that weight, by dual coordinate descent
(Hsieh et al., ICML 2008). The grams that tell most are kept and learned once more. Nothing but sums
and products of floats decides, in a fixed order, exactly summed: two machines write the same file.

What a sum means is read off letters that a model without their source has told: a logistic curve
for each ground that the lexicon may give (Platt 1999), so that of the letters with a score of 0.9
nine in ten are rejections.

`--cross-validate` says how the letters of each source are told by a model that was learned without
it: no letter is judged by a model that has seen it or its author's others.
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
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
from relay.verdict import ground_of, is_ruled_out, weight_of
from relay.wording import (
    SCALE,
    Curve,
    Gram,
    Ground,
    Scale,
    Wording,
    rejection_score_min,
    subject_of,
)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "letters"
WRITTEN = ROOT / "tests" / "written"
SAMPLES = ROOT / "tests" / "letters"
MODELS = ROOT / "relay" / "lexicon"

# Runs of words in English, of characters in Japanese: longer ones recur too seldom.
GRAM_SIZES = {"en": range(1, 5), "ja": range(2, 5)}
GRAMS_MAX = 14_000
# Of subjects, runs of characters in any language: they are short, and half of them no sentences.
SUBJECT_SIZES = range(2, 5)
SUBJECT_GRAMS_MAX = 4_000
# How far the subject counts beside the whole letter, which holds it, too.
SUBJECT_FACTOR = 0.5
# What an error costs, and how far the weight of the lexicon is scaled down beside the grams.
COST = 1.0
WEIGHT_FACTOR = 0.05
WEIGHT_DIVISOR = 8.0
PASSES_MAX = 200
TOLERANCE = 0.01
# So many models are learned to see how letters are told that were not learned from.
PARTS = 5
CURVE_STEPS = 30
CURVE_RIDGE = 0.001
# Pairs of letters that differ in one thing each teach, but no mailbox is made of them. How sure a
# sum is shows on the other letters that were written for us.
TWINS = "-twins"
_MOST = (GRAMS_MAX, SUBJECT_GRAMS_MAX)
_FACTORS = (1.0, SUBJECT_FACTOR)

# Gives weights for the columns, of rows (columns, their values, whether a rejection) and how many.
Solver = Callable[[list[list[int]], list[list[float]], list[bool], int], list[float]]


@dataclass(frozen=True, slots=True)
class Example:
    """A letter whose answer is known: its source, its grams, and what the lexicon says."""

    source: str
    id: str
    is_rejection: bool
    is_forbidden: bool
    ground: Ground
    whole: Counter[str]
    subject: Counter[str]
    weight: float
    is_arguable: bool


@dataclass(frozen=True, slots=True)
class Column:
    """Grams of one kind: what they are and how rare each is."""

    grams: Sequence[str]
    rarities: Sequence[float]
    factor: float

    def vector(self, counts: Counter[str], index: Mapping[str, int]) -> list[tuple[int, float]]:
        """Return the known grams of a letter, damped, by rarity, scaled to the length `factor`."""
        found = [
            (index[gram], round(1.0 + math.log(min(count, 64)), 6) * self.rarities[index[gram]])
            for gram, count in counts.items()
            if gram in index
        ]
        length = math.sqrt(math.fsum(value * value for _, value in found))
        return [(place, self.factor * value / length) for place, value in found]


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


@dataclass(frozen=True, slots=True)
class Learned:
    """A model before it is written."""

    whole: Weighed
    subject: Weighed
    unit: float
    bias: float

    def sums(self, examples: Sequence[Example]) -> list[float]:
        """Return the sum of each example, the weight of the lexicon in it."""
        columns = [(Column(one.grams, one.rarities, 1.0), one.weights) for one in self._lists()]
        indexes = [_index(column.grams) for column, _ in columns]
        return [
            sum(
                value * weights[place]
                for (column, weights), index, counts in zip(
                    columns, indexes, _counts(example), strict=True
                )
                for place, value in column.vector(counts, index)
            )
            + self.bias
            + self.unit * example.weight
            for example in examples
        ]

    def installed(self, curves: Mapping[Ground, Curve]) -> Wording:
        """Return the model as it is when it has been written and read again."""
        scale = Scale(self.bias, self.unit, curves)
        return Wording(scale, self.whole.rows(), self.subject.rows())

    def _lists(self) -> tuple[Weighed, Weighed]:
        return self.whole, self.subject


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
        curves = find_curves(examples, sums)
        if options.cross_validate:
            report(language, examples, sums, curves)
            continue
        learned = learn(examples)
        path = MODELS / f"{language}.wording"
        path.write_text(_written(learned, curves, beside(language)), encoding="utf-8")
        print(f"{path.name}: {len(learned.whole.grams)} grams from {len(examples)} letters")


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
        ground=ground_of(evidence),
        whole=Counter(grams_of(lexicon.wording_text(whole), language)),
        subject=Counter(runs_of(subject_of(subject), SUBJECT_SIZES)),
        weight=round(weight_of(evidence), 3),
        is_arguable="ambiguous" in row["note"] or "borderline" in row["note"],
    )


def grams_of(text: str, language: str) -> Iterable[str]:
    """Give the grams of a text as the model of the language reads it."""
    sizes = GRAM_SIZES[language]
    if language == "ja":
        yield from runs_of(text, sizes)
        return
    words = text.split()
    for size in sizes:
        for at in range(len(words) - size + 1):
            yield f" {' '.join(words[at : at + size])} "


def runs_of(text: str, sizes: Iterable[int]) -> Iterable[str]:
    """Give the runs of characters of a text."""
    for size in sizes:
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


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


def _index(grams: Sequence[str]) -> dict[str, int]:
    return {gram: place for place, gram in enumerate(grams)}


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
    columns = [
        Column(grams, [_rarity(held[gram], len(examples)) for gram in grams], factor)
        for grams, held, factor in zip(kept, seen, _FACTORS, strict=True)
    ]
    indexes = [_index(column.grams) for column in columns]
    starts = [0, len(kept[0])]
    weight_place = len(kept[0]) + len(kept[1])
    places: list[list[int]] = []
    values: list[list[float]] = []
    for example in examples:
        row = [
            (start + place, value)
            for column, index, start, counts in zip(
                columns, indexes, starts, _counts(example), strict=True
            )
            for place, value in column.vector(counts, index)
        ]
        factor = WEIGHT_FACTOR / WEIGHT_DIVISOR
        row += [(weight_place, example.weight * factor), (weight_place + 1, 1.0)]
        places.append([place for place, _ in row])
        values.append([value for _, value in row])
    truths = [example.is_rejection for example in examples]
    weights = solve(places, values, truths, weight_place + 2)
    lists = [
        Weighed(
            column.grams,
            column.rarities,
            [
                round(weight * column.factor, 4)
                for weight in weights[start : start + len(column.grams)]
            ],
        )
        for column, start in zip(columns, starts, strict=True)
    ]
    return Learned(
        *lists,
        unit=round(weights[weight_place] * WEIGHT_FACTOR / WEIGHT_DIVISOR, 5),
        bias=round(weights[weight_place + 1], 5),
    )


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


def calibrating() -> set[str]:
    """Return the sources that show how sure a sum is."""
    return {path.stem for path in WRITTEN.glob("*.jsonl") if not path.stem.endswith(TWINS)}


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
