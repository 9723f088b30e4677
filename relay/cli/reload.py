"""Reading everything again at SIGHUP: whole and checked, or not at all.

What is broken is named in one line, and what was in use stays in use. What can only take effect
with a restart is named in another.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import structlog

from relay.cli.common import now
from relay.cli.materials import MaterialError, Materials, is_fixed, load_all
from relay.cli.parts import complain_of_certificates

log = structlog.get_logger("service")


class Reloader:
    """The materials in use, and those that follow."""

    def __init__(self, path: Path, materials: Materials) -> None:
        self._path = path
        self._at_start = materials
        self._in_use = materials

    async def reload(self, take: Callable[[Materials], Awaitable[None]]) -> None:
        """Read everything again and have it taken into use; log what came of it."""
        try:
            # A lexicon takes a tenth of a second to read: mail goes on meanwhile.
            materials = await asyncio.to_thread(load_all, self._path)
            await take(materials)
        except MaterialError as error:
            log.error("reload_failed", error=str(error))
            return
        except Exception:  # A bug of ours: not a reason to stop the mail.
            log.exception("reload_failed")
            return
        changed = [name for name in materials.changed_since(self._in_use) if not is_fixed(name)]
        self._in_use = materials
        log.info("reloaded", changed=changed)
        complain_of_certificates(materials.config, now())
        fixed = [name for name in materials.changed_since(self._at_start) if is_fixed(name)]
        if fixed:
            log.warning("restart_needed", keys=fixed)


@contextlib.contextmanager
def hangups_held_back() -> Generator[Callable[[], asyncio.Event]]:
    """Keep a SIGHUP that comes too early until the loop can hear it; by itself it would end us.

    The block is given a function to call in the loop: it returns the event that SIGHUP sets.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

    def listen() -> asyncio.Event:
        hangup = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return hangup

    try:
        yield listen
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


async def until_stopped(
    stopping: asyncio.Event, hangup: asyncio.Event, reload: Callable[[], Awaitable[None]]
) -> None:
    """Return when we are asked to stop; at every SIGHUP, reload."""
    await first_of(stopping.wait(), hangup.wait())
    while not stopping.is_set():
        hangup.clear()
        await reload()
        await first_of(stopping.wait(), hangup.wait())


async def first_of(*awaited: Awaitable[object]) -> None:
    """Return when the first of these has come to its end; the others are given up."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
