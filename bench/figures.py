"""One trial of one server, and what many trials of many servers come to."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """How letters are sent, and of what size."""

    name: str
    title: str
    size_bytes: int
    keeps_connections: bool

    @property
    def is_large(self) -> bool:
        """Say whether megabytes tell more than letters."""
        return self.size_bytes > MEGABYTE


CASES = (
    Case("new", "4 KiB, a new connection for each letter", 4096, False),
    Case("kept", "4 KiB, kept connections", 4096, True),
    Case("large", "5 MiB, kept connections", 5 * 1024 * 1024, True),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """A trial at full load."""

    letters_per_second: float
    megabytes_per_second: float
    cpu_ms: float  # Of the server, for each letter.
    peak_bytes: int
    marked_share: float  # Of the letters that came, those that we had changed.


@dataclass(frozen=True, slots=True)
class Delay:
    """A trial at half load, in milliseconds, less the same trial without a relay."""

    offered_per_second: float
    added_p50_ms: float
    added_p99_ms: float
    added_whole_p50_ms: float  # The same from connecting, or from MAIL, to the reply.
    added_whole_p99_ms: float


@dataclass(slots=True)
class Figures:
    """All trials of one server; only the one who measures adds to them."""

    name: str
    version: str = ""
    arrivals: str = ""
    missing: str = ""  # Why there are none.
    idle_rss_bytes: int = 0
    idle_pss_bytes: int = 0
    rates: dict[str, list[Rate]] = field(default_factory=dict)
    delays: dict[str, list[Delay]] = field(default_factory=dict)

    def rate(self, case: Case, of: Callable[[Rate], float]) -> float | None:
        """Return the median over the trials at full load."""
        trials = self.rates.get(case.name)
        return statistics.median(of(trial) for trial in trials) if trials else None

    def delay(self, case: Case, of: Callable[[Delay], float]) -> float | None:
        """Return the median over the trials at half load."""
        trials = self.delays.get(case.name)
        return statistics.median(of(trial) for trial in trials) if trials else None


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
