"""A company that the relay works for, as its `[[company]]` in the configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How far the relay goes for a company."""

    OFF = "off"
    OBSERVE = "observe"
    INJECT = "inject"


@dataclass(frozen=True, slots=True)
class Company:
    """One `[[company]]` of the configuration, checked."""

    id: str
    name: str
    domains: tuple[str, ...]
    mode: Mode = Mode.OBSERVE
    accept: str = "recognised"
    dkim: str = "pass"
    language: str = "ja"
    contact: str = ""
    no_relay: tuple[str, ...] = ("[no-relay]",)
    stop_phrases: tuple[str, ...] = ()
    must_phrases: tuple[str, ...] = ()
