"""The sums of `careerrelay replay`: what a mailbox would have brought, without a word of it.

Counts, codes, and places (file and number) of some messages to look at. They grow with the number
of different things met, never with the number of messages, and are kept between two runs as JSON.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.policy import Action, Reason
from relay.verdict import Kind

# What a reader looks at, and what fits into a state that is written every few seconds.
PLACES_PER_SHAPE_MAX = 3
DAMAGE_PLACES_MAX = 100
SHAPES_MAX = 1000
OTHER_SHAPES = "other"
MONTHS_FILLED_MAX = 60
UNKNOWN = "unknown"  # A stage, position, language or month that could not be read off.


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is found again. Number 0: the file itself."""

    file: str
    number: int
    offset: int
    is_one_of_many: bool = True

    @property
    def name(self) -> str:
        """What `careerrelay check` takes."""
        return f"{self.file}:{self.number}" if self.is_one_of_many and self.number else self.file

    def row(self) -> dict[str, Any]:
        """Return the place as it stands in `--json`."""
        return {
            "file": self.file,
            "number": self.number,
            "offset": self.offset,
            "check": self.name,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one message; most is told of rejections and unsure letters only."""

    reason: Reason
    action: Action = Action.PASS
    kind: Kind = Kind.OTHER
    score: float = 0.0
    month: str = UNKNOWN
    language: str = UNKNOWN
    stage: str = UNKNOWN
    position: str = UNKNOWN
    shape: str = ""
    evidence: str = ""
    is_approved: bool = False
    is_damaged: bool = False

    @property
    def is_unwritten(self) -> bool:
        """The letter is one that the company wants changed, and cannot be changed."""
        is_wanted = self.kind is Kind.REJECTION or self.is_approved
        return is_wanted and self.action is Action.PASS and self.reason not in _UNWANTED


# Why a letter is left alone that could be changed.
_UNWANTED = (Reason.NOT_APPROVED, Reason.OBSERVE, Reason.UNSURE, Reason.NOT_REJECTION)


@dataclass(slots=True)
class Shape:
    """Unsure letters of the same wording."""

    count: int = 0
    evidence: str = ""
    places: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def _counter() -> Counter[str]:
    return Counter()


@dataclass(slots=True)
class Sums:
    """Everything counted so far. Each message is in `by_reason` or in `not_judged`, once."""

    by_reason: Counter[str] = field(default_factory=_counter)
    not_judged: Counter[str] = field(default_factory=_counter)
    files: Counter[str] = field(default_factory=_counter)
    """`read`, `other` for what is no mail, and the faults of files."""
    damaged: Counter[str] = field(default_factory=_counter)
    damage: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    unwritten: Counter[str] = field(default_factory=_counter)
    letters_by_month: Counter[str] = field(default_factory=_counter)
    unwritten_by_month: Counter[str] = field(default_factory=_counter)
    unsure_by_month: Counter[str] = field(default_factory=_counter)
    by_stage: Counter[str] = field(default_factory=_counter)
    by_language: Counter[str] = field(default_factory=_counter)
    by_position: Counter[str] = field(default_factory=_counter)
    shapes: dict[str, Shape] = field(default_factory=dict[str, Shape])

    @property
    def messages(self) -> int:
        """How many messages were met."""
        return self.by_reason.total() + self.not_judged.total()

    @property
    def letters(self) -> int:
        """How many letters would have carried the line."""
        return self.by_reason[Reason.INJECTED]

    @property
    def unsure(self) -> int:
        """How many letters were neither a rejection nor anything else for sure."""
        return self.by_reason[Reason.UNSURE]

    @property
    def file_faults(self) -> int:
        """How many files could not be read, or not whole."""
        return self.files.total() - self.files["read"] - self.files["other"]

    def add(self, finding: Finding, place: Place) -> None:
        """Count one letter that was judged."""
        self.by_reason[finding.reason] += 1
        if finding.is_damaged:
            self.add_damage(finding.reason, place)
        if finding.action is Action.INJECT:
            self.letters_by_month[finding.month] += 1
            self.by_stage[finding.stage] += 1
            self.by_language[finding.language] += 1
            self.by_position[finding.position] += 1
        elif finding.reason is Reason.UNSURE:
            self.unsure_by_month[finding.month] += 1
            self._add_shape(finding, place)
        elif finding.is_unwritten:
            self.unwritten[finding.reason] += 1
            self.unwritten_by_month[finding.month] += 1

    def _add_shape(self, finding: Finding, place: Place) -> None:
        is_known = finding.shape in self.shapes or len(self.shapes) < SHAPES_MAX
        name = finding.shape if is_known else OTHER_SHAPES
        shape = self.shapes.setdefault(name, Shape(evidence=finding.evidence))
        shape.count += 1
        if len(shape.places) < PLACES_PER_SHAPE_MAX:
            shape.places.append(place.row())

    def add_damage(self, reason: str, place: Place) -> None:
        """Count something that could not be read, and keep its place while there is room."""
        self.damaged[reason] += 1
        if len(self.damage) < DAMAGE_PLACES_MAX:
            self.damage.append({**place.row(), "reason": str(reason)})

    def by_month(self) -> dict[str, dict[str, int]]:
        """Return the letters of every month, in between also of those without any.

        Where a wrong date lies years away, only months with letters are told.
        """
        counted = {*self.letters_by_month, *self.unwritten_by_month, *self.unsure_by_month}
        known = sorted(counted - {UNKNOWN})
        months = _months_between(known[0], known[-1]) if known else []
        if len(months) > MONTHS_FILLED_MAX:
            months = known
        return {
            month: {
                "letters": self.letters_by_month[month],
                "unwritten": self.unwritten_by_month[month],
                "unsure": self.unsure_by_month[month],
            }
            for month in months + [UNKNOWN] * (UNKNOWN in counted)
        }

    def shapes_by_count(self) -> list[dict[str, Any]]:
        """Return the shapes of unsure letters, the most frequent first."""
        ordered = sorted(self.shapes.items(), key=lambda item: (-item[1].count, item[0]))
        return [
            {
                "shape": name,
                "count": shape.count,
                "evidence": shape.evidence,
                "places": shape.places,
            }
            for name, shape in ordered
        ]

    def summary(self) -> dict[str, Any]:
        """Return what the last row of `--json` says about the messages."""
        return {
            "messages": self.messages,
            "letters": self.letters,
            "unwritten": self.unwritten.total(),
            "unsure": self.unsure,
            "files": ordered(self.files),
            "by_reason": ordered(self.by_reason),
            "not_judged": ordered(self.not_judged),
            "by_month": self.by_month(),
            "by_stage": ordered(self.by_stage),
            "by_language": ordered(self.by_language),
            "by_position": ordered(self.by_position),
            "unwritten_by_reason": ordered(self.unwritten),
            "shapes": self.shapes_by_count(),
            "damaged": ordered(self.damaged),
            "damage": self.damage,
        }

    def encode(self) -> dict[str, Any]:
        """Return the sums as they are kept between two runs."""
        shapes = {
            name: [shape.count, shape.evidence, shape.places] for name, shape in self.shapes.items()
        }
        counters = {name: dict(getattr(self, name)) for name in _COUNTERS}
        return {**counters, "damage": self.damage, "shapes": shapes}

    @classmethod
    def decode(cls, kept: Mapping[str, Any]) -> Sums:
        """Return the sums that `encode` gave. `KeyError`, `TypeError`, `ValueError`: not those."""
        sums = cls(damage=list(kept["damage"]))
        for name in _COUNTERS:
            getattr(sums, name).update({str(key): int(n) for key, n in kept[name].items()})
        for name, (count, evidence, places) in kept["shapes"].items():
            sums.shapes[name] = Shape(int(count), str(evidence), list(places))
        return sums


_COUNTERS = (
    "by_reason",
    "not_judged",
    "files",
    "damaged",
    "unwritten",
    "letters_by_month",
    "unwritten_by_month",
    "unsure_by_month",
    "by_stage",
    "by_language",
    "by_position",
)


def ordered(counts: Counter[str]) -> dict[str, int]:
    """Return counts by size, those of one size by name: the same order after every run."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return {str(name): counts[name] for name in names if counts[name]}


def _months_between(first: str, last: str) -> list[str]:
    """Return every month from `first` to `last`, both "YYYY-MM" and among them."""
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(start, end + 1)]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that nobody knows: assumed to lie between two values, 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Worth:
    """What so many letters may bring, from the cautious to the hopeful assumption."""

    click_rate: Rate
    signup_rate: Rate
    threshold: int
    grant: int
    policy: str
    referrals: tuple[int, int]
    slots: tuple[int, int]

    def row(self) -> dict[str, Any]:
        """Return the estimate as it stands in `--json`."""
        return {
            "click_rate": [self.click_rate.low, self.click_rate.high],
            "signup_rate": [self.signup_rate.low, self.signup_rate.high],
            "referrals": list(self.referrals),
            "slots": list(self.slots),
            "referrals_per_grant": self.threshold,
            "slots_per_grant": self.grant,
            "policy": self.policy,
        }


def estimate(
    letters: int, click_rate: Rate, signup_rate: Rate, *, threshold: int, grant: int, policy: str
) -> Worth:
    """Return what `letters` with a link may bring under assumed rates."""
    # Down to whole ones, and past the rounding of products such as 0.1 * 0.3 * 1000.
    low, high = (
        math.floor(letters * clicks * signups + 1e-9)
        for clicks, signups in (
            (click_rate.low, signup_rate.low),
            (click_rate.high, signup_rate.high),
        )
    )
    slots = (low // threshold * grant, high // threshold * grant)
    return Worth(click_rate, signup_rate, threshold, grant, policy, (low, high), slots)
