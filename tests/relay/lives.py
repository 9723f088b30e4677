"""The catalogue of lives: the ways in which each row of the tables in `docs/flow.md` happens.

The page says what is seen, these files how it is played; `test_lives` holds one against the other.
Nothing is pretended: clients reset or half-close their sockets, next hops hang and talk nonsense,
stores and disks are really away, and only the limits are shorter than in production.
"""

from __future__ import annotations

from tests.relay import lives_client, lives_hop, lives_ours, lives_tls
from tests.relay.lives_way import Way

CATALOGUE: dict[str, tuple[Way, ...]] = {
    **lives_client.LIVES,
    **lives_tls.LIVES,
    **lives_hop.LIVES,
    **lives_ours.LIVES,
}
