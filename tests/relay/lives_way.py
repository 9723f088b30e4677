"""What one way of playing a life is, and limits that are short enough to be met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from relay import connection, downstream, smtp_in
from tests.relay.lives_stage import Stage
from tests.relay.neighbours import Hop

Play = Callable[[Stage], None]
Limit = tuple[ModuleType, str, float]
Options = Callable[[Hop], Mapping[str, Any]]

# Short, and longer than a busy machine takes for what is not meant to meet the limit.
SHORT_SECONDS = 0.5
QUICK_HOP: tuple[Limit, ...] = (
    (downstream, "CONNECT_SECONDS", 2 * SHORT_SECONDS),  # STARTTLS gets half of it.
    (connection, "COMMAND_SECONDS", SHORT_SECONDS),
    (connection, "DATA_SECONDS", SHORT_SECONDS),
    (connection, "FINAL_DOT_SECONDS", SHORT_SECONDS),
    (connection, "QUIT_SECONDS", SHORT_SECONDS),
)
QUICK_CLIENT: tuple[Limit, ...] = ((smtp_in, "SESSION_SECONDS", SHORT_SECONDS),)


def usual(_hop: Hop) -> Mapping[str, Any]:
    """Return no options at all."""
    return {}


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a life happens."""

    name: str
    play: Play
    limits: tuple[Limit, ...] = ()
    options: Options = usual  # Of the relay.
    is_the_last: bool = False  # The relay can take no letter behind it.
    is_of_links: bool = False  # An ordinary letter, which gets none, does not meet it.
