"""How often letters of one shape were seen, kept in memory until somebody takes it away.

Counted are letters in which the words found something and that nobody has approved: recurring ones
are templates that an admin may approve. The event loop alone counts and takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from relay.pipeline import Outcome
from relay.verdict import Kind

# Between two times that it is taken away. Ordinary mail has none; a mail merge has one.
SHAPES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class ShapeCount:
    """Letters of one company and shape: how many, and how they were judged."""

    company: str
    shape: str
    language: str
    seen: int
    rejections: int
    unsure: int
    first_day: str
    last_day: str


class ShapeCounts:
    """Counts by company and shape; more shapes than the limit are left out."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], ShapeCount] = {}

    def count(self, outcome: Outcome, now: datetime) -> None:
        """Count a letter, if it is one to be counted."""
        verdict = outcome.verdict
        if verdict is None or not verdict.evidence or not outcome.shape or outcome.is_approved:
            return
        day = now.date().isoformat()
        is_rejection, is_unsure = verdict.kind is Kind.REJECTION, verdict.kind is Kind.UNSURE
        self._add(
            ShapeCount(
                outcome.company or "",
                outcome.shape,
                verdict.language,
                1,
                int(is_rejection),
                int(is_unsure),
                day,
                day,
            )
        )

    def take(self) -> list[ShapeCount]:
        """Return what was counted and begin anew."""
        taken = list(self._counts.values())
        self._counts = {}
        return taken

    def give_back(self, counts: Iterable[ShapeCount]) -> None:
        """Add what was taken and could not be kept."""
        for count in counts:
            self._add(count)

    def _add(self, new: ShapeCount) -> None:
        key = new.company, new.shape
        known = self._counts.get(key)
        if known is not None:
            self._counts[key] = replace(
                known,
                seen=known.seen + new.seen,
                rejections=known.rejections + new.rejections,
                unsure=known.unsure + new.unsure,
                first_day=min(known.first_day, new.first_day),
                last_day=max(known.last_day, new.last_day),
            )
        elif len(self._counts) < SHAPES_MAX:
            self._counts[key] = new
