"""An HTTP server inside a running asyncio loop (uvicorn, HTTP/1.1).

Promises: the port is bound before anything is served, so a taken port is an error that names it;
the process keeps its own signal handlers; `stop` lets the answers in flight finish; a client that
is slow to say what it wants is hung up on. It reads no environment variable. TLS is the business
of the web server in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Sequence

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

# Open connections, under the usual limit of 1,024 files of a process with room for its databases.
CONNECTIONS_MAX = 900
BACKLOG = 1024  # A mailing is clicked in a burst; the kernel caps it at its own limit.
HEAD_MAX_BYTES = 64 * 1024  # Request line and headers: some gateways add kilobytes of their own.
HEAD_MAX_SECONDS = 10.0  # From the connection or the first byte to the end of the headers.
KEEP_ALIVE_SECONDS = 20  # Longer than a browser needs to fetch what a page refers to.
STOP_SECONDS = 5  # What answers in flight get; each has a shorter deadline of its own.
START_SECONDS = 10.0


class PortTaken(OSError):
    """Another program listens on the port already; the text names host and port."""


class _Protocol(H11Protocol):
    """uvicorn's, with a deadline for the request head, which it lacks."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        # h11 leaves IDLE when the head is complete; between requests the keep-alive timer runs.
        if self.conn.their_state is not h11.IDLE:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_MAX_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

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
            limit_concurrency=CONNECTIONS_MAX,
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
