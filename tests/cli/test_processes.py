"""`careerrelay serve` with several processes: one port, restarts, and ends of all kinds."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from tests.cli.daemon import LINK, REJECTION, SENDER, WAIT_SECONDS, Daemon, daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Client, Deciding, Hop

LETTERS = 40  # The kernel deals connections out by a hash: all to one of two is 1 in 2^39.


def begin(client: Client) -> None:
    """Say everything of a letter but its final dot."""
    assert client.say(f"MAIL FROM:<{SENDER}>").startswith("250")
    assert client.say("RCPT TO:<yui@mail.example.com>").startswith("250")
    assert client.say("DATA").startswith("354")
    client.send(REJECTION)


def rest_of(client: Client) -> str:
    """Return what the client still hears before its connection ends, cleanly or not."""
    with contextlib.suppress(ConnectionResetError):
        return client.reply()
    return ""


def is_open(port: int) -> bool:
    """Say whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_closed(port: int) -> None:
    """Return when nobody listens on a port any more."""
    ends = time.monotonic() + WAIT_SECONDS
    while is_open(port):
        assert time.monotonic() < ends


def test_letters_go_through_both_and_are_on_record(next_hop: Hop, tmp_path: Path) -> None:
    """Two processes share port and store: every letter arrives, each link is in the log."""
    with daemon(create(tmp_path), next_hop.port, processes=2) as running:
        running.wait_until_started()
        for number in range(LETTERS):
            running.send(f"person{number}@mail.example.com")
        takers = {line["pid"] for line in running.wait_for("message", LETTERS)}
        assert takers == {running.child("relay-1"), running.child("relay-2")}
    tokens = {LINK.findall(wire)[0] for wire in next_hop.heard.wires}
    assert len(tokens) == LETTERS
    # The worker's process has stopped last, so it has applied what the others recorded.
    with sqlite3.connect(tmp_path / "careerrelay.db") as database:
        (left,) = database.execute("SELECT count(*) FROM inbox WHERE decision IS NULL").fetchone()
        bodies = [body for (body,) in database.execute("SELECT body FROM entry").fetchall()]
    database.close()
    assert left == 0
    assert sum(b"letter.link_issued" in bytes(body) for body in bodies) == LETTERS
    verified = careerrelay("log", "verify", "--config", tmp_path / "careerrelay.toml", "--json")
    assert verified.returncode == 0


def test_connections_that_wait_for_a_killed_process(next_hop: Hop, tmp_path: Path) -> None:
    """Who was connected but not yet greeted when a process was killed is served by the next one."""
    with daemon(create(tmp_path), next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        names = ("relay-1", "relay-2")
        for name in names:
            os.kill(running.child(name), signal.SIGSTOP)
        sockets = [socket.create_connection(("127.0.0.1", running.ports.relay)) for _ in range(16)]
        for name in names:
            os.kill(running.child(name), signal.SIGKILL)
        for waiting in sockets:
            waiting.settimeout(WAIT_SECONDS)
            assert waiting.recv(4) == b"220 "
            waiting.close()
        assert {line["process"] for line in running.lines("process_ended", code=-9)} == set(names)
        running.send()
    assert len(next_hop.heard.wires) == 1


def test_the_other_process_goes_on(next_hop: Hop, tmp_path: Path) -> None:
    """A letter in the hands of one process arrives although the other one is killed."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        with running.client() as client:
            begin(client)
            client.send(b"\r\n.\r\n")
            deciding.wait_for_message()
            held = busy(running)
            other = next(name for name in ("relay-1", "relay-2") if name != held)
            os.kill(running.child(other), signal.SIGKILL)
            running.child(other, life=2)
            deciding.release()
            assert client.reply().startswith("250 2.0.0 kept")


def busy(running: Daemon) -> str:
    """Return the name of the process that has a client: the one with more sockets open."""
    samples = running.samples()
    return max(
        ("relay-1", "relay-2"), key=lambda name: samples[f'process_open_fds{{process="{name}"}}']
    )


def test_process_that_dies_again_and_again(next_hop: Hop, tmp_path: Path) -> None:
    """Each restart of a process that does not live waits longer; the others stay."""
    with daemon(create(tmp_path), next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        for life in (1, 2, 3):
            os.kill(running.child("relay-1", life), signal.SIGKILL)
        running.child("relay-1", life=4)
        pauses = [line["restart_seconds"] for line in running.lines("process_ended")]
        assert pauses == [0.0, 0.5, 1.0]
        assert len(running.lines("process_ready", process="relay-2")) == 1


def test_process_that_cannot_start_ends_all(next_hop: Hop, tmp_path: Path) -> None:
    """What keeps one process from starting is said once, and ends the command with its code."""
    config = create(tmp_path)
    taken = {"CAREERRELAY_INTAKE__LISTEN": f"127.0.0.1:{next_hop.port}"}
    with daemon(config, next_hop.port, processes=2, settings=taken) as running:
        assert running.process.wait(WAIT_SECONDS) == 2
        text = running.wait_until_closed()
        assert text.count(f"127.0.0.1:{next_hop.port} is taken by another program") == 1
        assert "set intake.listen" in text
        assert not is_open(running.ports.relay)


@pytest.mark.parametrize("processes", [1, 2])
def test_port_is_shared_with_nobody_else(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """A second service on the same port does not start, whichever of them has several processes."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        port = {"CAREERRELAY_RELAY__LISTEN": f'["127.0.0.1:{running.ports.relay}"]'}
        with daemon(config, next_hop.port, processes=processes, settings=port) as second:
            assert second.process.wait(WAIT_SECONDS) == 2
            text = second.wait_until_closed()
        assert f"127.0.0.1:{running.ports.relay} is taken by another program" in text
        assert "set relay.listen" in text


@pytest.mark.parametrize("processes", [1, 2])
def test_stopping_finishes_the_message(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """Asked to stop, the service finishes the message in flight and ends with 0."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        with running.client() as client, running.client() as idle:
            begin(client)
            client.send(b"\r\n.\r\n")
            deciding.wait_for_message()
            running.process.send_signal(signal.SIGTERM)
            assert idle.reply().startswith("421")
            wait_until_closed(running.ports.relay)  # Each process has a socket of its own.
            deciding.release()
            assert client.reply().startswith("250 2.0.0 kept")
            assert client.reply().startswith("421")
        assert running.process.wait(WAIT_SECONDS) == 0
        assert "Traceback" not in running.wait_until_closed()


@pytest.mark.parametrize("processes", [1, 2])
def test_second_request_to_stop_waits_for_nothing(
    next_hop: Hop, tmp_path: Path, processes: int
) -> None:
    """Asked twice, the service ends at once; the letter in flight has got no answer."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        with running.client() as client:
            begin(client)
            client.send(b"\r\n.\r\n")
            deciding.wait_for_message()
            running.process.send_signal(signal.SIGINT)
            running.wait_for("stopping", count=min(processes, 2))
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(WAIT_SECONDS) == 1
            running.wait_until_closed()
            assert not rest_of(client)
        deciding.release()


def test_supervisor_killed(next_hop: Hop, tmp_path: Path) -> None:
    """Processes whose supervisor was killed finish their messages, end, and leave nothing."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=2) as running:
        running.wait_until_started()
        folder = metrics_folder(running.child("relay-1"))
        assert folder.is_dir()
        with running.client() as client:
            begin(client)
            client.send(b"\r\n.\r\n")
            deciding.wait_for_message()
            running.process.kill()
            running.wait_for("supervisor_gone", count=3)
            deciding.release()
            assert client.reply().startswith("250 2.0.0 kept")
        # Closed by the last process that had it.
        running.wait_until_closed()
        assert not is_open(running.ports.relay)
        assert not folder.exists()


def metrics_folder(process_id: int) -> Path:
    """Return where a process keeps its metrics."""
    environment = Path(f"/proc/{process_id}/environ").read_bytes()
    found = re.search(rb"PROMETHEUS_MULTIPROC_DIR=([^\0]+)", environment)
    assert found
    return Path(found[1].decode())


def test_broken_file_while_a_process_starts_again(next_hop: Hop, tmp_path: Path) -> None:
    """A process that meets a broken configuration when restarted is tried again; others stay."""
    config = create(tmp_path)
    good = config.read_text()
    with daemon(config, next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        config.write_text("nonsense")
        os.kill(running.child("relay-1"), signal.SIGKILL)
        running.wait_for("process_ended", process="relay-1", code=2)
        assert running.process.poll() is None
        config.write_text(good)
        running.child("relay-1", life=2)
        running.send()
    assert len(next_hop.heard.wires) == 1
