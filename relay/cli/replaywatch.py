"""What is to be seen of a replay while it runs, and how it is stopped.

A bar of bytes on a terminal, nothing elsewhere. Ctrl-C and SIGTERM are heard between two messages,
so that what is kept is whole; a second one ends the process at once, as if killed.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from relay.cli.replaysums import Sums

# Often enough that a kill costs little, seldom enough that it costs nothing.
STATE_SECONDS = 0.5
BAR_SECONDS = 0.1
_MEGABYTE = 1_000_000


class Watch:
    """The clock of a run: when to draw, when to keep the state, when to stop."""

    def __init__(self, bar: Progress | None, total_bytes: int) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        if bar is not None:
            self._task = bar.add_task("Judging", total=total_bytes, letters=0)
        self._total_bytes = total_bytes
        self._started = self._drawn = self._kept = time.monotonic()
        self._started_at_bytes = 0
        self._started_at_messages = 0
        self._is_stopping = False

    def begin(self, done_bytes: int, messages: int) -> None:
        """Say where the run begins."""
        self._started_at_bytes, self._started_at_messages = done_bytes, messages
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, completed=done_bytes)

    def go_on(self, done_bytes: int, sums: Sums, keep: Callable[[], None]) -> bool:
        """Draw and keep what is due; False when somebody wants the run to stop."""
        time_now = time.monotonic()
        if self._bar is not None and self._task is not None:
            if time_now - self._drawn >= BAR_SECONDS:
                self._drawn = time_now
                self._bar.update(self._task, completed=done_bytes, letters=sums.letters)
        if time_now - self._kept >= STATE_SECONDS:
            keep()
            self._kept = time.monotonic()
        return not self._is_stopping

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """Stop after this message; the next signal does what signals do."""
        self._is_stopping = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def say_speed(self, sums: Sums) -> None:
        """Tell people on stderr how fast it went."""
        seconds = max(time.monotonic() - self._started, 1e-3)
        messages = sums.messages - self._started_at_messages
        size = (self._total_bytes - self._started_at_bytes) / _MEGABYTE
        sys.stderr.write(
            f"{messages:,} messages in {seconds:.1f} s: {messages / seconds:,.0f}/s, "
            f"{size / seconds:,.1f} MB/s\n"
        )


@contextmanager
def watching(total_bytes: int, *, shown: bool) -> Generator[Watch]:
    """Give the watch of a run, with a bar on a terminal, and let signals stop the run."""
    is_shown = shown and sys.stderr.isatty()
    bar = (
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[letters]} letters"),
            console=Console(stderr=True),
            transient=True,
        )
        if is_shown
        else None
    )
    watch = Watch(bar, total_bytes)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, watch.stop)
    try:
        if bar is None:
            yield watch
        else:
            with bar:
                yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
