"""`careerrelay run --once --json`: the demonstration does what the README says."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
from pathlib import Path

from tests.cli.process import CAREERRELAY, READY_SECONDS, Ports, careerrelay

LETTERS = Path(__file__).parents[1] / "letters"


def test_the_account(tmp_path: Path) -> None:
    """Rejections carry a link, the rest is identical, ten signups are one slot; twice the same."""
    ports = Ports.free()
    for _ in range(2):
        told = careerrelay(
            "run", "--once", "--json", "--data", tmp_path, environment=ports.environment
        )
        assert told.returncode == 0, told.stderr
        *letters, summary = [json.loads(line) for line in told.stdout.splitlines()]
        assert summary == {
            "sent": 12,
            "delivered": 12,
            "injected": 10,
            "unchanged_identical": True,
            "clicked": 1,
            "referrals": 10,
            "slots": 1,
            "log": "verified",
        }
        assert len(letters) == 12
        for letter in letters:
            injected = letter["decision"] == "inject"
            assert injected is (letter["verdict"] == "rejection")
            assert letter["identical"] is not injected
            assert letter["restorable"] is injected
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_for_people(tmp_path: Path) -> None:
    """The account on the terminal says what happened to the letters, the credits and the log."""
    told = careerrelay("run", "--once", "--data", tmp_path, environment=Ports.free().environment)
    assert told.returncode == 0, told.stderr
    assert "7 ×  one link added" in told.stdout
    assert "the same bytes" in told.stdout
    assert "10 confirmed registrations were reported: 10 counted" in told.stdout
    assert "10 referrals and one hire free of fees" in told.stdout
    assert "from its first entry to its last: verified" in told.stdout


def test_port_taken(tmp_path: Path) -> None:
    """A port that somebody else has is named, with what to set and where."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = Ports.free().environment | {
            "CAREERRELAY_OUTSIDE__LISTEN": f"127.0.0.1:{port}"
        }
        told = careerrelay("run", "--once", "--data", tmp_path, environment=environment)
    assert told.returncode == 2
    file = tmp_path / "careerrelay.toml"
    assert told.stderr == (
        f"careerrelay run: 127.0.0.1:{port} is taken by another program; "
        f"set outside.listen in {file}\n"
    )


def test_damaged_store(tmp_path: Path) -> None:
    """A store that is no database ends the demonstration with a word, not with a traceback."""
    (tmp_path / "careerrelay.db").write_bytes(b"this is no database" * 100)
    told = careerrelay("run", "--once", "--data", tmp_path, environment=Ports.free().environment)
    assert told.returncode in (1, 2)
    assert "careerrelay.db" in told.stderr
    assert "Traceback" not in told.stderr


def page(port: int, path: str) -> str:
    """Return a page of the outside world, once the story has been told."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Accept-Language": "en"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return text


def test_letters_of_the_users_own(tmp_path: Path) -> None:
    """A letter that the user sends is shown as sent and as arrived, like the samples."""
    ports = Ports.free()
    folder = tmp_path / "data"
    process = subprocess.Popen(
        [*CAREERRELAY, "run", "--data", str(folder)],
        env=os.environ | ports.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        told = "".join(iter(process.stdout.readline, "Everything stays up until Ctrl-C.\n"))
        assert f"@{folder / 'letter.eml'}" in told
        for name in ("014-two-sentences", "040-offer-with-regret-about-location"):
            letter = (LETTERS / f"{name}.eml").read_bytes()
            with smtplib.SMTP("127.0.0.1", ports.relay) as client:
                client.sendmail("recruit@aozora.example.jp", ["you@mail.example.com"], letter)
        assert "Taken out again, the message is the one that was sent" in page(
            ports.outside, "/letters/13"
        )
        assert "Identical: yes." in page(ports.outside, "/letters/14")
        assert "11 carry the added line" in re.sub("<.*?>", "", page(ports.outside, "/"))
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=READY_SECONDS)
    assert process.returncode == 0
    assert rest.endswith(f"Stopped. Everything is kept in {folder}.\n")
