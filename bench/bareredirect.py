"""The least that a redirect in Starlette can be: nothing is read, nothing is kept.

It is served by the same uvicorn with the same settings and the same loop as ours, and stands beside
the intake in `bench/clicks.py` to show what these cost.

    python bench/bareredirect.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from ledger.webserver import WebServer

HOST = "127.0.0.1"


async def redirect(request: Request) -> RedirectResponse:
    """Send whoever asks on to the registration page."""
    return RedirectResponse(f"/register?t={request.path_params['token']}", 303)


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    await WebServer(HOST, port, Starlette(routes=[Route("/{token}", redirect)])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
