"""A running `careerrelay serve` whose log is read as it is written: for tests of production."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import smtplib
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.cli.process import CAREERRELAY, Ports, free_port
from tests.relay.neighbours import Client

LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
LINK = re.compile(rb"https://r\.example\.jp/([a-z2-7]{43})")
SENDER = "recruit@aozora.example.jp"
WAIT_SECONDS = 60.0

Line = dict[str, Any]


class Daemon:
    """The first process of a service, what it logs, and the way in."""

    def __init__(self, process: subprocess.Popen[bytes], ports: Ports, admin: int) -> None:
        self.process = process
        self.ports = ports
        self.admin = admin
        self._lines: list[Line] = []
        self._text: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for octets in stream:
                text = octets.decode()
                with self._changed:
                    self._text.append(text)
                    if text.startswith("{"):
                        self._lines.append(json.loads(text))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def lines(self, event: str, **fields: object) -> list[Line]:
        """Return the log lines of an event, with these fields, so far."""
        with self._changed:
            return [line for line in self._lines if _fits(line, event, fields)]

    def wait_for(self, event: str, count: int = 1, **fields: object) -> list[Line]:
        """Return the log lines of an event, once there are so many."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: len(self.lines(event, **fields)) >= count, WAIT_SECONDS
            )
        assert found, f"no {event} {fields} in:\n{''.join(self._text)}"
        return self.lines(event, **fields)

    def wait_for_text(self, text: str) -> None:
        """Return once there is this text in what was logged."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in "".join(self._text), WAIT_SECONDS)
        assert found, f"no {text} in:\n{''.join(self._text)}"

    def wait_until_started(self) -> None:
        """Return when all of the service runs."""
        # Each of several processes says so of itself, the first one of all.
        self.wait_for("started", pid=self.process.pid)

    def wait_until_closed(self) -> str:
        """Return all that was logged, once every process that had the log has ended."""
        self._reader.join(WAIT_SECONDS)
        assert not self._reader.is_alive()
        return "".join(self._text)

    def child(self, name: str, life: int = 1) -> int:
        """Return the process id of one of the processes, in its first or a later life."""
        return int(self.wait_for("process_ready", life, process=name)[life - 1]["process_id"])

    def reload(self) -> None:
        """Ask for the files to be read again."""
        self.process.send_signal(signal.SIGHUP)

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and text of the admin port's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=WAIT_SECONDS)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def samples(self) -> dict[str, float]:
        """Return every sample of the metrics, by its name and labels as they are written."""
        status, text = self.ask("/metrics")
        assert status == 200
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}

    def client(self) -> Client:
        """Return a raw client that has said EHLO."""
        client = Client(self.ports.relay)
        assert client.say("EHLO client.example").startswith("250")
        return client

    def send(self, recipient: str = "yui@mail.example.com", letter: bytes = REJECTION) -> None:
        """Send a letter on a connection of its own."""
        with smtplib.SMTP("127.0.0.1", self.ports.relay, timeout=WAIT_SECONDS) as client:
            client.sendmail(SENDER, [recipient], letter)


def _fits(line: Line, event: str, fields: Mapping[str, object]) -> bool:
    return line["event"] == event and all(line.get(key) == value for key, value in fields.items())


@contextmanager
def daemon(
    config: Path,
    hop_port: int,
    *,
    processes: int = 1,
    role: str = "all",
    settings: Mapping[str, str | None] | None = None,
    command: Sequence[str] = CAREERRELAY,
    relay_port: int | None = None,
) -> Generator[Daemon]:
    """Run `careerrelay serve` until the end of the block; then it must stop cleanly, if it runs.

    Settings are variables of its environment, `None` for one that is not to be there.
    """
    ports, admin = Ports.free(next_hop=hop_port), free_port()
    ports = replace(ports, relay=relay_port or ports.relay)
    environment: dict[str, str | None] = {
        **os.environ,
        "CAREERRELAY_RELAY__PROCESSES": str(processes),
        "CAREERRELAY_ADMIN__LISTEN": f"127.0.0.1:{admin}",
        **ports.environment,
        **(settings or {}),
    }
    process = subprocess.Popen(
        [*command, "serve", role, "--config", str(config)],
        env={key: value for key, value in environment.items() if value is not None},
        stderr=subprocess.PIPE,
    )
    running = Daemon(process, ports, admin)
    try:
        yield running
    finally:
        was_running = process.poll() is None
        process.terminate()
        code = process.wait(WAIT_SECONDS)
        text = running.wait_until_closed()
    assert code == 0 or not was_running, text
