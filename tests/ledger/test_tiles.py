"""Logs over HTTP: every tile that there is, and nothing that there is not."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text
from starlette.applications import Starlette

from ledger import store_log, verifier
from ledger.events import INSTALLATION, Event, EventType, installation_event
from ledger.log import inclusion_proof
from ledger.store import Store
from ledger.tiles import TILE_WIDTH, Tile, log_address, log_routes, parse_tile
from tests.ledger.parts import NOW, issue, record, store_in
from tests.ledger.test_verifier import TRUSTED

SEED = bytes(range(32))
ENTRIES = 600
LOGS = [INSTALLATION, "aozora", "midori"]


def address_of(log: str) -> str:
    """Return the address of a log."""
    return log_address(SEED, log)


AOZORA = f"/log/{address_of('aozora')}"


def key_added(number: int) -> Event:
    """Return an event of the installation."""
    return installation_event(
        EventType.KEY_ADDED, NOW, event_id=f"k{number}", subject="key:a", data={"key": "a"}
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a company's log of 600 entries, and an installation's log of 3."""
    folder: Path = tmp_path_factory.mktemp("tiles")
    made = store_in(folder)
    record(made, folder, [issue(number) for number in range(ENTRIES)])
    record(made, folder, [key_added(number) for number in range(3)])
    yield made
    made.close()


Steps = Callable[[httpx.AsyncClient], Awaitable[None]]


def visit(store: Store, steps: Steps) -> None:
    """Run the steps against the routes."""

    async def whole() -> None:
        app = Starlette(routes=log_routes(store, address_of, lambda: LOGS))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://log") as http:
            await steps(http)

    asyncio.run(whole())


def get(store: Store, path: str, **headers: str) -> httpx.Response:
    """Return what is at a path."""
    found: list[httpx.Response] = []

    async def steps(http: httpx.AsyncClient) -> None:
        found.append(await http.get(path, headers=headers))

    visit(store, steps)
    return found[0]


def rows_of(store: Store, log: str = "aozora") -> list[store_log.EntryRow]:
    """Return the entries of a log."""
    with store.read() as transaction:
        return [row for rows in store_log.entries(transaction, log) for row in rows]


def test_checkpoints(store: Store) -> None:
    """Each log's is at its address, the installation's in public; neither is kept long."""
    answer = get(store, f"{AOZORA}/checkpoint")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert verifier.open_checkpoint(answer.content, TRUSTED).size == ENTRIES
    own = get(store, f"/log/{address_of(INSTALLATION)}/checkpoint")
    assert own.content.startswith(b"r.example.jp/_installation\n3\n")
    for path in ("/checkpoint", "/log/checkpoint"):
        assert get(store, path).content == own.content


def test_all_tiles_of_hashes(store: Store) -> None:
    """Two full tiles and a partial one of leaves, one above; what they hold is the tree."""
    leaves = [row.leaf for row in rows_of(store)]
    tiles = {"000": leaves[:256], "001": leaves[256:512], "002.p/88": leaves[512:]}
    for name, hashes in tiles.items():
        answer = get(store, f"{AOZORA}/tile/0/{name}")
        assert answer.content == b"".join(hashes)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    with store.read() as transaction:
        read = store_log.node_reader(transaction, "aozora")
        assert get(store, f"{AOZORA}/tile/1/000.p/2").content == read(8, 0) + read(8, 1)


def test_all_entries(store: Store) -> None:
    """Entries come with their length in front, packed for who can unpack."""
    rows = rows_of(store)
    found: list[bytes] = []
    for name in ("000", "001", "002.p/88"):
        answer = get(store, f"{AOZORA}/tile/entries/{name}", **{"Accept-Encoding": "identity"})
        data = answer.content
        while data:
            size = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + size])
            data = data[2 + size :]
    assert found == [row.body for row in rows]
    packed = get(store, f"{AOZORA}/tile/entries/000", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert int(packed.headers["Content-Length"]) < len(packed.content) / 5
    assert (
        packed.content
        == get(store, f"{AOZORA}/tile/entries/000", **{"Accept-Encoding": "identity"}).content
    )
    assert gzip.compress(packed.content, mtime=0)[:2] == b"\x1f\x8b"


def test_a_proof_from_tiles_alone(store: Store) -> None:
    """Whoever has the address makes his own proofs: tiles and checkpoint are enough."""
    tiles = {
        (level, index): get(store, f"{AOZORA}/tile/{level}/{name}").content
        for level, index, name in (
            (0, 0, "000"),
            (0, 1, "001"),
            (0, 2, "002.p/88"),
            (1, 0, "000.p/2"),
        )
    }

    def read(level: int, index: int) -> bytes:
        if level % 8 == 0:
            tile, place = tiles[level // 8, index // 256], index % 256
            return tile[32 * place : 32 * place + 32]
        return verifier.join(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    signed = verifier.open_checkpoint(get(store, f"{AOZORA}/checkpoint").content, TRUSTED)
    for index in (0, 255, 256, 599):
        path = inclusion_proof(index, signed.size, read)
        leaf = read(0, index)
        assert verifier.root_by_inclusion(leaf, index, signed.size, path) == signed.root


ABSENT = [
    f"{AOZORA}/tile/0/003",  # Not there yet.
    f"{AOZORA}/tile/0/002",
    f"{AOZORA}/tile/0/002.p/89",
    f"{AOZORA}/tile/1/000",
    f"{AOZORA}/tile/2/000.p/1",
    f"{AOZORA}/tile/63/000.p/1",
    f"{AOZORA}/tile/64/000",
    f"{AOZORA}/tile/entries/003",
    f"{AOZORA}/tile/entries/x999/x999/x999/x999/x999/x999/999",
    f"{AOZORA}/tile/0/{'x999/' * 400}999",
    f"{AOZORA}/tile/0/x000/000",
    f"{AOZORA}/tile/0/00",
    f"{AOZORA}/tile/0/0000",
    f"{AOZORA}/tile/00/000",
    f"{AOZORA}/tile/-1/000",
    f"{AOZORA}/tile/0/000.p/0",
    f"{AOZORA}/tile/0/000.p/01",
    f"{AOZORA}/tile/0/000.p/256",
    f"{AOZORA}/tile/0/000.p/999",
    f"{AOZORA}/tile/0/000/",
    f"{AOZORA}/tile/0/%30%30%30%0a",
    f"{AOZORA}/tile/0/..%2f..%2fcheckpoint",
    f"{AOZORA}/tile/0/٠٠٠",
    f"{AOZORA}/tile/",
    f"{AOZORA}/tile/entries/000'--",
    "/log/tile/entries/000.p/3",  # The public log's entries are not public.
    f"/log/{address_of('aozora').upper()}/checkpoint",
    f"/log/{address_of('aozora')[:-1]}/checkpoint",
    f"/log/{address_of('aozora')}x/tile/entries/000",
    f"/log/{'a' * 5000}/checkpoint",
    "/log/%ff%fe/checkpoint",
    "/log//checkpoint",
    "/log/aozora/checkpoint",
    f"/log/{log_address(bytes(32), 'aozora')}/checkpoint",
    f"/log/{address_of('tsubame')}/checkpoint",  # An address of a log that is not served.
    f"/log/{address_of('midori')}/checkpoint",  # Served, and nothing signed yet.
    f"/log/{address_of('midori')}/tile/0/000.p/1",
]


def test_what_is_not_there_is_404(store: Store) -> None:
    """Neither what is not yet, nor what is not a tile's path, nor another's address."""

    async def steps(http: httpx.AsyncClient) -> None:
        for path in ABSENT:
            answer = await http.get(path)
            assert answer.status_code == 404, path
        # What will be there later is not to be remembered as absent.
        assert (await http.get(ABSENT[0])).headers["Cache-Control"] == "no-store"
        assert (await http.post(f"{AOZORA}/checkpoint")).status_code == 405
        head = await http.head(f"{AOZORA}/tile/0/000")
        assert (head.status_code, head.headers["Content-Length"]) == (200, "8192")

    visit(store, steps)


def test_hashes_of_the_installation_are_public(store: Store) -> None:
    """Its hashes say nothing about its entries; those need its address."""
    leaves = b"".join(row.leaf for row in rows_of(store, INSTALLATION))
    answer = get(store, "/log/tile/0/000.p/3")
    assert answer.content == leaves
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    whole = get(store, f"/log/{address_of(INSTALLATION)}/tile/entries/000.p/1")
    body = whole.content[2:]
    assert hashlib.sha256(b"\x00" + body).digest() == leaves[:32]


def test_a_store_that_is_away_is_503(tmp_path: Path) -> None:
    """Whoever asks is told to come again, and nothing of the reason."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(number) for number in range(3)])
    with store.write() as transaction:
        transaction.execute(text("DELETE FROM entry WHERE seq = 1"))
    answer = get(store, f"{AOZORA}/tile/entries/000.p/3")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert answer.headers["Retry-After"] == "10"
    assert answer.text == "The log cannot be read now.\n"
    store.close()


@given(st.text(max_size=60))
@example("0/000")
@example("entries/x001/x234/067.p/1")
def test_paths_have_one_spelling(path: str) -> None:
    """What is read as a tile is written as that path again, by the specification."""
    tile = parse_tile(path)
    if tile is None:
        assert path not in ("0/000", "entries/x001/x234/067.p/1")
        return
    digits = f"{tile.index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[place : place + 3] for place in range(0, len(digits), 3)]
    name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    width = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    assert path == f"{'entries' if tile.level is None else tile.level}/{name}{width}"


def test_the_specifications_example() -> None:
    """C2SP tlog-tiles: index 1234067 is x001/x234/067."""
    assert parse_tile("0/x001/x234/067") == Tile(0, 1234067, 256)
    assert parse_tile("entries/x001/x234/067.p/9") == Tile(None, 1234067, 9)
