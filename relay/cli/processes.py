"""Several processes on one port: who starts them, and starts them again.

The supervisor holds the listening sockets and takes no mail itself. Each process is handed sockets
of its own, so that one that is killed leaves the connections that were waiting to the next one on
the same sockets. A socketpair to each process tells both sides: the process says that it is ready,
and either one learns from its end that the other is gone. Without a supervisor a process stops as
if it had been asked to: nobody would start it again, or let the next start have its port.

    supervisor --- relay-1, relay-2 ...     one process each, and with the role `all`
              \\--- intake                   one for the intake and the worker
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

CHILD_OPTION = "--child"
READY = b"ready\n"

# A process that lived so long was not killed by its own start.
HEALTHY_SECONDS = 10.0
# The first restart is at once: connections wait. Then twice as long each time, so that a process
# that cannot live does not take the machine from those that can. Clients wait minutes for a
# greeting, so the longest pause is kept well below that.
RESTART_FIRST_SECONDS = 0.5
RESTART_MAX_SECONDS = 15.0
# What a process takes at most to stop by itself, besides the messages in flight: the web server
# 5 s, the inbox 10 s, the worker 30 s.
STOP_SECONDS = 50.0
# A process that has closed its side of the socketpair is on its way out.
END_SECONDS = 5.0

log = structlog.get_logger("service")


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a process is handed by its supervisor; file descriptors stand by number."""

    name: str
    roles: tuple[str, ...]
    lifeline: int
    listeners: Mapping[str, tuple[int, ...]]  # By the address as the configuration writes it.

    def encode(self) -> str:
        """Return it as an argument of a command line."""
        return json.dumps(
            {
                "name": self.name,
                "roles": self.roles,
                "lifeline": self.lifeline,
                "listeners": self.listeners,
            }
        )

    @classmethod
    def parse(cls, text: str) -> Inheritance:
        """Return what `encode` wrote; the supervisor is of the same version."""
        read = json.loads(text)
        listeners = {address: tuple(numbers) for address, numbers in read["listeners"].items()}
        return cls(read["name"], tuple(read["roles"]), read["lifeline"], listeners)

    def open_listeners(self) -> dict[str, tuple[socket.socket, ...]]:
        """Return the sockets that were handed over."""
        return {
            address: tuple(socket.socket(fileno=number) for number in numbers)
            for address, numbers in self.listeners.items()
        }


class Lifeline:
    """A process's end of the socketpair to its supervisor."""

    def __init__(self, number: int) -> None:
        self._socket = socket.socket(fileno=number)
        self._socket.setblocking(False)

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` in the running loop when the supervisor has gone."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            try:
                if self._socket.recv(1):
                    return
            except BlockingIOError:
                return
            except OSError:
                pass  # Reset: gone as well.
            loop.remove_reader(self._socket)
            gone()

        loop.add_reader(self._socket, look)

    def say_ready(self) -> None:
        """Tell the supervisor that the listeners are open."""
        with contextlib.suppress(OSError):
            self._socket.send(READY)


@dataclass
class Child:
    """One of the processes, through all its lives."""

    name: str
    roles: tuple[str, ...]
    listeners: dict[str, tuple[socket.socket, ...]]
    is_ready: bool = False
    was_ever_ready: bool = False
    missed_renewal: bool = False  # It was asked to while it may have read the old files already.
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, environment: Mapping[str, str]) -> socket.socket:
        """Start the process; return our end of the socketpair to it."""
        ours, theirs = socket.socketpair()
        numbers = {
            address: tuple(each.fileno() for each in own) for address, own in self.listeners.items()
        }
        inheritance = Inheritance(self.name, self.roles, theirs.fileno(), numbers)
        passed = [theirs.fileno(), *(number for own in numbers.values() for number in own)]
        with theirs:
            # As we were started ourselves, whatever way that was. In a group of its own, since
            # Ctrl-C goes to the whole group of a terminal, and it is us who passes it on.
            self.process = subprocess.Popen(  # noqa: S603 (our own command line)
                [sys.executable, *sys.orig_argv[1:], CHILD_OPTION, inheritance.encode()],
                env=os.environ | environment,
                pass_fds=passed,
                process_group=0,
            )
        return ours

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is somebody to hear it."""
        if self.process is not None:
            self.process.send_signal(number)  # The library looks whether it still runs.

    def close_listeners(self, keep: Collection[str] = ()) -> None:
        """Close our copies of the sockets, all but those of some addresses."""
        for address in set(self.listeners) - set(keep):
            for listener in self.listeners.pop(address):
                listener.close()


class Supervisor:
    """Starts the processes, watches them, passes signals on, and stops them in order."""

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        forget: Callable[[int], None],
        message_max_seconds: float,
    ) -> None:
        """`forget` hears the id of each process that has ended.

        `message_max_seconds` is how long a message in flight may still take when we stop.
        """
        self._children = tuple(children)
        self._environment = environment
        self._forget = forget
        self._message_max_seconds = message_max_seconds
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> int:
        """Return 0 when all processes are ready, or the exit code of one that cannot start."""
        for child in self._children:
            self._keepers[child.name] = asyncio.create_task(self._keep(child))
        ready = asyncio.create_task(self._ready.wait())
        first: set[asyncio.Future[Any]] = {ready, self._failed}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._failed.result() if self._failed.done() else 0

    def waiting_for(self) -> tuple[str, ...]:
        """Return what keeps the whole from being ready."""
        if self._stopping.is_set():
            return ("stopping",)
        return tuple(child.name for child in self._children if not child.is_ready)

    def processes(self) -> Mapping[str, int]:
        """Return the ids of all processes by their names."""
        running = {
            child.name: child.process.pid for child in self._children if child.process is not None
        }
        return {"supervisor": os.getpid(), **running}

    def renew(self, addresses: Collection[str], message_max_seconds: float) -> None:
        """Have every process read the configuration again, which was found good.

        Those that run go on with listeners that are no longer configured. Nobody else will: our
        copies of these sockets are closed, so that no connection waits there for a new process.
        """
        self._message_max_seconds = message_max_seconds
        for child in self._children:
            child.close_listeners(keep=addresses)
            child.missed_renewal = not child.is_ready
            if child.is_ready:  # Else the signal could end it.
                child.signal(signal.SIGHUP)

    async def stop(self) -> None:
        """Stop with the stream: the processes that take mail first, then those that record it."""
        self._stopping.set()
        for child in self._children:
            # Else connections would go on arriving that nobody takes.
            child.close_listeners()
        first = [child for child in self._children if "relay" in child.roles]
        rest = [child for child in self._children if child not in first]
        await self._end(first, self._message_max_seconds + STOP_SECONDS)
        await self._end(rest, STOP_SECONDS)

    def kill(self) -> None:
        """End every process at once; what was not answered is the sender's to send again."""
        for child in self._children:
            child.signal(signal.SIGKILL)

    async def _end(self, children: Sequence[Child], max_seconds: float) -> None:
        for child in children:
            child.signal(signal.SIGTERM)
        keepers = [self._keepers[child.name] for child in children if child.name in self._keepers]
        if not keepers:
            return
        _, late = await asyncio.wait(keepers, timeout=max_seconds)
        if late:
            log.error("stop_took_too_long", processes=[child.name for child in children])
            for child in children:
                child.signal(signal.SIGKILL)
            await asyncio.wait(late)

    async def _keep(self, child: Child) -> None:
        pause_seconds = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._live(child)
            if self._stopping.is_set():
                return
            if not child.was_ever_ready and code >= 0:
                # Not killed: it could not start, and has said why.
                if not self._failed.done():
                    self._failed.set_result(code or 1)
                return
            lived_seconds = time.monotonic() - started
            if lived_seconds >= HEALTHY_SECONDS:
                pause_seconds = 0.0
            log.error(
                "process_ended",
                process=child.name,
                code=code,
                lived_seconds=round(lived_seconds, 1),
                restart_seconds=pause_seconds,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_seconds)
            pause_seconds = min(max(2 * pause_seconds, RESTART_FIRST_SECONDS), RESTART_MAX_SECONDS)

    async def _live(self, child: Child) -> int:
        """Run the process once; return its exit code, negative for a signal."""
        try:
            ours = child.start(self._environment)
        except OSError as error:  # No memory, no process to be had: the next try may find some.
            log.error("process_not_started", process=child.name, error=str(error))
            return 1
        assert child.process is not None
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            while line := await reader.readline():
                if line == READY:
                    self._note_ready(child)
            code = await asyncio.to_thread(_wait, child.process)
        finally:
            child.is_ready = False
            writer.close()
        self._forget(child.process.pid)
        child.process = None
        return code

    def _note_ready(self, child: Child) -> None:
        child.is_ready = child.was_ever_ready = True
        assert child.process is not None
        log.info("process_ready", process=child.name, process_id=child.process.pid)
        if child.missed_renewal:
            child.missed_renewal = False
            child.signal(signal.SIGHUP)
        if all(each.is_ready for each in self._children):
            self._ready.set()


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
