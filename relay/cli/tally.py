"""Counts of right and wrong verdicts, in all and by kind and language of the letters. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.verdict import Kind


@dataclass(slots=True)
class Counts:
    """One group of letters. `unsure` counts as not found."""

    n: int = 0
    rejections: int = 0
    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    unsure: int = 0

    def add(self, is_rejection: bool, kind: Kind) -> None:
        """Count one letter."""
        is_found = kind is Kind.REJECTION
        self.n += 1
        self.rejections += is_rejection
        self.true_positive += is_rejection and is_found
        self.false_positive += is_found and not is_rejection
        self.false_negative += is_rejection and not is_found
        self.unsure += kind is Kind.UNSURE

    def row(self) -> dict[str, object]:
        """Return the counts with precision and recall, None where there is nothing to divide by."""
        found = self.true_positive + self.false_positive
        return {
            "n": self.n,
            "rejections": self.rejections,
            "true_positive": self.true_positive,
            "false_positive": self.false_positive,
            "false_negative": self.false_negative,
            "unsure": self.unsure,
            "precision": round(self.true_positive / found, 4) if found else None,
            "recall": round(self.true_positive / self.rejections, 4) if self.rejections else None,
        }


@dataclass(slots=True)
class Tally:
    """Counts in all, by kind and by language."""

    total: Counts = field(default_factory=Counts)
    by_kind: dict[str, Counts] = field(default_factory=dict[str, Counts])
    by_lang: dict[str, Counts] = field(default_factory=dict[str, Counts])

    def add(self, is_rejection: bool, found: Kind, kind: str, lang: str) -> None:
        """Count one letter in its groups."""
        self.total.add(is_rejection, found)
        self.by_kind.setdefault(kind, Counts()).add(is_rejection, found)
        self.by_lang.setdefault(lang, Counts()).add(is_rejection, found)

    def summary(self) -> dict[str, object]:
        """Return the last row of `evaluate --json`."""
        return {
            **self.total.row(),
            "by_kind": {name: counts.row() for name, counts in self.by_kind.items()},
            "by_lang": {name: counts.row() for name, counts in self.by_lang.items()},
        }
