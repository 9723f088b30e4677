"""The two servers of `bench/clicks.py`: ours as installed, and a bare redirect on the same uvicorn.

Ours writes down every click before it answers; `logged` says what became of that in the end.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from load import FOLDER, HOST, START_SECONDS, Broken
from peers import Server
from sqlalchemy import text

from ledger.store import LedgerError, Store
from signer.keyring_file import load_key_ring
from signer.tokens import make_token

COMPANY = "aozora"  # That of a fresh configuration.
LINKS = 20_000
# Nobody is asked for more than once in a minute from each: beyond sixty the rest would be thinned.
NETWORKS = 60_000
APPLY_MAX_SECONDS = 300.0
COMMAND = (sys.executable, "-m", "relay")

_PENDING = text("SELECT count(*) FROM inbox WHERE decision IS NULL")
_CLICKS = text("SELECT count(*) FROM entry WHERE event_id LIKE 'link.clicked:%'")


class Redirect(Server):
    """Starlette's redirect, and nothing else."""

    name = "bare redirect"

    def start(self) -> None:
        """Start it and return when it listens; `Broken` when it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run(self.prepare())
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit and self.process and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port)).close()
                return
            time.sleep(0.05)
        raise Broken(f"does not listen: {self.last_words()}")

    def prepare(self) -> list[str]:
        """Return the command."""
        return [sys.executable, str(FOLDER / "bareredirect.py"), str(self.port)]


class Intake(Redirect):
    """`careerrelay serve intake` with the store of the URL, an SQLite file where that is empty."""

    name = "Career Relay"

    def __init__(self, folder: Path, url: str = "") -> None:
        super().__init__(folder, 0, folder)
        self.home = folder / "installation"
        self.url = url or f"sqlite:///{self.home}/careerrelay.db"
        self._run("init", str(self.home), with_config=False)

    def prepare(self) -> list[str]:
        """Return the command."""
        return [*COMMAND, "serve", "intake", "--config", str(self._config)]

    def environment(self) -> dict[str, str]:
        """Set what differs from a fresh configuration."""
        return os.environ | {
            "CAREERRELAY_INTAKE__LISTEN": f"{HOST}:{self.port}",
            "CAREERRELAY_STORE__URL": self.url,
        }

    def write_requests(self, path: Path) -> None:
        """Write a token and an address in each line, as the load wants them."""
        ring = load_key_ring(self.home / "keys.json")
        with path.open("w") as file:
            for number in range(LINKS):
                link_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
                at = secrets.randbelow(NETWORKS)
                address = f"10.{at >> 8}.{at & 255}.{number & 127}"
                file.write(f"{make_token(ring, COMPANY, link_id)} {address}\n")

    def logged(self) -> int:
        """Have the worker apply all that was taken; return how many clicks are in the log.

        What waits in spill files must be in the store by then. Raises `Broken` where the log does
        not hold.
        """
        worker = subprocess.Popen(
            [*COMMAND, "serve", "worker", "--config", str(self._config)],
            env=self.environment(),
            stderr=subprocess.DEVNULL,
        )
        store = Store(self.url, may_create=False)
        try:
            limit = time.monotonic() + APPLY_MAX_SECONDS
            while self._count(store, _PENDING):
                if time.monotonic() > limit or worker.poll() is not None:
                    raise Broken("the worker does not come to an end")
                time.sleep(0.2)
            self._run("log", "verify")
            return self._count(store, _CLICKS)
        finally:
            store.close()
            worker.terminate()
            worker.wait()

    def wait_for_store(self) -> None:
        """Return when nothing waits in a spill file; raises `Broken`."""
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if not list((self.home / "spill").glob("*")):
                return
            time.sleep(0.1)
        raise Broken("what was kept does not go into the store")

    @property
    def _config(self) -> Path:
        return self.home / "careerrelay.toml"

    def _count(self, store: Store, query: object) -> int:
        try:
            with store.read() as transaction:
                return int(transaction.execute(query).scalar_one())  # type: ignore[call-overload]
        except LedgerError as error:
            raise Broken(str(error)) from error

    def _run(self, *words: str, with_config: bool = True) -> None:
        more = ("--config", str(self._config)) if with_config else ()
        done = subprocess.run(
            [*COMMAND, *words, *more], env=self.environment(), capture_output=True, text=True
        )
        if done.returncode:
            raise Broken(f"{words}: {done.stdout[-500:]}{done.stderr[-500:]}")
