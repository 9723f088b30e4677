"""What is kept of a click for thirty days: enough to tell scanners from people, and no address.

Of the address only the network a site usually has, of the agent its beginning, of the headers those
in which browsers say what a request is for. It is kept beside the log and never in it. Pure.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Final

from ledger.clicks import IPV4_PREFIX, IPV6_PREFIX

# Browsers and scanners are told apart within these; what follows may single a device out.
AGENT_KEPT_CHARS: Final = 200
# The longest value that browsers send in the headers below is "same-origin" or "empty".
HEADER_KEPT_CHARS: Final = 40
METHOD_KEPT_CHARS: Final = 10

_HEADERS: Final = (
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-purpose",
)


def raw_detail(
    method: str, headers: Mapping[str, str], address: str, signals: Iterable[str] = ()
) -> bytes:
    """Return what is kept of a request, as JSON; `headers` has lower-case names."""
    found = {
        "agent": headers.get("user-agent", "")[:AGENT_KEPT_CHARS],
        "method": method[:METHOD_KEPT_CHARS],
        "network": network_of(address),
        "signals": ",".join(signals),
    }
    for name in _HEADERS:
        if value := headers.get(name, ""):
            found[name.replace("-", "_")] = value[:HEADER_KEPT_CHARS]
    return json.dumps(found, sort_keys=True, separators=(",", ":")).encode()


def network_of(address: str) -> str:
    """Return the /24 or /48 an address is in, empty for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    # Both hold a whole IPv4 address, the second within its first 48 bits (RFC 3056 §2).
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed.sixtofour or parsed
    # As a number: the text of an address may have a zone behind it.
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(parsed), IPV4_PREFIX), strict=False))
    return str(ipaddress.IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
