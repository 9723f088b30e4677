"""Whole lives of the real command: stopped, killed and told to read its files again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.daemon import daemon
from tests.cli.process import create
from tests.relay.lives_page import read_rows
from tests.relay.lives_process import LIVES, WIRE, Service
from tests.relay.lives_stage import (
    REJECTION,
    Caller,
    Seen,
    check_letters,
    check_transactions,
    got,
    in_words,
    joined,
    link_on_record,
)
from tests.relay.neighbours import Hop

pytestmark = pytest.mark.long

ROWS = read_rows()
LINK = re.compile(rb"https://r\.example\.jp/[a-z2-7]{43}")
# What a service says of its start and end whatever becomes of a letter.
USUAL_EVENTS = frozenset({"running_as_root", "listening", "started", "stopping"})


def relay_lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log that tell of a letter or of what disturbed it."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert not [line for line in lines if line.get("logger") == "asyncio"]
    return [line for line in lines if line["event"] not in USUAL_EVENTS]


def send_again(port: int) -> None:
    """Send the letter as a mail system does that heard no 250, and have it taken."""
    caller = Caller(port)
    assert caller.begin()
    caller.send(WIRE)
    assert caller.reply().startswith("250 ")
    caller.close()


@pytest.mark.parametrize("life", LIVES)
def test_a_life_of_the_command(next_hop: Hop, tmp_path: Path, life: str) -> None:
    """Client, next hop and record see what the page says; sent again, it is the same letter."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, role="relay") as running:
        running.wait_for("started")
        service = Service(running, next_hop, Caller(running.ports.relay))
        LIVES[life](service)
        service.caller.close()
    verbs = [line.split(" ")[0] for _, line in next_hop.heard.commands]
    wires = next_hop.heard.wires[:]
    log = relay_lines(running.wait_until_closed())
    seen = Seen(service.caller.heard, got(verbs, len(wires)), joined(in_words(log, {})))
    assert seen == ROWS[life].seen
    assert link_on_record(tmp_path) == ROWS[life].link
    check_letters(wires, REJECTION)
    check_transactions(next_hop)
    if "250" in seen.client:
        return
    with daemon(config, next_hop.port, role="relay") as again:
        again.wait_for("started")
        send_again(again.ports.relay)
    links = {tuple(LINK.findall(wire)) for wire in next_hop.heard.wires}
    assert len(links) == 1
    assert link_on_record(tmp_path) == "issued, delivered"
