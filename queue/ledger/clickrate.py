"""How many clicks of one network are kept singly; of more, only how many they were.

A scanner that walks through a mailing, or somebody who plays with a link, would fill the log. So
beyond a number in a minute the clicks of a network are counted and not kept. Nobody is refused
anything: who clicks is sent on all the same. What is remembered is bounded and ends with the
minute.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# A campus or a carrier has thousands of people behind one network, of whom a few open such a letter
# in the same minute; a scanner of a mailing makes hundreds of requests.
CLICKS_PER_MINUTE: Final = 60
# Beyond so many networks in a minute it is not one that floods us, and each is kept.
NETWORKS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Thinned:
    """Clicks of a minute that were not kept singly."""

    company: str
    minute: int  # Since 1970.
    count: int


class ClickRate:
    """Counts the clicks of the minute by network. Not for several threads.

    `secret` is random and of this process, as that of `ledger.clicks.LinkWatch`.
    """

    def __init__(self, secret: bytes, per_minute: int = CLICKS_PER_MINUTE) -> None:
        self._secret = secret
        self._per_minute = per_minute
        self._minute = 0
        self._seen: Counter[bytes] = Counter()
        self._thinned: Counter[tuple[str, int]] = Counter()

    def admits(self, network: str, company: str, now: datetime) -> bool:
        """Count a click; tell whether it is to be kept. One of no known network is."""
        minute = _minute(now)
        if minute != self._minute:
            self._minute = minute
            self._seen.clear()
        if not network:
            return True
        key = hashlib.blake2b(network.encode(), key=self._secret, digest_size=8).digest()
        if key not in self._seen and len(self._seen) >= NETWORKS_MAX:
            return True
        self._seen[key] += 1
        if self._seen[key] <= self._per_minute:
            return True
        self._thinned[company, minute] += 1
        return False

    def has_finished(self, now: datetime) -> bool:
        """Tell whether there is something to take."""
        return bool(self._thinned) and any(minute != _minute(now) for _, minute in self._thinned)

    def take_finished(self, now: datetime | None) -> list[Thinned]:
        """Return what was not kept in minutes that are over, once; all with `None` for now."""
        found = [
            Thinned(company, minute, count)
            for (company, minute), count in self._thinned.items()
            if now is None or minute != _minute(now)
        ]
        for each in found:
            del self._thinned[each.company, each.minute]
        return found


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60
