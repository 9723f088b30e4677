"""Where the soak takes place: the real command and its next hop, to be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.process import CAREERRELAY, Ports, wait_for
from tests.relay.soak_hop import Kept, read_kept

ROOT = Path(__file__).parents[2]
HOP_AWAY_SECONDS = 0.3  # Between its end and its next start.
STOP_SECONDS = 120.0


@dataclass
class Place:
    """The relay and the hop, each with the means to end it and start it again."""

    folder: Path
    ports: Ports
    config: Path
    processes: int
    is_digest: bool = False
    relay: subprocess.Popen[bytes] | None = None
    hop: subprocess.Popen[bytes] | None = None
    hop_starts: int = 0
    killed: list[str] = field(default_factory=list[str])
    peak_kib: dict[int, int] = field(default_factory=dict[int, int])

    def start_relay(self) -> None:
        """Start the command; its log goes on in the same file."""
        environment = os.environ | self.ports.environment
        if self.processes > 1:
            environment["CAREERRELAY_RELAY__PROCESSES"] = str(self.processes)
        with (self.folder / "log").open("ab") as log:
            self.relay = subprocess.Popen(
                [*CAREERRELAY, "serve", "relay", "--config", str(self.config)],
                env=environment,
                stderr=log,
            )
        wait_for(self.ports.relay, self.relay)

    def start_hop(self) -> None:
        """Start the hop, with a file of its own for each of its lives."""
        self.hop_starts += 1
        path = self.folder / f"kept-{self.hop_starts}"
        module = [sys.executable, "-m", "tests.relay.soak_hop"]
        options = ["--digest"] if self.is_digest else []
        self.hop = subprocess.Popen(
            [*module, str(self.ports.next_hop), str(path), *options], cwd=ROOT
        )
        wait_for(self.ports.next_hop, self.hop)

    async def restart_hop(self, number: signal.Signals) -> None:
        """End the hop, leave its place empty for a moment, start it again."""
        assert self.hop is not None
        self.hop.send_signal(number)
        await asyncio.to_thread(self.hop.wait)
        self.killed.append(f"next hop with {number.name}")
        await asyncio.sleep(HOP_AWAY_SECONDS)
        await asyncio.to_thread(self.start_hop)

    async def kill_relay(self) -> None:
        """Kill one process of the relay; whoever has to starts it again."""
        assert self.relay is not None
        children = self.children()
        if not children:
            self.relay.kill()
            await asyncio.to_thread(self.relay.wait)
            self.killed.append("the relay's only process with SIGKILL")
            await asyncio.to_thread(self.start_relay)
            return
        os.kill(children[0], signal.SIGKILL)
        self.killed.append(f"one of {len(children)} processes of the relay with SIGKILL")

    def children(self) -> list[int]:
        """Return the processes that the relay has started."""
        assert self.relay is not None
        path = Path(f"/proc/{self.relay.pid}/task/{self.relay.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def watch_memory(self) -> None:
        """Note the peak memory of each process of the relay."""
        assert self.relay is not None
        for process_id in (self.relay.pid, *self.children()):
            with contextlib.suppress(OSError):
                found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process_id}/status").read_text())
                if found:
                    self.peak_kib[process_id] = int(found[1])

    def stop(self) -> int:
        """Ask the relay to stop, then the hop; return the relay's exit code."""
        assert self.relay is not None
        assert self.hop is not None
        self.relay.terminate()
        code = self.relay.wait(STOP_SECONDS)
        self.hop.terminate()
        self.hop.wait(STOP_SECONDS)
        return code

    def kill(self) -> None:
        """Leave no process behind, whatever went wrong; harmless behind `stop`."""
        for process in (self.relay, self.hop):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def peaks(self) -> str:
        """Return the peak memory of each process of the relay, killed ones included."""
        return ", ".join(f"{kib / 1024:.0f} MiB" for kib in self.peak_kib.values())

    def kept(self) -> list[Kept]:
        """Return all that the hop has accepted in all its lives."""
        paths = [self.folder / f"kept-{life + 1}" for life in range(self.hop_starts)]
        return [kept for path in paths for kept in read_kept(path)]
