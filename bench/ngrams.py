"""The recogniser that one takes off the shelf: character n-grams, TF-IDF, logistic regression.

All of it is scikit-learn's. Everything is learned from the letters it is given: which n-grams there
are, how rare each is, what it weighs. The only file that knows scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy

# scikit-learn comes without types.
_text: Any = import_module("sklearn.feature_extraction.text")
_linear: Any = import_module("sklearn.linear_model")
_pipeline: Any = import_module("sklearn.pipeline")

SIZES = {"ja": (1, 4), "en": (2, 5)}
LETTERS_MIN = 2  # An n-gram of one letter alone tells of that letter.
COST = 10.0  # 30 and 100 tell Japanese letters as well: average precision 0.937, 0.939, 0.940.


@dataclass(frozen=True, slots=True)
class Fitted:
    """What has been learned from some letters."""

    language: str
    model: Any
    threshold: float

    def finds(self, text: str) -> bool:
        """Tell whether a text is taken for a rejection."""
        score = self.model.decision_function([_prepared(text, self.language)])[0]
        return bool(score >= self.threshold)


def fit(texts: Sequence[str], truths: Sequence[bool], language: str, threshold: float) -> Fitted:
    """Return what is learned from some letters; texts are rejections from the threshold on."""
    model: Any = _pipeline.make_pipeline(_counter(language, LETTERS_MIN), *_rest())
    model.fit([_prepared(text, language) for text in texts], truths)
    return Fitted(language, model, threshold)


def score_without(
    texts: Sequence[str], truths: Sequence[bool], sources: Sequence[str], language: str
) -> Iterable[tuple[str, Mapping[int, float]]]:
    """Give for each source the scores of its letters, by models that have seen none of them.

    The n-grams of all letters are counted once. Of these a model is given the columns that its own
    letters hold, so that it knows no more than if it had counted them alone.
    """
    counts: Any = _counter(language, 1).fit_transform([_prepared(text, language) for text in texts])
    truth, source_of = numpy.array(truths), numpy.array(sources)
    for source in sorted(set(sources)):
        held: Any = numpy.flatnonzero(source_of == source)
        learned: Any = counts[source_of != source]
        known: Any = numpy.flatnonzero(learned.getnnz(axis=0) >= LETTERS_MIN)
        model: Any = _pipeline.make_pipeline(*_rest())
        model.fit(learned[:, known], truth[source_of != source])
        scores = model.decision_function(counts[held][:, known])
        yield source, dict(zip(held.tolist(), scores.tolist(), strict=True))


def _counter(language: str, letters_min: int) -> Any:
    return _text.CountVectorizer(analyzer="char", ngram_range=SIZES[language], min_df=letters_min)


def _rest() -> tuple[Any, Any]:
    # Two passes over the same letters give the same model: liblinear shuffles by a fixed seed.
    told = _linear.LogisticRegression(
        C=COST, class_weight="balanced", solver="liblinear", random_state=0, max_iter=1000
    )
    return _text.TfidfTransformer(sublinear_tf=True), told


def _prepared(text: str, language: str) -> str:
    return "".join(text.split()) if language == "ja" else text
