"""Which User-Agent values are those of programs: a list that others keep, and our own.

The list of crawlers is crawler-user-agents (monperrus/crawler-user-agents), released every few
weeks; gateways and previews of mail and chat are in `scanners.toml`, which is packed with this
module and comes first, because it says what kind of program it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import cast

from crawleruseragents import is_crawler  # type: ignore[import-untyped]

from ledger.signals import Signal

AGENT_MAX_CHARS = 512  # What of a User-Agent is looked at; browsers send up to 250 characters.
# The list takes a fifth of a millisecond for an agent that is not on it; there are some hundreds of
# agents in use at a time.
AGENTS_REMEMBERED_MAX = 2048
# Asked once at the start, since the list's patterns take 40 ms to be made ready.
_BROWSER = "Mozilla/5.0"


@dataclass(frozen=True, slots=True)
class Agents:
    """Pieces of User-Agent values that give programs away, by the signal they mean."""

    pieces: tuple[tuple[Signal, tuple[str, ...]], ...]
    _remembered: Callable[[str], Signal | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        remember = lru_cache(maxsize=AGENTS_REMEMBERED_MAX)
        object.__setattr__(self, "_remembered", remember(self._look_up))

    def signal_of(self, agent: str) -> Signal | None:
        """Return what the agent is known to be."""
        return self._remembered(agent[:AGENT_MAX_CHARS])

    def _look_up(self, agent: str) -> Signal | None:
        lowered = agent.lower()
        for signal, pieces in self.pieces:
            if any(piece in lowered for piece in pieces):
                return signal
        return Signal.ROBOT if is_crawler(agent) else None


def load_agents() -> Agents:
    """Return the agents of `scanners.toml`, and make the list of crawlers ready."""
    data = tomllib.loads(files("ledger").joinpath("scanners.toml").read_text(encoding="utf-8"))
    groups = cast("dict[str, list[str]]", data)
    is_crawler(_BROWSER)
    return Agents(
        (
            (Signal.GATEWAY, tuple(groups["gateways"])),
            (Signal.PREVIEW, tuple(groups["previews"])),
            (Signal.ROBOT, tuple(groups["robots"])),
        )
    )
