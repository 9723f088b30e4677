"""How many forms one network may send: against those who write to strangers through us.

In memory and for one process: it holds off a flood, and a restart that forgets it harms nobody. The
bound for each address (`ledger.people`) is on disk.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from ledger.clicks import LOOPBACK, network_of

# A carrier's gateway has thousands of phones behind a /24; of those who got a letter today a few.
FORMS_MAX: Final = 40
WINDOW: Final = timedelta(hours=1)
NETWORKS_MAX: Final = 20_000  # Some 4 MB; the one that was silent the longest is forgotten.


class NetworkBound:
    """Counts forms by network; for one event loop."""

    def __init__(self) -> None:
        # The beginning of the hour that is counted, and how many there were.
        self._seen: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def take(self, address: str, now: datetime) -> bool:
        """Count a form; tell whether it is still within the bound.

        Behind a proxy that does not say for whom it asks nobody is held up.
        """
        network = network_of(address)
        if network in LOOPBACK:
            return True
        since, count = self._seen.pop(network, (now, 0))
        if not timedelta(0) <= now - since < WINDOW:
            since, count = now, 0
        self._seen[network] = since, count + 1
        if len(self._seen) > NETWORKS_MAX:
            self._seen.popitem(last=False)
        return count < FORMS_MAX
