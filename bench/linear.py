"""The model of the wording as liblinear learns it: the same problem as in `learning.py`, sooner.

`learning.py` learns so that two machines write the same file, and takes ten times as long for that.
Here a model is learned for each source of letters. What the two say of a letter differs in the
third place behind the point.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import accumulate, chain
from typing import Any

import numpy
from learning import COST, TOLERANCE

# scikit-learn and SciPy come without types.
_sparse: Any = import_module("scipy.sparse")
_svm: Any = import_module("sklearn.svm")


def solve(
    places: Sequence[Sequence[int]],
    values: Sequence[Sequence[float]],
    truths: Sequence[bool],
    size: int,
) -> list[float]:
    """Return the weights that tell the rows apart; the constant is one of their columns."""
    starts = [0, *accumulate(map(len, places))]
    rows: Any = _sparse.csr_matrix(
        (list(chain.from_iterable(values)), list(chain.from_iterable(places)), starts),
        shape=(len(places), size),
    )
    model: Any = _svm.LinearSVC(
        C=COST,
        class_weight="balanced",
        fit_intercept=False,
        tol=TOLERANCE,
        max_iter=10_000,
        random_state=0,
    )
    model.fit(rows, numpy.array(truths))
    return [float(weight) for weight in model.coef_[0]]
