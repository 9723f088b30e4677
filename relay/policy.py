"""What we may do with a letter: `INJECT` or `PASS`, always with one reason from a closed list."""

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


class Action(StrEnum):
    """The two things we can do."""

    INJECT = "inject"
    PASS = "pass"  # noqa: S105 (the word of DESIGN, not a password)
