"""A time limit that is set anew for every step of a long dialogue, at hardly any cost.

A timer of the event loop for each command costs more than the command. Here one timer runs on from
step to step: when it fires too early, it is set to the limit of then. Limits are loop times.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class Alarm:
    """Calls `action` once the limit of the step that runs has passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        self._loop = loop
        self._action = action
        self._limit = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def set(self, limit: float) -> None:
        """Begin a step that must end before `limit`."""
        self._limit = limit
        if limit < self._fires_at:
            self._start(limit)

    def clear(self) -> None:
        """End the step; the timer is left for the next one."""
        self._limit = math.inf

    def stop(self) -> None:
        """End for good, and leave nothing behind in the loop."""
        self._limit = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._fires_at = None, math.inf

    def _start(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._fires_at = self._loop.call_at(when, self._fire), when

    def _fire(self) -> None:
        self._timer, self._fires_at = None, math.inf
        if self._limit == math.inf:
            return
        if self._loop.time() < self._limit:
            self._start(self._limit)
        else:
            self._limit = math.inf
            self._action()
