"""A PostgreSQL cluster of a benchmark's own: made, stopped as if the power had gone, started again.

Nothing of it is left afterwards. Without PostgreSQL's programs it raises `Missing`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import HOST, Missing, free_port

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class Cluster:
    """The cluster; `url` is that of a store in it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._port = free_port()
        self.url = f"postgresql+psycopg://root@{HOST}:{self._port}/postgres"
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "root")

    def start(self) -> None:
        """Return when it takes connections, recovered from whatever was before."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses={HOST}"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def kill(self) -> None:
        """End all its processes at once."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        # It refuses to run as root.
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        subprocess.run(
            [self._programs / program, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster."""
    if not PLACES:
        raise Missing("PostgreSQL is missing: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-bench-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = Cluster(folder, PLACES[0])
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
