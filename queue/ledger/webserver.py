"""An HTTP server inside a running asyncio loop (uvicorn, HTTP/1.1).

Promises: the port is bound before anything is served, so a taken port is an error that names it;
the process keeps its own signal handlers; `stop` lets the answers in flight finish; a client that
is slow to say what it wants is hung up on. It reads no environment variable. TLS is the business
of the web server in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Generator, Sequence
from typing import cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

# Open connections: a mailing that thousands open in one moment, some 100 MB.
CONNECTIONS_MAX = 4000
# Open files: as many again for mail and databases. The usual limit of 1,024 is one that every
# process may raise for itself.
FILES_WANTED = 2 * CONNECTIONS_MAX
BACKLOG = 1024  # A mailing is clicked in a burst; the kernel caps it at its own limit.
HEAD_MAX_BYTES = 64 * 1024  # Request line and headers: some gateways add kilobytes of their own.
HEAD_MAX_SECONDS = 10.0  # From the connection or the first byte to the end of the headers.
KEEP_ALIVE_SECONDS = 20  # Longer than a browser needs to fetch what a page refers to.
STOP_SECONDS = 5  # What answers in flight get; each has a shorter deadline of its own.
START_SECONDS = 10.0


class PortTaken(OSError):
    """Another program listens on the port already; the text names host and port."""


class _Protocol(H11Protocol):
    """uvicorn's, with a deadline for the request head, which it lacks, and room for who comes.

    uvicorn's own limit answers 503 to everybody while there are too many connections, silent ones
    included. Here the one that has been silent the longest is hung up on instead.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _silent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._silent_since = self.loop.time()
        self._await_head()
        if len(self.connections) > _connections_max():
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def on_response_complete(self) -> None:
        self._silent_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        # h11 leaves IDLE when the head is complete; between requests the keep-alive timer runs.
        if self.conn.their_state is not h11.IDLE:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_MAX_SECONDS, self._hang_up)

    @property
    def _is_silent(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _hang_up(self) -> None:
        self._cancel_head_timer()
        if self._is_silent:
            self.transport.close()

    def _make_room(self) -> None:
        everyone = cast("set[_Protocol]", self.connections)
        silent = [one for one in everyone if one._is_silent]
        # At worst, when all others are being answered, it is this one.
        min(silent, key=lambda one: one._silent_since)._hang_up()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    """uvicorn's, without its signal handlers: the process that starts it decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class WebServer:
    """Serves one application on one port.

    `port` 0 takes a free one. `trusted_proxies` may say in X-Forwarded-For whom they ask for.
    """

    def __init__(
        self,
        host: str,
        port: int,
        app: ASGIApp,
        *,
        trusted_proxies: Sequence[str] = ("127.0.0.1", "::1"),
    ) -> None:
        self._host = host
        self._port = port
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=list(trusted_proxies),
            workers=1,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            h11_max_incomplete_event_size=HEAD_MAX_BYTES,
        )
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Return when connections are accepted; `PortTaken` or an `OSError` when they cannot be."""
        _raise_files_limit()
        listener = _bind(self._host, self._port)
        self._port = int(listener.getsockname()[1])
        server = _Server(self._config)
        self._server = server
        self._serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(START_SECONDS):
            while not server.started:
                if self._serving.done():
                    self._serving.result()
                    raise RuntimeError("the web server ended before it had started")
                await asyncio.sleep(0.005)  # uvicorn has no event for it.

    async def stop(self) -> None:
        """Close the port, finish the answers in flight, hang up. Harmless when not started."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        await self._serving
        self._server = None
        self._serving = None


def _raise_files_limit() -> None:
    """Allow this process the open files it wants, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connections_max() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, soft // 2)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror):
            raise
        raise PortTaken(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener
