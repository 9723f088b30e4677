"""`careerrelay serve`: the whole process, killed and started again."""

from __future__ import annotations

import http.client
import json
import re
import signal
import smtplib
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.webhook import make_webhook
from tests.cli.process import Ports, careerrelay, create, serving
from tests.relay.neighbours import Hop

LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
LINK = re.compile(rb"https://r\.example\.jp(/[a-z2-7]{43})")
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/150.0"}


def send(ports: Ports, recipient: str) -> None:
    """Send the rejection to somebody."""
    with smtplib.SMTP("127.0.0.1", ports.relay) as client:
        client.sendmail("recruit@aozora.example.jp", [recipient], REJECTION)


def links(next_hop: Hop) -> list[str]:
    """Return the path of the link in each letter that arrived."""
    return [LINK.findall(wire)[0].decode() for wire in next_hop.heard.wires]


def ask(ports: Ports, path: str) -> http.client.HTTPResponse:
    """Return the answer to a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", ports.intake, timeout=20)
    connection.request("GET", path, headers=BROWSER)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def report(ports: Ports, folder: Path, number: int, path: str) -> dict[str, object]:
    """Report a signup as the registration service does; return its decision."""
    now = datetime.now(UTC)
    stamp = "2026-03-02T01:00:00Z"
    data = {
        "signup_id": f"signup-{number}",
        "token": path.lstrip("/"),
        "person_ref": f"person-{number}",
        "verified_at": stamp,
        "verification": "double_opt_in",
        "consent_version": "2026-01",
    }
    body = json.dumps({"type": "signup.verified", "timestamp": stamp, "data": data})
    webhook = make_webhook((folder / "webhook-secret").read_text().strip())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": f"message-{number}",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(f"message-{number}", now, body),
    }
    connection = http.client.HTTPConnection("127.0.0.1", ports.intake, timeout=20)
    connection.request("POST", "/v1/signups", body, headers)
    answer = connection.getresponse()
    assert answer.status == 202
    row: dict[str, object] = json.load(answer)
    connection.close()
    return row


def logged(folder: Path, kind: str) -> int:
    """Return how many entries of a kind the log holds; wait for the worker to catch up."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        database = sqlite3.connect(folder / "careerrelay.db")
        (left,) = database.execute("SELECT count(*) FROM inbox WHERE decision IS NULL").fetchone()
        rows = database.execute("SELECT body FROM entry").fetchall()
        database.close()
        if not left:
            return sum(json.loads(body)["type"] == kind for (body,) in rows)
    pytest.fail("the worker did not catch up")


def test_kill_right_after_a_click_was_answered(next_hop: Hop, tmp_path: Path) -> None:
    """A click that got its answer is in the log after a kill -9 and a restart."""
    config, ports = create(tmp_path), Ports.free(next_hop=next_hop.port)
    with serving(config, ports) as process:
        send(ports, "yui@mail.example.com")
        answer = ask(ports, links(next_hop)[0])
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        assert answer.status == 303
    with serving(config, ports):
        assert logged(tmp_path, "link.clicked") == 1
        assert logged(tmp_path, "letter.link_issued") == 1
    verified = careerrelay("log", "verify", "--config", config, "--json")
    assert verified.returncode == 0
    # The installation's log is there too where its checkpoint of the day was quicker than this.
    rows = {row["log"]: row["verified"] for row in map(json.loads, verified.stdout.splitlines())}
    assert rows["aozora"] is True
    assert all(rows.values())


def test_ten_signups_grant_one_slot(next_hop: Hop, tmp_path: Path) -> None:
    """The tenth signup grants the slot, once; a repeated report is the same answer."""
    config, ports = create(tmp_path), Ports.free(next_hop=next_hop.port)
    with serving(config, ports):
        for number in range(10):
            send(ports, f"person{number}@mail.example.com")
        paths = links(next_hop)
        answers = [report(ports, tmp_path, n, path) for n, path in enumerate(paths)]
        assert [answer["decision"] for answer in answers] == ["counted"] * 10
        assert [answer["slots_available"] for answer in answers] == [0] * 9 + [1]
        assert report(ports, tmp_path, 9, paths[9]) == answers[9]
    balance = careerrelay("credits", "balance", "--config", config, "--json")
    row = json.loads(balance.stdout)
    assert (row["redeemed"], row["slots_granted"], row["slots_available"]) == (10, 1, 1)


def test_a_changed_byte_in_the_log_is_named(next_hop: Hop, tmp_path: Path) -> None:
    """Whoever edits the database file is found out, and the entry is named."""
    config, ports = create(tmp_path), Ports.free(next_hop=next_hop.port)
    with serving(config, ports):
        for number in range(3):
            send(ports, f"person{number}@mail.example.com")
        assert logged(tmp_path, "letter.link_issued") == 3
    with sqlite3.connect(tmp_path / "careerrelay.db") as database:
        (body,) = database.execute("SELECT body FROM entry WHERE seq = 2").fetchone()
        changed = bytes(body).replace(b"aozora", b"hokuto", 1)
        assert changed != body
        database.execute("UPDATE entry SET body = ? WHERE seq = 2", (changed,))
    database.close()
    verified = careerrelay("log", "verify", "--config", config, "--json")
    assert verified.returncode == 1
    row = json.loads(verified.stdout)
    assert (row["verified"], row["seq"], row["damage"]) == (False, 2, "body")


def test_wrong_configuration_opens_no_socket(tmp_path: Path) -> None:
    """A mistake ends the command with 2 and names file, key, value and what is expected."""
    config = create(tmp_path)
    config.write_text(config.read_text().replace('next_hop = "', 'next_hop = "nowhere; '))
    ended = careerrelay("serve", "--config", config)
    assert ended.returncode == 2
    assert f"{config}: relay.next_hop = 'nowhere; 127.0.0.1:2526': expected" in ended.stderr


@pytest.mark.parametrize("name", ["keys.json", "log-key", "subject-key", "webhook-secret"])
def test_secrets_that_others_may_read(tmp_path: Path, name: str) -> None:
    """A secret with loose permissions, or none at all, stops the start and is named."""
    config = create(tmp_path)
    (tmp_path / name).chmod(0o644)
    ended = careerrelay("serve", "--config", config)
    assert ended.returncode == 2
    assert f"{tmp_path / name}: mode is 0644" in ended.stderr
    (tmp_path / name).unlink()
    ended = careerrelay("serve", "--config", config)
    assert ended.returncode == 2
    assert f"{tmp_path / name}: No such file or directory" in ended.stderr


def test_port_taken(next_hop: Hop, tmp_path: Path) -> None:
    """A port that somebody else has is named, with the key to set."""
    config = create(tmp_path)
    ports = Ports.free()
    taken = ports.environment | {"CAREERRELAY_RELAY__LISTEN": f'["127.0.0.1:{next_hop.port}"]'}
    ended = careerrelay("serve", "--config", config, environment=taken)
    assert ended.returncode == 2
    assert f"127.0.0.1:{next_hop.port} is taken by another program" in ended.stderr
    assert "set relay.listen" in ended.stderr


@pytest.mark.parametrize("text", ["", "junk", "whsec_QUJD", "whsec_äöü"])
def test_weak_webhook_secret(tmp_path: Path, text: str) -> None:
    """A secret that anybody could guess is none: the reports behind it are worth a hire."""
    config = create(tmp_path)
    (tmp_path / "webhook-secret").write_text(text)
    ended = careerrelay("serve", "--config", config)
    assert ended.returncode == 2
    assert f'{tmp_path}/webhook-secret: expected "whsec_" and 24 to 64 bytes' in ended.stderr


def test_mail_goes_on_when_the_log_cannot_be_written(next_hop: Hop, tmp_path: Path) -> None:
    """With the disk of the log full, letters arrive with their links, once, and clicks lead on."""
    config, ports = create(tmp_path), Ports.free(next_hop=next_hop.port)
    with Path("/dev/full").open("wb") as full, serving(config, ports, full) as process:
        for number in range(3):
            send(ports, f"person{number}@mail.example.com")
        assert ask(ports, links(next_hop)[0]).status == 303
        assert len(next_hop.heard.wires) == 3
        # Not the end that is tested here: Python reports the log it could not flush with 120.
        process.send_signal(signal.SIGKILL)
        process.wait(20)
