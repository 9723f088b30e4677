"""Who followed a link: a person, a scanner, or nobody knows; with the signals that say so.

Mail security scanners follow links, with the agent of a browser and from many networks; each sign
fails alone. So every sign that is seen is recorded by name and only a strong one decides. A click
is never worth a credit, whatever its class. Of the request, the event has only class and signal
names: no address, no agent. Networks are remembered for a minute, as a hash under a key of this
process. What is kept beside the log for a while is `ledger.clickdetail`'s.
"""

from __future__ import annotations

import hashlib
import ipaddress
import tomllib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from typing import cast

AGENT_MAX_CHARS = 512  # What of a User-Agent is looked at; browsers send up to 250 characters.
WINDOW = timedelta(minutes=1)
LINKS_WATCHED_MAX = 10_000  # The links of a large mailing that are opened within one window.
REQUESTS_WATCHED_MAX = 8  # Of one link in one window; a person comes once or twice.
NETWORKS_FEW = 2  # A phone that changes from mobile to wireless shows two.
REQUESTS_FEW = 3  # An impatient person taps three times.
IPV4_PREFIX, IPV6_PREFIX = 24, 48  # What one site usually has.


class ClickClass(StrEnum):
    """Who is behind a request for a link."""

    HUMAN = "human"
    SCANNER = "scanner"
    UNKNOWN = "unknown"


class Signal(StrEnum):
    """What was seen; the name that stands in the event."""

    HEAD = "head"
    GATEWAY = "gateway"
    PREVIEW = "preview"
    ROBOT = "robot"
    PREFETCH = "prefetch"
    NOT_NAVIGATION = "not_navigation"
    NO_AGENT = "no_agent"
    ODD_AGENT = "odd_agent"
    NO_LANGUAGE = "no_language"
    SEVERAL_NETWORKS = "several_networks"
    MANY_REQUESTS = "many_requests"


# These are made by programs alone; the others a person's browser can show as well.
STRONG = frozenset({Signal.HEAD, Signal.GATEWAY, Signal.PREVIEW, Signal.ROBOT, Signal.PREFETCH})
# Headers in which browsers say that nobody has clicked yet.
_PREFETCH_HEADERS = ("purpose", "sec-purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS = ("prefetch", "preview", "prerender")


@dataclass(frozen=True, slots=True)
class Click:
    """The class of a request and the signals it rests on, in a fixed order."""

    click_class: ClickClass
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Agents:
    """Pieces of User-Agent values that give programs away, by the signal they mean."""

    pieces: tuple[tuple[Signal, tuple[str, ...]], ...]

    def signal_of(self, agent: str) -> Signal | None:
        """Return what the agent is known to be."""
        lowered = agent[:AGENT_MAX_CHARS].lower()
        for signal, pieces in self.pieces:
            if any(piece in lowered for piece in pieces):
                return signal
        return None


def load_agents() -> Agents:
    """Return the agents of `scanners.toml`, which is packed with this module."""
    data = tomllib.loads(files("ledger").joinpath("scanners.toml").read_text(encoding="utf-8"))
    groups = cast("dict[str, list[str]]", data)
    return Agents(
        (
            (Signal.GATEWAY, tuple(groups["gateways"])),
            (Signal.PREVIEW, tuple(groups["previews"])),
            (Signal.ROBOT, tuple(groups["robots"])),
        )
    )


def read_click(
    method: str, headers: Mapping[str, str], agents: Agents, seen: Iterable[Signal] = ()
) -> Click:
    """Return the class of a request; `headers` has lower-case names, `seen` what a watch found."""
    signals = [*_signals(method, headers, agents), *seen]
    ordered = tuple(signal for signal in Signal if signal in signals)
    if STRONG & set(ordered):
        return Click(ClickClass.SCANNER, ordered)
    return Click(ClickClass.UNKNOWN if ordered else ClickClass.HUMAN, ordered)


def _signals(method: str, headers: Mapping[str, str], agents: Agents) -> list[Signal]:
    signals: list[Signal] = []
    if method == "HEAD":
        signals.append(Signal.HEAD)
    agent = headers.get("user-agent", "").strip()
    if not agent:
        signals.append(Signal.NO_AGENT)
    elif known := agents.signal_of(agent):
        signals.append(known)
    elif not agent.startswith("Mozilla/"):
        signals.append(Signal.ODD_AGENT)
    for name in _PREFETCH_HEADERS:
        value = headers.get(name, "").lower()
        if any(word in value for word in _PREFETCH_WORDS):
            signals.append(Signal.PREFETCH)
    # Fetch Metadata: a followed link is a navigation; an old browser says nothing.
    if headers.get("sec-fetch-mode", "navigate") != "navigate":
        signals.append(Signal.NOT_NAVIGATION)
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

    def note(self, link_id: str, address: str, now: datetime) -> tuple[Signal, ...]:
        """Count a request for a link and return what its last minute shows."""
        recent = [
            (time, network)
            for time, network in self._requests.pop(link_id, [])
            if now - time < WINDOW
        ]
        recent.append((now, self._network(address)))
        self._requests[link_id] = recent[-REQUESTS_WATCHED_MAX:]
        while len(self._requests) > LINKS_WATCHED_MAX:
            self._requests.popitem(last=False)
        signals: list[Signal] = []
        if len({network for _, network in recent}) > NETWORKS_FEW:
            signals.append(Signal.SEVERAL_NETWORKS)
        if len(recent) > REQUESTS_FEW:
            signals.append(Signal.MANY_REQUESTS)
        return tuple(signals)

    def _network(self, address: str) -> bytes:
        text = network_of(address).encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=8).digest() if text else b""


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
