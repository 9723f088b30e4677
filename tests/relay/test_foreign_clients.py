"""Mail programs that are not ours, through the real command: swaks, and Postfix' own test tools."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.undo import restore
from relay.wire import stuff, unstuff
from tests.cli.process import READY_SECONDS, Ports, create, serving, wait_for
from tests.relay.neighbours import Hop
from tests.relay.programs import program

LETTERS = Path(__file__).parents[1] / "letters"
LINK = re.compile(rb"https://r\.example\.jp/([a-z2-7]{43})")
pytestmark = pytest.mark.postfix


def swaks(port: int, letter: Path) -> subprocess.CompletedProcess[str]:
    """Send a letter with swaks."""
    return subprocess.run(
        [
            program("swaks"),
            "--server",
            f"127.0.0.1:{port}",
            "--from",
            "recruit@aozora.example.jp",
            "--to",
            "yui@mail.example.com",
            "--data",
            f"@{letter}",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )


def test_swaks(next_hop: Hop, tmp_path: Path) -> None:
    """A rejection from swaks arrives with the link, twice with the same; an offer as it was."""
    rejection = LETTERS / "002-first-interview-8bit.eml"
    offer = LETTERS / "040-offer-with-regret-about-location.eml"
    ports = Ports.free(next_hop=next_hop.port)
    with serving(create(tmp_path), ports):
        for letter in (rejection, rejection, offer):
            assert swaks(ports.relay, letter).returncode == 0
        first, second, third = next_hop.heard.wires
        # swaks ends what it sends with an empty line of its own.
        assert restore(unstuff(first)) == rejection.read_bytes() + b"\r\n"
        assert len(LINK.findall(first)) == 1
        assert LINK.findall(first) == LINK.findall(second)
        assert third == stuff(offer.read_bytes() + b"\r\n")


def test_swaks_with_the_next_hop_down(tmp_path: Path) -> None:
    """swaks is told to come back later, and fails as a client should."""
    ports = Ports.free()
    with serving(create(tmp_path), ports):
        answer = swaks(ports.relay, LETTERS / "002-first-interview-8bit.eml")
    assert answer.returncode != 0
    assert "451 4.4.1 " in answer.stdout


@pytest.fixture
def dump() -> Iterator[Path]:
    """Return a folder that smtp-sink may write to as another user; pytest's are for their owner."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_smtp_source_into_smtp_sink(tmp_path: Path, dump: Path) -> None:
    """Postfix' smtp-source through the relay into smtp-sink: every message, every byte of it."""
    ports = Ports.free()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(
        [program("smtp-sink"), *user, "-d", f"{dump}/m.", f"127.0.0.1:{ports.next_hop}", "100"],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(ports.next_hop, sink)
        with serving(create(tmp_path), ports):
            for port in (ports.relay, ports.next_hop):
                subprocess.run(
                    [
                        program("smtp-source"),
                        *("-s", "5", "-m", "50", "-l", "4096", "-S", "minutes"),
                        *("-f", "recruit@aozora.example.jp", "-t", "yui@mail.example.com"),
                        *("-M", "client.example", f"127.0.0.1:{port}"),
                    ],
                    check=True,
                    timeout=60,
                )
    finally:
        sink.terminate()
        sink.wait(READY_SECONDS)
    # Half came through the relay, half directly. Their own trace fields apart they are the same.
    texts = [own_text(path.read_bytes()) for path in dump.iterdir()]
    assert len(texts) == 100
    assert len(set(texts)) == 1
    assert len(texts[0]) > 4000


def own_text(dump: bytes) -> bytes:
    """Return a message of smtp-sink's dump without what names connection, time and process."""
    _, _, message = dump.partition(b"\nFrom: ")
    return re.sub(rb"\n(Date|Message-Id): [^\n]*", b"", message)
