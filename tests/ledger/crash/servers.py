"""Servers of a test's own, to be killed and silenced: PostgreSQL, Redis, RabbitMQ; a small disk,
to be filled up.
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
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import pytest

READY_SECONDS: Final = 60.0
# What a cluster with its write-ahead log needs is a quarter of it.
DISK_MIB: Final = 192
RABBITMQ_PROGRAM: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
POSTGRES_PLACES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


Server = TypeVar("Server", bound="Program")


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
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


class Postgres:
    """A cluster of its own, on a disk of its own that can be full."""

    def __init__(self, disk: Path, log: Path, bin_folder: Path) -> None:
        self._bin = bin_folder
        self._data = disk / "data"
        self._folder = disk
        self._log = log
        self.port = free_port()

    def start(self) -> None:
        """Make the cluster and start it."""
        made = ("-D", str(self._data), "-A", "trust", "-U", "root", "-N", "--wal-segsize=1")
        self._run("initdb", *made)
        self.start_again()

    @contextmanager
    def killed(self) -> Generator[None]:
        """Kill all its processes, and have it recover."""
        self.stop()
        yield
        self.start_again()

    def stop(self) -> None:
        """End it."""
        self._control("-m", "immediate", "stop")

    @contextmanager
    def disk_full(self) -> Generator[None]:
        """Have not a byte free on its disk; start it again where that has ended it."""
        with full(self._folder):
            yield
            assert "No space left on device" in self._log.read_text()
        try:
            self._control("status")
        except subprocess.CalledProcessError:
            self.start_again()

    def url(self) -> str:
        """Return the URL of a store."""
        return f"postgresql+psycopg://root@127.0.0.1:{self.port}/postgres"

    def start_again(self) -> None:
        """Start it as it was left."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        options += " -c min_wal_size=2MB -c max_wal_size=16MB"
        self._control("-o", options, "start")

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._log), *words)

    def _run(self, program: str, *words: str) -> None:
        found = pwd.getpwnam("postgres")  # It refuses to run as root.
        subprocess.run(
            [str(self._bin / program), *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            user=found.pw_uid,
            group=found.pw_gid,
        )


@contextmanager
def postgres() -> Generator[Postgres]:
    """Run a cluster."""
    if not POSTGRES_PLACES:
        missing("PostgreSQL")
    with small_disk() as disk, tempfile.NamedTemporaryFile(prefix="careerrelay-log-") as log:
        Path(log.name).chmod(0o666)  # Its own user writes to it.
        server = Postgres(disk, Path(log.name), POSTGRES_PLACES[0])
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def small_disk() -> Generator[Path]:
    """Mount a file system of a few megabytes, which PostgreSQL may write to."""
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-disk-"))
    options = f"size={DISK_MIB}m,mode=0777"
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", options, "careerrelay", str(folder)],
        capture_output=True,
        check=False,
    )
    try:
        if mounted.returncode:
            missing("the right to mount a disk, which root has,")
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False, capture_output=True)
        folder.rmdir()


@contextmanager
def full(disk: Path) -> Generator[None]:
    """Have not a byte free on a disk."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    yield
    ballast.unlink()


class Program:
    """A server that is one process."""

    port: int

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # So that what it starts is killed with it.
        )
        wait_for(self.port)

    def stop(self) -> None:
        """Kill it."""
        assert self._process
        self._signal(signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def killed(self) -> Generator[None]:
        """Have it killed."""
        self.stop()
        yield
        self.start()

    @contextmanager
    def silent(self) -> Generator[None]:
        """Have it answer nothing, its connections open."""
        self._signal(signal.SIGSTOP)
        yield
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.killpg(self._process.pid, number)


class Redis(Program):
    """A Redis of its own, which keeps nothing on disk: after a restart it is empty."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        super().__init__([*command, "--save", "", "--appendonly", "no"])

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"redis://127.0.0.1:{self.port}/0"


class RabbitMQ(Program):
    """A RabbitMQ node of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        plugins = folder / "plugins"
        plugins.write_text("[].\n")
        super().__init__(
            [str(RABBITMQ_PROGRAM)],
            {
                "HOME": str(folder),
                "RABBITMQ_NODENAME": f"careerrelay{self.port}@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(self.port),
                "RABBITMQ_DIST_PORT": str(free_port()),
                "RABBITMQ_MNESIA_BASE": str(folder / "data"),
                "RABBITMQ_LOG_BASE": str(folder / "log"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
                # Files that are not there: the machine's own are not to be used.
                "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
                "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
                # By default into the folder that the tests are run from.
                "ERL_CRASH_DUMP": str(folder / "crash.dump"),
            },
        )

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}"


@contextmanager
def redis() -> Generator[Redis]:
    """Run a Redis."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server")
    with running(Redis(str(program))) as server:
        yield server


@contextmanager
def rabbitmq() -> Generator[RabbitMQ]:
    """Run a RabbitMQ node."""
    if not RABBITMQ_PROGRAM.exists():
        missing("rabbitmq-server")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with running(RabbitMQ(Path(folder))) as server:
            yield server


@contextmanager
def running(server: Server) -> Generator[Server]:
    """Run a server."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
