"""The two ends of the line: the source that sends letters and the sink that takes them.

Both are small C programs, built with gcc at the start: they share the cores with what is measured,
and in Python they would be the larger part of it. The source waits for the reply to each command.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
PROGRAMS = ("source", "sink")
MARK = "X-Career-Relay:"  # In front of each letter that the relay has changed.
START_SECONDS = 30.0
STANDSTILL_SECONDS = 30.0  # A sink that gets nothing for as long will get no more.


class Missing(Exception):
    """Something that is measured with, or that is to be measured, is not to be had; why."""


class Broken(Exception):
    """A server did not do its work, so that there is no figure; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What the source saw: when it began, how long it took, and for each letter two delays."""

    start: float
    seconds: float
    cpu_seconds: float
    dot_delays: list[float]  # From the last byte of a letter to the reply, in seconds.
    whole_delays: list[float]  # From when it fell due to the reply, in seconds.


@dataclass(frozen=True, slots=True)
class Count:
    """What the sink has taken so far, and the clock when the latest letter was complete."""

    letters: int
    size_bytes: int
    marked: int
    last: float


def build(folder: Path) -> None:
    """Compile source and sink into the folder."""
    for name in PROGRAMS:
        command = ["gcc", "-O2", "-Wall", "-o", folder / name, FOLDER / f"{name}.c", "-lm"]
        try:
            subprocess.run(command, check=True)
        except FileNotFoundError as error:
            raise Missing("gcc is missing: apt-get install gcc libc6-dev") from error


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when a server greets on the port; `Broken` when its process ends before."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        if process is not None and process.poll() is not None:
            raise Broken(f"ended with code {process.returncode}")
        try:
            with socket.create_connection((HOST, port), timeout=5) as client:
                if client.recv(3) == b"220":
                    client.sendall(b"QUIT\r\n")
                    while client.recv(1000):
                        pass
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise Broken(f"does not greet within {START_SECONDS:.0f} s")


class Sink:
    """The next hop of all servers, and what it has counted."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._client = socket.create_connection((HOST, port))
        self._replies = self._client.makefile("rb")
        self._replies.readline()

    def count(self) -> Count:
        """Return what has come so far."""
        letters, size, marked, last = self._ask("STAT").split()[1:]
        return Count(int(letters), int(size), int(marked), float(last))

    def keep(self, path: Path | None) -> None:
        """Write the letters that come from now on into this file, or no longer."""
        self._ask(f"KEEP {path or ''}")

    def wait(self, letters: int) -> Count:
        """Return the count when there are so many letters; `Broken` when no more come."""
        seen, since = self.count(), time.monotonic()
        while seen.letters < letters:
            if time.monotonic() - since > STANDSTILL_SECONDS:
                raise Broken(f"{letters - seen.letters} letters did not reach the next hop")
            time.sleep(0.01)
            before, seen = seen, self.count()
            if seen.letters > before.letters:
                since = time.monotonic()
        return seen

    def close(self) -> None:
        """Leave the sink to itself."""
        self._replies.close()
        self._client.close()

    def _ask(self, command: str) -> str:
        self._client.sendall(f"{command}\r\n".encode())
        return self._replies.readline().decode()


@contextmanager
def running_sink(folder: Path) -> Iterator[Sink]:
    """Run the sink of this folder."""
    port = free_port()
    command = [folder / "sink", str(port), MARK]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            wait_for(port, process)
            sink = Sink(port)
            yield sink
            sink.close()
        finally:
            process.terminate()


class Source:
    """Sends letters; no two that it ever sends are the same."""

    def __init__(self, folder: Path, connections: int) -> None:
        self._program = folder / "source"
        self._connections = connections
        self._serial = 0

    def send(
        self, port: int, letters: Path, count: int, *, keeps_connections: bool, rate: float = 0
    ) -> Sent:
        """Send so many letters, as fast as may be or at this rate a second."""
        words = [port, letters, self._connections, count, int(keeps_connections), rate]
        command = [str(self._program), *(str(word) for word in words), str(self._serial)]
        self._serial += count
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise Broken(errors.strip() or f"source ended with code {process.returncode}")
        first, *rest = output.splitlines()
        start, seconds, cpu = (float(word) for word in first.split())
        delays = [line.split() for line in rest]
        return Sent(
            start,
            seconds,
            cpu,
            [int(dot) / 1e6 for dot, _ in delays],
            [int(whole) / 1e6 for _, whole in delays],
        )
