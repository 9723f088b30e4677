"""What is kept of a click for thirty days: enough to tell scanners from people, and no address.

Of the address only the network a site usually has, of the agent its beginning, of the headers those
in which browsers say what a request is for. It is kept beside the log and never in it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic_core import to_json

from ledger.clicks import Network

# Browsers and scanners are told apart within these; what follows may single a device out.
AGENT_KEPT_CHARS: Final = 200
# The longest value that browsers send in the headers below is "same-origin" or "empty".
HEADER_KEPT_CHARS: Final = 40
METHOD_KEPT_CHARS: Final = 10

# Lower-case names.
_BROWSERS_SAY: Final = (
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-purpose",
)
# What `raw_detail` looks at.
HEADERS_KEPT: Final = ("user-agent", *_BROWSERS_SAY)


def raw_detail(
    method: str, headers: Mapping[str, str], network: Network, signals: Iterable[str] = ()
) -> bytes:
    """Return what is kept of a request, as JSON; `headers` has lower-case names."""
    found = {
        "agent": headers.get("user-agent", "")[:AGENT_KEPT_CHARS],
        "method": method[:METHOD_KEPT_CHARS],
        "network": network,
        "signals": ",".join(signals),
    }
    for name in _BROWSERS_SAY:
        if value := headers.get(name, ""):
            found[name.replace("-", "_")] = value[:HEADER_KEPT_CHARS]
    return to_json(found)
