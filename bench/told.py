"""What each recogniser says of each letter, learned without the letters of its source.

Ours knows the wording of letters from a model, which is learned once for each source, of all other
letters. So are the n-grams. What a score means is found on the other sources, each letter as told
without its own; of the n-grams, from where on they are right in 98 of 100 there. The lexicons of
ours and the two recognisers without a memory are the same for all.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ngrams
from calibrated import find_curves
from examples import Example, calibrating
from learning import Learned, learn
from linear import solve
from samples import Group, Sample, read_language
from words import keyword_finder, phrase_finder

from relay.entries import Lexicons
from relay.lexicons import load_lexicons
from relay.verdict import Kind, judge

INSTALLED = "as installed"
OURS = "Career Relay"
NGRAMS = "n-grams"
KEYWORDS = "keywords"
PHRASES = "phrase and object"
LETTERS_TIMED = 200
# The n-grams take a letter for a rejection from the score on at which they are right so often.
PRECISION = 0.98
RECOGNISERS = (OURS, NGRAMS, KEYWORDS, PHRASES, INSTALLED)


@dataclass(frozen=True, slots=True)
class Told:
    """A letter, whether each recogniser takes it for a rejection, and how sure it is if it says."""

    language: str
    source: str
    kind: str
    group: Group
    is_rejection: bool
    found: Mapping[str, bool]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Language:
    """What came of the letters in a language, and what is needed to take times."""

    code: str
    letters: Sequence[Told]
    ngrams: ngrams.Fitted
    """Learned from all letters, as one would install it."""
    timed: Sequence[Sample]


def tell(language: str, *, is_quick: bool) -> Language:
    """Return what all recognisers say of the letters of a language."""
    lexicons = load_lexicons()
    samples = read_language(language, lexicons, is_quick=is_quick)
    found: list[dict[str, bool]] = [{} for _ in samples]
    scores: list[dict[str, float]] = [{} for _ in samples]
    has_keyword, has_phrase = keyword_finder(language), phrase_finder(lexicons)
    for place, sample in enumerate(samples):
        verdict = judge(sample.letter, lexicons)
        scores[place][INSTALLED] = verdict.score
        found[place][INSTALLED] = verdict.kind is Kind.REJECTION
        found[place][KEYWORDS] = has_keyword(sample.text)
        found[place][PHRASES] = has_phrase(sample.text)
    fitted = _tell_ngrams(samples, language, found, scores)
    _tell_ours(samples, language, lexicons, found, scores)
    letters = [
        Told(
            language=language,
            source=sample.example.source,
            kind=sample.kind,
            group=sample.group,
            is_rejection=sample.example.is_rejection,
            found=found[place],
            scores=scores[place],
        )
        for place, sample in enumerate(samples)
        if sample.is_measured
    ]
    measured = [sample for sample in samples if sample.is_measured]
    timed = measured[:: max(1, len(measured) // LETTERS_TIMED)]
    return Language(language, letters, fitted, timed)


def _tell_ngrams(
    samples: Sequence[Sample],
    language: str,
    found: Sequence[dict[str, bool]],
    scores: Sequence[dict[str, float]],
) -> ngrams.Fitted:
    """Tell what the n-grams say, and return what they learn from all letters."""
    examples = [sample.example for sample in samples]
    truths = [example.is_rejection for example in examples]
    sources = [example.source for example in examples]
    told = [0.0] * len(samples)
    texts = [sample.text for sample in samples]
    for source, scored in ngrams.score_without(texts, truths, sources, language):
        _say(f"{language}: n-grams without {source}")
        for place, score in scored.items():
            told[place] = score
    for source, held in _by_source(samples).items():
        needed = _threshold(examples, told, source)
        for place in held:
            scores[place][NGRAMS] = told[place]
            found[place][NGRAMS] = told[place] >= needed
    return ngrams.fit(texts, truths, language, _threshold(examples, told))


def _tell_ours(
    samples: Sequence[Sample],
    language: str,
    lexicons: Lexicons,
    found: Sequence[dict[str, bool]],
    scores: Sequence[dict[str, float]],
) -> None:
    examples = [sample.example for sample in samples]
    by_source = _by_source(samples)
    models: dict[str, Learned] = {}
    sums = [0.0] * len(samples)
    for source, held in by_source.items():
        if not any(samples[place].is_measured for place in held):
            continue
        _say(f"{language}: the wording without {source}")
        learned = learn([one for one in examples if one.source != source], solve)
        models[source] = learned
        for place, told in zip(held, learned.sums([examples[i] for i in held]), strict=True):
            sums[place] = told
    for source in models:
        held = by_source[source]
        others = [place for place, example in enumerate(examples) if example.source != source]
        curves = find_curves([examples[i] for i in others], [sums[i] for i in others])
        wording = models[source].installed(curves)
        own = {**lexicons, language: replace(lexicons[language], wording=wording)}
        for place in held:
            verdict = judge(samples[place].letter, own)
            scores[place][OURS] = verdict.score
            found[place][OURS] = verdict.kind is Kind.REJECTION


def _threshold(examples: Sequence[Example], told: Sequence[float], without: str = "") -> float:
    """Return the score from which on letters of all sources but one are right so often."""
    shown = calibrating() - {without}
    scored = (
        (one, example.is_rejection)
        for one, example in zip(told, examples, strict=True)
        if example.source in shown and not example.is_arguable
    )
    right = 0
    best = 0.0
    for count, (one, is_rejection) in enumerate(sorted(scored, reverse=True), 1):
        right += is_rejection
        if right >= PRECISION * count:
            best = one
    return best


def _by_source(samples: Sequence[Sample]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        places[sample.example.source].append(place)
    return dict(sorted(places.items()))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
