"""The servers that are measured, each as its users would set it up, with a process tree of its own.

Each is started on a free port in front of the sink, with all its files in a folder that is thrown
away, and ended with all its children. One that is not to be had raises `Missing` with the reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from cost import tree
from load import FOLDER, HOST, Broken, Missing, free_port, wait_for

SIZE_MAX_BYTES = 100 * 1024 * 1024
STOP_SECONDS = 20.0
NOTE = "Career support for applicants, free of charge [PR]"  # Plain ASCII: it fits every charset.
NOTE_LINK = "https://r.example.jp/abcdefghijklmnopqrstuvwxyz234567abcdefghijk"


class Server(ABC):
    """One server in front of the sink; a subclass says how it is started."""

    name = ""
    # Whether a letter is at the next hop when the client hears 250.
    is_live = True

    def __init__(self, folder: Path, sink_port: int, cache: Path) -> None:
        self.folder = folder
        self.sink_port = sink_port
        self.cache = cache  # For what is fetched once and used again by the next run.
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it greets; `Missing` or `Broken` when it does not."""
        self.folder.mkdir(parents=True)
        self.run(self.prepare())
        wait_for(self.port, self.process)

    @abstractmethod
    def prepare(self) -> list[str]:
        """Write its files and return the command that runs it."""

    def environment(self) -> dict[str, str]:
        """Return the environment of the command."""
        return dict(os.environ)

    def run(self, command: list[str]) -> None:
        """Start the command in a session of its own, its output in a file."""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                cwd=self.folder,
                start_new_session=True,
            )

    def root(self) -> int | None:
        """Return the process whose tree is the server; None where there is no server."""
        return self.process.pid if self.process else None

    def version(self) -> str:
        """Return which version is measured."""
        return ""

    def stop(self) -> None:
        """End the server and whatever it has started."""
        if self.process is None:
            return
        family = tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in family[1:]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def last_words(self) -> str:
        """Return the end of what the server wrote, for the one who looks for the reason."""
        log = self.folder / "log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return lines[-1][:300] if lines else ""


class Nothing(Server):
    """No relay at all: the source sends straight into the sink."""

    name = "no relay"

    def start(self) -> None:
        """Stand for the sink itself."""
        self.port = self.sink_port

    def prepare(self) -> list[str]:
        """Return no command: there is nothing to run."""
        return []


class Bare(Server):
    """What the two libraries do as they come."""

    name = "bare"

    def prepare(self) -> list[str]:
        """Return the command."""
        return [sys.executable, str(FOLDER / "bare.py"), str(self.port), str(self.sink_port)]

    def version(self) -> str:
        """Return the versions of both."""
        from importlib.metadata import version

        return f"aiosmtpd {version('aiosmtpd')}, aiosmtplib {version('aiosmtplib')}"


class Haraka(Server):
    """Haraka with `set_banner` and `queue/smtp_forward`, one process, no other plugin.

    Its smtp_forward of this version has no pool: each letter is a connection to the next hop.
    """

    name = "Haraka"

    def prepare(self) -> list[str]:
        """Fetch it with npm if need be, and write a configuration that asks the least of it."""
        program = self._fetch()
        config = self.folder / "config"
        (self.folder / "plugins").mkdir()
        config.mkdir()
        banner = (FOLDER / "haraka" / "banner.js").read_text()
        banner = banner.replace("@TEXT@", f"{NOTE}\\n{NOTE_LINK}")
        banner = banner.replace("@HTML@", f"{NOTE} <a href='{NOTE_LINK}'>{NOTE_LINK}</a>")
        (self.folder / "plugins" / "banner.js").write_text(banner)

        def shipped(name: str) -> str:
            return (program.parent / "config" / name).read_text()

        files = {
            "me": "haraka.example.jp\n",
            "plugins": "banner\nqueue/smtp_forward\n",
            "smtp.ini": f"listen={HOST}:{self.port}\npublic_ip={HOST}\n",
            "log.ini": shipped("log.ini").replace("level=info", "level=error"),
            "connection.ini": shipped("connection.ini").replace("=26214400", f"={SIZE_MAX_BYTES}"),
            "smtp_forward.ini": f"host={HOST}\nport={self.sink_port}\nenable_outbound=true\n",
        }
        for name, text in files.items():
            (config / name).write_text(text)
        return [_node(), str(program)]

    def environment(self) -> dict[str, str]:
        """Say where the configuration is; the program `haraka` does so, and stays as a parent."""
        return os.environ | {"HARAKA": str(self.folder)}

    def _fetch(self) -> Path:
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise Missing(f"{program} is missing: apt-get install nodejs npm (20 or newer)")
        home = self.cache / "haraka"
        program = home / "node_modules" / "Haraka" / "haraka.js"
        lock = (FOLDER / "haraka" / "package-lock.json").read_bytes()
        installed = home / "package-lock.json"
        if program.exists() and installed.exists() and installed.read_bytes() == lock:
            return program
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / "haraka" / "package.json", home)
        (home / "package-lock.json").write_bytes(lock)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        command = ["npm", "ci", "--omit=optional", "--ignore-scripts", *quiet]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True)
        if done.returncode or not program.exists():
            raise Missing(f"npm ci failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return program

    def version(self) -> str:
        """Return the versions of Haraka and of Node.js."""
        package = (self.cache / "haraka/node_modules/Haraka/package.json").read_text()
        number = package.partition('"version": "')[2].partition('"')[0]
        node = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=True)
        return f"Haraka {number}, Node.js {node.stdout.strip()}"


def _node() -> str:
    return shutil.which("node") or "node"


class Ours(Server):
    """`careerrelay serve relay` with recognition, injection and durable events on, as installed.

    The role is `relay`: the mail path with everything it needs. Events are on disk before a changed
    letter goes out; applying them to log and ledger is the work of another process.
    """

    name = "Career Relay"
    processes = 1
    wrapper: tuple[str, ...] = ("-m", "relay")  # What Python runs; `--profile` puts itself before.

    def prepare(self) -> list[str]:
        """Write a configuration as `init` does, and switch injection on."""
        home = self.folder / "installation"
        command = [sys.executable, "-m", "relay", "init", str(home)]
        made = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if made.returncode:
            raise Broken(f"init: {(made.stderr.strip().splitlines() or ['?'])[-1]}")
        config = home / "careerrelay.toml"
        config.write_text(config.read_text().replace('mode = "observe"', 'mode = "inject"'))
        return [sys.executable, *self.wrapper, "serve", "relay", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        """Set what differs from a fresh configuration."""
        processes = {"CAREERRELAY_RELAY__PROCESSES": str(self.processes)}
        return (
            os.environ
            | (processes if self.processes > 1 else {})
            | {
                "CAREERRELAY_RELAY__LISTEN": f'["{HOST}:{self.port}"]',
                "CAREERRELAY_RELAY__NEXT_HOP": f"{HOST}:{self.sink_port}",
                "CAREERRELAY_RELAY__HOSTNAME": "relay.example.jp",
            }
        )

    def version(self) -> str:
        """Return the version and the Python under it."""
        from importlib.metadata import version

        return f"careerrelay {version('careerrelay')}, Python {sys.version.split()[0]}"


class OursTwice(Ours):
    """The same in two processes, where the configuration takes that."""

    name = "Career Relay, 2 processes"
    processes = 2

    def start(self) -> None:
        """Start it; `Missing` where only one process is to be had."""
        try:
            super().start()
            # The kernel deals connections out by their ports: after so many, each has greeted.
            for _ in range(8 * self.processes):
                wait_for(self.port, self.process)
        except Broken as error:
            raise Missing(f"not available: {self.last_words() or error}") from error
