"""Our logs in the hands of the public implementation, golang.org/x/mod/sumdb, and its logs in ours.

tests/foreign/logreader.go is the program. Debian: golang-go, golang-golang-x-mod-dev.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from starlette.applications import Starlette

from ledger import store_log, verifier
from ledger.proofs import prove_consistency, prove_inclusion
from ledger.store import Store
from ledger.tiles import log_address, log_routes
from ledger.webserver import WebServer
from tests.ledger.parts import issue, letters_and_signups, record, store_in
from tests.ledger.test_verifier import VKEY

SOURCE = Path(__file__).parents[1] / "foreign" / "logreader.go"
LIBRARIES = Path("/usr/share/gocode")  # Where Debian keeps Go's.
ENTRIES = 600


def run(*command: str | Path, **environment: str) -> str:
    """Return what a program says; it must succeed."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built of Debian's sources."""
    go = shutil.which("go") or ""
    if not go or not (LIBRARIES / "src" / "golang.org" / "x" / "mod" / "sumdb").is_dir():
        reason = "no Go or no x/mod (Debian: golang-go golang-golang-x-mod-dev)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder: Path = tmp_path_factory.mktemp("go")
    run(
        go,
        "build",
        "-o",
        folder / "logreader",
        SOURCE,
        GO111MODULE="off",
        GOPATH=str(LIBRARIES),
        GOCACHE=str(folder / "cache"),
        GOFLAGS="",
    )
    return folder / "logreader"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store and the files of a test are."""
    made: Path = tmp_path_factory.mktemp("log")
    return made


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    """A store with a log of 600 entries that was signed twice; the checkpoints are files."""
    made = store_in(folder)
    record(made, folder, letters_and_signups(21))
    shutil.copy(folder / "checkpoint-aozora", folder / "old")
    with made.read() as transaction:
        size = store_log.size(transaction, "aozora")
    record(made, folder, [issue(number) for number in range(1000, 1000 + ENTRIES - size)])
    shutil.copy(folder / "checkpoint-aozora", folder / "new")
    yield made
    made.close()


def test_our_proofs_hold_there(reader: Path, store: Store, folder: Path) -> None:
    """Notes, inclusion and growth are checked with nothing of ours; a changed proof is refused."""
    with store.read() as transaction:
        rows = [row for rows in store_log.entries(transaction, "aozora") for row in rows]
        for seq in (0, 1, 255, 256, 511, 512, ENTRIES - 1):
            proof = prove_inclusion(transaction, "aozora", seq)
            (folder / "proof").write_bytes(proof)
            said = run(reader, "proof", VKEY, folder / "proof")
            assert said == f"entry {seq} of {ENTRIES}: {rows[seq].body.decode()}\n"
        (folder / "growth").write_bytes(prove_consistency(transaction, "aozora", 65))
    arguments = [str(folder / name) for name in ("old", "new", "growth")]
    assert run(reader, "consistency", VKEY, *arguments) == f"{ENTRIES} continues 65\n"
    (folder / "proof").write_bytes(proof.replace(f"index {seq}".encode(), b"index 1"))
    refused = subprocess.run(
        [reader, "proof", VKEY, folder / "proof"], capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stdout) == (1, "")


def test_our_tiles_are_read_there(reader: Path, store: Store) -> None:
    """Over HTTP, from tiles alone, every entry is proved under our checkpoint."""
    seed = bytes(range(32))

    async def whole() -> str:
        routes = log_routes(store, lambda log: log_address(seed, log), lambda: ["aozora"])
        server = WebServer("127.0.0.1", 0, Starlette(routes=routes))
        await server.start()
        try:
            url = f"http://127.0.0.1:{server.port}/log/{log_address(seed, 'aozora')}/"
            return await asyncio.to_thread(run, reader, "tiles", VKEY, url)
        finally:
            await server.stop()

    # The loop of the service; asyncio's own leaves Nagle's algorithm on for sockets made by hand.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(whole()) == f"all {ENTRIES} entries proved\n"


@pytest.mark.parametrize("sizes", [(1, 2), (3, 7, 8), (255, 256, 257), (4, 300, 600)])
def test_its_logs_hold_here(
    sizes: tuple[int, ...], reader: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log, key, notes and proofs that it made are taken by the auditor's verifier."""
    run(reader, "make", "log.example/other", tmp_path, *map(str, sizes))
    key = ["--key", (tmp_path / "vkey").read_text()]
    files = [str(tmp_path / f"checkpoint-{size}") for size in sizes]
    export = str(tmp_path / "export.jsonl")
    assert verifier.main(["log", export, *key, *files]) == 0
    assert f"{sizes[-1]} of {sizes[-1]} entries of log.example/other" in capsys.readouterr().out
    for index in range(sizes[-1]):
        assert verifier.main(["proof", str(tmp_path / f"{index}.tlog-proof"), *key]) == 0
        assert f'{{"entry":{index}}}' in capsys.readouterr().out
    growth = [*files[-2:], str(tmp_path / "consistency")]
    assert verifier.main(["consistency", *growth, *key]) == 0
    Path(export).write_text(Path(export).read_text().replace('"entry":0', '"entry":9'))
    assert verifier.main(["log", export, *key, *files]) == 1
