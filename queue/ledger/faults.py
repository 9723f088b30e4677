"""Points at which a test ends the process, to see what is left behind.

A point is a place between two steps that must each be durable. `CAREERRELAY_FAULT=point:count`
kills the process with SIGKILL at the count-th passage, `point:count:term` sends it SIGTERM. Without
the variable a point costs one comparison.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import Final

VARIABLE: Final = "CAREERRELAY_FAULT"

_POINT, _, _REST = os.environ.get(VARIABLE, "").partition(":")
_COUNT, _, _HOW = _REST.partition(":")
_passages: Final = itertools.count(1)


def reach(point: str) -> None:
    """Pass a point; the process may end here."""
    if point == _POINT and next(_passages) == int(_COUNT or 1):
        os.kill(os.getpid(), signal.SIGTERM if _HOW == "term" else signal.SIGKILL)
