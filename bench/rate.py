"""How many messages a second go through the relay, beside the same tools without it.

Postfix' smtp-source sends to smtp-sink, directly and through `careerrelay serve relay`, in turns in
one run. The letters are from a configured company, so every message is judged. Prints each rate and
the ratio of the medians.

    python bench/rate.py [--messages 2000] [--sessions 20] [--size 4096] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SENDER, RECIPIENT = "recruit@aozora.example.jp", "yui@mail.example.com"


def program(name: str) -> str:
    """Return the path of one of Postfix' tools."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: install Debian's postfix")
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return when something listens on the port."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def start_relay(folder: Path, port: int, sink: int) -> subprocess.Popen[bytes]:
    """Run the relay in front of the sink, with injecting switched on."""
    careerrelay = [sys.executable, "-m", "relay"]
    subprocess.run([*careerrelay, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    config = folder / "careerrelay.toml"
    config.write_text(config.read_text().replace('mode = "observe"', 'mode = "inject"'))
    environment = os.environ | {
        "CAREERRELAY_RELAY__LISTEN": f'["127.0.0.1:{port}"]',
        "CAREERRELAY_RELAY__NEXT_HOP": f"127.0.0.1:{sink}",
    }
    command = [*careerrelay, "serve", "relay", "--config", str(config)]
    with (folder / "relay.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stderr=log)


def measure(port: int, options: argparse.Namespace) -> float:
    """Return messages a second into this port."""
    command = [
        program("smtp-source"),
        *("-s", str(options.sessions), "-m", str(options.messages), "-l", str(options.size)),
        *(("-d",) if options.keep else ()),
        *("-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"),
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return float(options.messages / (time.perf_counter() - started))


def main() -> None:
    """Measure in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep connections (smtp-source -d)")
    options = parser.parse_args()
    sink_port, relay_port = free_port(), free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen([program("smtp-sink"), *user, f"127.0.0.1:{sink_port}", "1000"])
    with tempfile.TemporaryDirectory() as folder:
        relay = start_relay(Path(folder), relay_port, sink_port)
        try:
            wait_for(sink_port)
            wait_for(relay_port)
            measure(relay_port, options)  # Warm: connections, compiled patterns.
            rates: dict[str, list[float]] = {"direct": [], "relay": []}
            for _ in range(options.rounds):
                for name, port in (("direct", sink_port), ("relay", relay_port)):
                    rates[name].append(measure(port, options))
        finally:
            relay.terminate()
            relay.wait()
            sink.terminate()
            sink.wait()
    for name, found in rates.items():
        print(f"{name:8} {statistics.median(found):8.0f}/s   runs: {[round(r) for r in found]}")
    ratio = statistics.median(rates["relay"]) / statistics.median(rates["direct"])
    print(f"relay / direct = {ratio:.3f}")


if __name__ == "__main__":
    main()
