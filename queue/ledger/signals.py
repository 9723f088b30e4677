"""The signs by which a person and a program are told apart, and what they come to.

The names stand in events, so they are never changed; docs/admin/links.md explains them to people.
Each sign fails alone: a strong one is made by programs alone, the others a person's browser can
show as well. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


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
    SCANNER_RANGE = "scanner_range"
    NOT_NAVIGATION = "not_navigation"
    NO_FETCH_METADATA = "no_fetch_metadata"
    NO_AGENT = "no_agent"
    ODD_AGENT = "odd_agent"
    NO_LANGUAGE = "no_language"
    SEVERAL_NETWORKS = "several_networks"
    MANY_REQUESTS = "many_requests"
    # These are found out afterwards: see `ledger.reclassify`.
    SOON_AFTER_DELIVERY = "soon_after_delivery"
    OLD_LINK = "old_link"


STRONG = frozenset(
    {
        Signal.HEAD,
        Signal.GATEWAY,
        Signal.PREVIEW,
        Signal.ROBOT,
        Signal.PREFETCH,
        Signal.SCANNER_RANGE,
        Signal.SOON_AFTER_DELIVERY,
    }
)
# Says nothing about who it was.
NEUTRAL = frozenset({Signal.OLD_LINK})


class Click(NamedTuple):
    """The class of a request and the signals it rests on, in a fixed order."""

    click_class: ClickClass
    signals: tuple[Signal, ...]


def judge_click(signals: Iterable[Signal]) -> Click:
    """Return what these signals come to."""
    found = frozenset(signals)
    if not found:
        return Click(ClickClass.HUMAN, ())
    ordered = tuple(signal for signal in Signal if signal in found)
    if STRONG & found:
        return Click(ClickClass.SCANNER, ordered)
    return Click(ClickClass.UNKNOWN if found - NEUTRAL else ClickClass.HUMAN, ordered)
