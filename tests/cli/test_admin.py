"""The admin port: what Prometheus and load balancers are told of a real service."""

from __future__ import annotations

import os
import re
import smtplib
import socket
from pathlib import Path

import pytest

from tests.cli.daemon import REJECTION, SENDER, WAIT_SECONDS, Daemon, daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Deciding, Hop, always

EACH_NUMBER = pytest.mark.parametrize("processes", [1, 2])
STATIONS = ("dialogue", "receive", "judge", "record", "send")
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=aozora.example.jp; s=k; h=from; bh=YQ==; b=YQ==\r\n"
OTHER = b"From: recruit@aozora.example.jp\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
MESSAGES = "careerrelay_messages_total"
NAMES = {
    1: ["main"],
    2: ["supervisor", "relay-1", "relay-2", "intake"],
}


def settled(running: Daemon) -> dict[str, float]:
    """Return the metrics with no client connected; the relay hears of the last one a bit later."""
    for _ in range(1000):
        samples = running.samples()
        if not samples["careerrelay_connections"]:
            return samples
    pytest.fail("clients are still connected")


@EACH_NUMBER
def test_counts_are_those_of_the_messages(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """Decisions, replies, times and connections, added up over processes, fit what was sent."""
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        for number in range(20):
            running.send(f"person{number}@mail.example.com")
        running.send(letter=SIGNED + REJECTION)
        running.send(letter=OTHER)
        assert settled(running)['careerrelay_next_hop_connections{state="idle"}'] >= 1
        next_hop.answers["RCPT"] = always(b"550 5.1.1 nobody")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            running.send()
        samples = settled(running)
    decided = {name: value for name, value in samples.items() if name.startswith(MESSAGES)}
    assert decided[f'{MESSAGES}{{decision="inject",reason="injected"}}'] == 20
    assert decided[f'{MESSAGES}{{decision="pass",reason="dkim_signed"}}'] == 1
    assert sum(decided.values()) == 22
    assert samples['careerrelay_not_injected_total{reason="dkim_signed"}'] == 1
    replies = "careerrelay_next_hop_replies_total"
    assert samples[f'{replies}{{code="250",command="MAIL"}}'] == 23
    assert samples[f'{replies}{{code="250",command="RCPT"}}'] == 22
    assert samples[f'{replies}{{code="550",command="RCPT"}}'] == 1
    assert samples[f'{replies}{{code="250",command="END"}}'] == 22
    for station in STATIONS:
        assert samples[f'careerrelay_station_seconds_count{{station="{station}"}}'] == 22
    assert samples["careerrelay_in_flight_bytes"] == 0
    assert samples['careerrelay_next_hop_connections{state="busy"}'] == 0
    assert samples["careerrelay_outcomes_unknown_total"] == 0
    private = str(samples)
    assert not any(text in private for text in ("aozora", "mail.example", "127.0.0.1"))


@EACH_NUMBER
def test_what_is_going_on_is_seen(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """A message in flight shows as bytes, a busy connection and a client, and goes again."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        with running.client() as client:
            client.say(f"MAIL FROM:<{SENDER}>")
            client.say("RCPT TO:<yui@mail.example.com>")
            client.say("DATA")
            client.send(REJECTION + b"\r\n.\r\n")
            deciding.wait_for_message()
            samples = running.samples()
            assert samples["careerrelay_connections"] == 1
            assert samples["careerrelay_in_flight_bytes"] >= len(REJECTION)
            assert samples['careerrelay_next_hop_connections{state="busy"}'] == 1
            deciding.release()
            assert client.reply().startswith("250")
            assert running.samples()["careerrelay_in_flight_bytes"] == 0
        settled(running)


def test_killed_process_leaves_its_counts_only(next_hop: Hop, tmp_path: Path) -> None:
    """What a killed process had counted stays; its clients and connections are gone."""
    with daemon(create(tmp_path), next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        for number in range(10):
            running.send(f"person{number}@mail.example.com")
        clients = [running.client() for _ in range(10)]
        for name in ("relay-1", "relay-2"):
            os.kill(running.child(name), 9)
            running.child(name, life=2)
        for client in clients:
            client.close()
        samples = settled(running)
        assert samples[f'{MESSAGES}{{decision="inject",reason="injected"}}'] == 10
        assert samples["careerrelay_connections"] == 0
        assert samples['careerrelay_next_hop_connections{state="busy"}'] == 0


@EACH_NUMBER
def test_processes_and_version(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """Memory, time and files of each process are told under its name, and the version once."""
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        samples = running.samples()
        for name in NAMES[processes]:
            for what in ("resident_memory_bytes", "cpu_seconds_total", "open_fds"):
                assert samples[f'process_{what}{{process="{name}"}}'] > 0
        version = careerrelay("--version").stdout.strip()
        assert samples[f'careerrelay_build_info{{version="{version}"}}'] == 1


def test_both_formats(next_hop: Hop, tmp_path: Path) -> None:
    """Whoever asks for OpenMetrics gets it; others get Prometheus' own text."""
    with daemon(create(tmp_path), next_hop.port) as running:
        running.wait_until_started()
        accept = "application/openmetrics-text; version=1.0.0"
        assert running.ask("/metrics", Accept=accept)[1].endswith("# EOF\n")
        assert "# EOF" not in running.ask("/metrics")[1]
        assert running.ask("/")[0] == 404


@EACH_NUMBER
def test_ready_until_it_stops(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """Ready with the listeners open, next hop away or not; no more while it stops; alive always."""
    deciding = Deciding(next_hop)
    with daemon(create(tmp_path), next_hop.port, processes=processes) as running:
        running.wait_until_started()
        assert running.ask("/readyz") == (200, "ok\n")
        assert running.ask("/healthz") == (200, "ok\n")
        with running.client() as client:
            client.say(f"MAIL FROM:<{SENDER}>")
            client.say("RCPT TO:<yui@mail.example.com>")
            client.say("DATA")
            client.send(REJECTION + b"\r\n.\r\n")
            deciding.wait_for_message()
            running.process.terminate()
            running.wait_for("stopping")
            assert running.ask("/readyz") == (503, "not ready: stopping\n")
            assert running.ask("/healthz") == (200, "ok\n")
            deciding.release()
            assert client.reply().startswith("250")
        assert running.process.wait(WAIT_SECONDS) == 0


def test_not_ready_with_a_process_missing(next_hop: Hop, tmp_path: Path) -> None:
    """While a process cannot start again its name is told; with it back all is ready."""
    config = create(tmp_path)
    good = config.read_text()
    with daemon(config, next_hop.port, processes=2, role="relay") as running:
        running.wait_until_started()
        config.write_text("nonsense")
        os.kill(running.child("relay-2"), 9)
        running.wait_for("process_ended", process="relay-2", code=2)
        assert running.ask("/readyz") == (503, "not ready: relay-2\n")
        assert running.ask("/healthz")[0] == 200
        config.write_text(good)
        running.child("relay-2", life=2)
        assert running.ask("/readyz")[0] == 200


@EACH_NUMBER
def test_admin_port_taken(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """A port that somebody else has is named, with the key to set, and nothing is left running."""
    taken = {"CAREERRELAY_ADMIN__LISTEN": f"127.0.0.1:{next_hop.port}"}
    with daemon(create(tmp_path), next_hop.port, processes=processes, settings=taken) as running:
        assert running.process.wait(WAIT_SECONDS) == 2
        text = running.wait_until_closed()
        assert f"127.0.0.1:{next_hop.port} is taken by another program; set admin.listen" in text


def test_no_admin_port_unless_asked_for(next_hop: Hop, tmp_path: Path) -> None:
    """Without `admin.listen` there is no such port."""
    none = {"CAREERRELAY_ADMIN__LISTEN": None}
    with daemon(create(tmp_path), next_hop.port, settings=none) as running:
        running.wait_until_started()
        assert not running.lines("listening", part="admin")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", running.admin)) != 0


def test_manual_names_what_there_is(next_hop: Hop, tmp_path: Path) -> None:
    """The operator's page speaks of every metric of ours, and of none that does not exist."""
    with daemon(create(tmp_path), next_hop.port) as running:
        running.wait_until_started()
        _, text = running.ask("/metrics")
    told = set(re.findall(r"^# TYPE (careerrelay_\w+)", text, re.MULTILINE))
    folder = Path(__file__).parents[2] / "docs" / "admin"
    manual = "".join((folder / name).read_text("utf-8") for name in ("running.md", "queue.md"))
    written = set(re.findall(r"careerrelay_[a-z_]*[a-z]\b", manual))
    assert {name.removesuffix("_bucket") for name in written} == told
