"""Who followed a link: a person, a scanner, or nobody knows; with the signals that say so.

Mail security scanners follow links, with the agent of a browser and from many networks. So every
sign that is seen is recorded by name, and only a strong one decides (`ledger.signals`). A click
is never worth a credit, whatever its class. Of the request, the event has only class and signal
names: no address, no agent. Networks are remembered for a minute, as a hash under a key of this
process. What is kept beside the log for a while is `ledger.clickdetail`'s.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NewType

from ledger.agents import AGENT_MAX_CHARS, Agents
from ledger.signals import Click, Signal, judge_click

WINDOW = timedelta(minutes=1)
LINKS_WATCHED_MAX = 10_000  # The links of a large mailing that are opened within one window.
REQUESTS_WATCHED_MAX = 8  # Of one link in one window; a person comes once or twice.
NETWORKS_FEW = 2  # A phone that changes from mobile to wireless shows two.
REQUESTS_FEW = 3  # An impatient person taps three times.
IPV4_PREFIX, IPV6_PREFIX = 24, 48  # What one site usually has.
# A proxy that does not say for whom it asks: everybody comes from there, so it is nobody's network.
LOOPBACK = ("127.0.0.0/24", "::/48")

# What `network_of` returned: a type of its own, so that no address is taken for one.
Network = NewType("Network", str)

# Headers in which browsers say that nobody has clicked yet.
_PREFETCH_HEADERS = ("purpose", "sec-purpose", "x-purpose", "x-moz")
# Chrome, and what is built from it, has said since version 80 what a request is for.
_SAYS_WHY = re.compile(r"Chrome/([89][0-9]|[1-9][0-9][0-9])\.")
_PREFETCH_WORDS = ("prefetch", "preview", "prerender")
# What `read_click` looks at.
HEADERS_READ = (
    "user-agent",
    *_PREFETCH_HEADERS,
    "sec-fetch-mode",
    "sec-fetch-dest",
    "accept-language",
)


def read_click(
    method: str, headers: Mapping[str, str], agents: Agents, seen: Iterable[Signal] = ()
) -> Click:
    """Return the class of a request; `headers` has lower-case names, `seen` what a watch found."""
    return judge_click([*_signals(method, headers, agents), *seen])


def _signals(method: str, headers: Mapping[str, str], agents: Agents) -> list[Signal]:
    signals: list[Signal] = []
    if method == "HEAD":
        signals.append(Signal.HEAD)
    agent = headers.get("user-agent", "").strip()[:AGENT_MAX_CHARS]
    if not agent:
        signals.append(Signal.NO_AGENT)
    elif known := agents.signal_of(agent):
        signals.append(known)
    elif not agent.startswith("Mozilla/"):
        signals.append(Signal.ODD_AGENT)
    for name in _PREFETCH_HEADERS:
        value = headers.get(name, "").lower()
        if value and any(word in value for word in _PREFETCH_WORDS):
            signals.append(Signal.PREFETCH)
    # Fetch Metadata: a followed link is a navigation to a document; an old browser says nothing.
    mode, dest = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    if mode not in (None, "navigate") or dest not in (None, "document"):
        signals.append(Signal.NOT_NAVIGATION)
    elif mode is None and _SAYS_WHY.search(agent):
        signals.append(Signal.NO_FETCH_METADATA)
    if not headers.get("accept-language", "").strip():
        signals.append(Signal.NO_LANGUAGE)
    return signals


class LinkWatch:
    """Remembers for a minute from how many networks a link was asked for, and how often.

    `secret` is random and of this process: the networks cannot be read out of its memory by
    guessing. Not for several threads.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._requests: OrderedDict[str, list[tuple[datetime, bytes]]] = OrderedDict()

    def note(self, link_id: str, network: Network, now: datetime) -> tuple[Signal, ...]:
        """Count a request for a link and return what its last minute shows."""
        recent = [
            (time, network)
            for time, network in self._requests.pop(link_id, [])
            if now - time < WINDOW
        ]
        recent.append((now, self._hashed(network)))
        self._requests[link_id] = recent[-REQUESTS_WATCHED_MAX:]
        while len(self._requests) > LINKS_WATCHED_MAX:
            self._requests.popitem(last=False)
        if len(recent) <= min(NETWORKS_FEW, REQUESTS_FEW):
            return ()
        signals: list[Signal] = []
        if len({network for _, network in recent}) > NETWORKS_FEW:
            signals.append(Signal.SEVERAL_NETWORKS)
        if len(recent) > REQUESTS_FEW:
            signals.append(Signal.MANY_REQUESTS)
        return tuple(signals)

    def _hashed(self, network: Network) -> bytes:
        text = network.encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=8).digest() if text else b""


def network_of(address: str) -> Network:
    """Return the /24 or /48 an address is in, empty for what is none."""
    try:
        return _ipv4_network(socket.inet_pton(socket.AF_INET, address))
    except (OSError, ValueError):
        pass  # `ipaddress` knows the rest, and is slow.
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return Network("")
    # Both hold a whole IPv4 address, the second within its first 48 bits (RFC 3056 §2).
    if inner := parsed.ipv4_mapped or parsed.sixtofour:
        return _ipv4_network(inner.packed)
    # As bytes: the text of an address may have a zone behind it.
    kept = parsed.packed[: IPV6_PREFIX // 8]
    return Network(f"{ipaddress.IPv6Address(kept.ljust(16, bytes(1)))}/{IPV6_PREFIX}")


def _ipv4_network(address: bytes) -> Network:
    kept = address[: IPV4_PREFIX // 8]
    return Network(f"{socket.inet_ntop(socket.AF_INET, kept.ljust(4, bytes(1)))}/{IPV4_PREFIX}")
