"""What one way of playing a life is made of, and limits that are short enough to be met."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from relay import connection, downstream, smtp_in
from tests.relay.lives_stage import Stage
from tests.relay.neighbours import WAIT_SECONDS, Hop

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


class Held:
    """A hop that waits with its answer to one step."""

    def __init__(self, hop: Hop, step: str, answer: bytes) -> None:
        self._asked, self._released = threading.Event(), threading.Event()
        self._answer = answer
        self._hop = hop
        self._step = step
        hop.answers[step] = self._hold

    def _hold(self, _connection: int, _line: str) -> bytes:
        self._asked.set()
        assert self._released.wait(WAIT_SECONDS)
        return self._answer

    def wait(self) -> None:
        """Return when the hop has been asked."""
        assert self._asked.wait(WAIT_SECONDS)

    def release(self) -> None:
        """Let it answer now, and as usual from now on."""
        self._hop.answers.pop(self._step, None)
        self._released.set()


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a life happens."""

    name: str
    play: Play
    limits: tuple[Limit, ...] = ()
    options: Options = usual  # Of the relay.
    is_the_last: bool = False  # The relay can take no letter behind it.
    is_of_links: bool = False  # An ordinary letter, which gets none, does not meet it.
