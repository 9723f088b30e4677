"""`careerrelay serve` with several processes: the supervisor's part of it.

It holds the sockets, starts the processes, adds up their metrics, and passes SIGHUP on once the
files were found good. It takes no mail and opens no store.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from relay.admin import SharedMetrics
from relay.cli.adminport import AdminError, AdminPort
from relay.cli.common import FOUND_WRONG, fail
from relay.cli.materials import Materials
from relay.cli.processes import Child, Supervisor
from relay.cli.reload import Reloader, first_of, until_stopped
from relay.cli.rights import Listeners

# In memory where the machine has such a folder: a metrics file on a full disk would end the process
# that writes it, and the mail with it.
_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder that is made in it is ours alone)

log = structlog.get_logger("service")


def children_of(sockets: Sequence[Listeners], *, with_rest: bool) -> list[Child]:
    """Return a process for each set of sockets, and one for the intake and the worker."""
    children = [
        Child(f"relay-{number}", ("relay",), dict(own)) for number, own in enumerate(sockets, 1)
    ]
    return [*children, Child("intake", ("intake", "worker"), {})] if with_rest else children


async def supervise(
    materials: Materials,
    reloader: Reloader,
    children: Sequence[Child],
    stopping: asyncio.Event,
    listen_for_hangup: Callable[[], asyncio.Event],
) -> int:
    """Run the processes until `stopping` is set; return the exit code."""
    with _metrics_folder() as folder:
        shared = SharedMetrics(folder)
        supervisor = Supervisor(
            children, shared.environment, shared.forget, _message_seconds(materials)
        )
        admin = AdminPort(
            materials.config.admin.listen,
            shared.registry,
            supervisor.waiting_for,
            supervisor.processes,
        )
        try:
            await admin.start()
        except AdminError as error:
            fail(f"careerrelay: {error}")

        async def take(renewed: Materials) -> None:
            addresses = [str(door.address) for door in renewed.doors]
            supervisor.renew(addresses, _message_seconds(renewed))

        starting = asyncio.create_task(supervisor.start())
        await first_of(asyncio.shield(starting), stopping.wait())
        code = starting.result() if starting.done() else 0
        if starting.done() and not code:
            log.info("started", processes=len(children))
            hangup = listen_for_hangup()
            await until_stopped(stopping, hangup, lambda: reloader.reload(take))
        log.info("stopping")
        is_cut_short = _kill_at_next_signal(supervisor)
        await supervisor.stop()
        starting.cancel()
        await admin.stop()
        return FOUND_WRONG if is_cut_short() else code


def _message_seconds(materials: Materials) -> float:
    return float(materials.config.relay.reply_max_seconds)


def _kill_at_next_signal(supervisor: Supervisor) -> Callable[[], bool]:
    """Have a second request to stop end the processes at once; return whether there was one."""
    killed = asyncio.Event()

    def kill() -> None:
        killed.set()
        supervisor.kill()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, kill)
    return killed.is_set


@contextmanager
def _metrics_folder() -> Generator[Path]:
    """Make a folder for the files in which the processes keep their metrics; remove it again.

    Without its supervisor, a process removes it when it stops.
    """
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-metrics-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
