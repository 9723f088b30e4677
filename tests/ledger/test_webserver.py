"""The web server: binds first, hangs up on the slow, leaves signals alone, stops cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ledger import webserver
from ledger.webserver import PortTaken, WebServer


async def _who(request: Request) -> Response:
    return PlainTextResponse(request.client.host if request.client else "")


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
APP = Starlette(routes=[Route("/", _who)])


def serve(steps: Callable[[WebServer], Awaitable[None]], server: WebServer | None = None) -> None:
    """Run the steps against a server on a free port."""

    async def run() -> None:
        running = server or WebServer("127.0.0.1", 0, APP)
        await running.start()
        try:
            await steps(running)
        finally:
            await running.stop()

    asyncio.run(run())


def test_taken_port_is_named() -> None:
    """Starting on a port in use is an error that says which."""

    async def steps(server: WebServer) -> None:
        with pytest.raises(PortTaken, match=f"127.0.0.1:{server.port}"):
            await WebServer("127.0.0.1", server.port, APP).start()

    serve(steps)


def test_signal_handlers_stay() -> None:
    """The process keeps its own handlers while a server runs in it."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def steps(_server: WebServer) -> None:
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        # asyncio.run itself replaces SIGINT's.
        assert during[1] == before[1]

    serve(steps)


def test_port_is_free_after_stop() -> None:
    """A stopped server can be followed at once by another on its port; stopping twice is fine."""

    async def steps(server: WebServer) -> None:
        await server.stop()
        await server.stop()
        follower = WebServer("127.0.0.1", server.port, APP)
        await follower.start()
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{follower.port}/")).status_code == 200
        await follower.stop()

    serve(steps)


@pytest.mark.parametrize(
    ("trusted", "address"), [(("127.0.0.1",), "203.0.113.9"), ((), "127.0.0.1")]
)
def test_only_trusted_proxies_are_believed(trusted: tuple[str, ...], address: str) -> None:
    """X-Forwarded-For counts when it comes from a proxy that is named, and not otherwise."""

    async def steps(server: WebServer) -> None:
        async with httpx.AsyncClient() as http:
            headers = {"X-Forwarded-For": "203.0.113.9"}
            answer = await http.get(f"http://127.0.0.1:{server.port}/", headers=headers)
        assert answer.text == address

    serve(steps, WebServer("127.0.0.1", 0, APP, trusted_proxies=trusted))


@pytest.mark.parametrize("said", [(), (b"GET / HT",), (REQUEST, b"GET / HT")])
def test_slow_clients_are_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, said: tuple[bytes, ...]
) -> None:
    """Who does not finish asking in time is hung up on, at the first question or the second."""
    monkeypatch.setattr(webserver, "HEAD_MAX_SECONDS", 0.2)

    async def steps(server: WebServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for part in said:
            writer.write(part)
            if part == REQUEST:
                await reader.readuntil(b"127.0.0.1")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    serve(steps)


def test_kept_connections_are_not_slow_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that waits between two requests is kept longer than the time for asking."""
    monkeypatch.setattr(webserver, "HEAD_MAX_SECONDS", 0.1)

    async def steps(server: WebServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(REQUEST)
        await reader.readuntil(b"127.0.0.1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        writer.write(REQUEST)
        assert await reader.readuntil(b"127.0.0.1")
        writer.close()
        await writer.wait_closed()

    serve(steps)


def test_a_full_house_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when all places are taken gets that of whoever has been silent the longest."""
    monkeypatch.setattr(webserver, "CONNECTIONS_MAX", 3)

    async def steps(server: WebServer) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        async with httpx.AsyncClient() as http:
            for _ in range(2):
                assert (await http.get(f"http://127.0.0.1:{server.port}/")).status_code == 200
        async with asyncio.timeout(5):
            assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.close()

    serve(steps)
