"""Servers of a test's own, to be restarted, emptied and silenced: PostgreSQL, Redis; and a way in
between, for RabbitMQ, whose own start takes too long.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest

READY_SECONDS: Final = 30.0
POSTGRES_PLACES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return when something listens."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


def missing(what: str) -> None:
    """Skip the test, or in CI fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


class Postgres:
    """A cluster of its own."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self._bin = bin_folder
        self._data = folder / "data"
        self._folder = folder
        self.port = free_port()

    def start(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "root", "-N")
        self.start_again()

    def start_again(self) -> None:
        """Start it as it was left."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._control("-o", options, "start")

    def restart(self) -> None:
        """Kill all its processes, and have it recover."""
        self._control("-m", "immediate", "restart")

    def stop(self) -> None:
        """End it."""
        self._control("-m", "immediate", "stop")

    def refuse_writing(self, *, is_refused: bool) -> None:
        """Have it refuse all that writes, as managed servers do when their disk is full."""
        value = "on" if is_refused else "off"
        url = f"postgresql://root@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            admin.execute("SELECT pg_reload_conf()")

    def url(self) -> str:
        """Return the URL of a store."""
        return f"postgresql+psycopg://root@127.0.0.1:{self.port}/postgres"

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._folder / "log"), *words)

    def _run(self, program: str, *words: str) -> None:
        user: dict[str, int] = {}
        if os.getuid() == 0:  # It refuses to run as root.
            found = pwd.getpwnam("postgres")
            user = {"user": found.pw_uid, "group": found.pw_gid}
        subprocess.run(
            [str(self._bin / program), *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **user,  # type: ignore[call-overload]
        )


@contextmanager
def postgres() -> Generator[Postgres]:
    """Run a cluster."""
    if not POSTGRES_PLACES:
        missing("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder, POSTGRES_PLACES[0])
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class Redis:
    """A Redis of its own, which keeps nothing on disk."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self) -> None:
        """Kill it."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Have it gone for a second, and come back empty."""
        self.stop()
        time.sleep(1)
        self.start()

    def empty(self) -> None:
        """Delete all that is in it."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(100).startswith(b"+OK")

    def silence(self, seconds: float) -> None:
        """Have it answer nothing for a while, its connections open."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis() -> Generator[Redis]:
    """Run a Redis."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server")
    server = Redis(str(program))
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Way:
    """A port through which another is reached: it can be shut, and it can fall silent."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open = threading.Event()
        self._flows = threading.Event()
        self._open.set()
        self._flows.set()
        self._pairs: list[Sequence[socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self, seconds: float) -> None:
        """Cut all connections and refuse new ones for a while: the server is restarted."""
        self._open.clear()
        for pair in self._pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()
        time.sleep(seconds)
        self._open.set()

    def silence(self, seconds: float) -> None:
        """Let nothing through for a while, with all connections open."""
        self._flows.clear()
        time.sleep(seconds)
        self._flows.set()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        self.shut(0)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.close()
