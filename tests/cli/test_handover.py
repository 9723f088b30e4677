"""`careerrelay handover`, run as a command."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.keyfiles import load_person_keys, load_subject_key
from ledger.people import People, new_person_id, signup_received
from ledger.store import Store
from ledger.store_jobs import NewJob
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.ledger.handover_world import HANAKO, MARKS, World
from tests.ledger.test_handoverfile import certificate
from tests.ledger.test_jobs import parsed
from tests.relay.neighbours import hop

OPENSSL = shutil.which("openssl") or ""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation in which somebody waits, and a certificate beside it."""
    path = create(tmp_path)
    store = Store(f"sqlite:///{tmp_path}/careerrelay.db")
    people = People(
        store,
        load_person_keys(tmp_path / "person-keys"),
        load_subject_key(tmp_path / "subject-key"),
        lambda: datetime.now(UTC),
    )
    person_id, now = new_person_id(), datetime.now(UTC)
    event = signup_received(person_id, "aozora", "l" * 16, now, consent_version="1")
    job = NewJob(f"test:{person_id}", "test", {})
    assert people.receive(person_id, HANAKO, ("aozora", "l" * 16), event, job)
    assert people.confirm(person_id, World(store, now).verified)
    store.close()
    certificate(tmp_path, begins=now - timedelta(days=1), ends=now + timedelta(days=1))
    return path


def export(config: Path, *more: str, by: str = "sato") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    folder = config.parent
    return careerrelay(
        "handover",
        "export",
        folder / "people.pem",
        "--to",
        folder / "certificate.pem",
        "--by",
        by,
        "--config",
        config,
        *more,
    )


def states(config: Path) -> dict[str, int]:
    """Return how many registrations are in each state."""
    done = careerrelay("handover", "status", "--config", config, "--json")
    found = json.loads(done.stdout)
    assert found["by"] in ("none", "export", "mail")
    counts: dict[str, int] = found["states"]
    return counts


def test_export_and_open(config: Path) -> None:
    """The file is for its recipient alone, others may not read it, and those in it are handed
    over; a second call finds nobody and writes nothing.
    """
    folder = config.parent
    assert states(config) == {"confirmed": 1}
    done = export(config, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    file = folder / "people.pem"
    assert json.loads(done.stdout) == {"file": str(file), "registrations": 1, "erased": 0}
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [mark for mark in MARKS if mark.encode() in file.read_bytes()]
    plain = subprocess.run(
        [OPENSSL, "cms", "-decrypt", "-inform", "PEM", "-in", file, "-inkey", folder / "key.pem"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    (person,) = json.loads(plain.stdout)["registrations"]
    assert (person["name"], person["address"]) == (HANAKO.name, HANAKO.address)
    assert states(config) == {"handed_over": 1}
    file.unlink()
    assert export(config).stdout == "Nobody waits; nothing was written.\n"
    assert not file.exists()
    assert not list(folder.glob("*.part"))


def test_what_is_in_the_way_hands_nobody_over(config: Path) -> None:
    """A file that is there, a folder that is not, a wrong name, no certificate: 2 or 1."""
    folder = config.parent
    (folder / "people.pem").write_text("mine")
    done = export(config)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (folder / "people.pem").read_text() == "mine"
    (folder / "people.pem").unlink()
    assert "expected 1 to 32" in export(config, by="sato@example.jp").stderr
    into, to = folder / "no" / "people.pem", folder / "certificate.pem"
    done = careerrelay("handover", "export", into, "--to", to, "--by", "sato", "--config", config)
    assert done.returncode == 1
    assert "nobody was handed over" in done.stderr
    (folder / "certificate.pem").write_text("no certificate")
    done = export(config)
    assert (done.returncode, "X.509" in done.stderr) == (2, True)
    (folder / "certificate.pem").unlink()
    assert export(config).returncode == 2
    assert states(config) == {"confirmed": 1}


def test_nobody_is_handed_over_twice(config: Path) -> None:
    """Where the worker hands over, the export refuses."""
    text = config.read_text().replace("[outside]", '[handover]\nby = "mail"\n\n[outside]', 1)
    config.write_text(text)
    done = export(config)
    assert done.returncode == 2
    assert 'by = "mail" needs adviser' in done.stderr
    more = 'by = "webhook"\nurl = "https://service.example.jp/people"\nsecret = "webhook-secret"'
    config.write_text(text.replace('\nby = "mail"', f"\n{more}"))
    done = export(config)
    assert done.returncode == 2
    assert "handed over twice" in done.stderr


def test_the_worker_hands_over(config: Path) -> None:
    """The process that an admin runs writes to the adviser, and no log line names anybody."""
    taken = threading.Event()

    def take(_connection: int, _line: str) -> bytes:
        taken.set()
        return b"250 2.0.0 kept"

    with hop() as server:
        server.answers["end"] = take
        section = '[handover]\nby = "mail"\nadviser = "adviser@service.example"\n\n[outside]'
        text = config.read_text().replace("[outside]", section, 1)
        mail = f'[mail]\nfrom = "relay@example.jp"\nserver = "127.0.0.1:{server.port}"\n'
        config.write_text(f"{text}\n{mail}")
        worker = subprocess.Popen(
            [*CAREERRELAY, "serve", "worker", "--config", config], stderr=subprocess.PIPE
        )
        try:
            assert taken.wait(60)
        finally:
            worker.terminate()
            _, said = worker.communicate(timeout=60)
        (message,) = map(parsed, server.heard.wires)
    body = message.get_body()
    assert body
    assert message["To"] == "adviser@service.example"
    assert f"address: {HANAKO.address}" in body.get_content()
    assert HANAKO.address.encode() not in said
    assert states(config) == {"handed_over": 1}
