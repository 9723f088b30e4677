"""The time a judgement may take: a hostile letter passes, it does not hold up the mail behind it.

What is counted is the processor time of the thread that judges, so that a letter gets the same
verdict on a busy machine. Asked between sentences, of which each takes a few milliseconds at most:
a pattern looks at one sentence, and sentences are cut at a bounded size. Reading is bounded by the
size of what is read; the two together stay below 250 ms (`make hostile`).
"""

from __future__ import annotations

from time import thread_time

SECONDS = 0.15


class TimeBoxError(Exception):
    """The time is over."""


class TimeBox:
    """The time for one judgement, from now on."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = thread_time() + seconds

    def check(self) -> None:
        """Raise TimeBoxError when the time is over."""
        if thread_time() > self._end:
            raise TimeBoxError
