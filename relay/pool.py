"""Idle connections to the next hops: the newest is used first, the oldest take leave in time.

Knows nothing of SMTP. One pool for all hosts; it counts connections, idle and busy, for the
metrics, from `opened` to `lost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from relay.metrics import Metrics
from relay.nexthops import Host

IDLE_MAX_SECONDS = 30.0  # Servers drop idle clients after a minute or more; we leave first.
IDLE_CONNECTIONS_MAX = 50  # Those in use are as many as the clients, whom the door counts.
SWEEP_MIN_SECONDS = 0.05  # Connections that are due at nearly the same time go together.


class Pooled(Protocol):
    """What the pool must know of a connection; `is_idle` and `idle_since` are its own notes."""

    is_idle: bool
    idle_since: float

    @property
    def host(self) -> Host:
        """Whom it leads to."""
        ...

    @property
    def is_usable(self) -> bool:
        """Whether it was alive and in step when last looked at."""
        ...

    async def quit(self) -> None:
        """Take leave, in bounded time, and close."""
        ...

    def close(self) -> None:
        """Close at once."""
        ...


C = TypeVar("C", bound=Pooled)


class Pool(Generic[C]):
    """The idle connections; touched by the event loop alone."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._idle: list[C] = []  # Newest last.
        self._leaving: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_retired = False

    def opened(self, connection: C) -> None:
        """Count a connection in, for use; `lost` must be told of its end."""
        connection.is_idle = False
        self._metrics.next_hop_connections(0, 1)

    def lost(self, connection: C) -> None:
        """Count a connection out; an idle one is forgotten."""
        if connection.is_idle:
            self._metrics.next_hop_connections(-1, 0)
            if connection in self._idle:
                self._idle.remove(connection)
        else:
            self._metrics.next_hop_connections(0, -1)

    def take(self, host: Host) -> C | None:
        """Return the newest idle connection to a host, for use."""
        for index in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[index]
            if connection.host is host and connection.is_usable:
                del self._idle[index]
                connection.is_idle = False
                self._metrics.next_hop_connections(-1, 1)
                return connection
        return None

    def give_back(self, connection: C) -> None:
        """Keep a connection for the next message, or send it away if there are enough."""
        if not connection.is_usable:
            connection.close()
        elif self._is_retired or len(self._idle) >= IDLE_CONNECTIONS_MAX:
            self._send_away(connection)
        else:
            connection.is_idle, connection.idle_since = True, self._clock()
            self._metrics.next_hop_connections(1, -1)
            self._idle.append(connection)
            if self._timer is None:
                self._set_timer(IDLE_MAX_SECONDS)

    def drop(self, host: Host) -> None:
        """Close all idle connections to a host, without a word."""
        for connection in [each for each in self._idle if each.host is host]:
            connection.close()

    def retire(self) -> None:
        """Keep nothing: idle connections take leave now, others when they are given back."""
        self._is_retired = True
        if self._timer is not None:
            self._timer.cancel()
        idle, self._idle = self._idle, []
        for connection in idle:
            self._send_away(connection)

    async def close(self) -> None:
        """Retire, and wait until all have taken leave."""
        self.retire()
        if self._leaving:
            await asyncio.wait(set(self._leaving))

    def _send_away(self, connection: C) -> None:
        task = asyncio.create_task(connection.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _set_timer(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        oldest = self._clock() - IDLE_MAX_SECONDS + SWEEP_MIN_SECONDS
        due = [each for each in self._idle if each.idle_since <= oldest]
        self._idle = self._idle[len(due) :]
        for connection in due:
            self._send_away(connection)
        if self._idle:
            self._set_timer(max(SWEEP_MIN_SECONDS, self._idle[0].idle_since - oldest))
