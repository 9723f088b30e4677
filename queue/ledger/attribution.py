"""Which company a registration is credited to, if any: by its token and the age of the letter.

A token of a revoked key or link, of nobody, or of a letter from longer ago than the configured
days is credited to nobody: the registration is taken all the same, goes to the installation's log,
and is `unattributed`. The candidate notices nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ledger.events import INSTALLATION, link_issued_id
from signer.damage import find_candidates
from signer.errors import BadToken
from signer.keyring import KeyRing
from signer.tokens import read_link, read_token

# A year: who looks for work again after that does not do so because of that letter.
ATTRIBUTION_DAYS: Final = 365
ATTRIBUTION_DAYS_MAX: Final = 3650

NOBODY: Final = (INSTALLATION, "")


class Attribution:
    """Attributes registrations. Thread-safe."""

    def __init__(
        self,
        ring: Callable[[], KeyRing],
        companies: Sequence[str],
        time_of: Callable[[str, str], datetime | None],
        days: int = ATTRIBUTION_DAYS,
    ) -> None:
        """`time_of` gives the time of an event of a log; see `Applier.time_of`."""
        self._ring = ring
        self._companies = companies
        self._time_of = time_of
        self._period = timedelta(days=days)

    def of(self, text: str, now: datetime) -> tuple[str, str]:
        """Return company and link id for the token in a text, or `NOBODY`; blocks shortly.

        A link that no letter is on record for is attributed: the ledger holds it. Raises
        `StoreError`.
        """
        try:
            claims = read_link(self._ring(), text, self._companies)
        except BadToken:
            return NOBODY
        issued = self._time_of(claims.company, link_issued_id(claims.link_id))
        if issued is not None and now - issued > self._period:
            return NOBODY
        return claims.company, claims.link_id

    def link_id(self, text: str) -> str:
        """Return the link id in a text, still good or not, empty where there is none."""
        ring = self._ring()
        found = [read_token(ring, each, self._companies) for each in find_candidates(text)]
        proved = [each for each in found if each.company is not None]
        return next((each.link_id for each in (*proved, *found)), "")
