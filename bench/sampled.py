"""Runs the relay and notes, as often as the kernel's clock allows, where it is.

A sample is the stack of the main thread, weighed by the processor time that thread has used since
the last one; what other threads use is kept apart. Time inside a library in C counts for the Python
code that called it. Calls are not traced, so small functions weigh what they weigh.

    python bench/sampled.py RESULT serve relay --config FILE
"""

from __future__ import annotations

import atexit
import json
import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_SECONDS = 0.001  # Of processor time. Linux rounds it up to its clock, mostly 4 ms.
# What stands below every callback; time that no other Python code is behind is the loop's own.
RUN_LOOP = ("__main__", "asyncio", "contextvars", "runpy", "typer", "uvloop")
OURS = ("relay", "signer", "ledger")


class Sampler:
    """The processor time of the main thread, by module."""

    def __init__(self) -> None:
        self._inclusive: Counter[str] = Counter()
        self._own: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        self._last = time.thread_time()
        self._samples = 0
        self._other_before = 0.0

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Add the time since the last sample to all modules on the stack."""
        now = time.thread_time()
        weight, self._last = now - self._last, now
        if frame is None:
            return
        self._samples += 1
        self._own[self._name(frame)] += weight
        names: set[str] = set()
        at: FrameType | None = frame
        while at is not None:
            names.add(self._name(at))
            at = at.f_back
        for name in names:
            self._inclusive[name] += weight

    def save(self, path: Path) -> None:
        """Write what was found."""
        main = sum(self._own.values())
        other = time.process_time() - time.thread_time() - self._other_before
        document = {
            "samples": self._samples,
            "main_seconds": main,
            "other_seconds": other,
            "inclusive": dict(self._inclusive),
            "own": dict(self._own),
        }
        path.write_text(json.dumps(document))

    def reset(self) -> None:
        """Forget what was noted so far: the start-up is of no interest."""
        self._inclusive.clear()
        self._own.clear()
        self._samples = 0
        self._other_before = time.process_time() - time.thread_time()

    def _name(self, frame: FrameType) -> str:
        file = frame.f_code.co_filename
        name = self._names.get(file)
        if name is None:
            name = self._names[file] = _module(file, str(frame.f_globals.get("__name__", "?")))
        return name


def _module(file: str, name: str) -> str:
    """Return the module for our own code, the package for that of others."""
    top = name.partition(".")[0]
    if top in OURS:
        return name
    return "run loop" if top in RUN_LOOP or "typer" in file else top


def main() -> None:
    """Start the timer, then the relay as its command would."""
    result = Path(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    sampler = Sampler()
    signal.signal(signal.SIGUSR1, lambda *_: sampler.reset())
    signal.signal(signal.SIGPROF, sampler.sample)
    atexit.register(sampler.save, result)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
    runpy.run_module("relay", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
