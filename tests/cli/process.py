"""The real command in a process of its own, on free ports: for tests of `careerrelay`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

CAREERRELAY = (sys.executable, "-m", "relay")
READY_SECONDS = 30.0


def careerrelay(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*CAREERRELAY, *map(str, arguments)],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens on the port."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the program ended with {process.wait(0.05)} before it listened")
    pytest.fail(f"nothing listens on port {port}")


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of one installation."""

    relay: int
    next_hop: int
    intake: int
    outside: int

    @classmethod
    def free(cls, *, next_hop: int | None = None) -> Ports:
        """Return ports that nobody listens on, but for the next hop where one is given."""
        return cls(free_port(), next_hop or free_port(), free_port(), free_port())

    @property
    def environment(self) -> dict[str, str]:
        """The variables that set them."""
        return {
            "CAREERRELAY_RELAY__LISTEN": f'["127.0.0.1:{self.relay}"]',
            "CAREERRELAY_RELAY__NEXT_HOP": f"127.0.0.1:{self.next_hop}",
            "CAREERRELAY_INTAKE__LISTEN": f"127.0.0.1:{self.intake}",
            "CAREERRELAY_OUTSIDE__LISTEN": f"127.0.0.1:{self.outside}",
        }


def create(folder: Path) -> Path:
    """Make an installation that injects; return its configuration."""
    made = careerrelay("init", folder)
    assert made.returncode == 0, made.stderr
    config = folder / "careerrelay.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('mode = "observe"', 'mode = "inject"'), encoding="utf-8")
    return config


@contextmanager
def serving(
    config: Path, ports: Ports, log: int | IO[bytes] = subprocess.DEVNULL
) -> Generator[subprocess.Popen[bytes]]:
    """Run `careerrelay serve` until the end of the block; it must stop cleanly, unless killed."""
    process = subprocess.Popen(
        [*CAREERRELAY, "serve", "--config", str(config)],
        env=os.environ | ports.environment,
        stderr=log,
    )
    try:
        wait_for(ports.relay, process)
        yield process
    finally:
        was_running = process.poll() is None
        process.terminate()
        code = process.wait(READY_SECONDS)
        assert code == 0 or not was_running
