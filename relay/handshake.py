"""TLS on a connection that has begun in plain text: STARTTLS, or behind a PROXY header."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

HANDSHAKE_SECONDS = 30.0
SHUTDOWN_SECONDS = 2.0  # Many clients never answer our leave-taking.


async def encrypt(
    plain: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    early: bytes,
) -> asyncio.Transport:
    """Return the encrypted transport of a connection on which reading is paused.

    `early` is what came of the handshake before. `ConnectionResetError` where there is no TLS.
    """
    handshake = asyncio.ensure_future(
        asyncio.get_running_loop().start_tls(
            plain,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
    )
    try:
        if early:
            # Two turns of the loop: the TLS layer stands, and has read nothing itself yet.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            # uvloop's protocols are of no class that asyncio knows.
            _feed(cast(asyncio.BufferedProtocol, plain.get_protocol()), early)
        encrypted = await handshake
    except OSError as error:  # ssl.SSLError is one.
        raise ConnectionResetError("no TLS") from error
    finally:
        handshake.cancel()
    if encrypted is None:
        raise ConnectionResetError("the client went in the middle of the handshake")
    return encrypted


def _feed(protocol: asyncio.BufferedProtocol, octets: bytes) -> None:
    while octets:
        buffer = memoryview(protocol.get_buffer(len(octets)))
        size = min(len(buffer), len(octets))
        buffer[:size] = octets[:size]
        protocol.buffer_updated(size)
        octets = octets[size:]
