"""Precision and recall: of letters that were told, in all, by source and by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from told import Told

# At which precision recall is read off a recogniser that says how sure it is.
PRECISIONS = (0.95, 0.98, 0.99)


@dataclass(frozen=True, slots=True)
class Counted:
    """How one recogniser did on some letters."""

    recogniser: str
    letters: int
    rejections: int
    right: int
    wrong: int
    recall_at: dict[float, float]
    """By precision; empty where nothing says how sure it is, or for a part of the letters."""

    @property
    def precision(self) -> float | None:
        """Return how many of those found are rejections, None where nothing was found."""
        found = self.right + self.wrong
        return self.right / found if found else None

    @property
    def recall(self) -> float | None:
        """Return how many of the rejections were found, None where there are none."""
        return self.right / self.rejections if self.rejections else None


def count(recogniser: str, letters: Sequence[Told], *, ranks: bool = False) -> Counted:
    """Return how a recogniser did; `ranks` asks for recall at each precision, too."""
    found = [one for one in letters if one.found[recogniser]]
    right = sum(one.is_rejection for one in found)
    scored = [
        (one.scores[recogniser], one.is_rejection)
        for one in letters
        if one.scores.get(recogniser) is not None
    ]
    return Counted(
        recogniser=recogniser,
        letters=len(letters),
        rejections=sum(one.is_rejection for one in letters),
        right=right,
        wrong=len(found) - right,
        recall_at={each: recall_at(each, scored) for each in PRECISIONS}
        if ranks and scored
        else {},
    )


def recall_at(precision: float, scored: Iterable[tuple[float, bool]]) -> float:
    """Return the largest recall at this precision. Letters of one score are found together."""
    ranked = sorted(scored, reverse=True)
    rejections = sum(is_rejection for _, is_rejection in ranked)
    found = right = best = 0
    for _, group in groupby(ranked, key=lambda each: each[0]):
        for _, is_rejection in group:
            found += 1
            right += is_rejection
        if right >= precision * found:
            best = right
    return best / rejections if rejections else 0.0
