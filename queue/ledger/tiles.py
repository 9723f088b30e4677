"""The logs over HTTP for auditors and their tools: C2SP tlog-tiles, computed when asked for.

    /checkpoint                             the newest checkpoint of the installation's own log
    /log/checkpoint, /log/tile/L/N[.p/W]    the same log for tools: checkpoint and hashes
    /log/ADDRESS/checkpoint                 any log, a company's too, for who knows its address
    /log/ADDRESS/tile/L/N[.p/W]
    /log/ADDRESS/tile/entries/N[.p/W]

ADDRESS is a secret made from the log key (`log_address`): hashes tell nothing about entries, and
entries are served to who was given the address alone. What is served is what the newest checkpoint
covers, so it never changes: a tile that is there may be kept for good. Nothing is written.
https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger import store_log, store_tiles
from ledger.events import EVENT_SIZE_MAX_BYTES, INSTALLATION
from ledger.store import LedgerError, Store, Transaction

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
ADDRESS_LENGTH: Final = 26  # Base32: 130 bit.

# Longer than a slow disk takes for 256 entries; a reader that waits longer asks again.
READ_MAX_SECONDS: Final = 5.0
# Readers at one time. Auditors can wait; candidates and relays share disk and threads with them.
READERS_MAX: Final = 2
RETRY_AFTER_SECONDS: Final = "10"

# A size fits in 63 bit; a path of more digits is about nothing that can ever be there.
_TILE = re.compile(
    r"(entries|[0-9]|[1-5][0-9]|6[0-3])/((?!x000/)(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)
_OCTETS: Final = "application/octet-stream"
_FOR_GOOD: Final = "max-age=31536000, immutable"
# Not kept by anyone in between: it is there a second later, or has grown.
_FRESH: Final = "no-cache"

log = structlog.get_logger("tiles")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile that is asked for; `level` is None for a bundle of entries."""

    level: int | None
    index: int
    width: int


def log_address(seed: bytes, log_name: str) -> str:
    """Return the secret part of the path under which a log is served whole."""
    key = hmac.digest(seed, b"careerrelay log address\n", hashlib.sha256)
    digest = hmac.digest(key, log_name.encode(), hashlib.sha256)
    return base64.b32encode(digest).decode().lower()[:ADDRESS_LENGTH]


def parse_tile(path: str) -> Tile | None:
    """Return what a path below `tile/` asks for; None when it is no tile's."""
    found = _TILE.fullmatch(path)
    if not found:
        return None
    index = int(found[2].replace("x", "").replace("/", ""))
    width = int(found[3] or TILE_WIDTH)
    if found[3] and width >= TILE_WIDTH:
        return None
    return Tile(None if found[1] == "entries" else int(found[1]), index, width)


def read_tile(transaction: Transaction, log_name: str, tile: Tile) -> bytes | None:
    """Return the bytes of a tile, None where there is no such tile yet; raises `DamagedLog`."""
    signed = store_log.newest_checkpoint(transaction, log_name)
    level = TILE_HEIGHT * (tile.level or 0)
    first = tile.index * TILE_WIDTH
    if signed is None or first + tile.width > signed.size >> level:
        return None
    if tile.level is None:
        bodies = store_tiles.bodies(transaction, log_name, first, tile.width)
        if max(map(len, bodies)) > EVENT_SIZE_MAX_BYTES:
            raise store_log.DamagedLog(f"log {log_name}: an entry is larger than events are")
        return b"".join(len(body).to_bytes(2) + body for body in bodies)
    return b"".join(store_tiles.hashes(transaction, log_name, level, first, tile.width))


def log_routes(
    store: Store, address_of: Callable[[str], str], logs: Callable[[], Sequence[str]]
) -> list[Route]:
    """Return the routes.

    `address_of` gives a log's address (`log_address` with the log key's seed), `logs` the names of
    the logs that are served under theirs.
    """
    server = _LogServer(store, address_of, logs)
    return [
        Route("/checkpoint", server.checkpoint),
        Route("/log/checkpoint", server.checkpoint),
        Route("/log/tile/{tile:path}", server.tile),
        Route("/log/{address}/checkpoint", server.checkpoint),
        Route("/log/{address}/tile/{tile:path}", server.tile),
    ]


class _LogServer:
    """Answers for checkpoints and tiles."""

    def __init__(
        self, store: Store, address_of: Callable[[str], str], logs: Callable[[], Sequence[str]]
    ) -> None:
        self._store = store
        self._address_of = address_of
        self._logs = logs
        self._readers = asyncio.Semaphore(READERS_MAX)

    async def checkpoint(self, request: Request) -> Response:
        """Answer with the newest checkpoint of a log."""
        name = self._find(request)
        if name is None:
            return _absent()

        def read() -> bytes | None:
            with self._store.read() as transaction:
                signed = store_log.newest_checkpoint(transaction, name)
                return signed.note if signed else None

        return await self._answer(read, {"Content-Type": "text/plain; charset=utf-8"}, _FRESH)

    async def tile(self, request: Request) -> Response:
        """Answer with a tile of hashes, or, under a log's address, of entries."""
        # Not the route's parameter: its pattern forgives a line end after the path.
        path = request.scope["path"].partition("/tile/")[2]
        name, tile = self._find(request), parse_tile(path)
        is_public = "address" not in request.path_params
        if name is None or tile is None or (is_public and tile.level is None):
            return _absent()
        headers = {"Content-Type": _OCTETS}
        # Hashes do not get smaller; entries to a tenth.
        is_packed = tile.level is None and "gzip" in request.headers.get("Accept-Encoding", "")
        if tile.level is None:
            headers["Vary"] = "Accept-Encoding"
        if is_packed:
            headers["Content-Encoding"] = "gzip"

        def read() -> bytes | None:
            with self._store.read() as transaction:
                found = read_tile(transaction, name, tile)
            return gzip.compress(found, mtime=0) if found and is_packed else found

        scope = "public" if is_public else "private"
        return await self._answer(read, headers, f"{scope}, {_FOR_GOOD}")

    def _find(self, request: Request) -> str | None:
        """Return the log that is asked for. All are compared, in the same time for each."""
        asked = request.path_params.get("address")
        if asked is None:
            return INSTALLATION
        given, found = asked.encode(errors="replace"), None
        for name in self._logs():
            if hmac.compare_digest(self._address_of(name).encode(), given):
                found = name
        return found

    async def _answer(
        self, read: Callable[[], bytes | None], headers: dict[str, str], keep: str
    ) -> Response:
        try:
            async with asyncio.timeout(READ_MAX_SECONDS), self._readers:
                found = await asyncio.to_thread(read)
        except (LedgerError, TimeoutError) as error:
            log.warning("log not served", reason=type(error).__name__)
            headers = {"Retry-After": RETRY_AFTER_SECONDS, **_headers("no-store")}
            return Response("The log cannot be read now.\n", 503, headers, "text/plain")
        if found is None:
            return _absent()
        return Response(found, headers={**headers, **_headers(keep)})


def _absent() -> Response:
    return Response(
        "There is no such checkpoint or tile.\n",
        HTTPStatus.NOT_FOUND,
        _headers("no-store"),
        "text/plain",
    )


def _headers(keep: str) -> dict[str, str]:
    return {
        "Cache-Control": keep,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
