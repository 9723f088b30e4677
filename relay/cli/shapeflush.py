"""Taking the counts of letter shapes to the store, beside the mail.

What cannot be written is kept for the next time; what a killed process has counted since the last
time is lost, and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict

import structlog

from ledger.store import LedgerError, Store
from ledger.store_shapes import ShapeRow, add_shapes
from relay.shapecount import ShapeCounts

# One small transaction each time; an admin looks at the counts after days.
FLUSH_SECONDS = 10.0

log = structlog.get_logger("service")


class ShapeFlusher:
    """Writes the counts now and then, and when it is stopped."""

    def __init__(self, store: Store, counts: ShapeCounts) -> None:
        self._store = store
        self._counts = counts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; called in the loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self._flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            # Not cut off: whether the counts are on disk would be unknown.
            await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        taken = self._counts.take()
        rows = [ShapeRow(**asdict(count)) for count in taken]
        try:
            await asyncio.to_thread(add_shapes, self._store, rows)
        except LedgerError as error:
            self._counts.give_back(taken)
            log.warning("shapes_not_recorded", error=str(error))
