"""Nothing lost: many messages through the real command while it and its next hop are killed.

    python -m tests.soak [--messages 20000] [--connections 100] [--processes 2] [--seed 1]
    python -m tests.soak --large

One message in ten is a rejection letter. On the way the next hop is ended once with SIGTERM and
once with SIGKILL, and one process of the relay with SIGKILL; the clients retry as mail systems do.
Held in the end: every message arrived, unchanged or with exactly one link that can be taken out
again; none arrived twice unless an attempt of its sender ended unknown; no link is recorded as
delivered whose letter the hop does not have. --large: 100 slow senders of 20 MiB each, and the
memory of the relay. The exit code is 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ledger.events import parse
from relay.undo import NotOurs, restore
from relay.wire import unstuff
from tests.cli.process import Ports, create
from tests.relay.soak_client import MAY_HAVE_ARRIVED, Campaign, Outcome, recipient_of, work
from tests.relay.soak_hop import Kept
from tests.relay.soak_letters import is_rejection, large_wire_of, wire_of
from tests.relay.soak_place import Place

LINK = re.compile(rb"https?://[^/\s]+/([a-z2-7]{43})")
# In the token, behind the key's id.
LINK_ID = slice(1, 17)
WATCH_SECONDS = 0.05
WHOLE_SECONDS = 1200.0  # Whatever takes longer hangs.
# Of all messages, when it happens.
HOP_TERMINATED_AT, RELAY_KILLED_AT, HOP_KILLED_AT = 0.2, 0.45, 0.7
# By these a letter goes out without its line, and says so in the log: mail first.
EXCUSES = ("store_unavailable", "time_box")

LARGE_SENDERS = 100
LARGE_DRIBBLE_SECONDS = 0.05
# `relay.door`: 512 MiB in flight, at the most three copies of each.
LARGE_MEMORY_MAX_KIB = 3 * 512 * 1024


@dataclass
class Account:
    """What came of it all: rows to print, and what does not hold."""

    rows: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    violations: list[str] = field(default_factory=list[str])

    def note(self, what: str, value: object) -> None:
        """Add a row to the table."""
        self.rows.append((what, value))

    def hold(self, violation: str, numbers: list[int]) -> None:
        """Add a violation for these messages, if there are any."""
        if numbers:
            self.violations.append(f"{violation}: {len(numbers)} messages, first {numbers[:5]}")

    def print(self) -> None:
        """Print the table and the violations."""
        width = max(len(what) for what, _ in self.rows)
        for what, value in self.rows:
            print(f"{what:<{width}}  {value}")
        for violation in self.violations:
            print(f"VIOLATION  {violation}")


async def run_campaign(campaign: Campaign, place: Place, connections: int, events: bool) -> None:
    """Run all clients to the end, and the events on the way."""
    tasks = [asyncio.create_task(work(campaign, place.ports.relay)) for _ in range(connections)]
    if events:
        tasks.append(asyncio.create_task(make_trouble(campaign, place)))
    watcher = asyncio.create_task(watch(place))
    try:
        await asyncio.wait_for(asyncio.gather(*tasks), WHOLE_SECONDS)
    finally:
        watcher.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(watcher, *tasks, return_exceptions=True)


async def watch(place: Place) -> None:
    """Keep an eye on the memory of the relay."""
    while True:
        place.watch_memory()
        await asyncio.sleep(WATCH_SECONDS)


async def make_trouble(campaign: Campaign, place: Place) -> None:
    """End the hop, a process of the relay, and the hop again, each in its time."""
    for share, trouble in (
        (HOP_TERMINATED_AT, partial(place.restart_hop, signal.SIGTERM)),
        (RELAY_KILLED_AT, place.kill_relay),
        (HOP_KILLED_AT, partial(place.restart_hop, signal.SIGKILL)),
    ):
        while campaign.accepted < share * campaign.count:
            campaign.moved.clear()
            await campaign.moved.wait()
        await trouble()


def judge(campaign: Campaign, place: Place) -> Account:
    """Compare what was sent, what was answered, what arrived and what is on record."""
    account = Account()
    arrived: dict[int, list[Kept]] = {number: [] for number in range(campaign.count)}
    by_recipient = {recipient_of(number).encode(): number for number in arrived}
    for kept in place.kept():
        arrived[by_recipient[kept.recipient]].append(kept)
    account.note("messages", campaign.count)
    account.note("connections", campaign.connections)
    account.note("killed", "; ".join(place.killed) or "nobody")
    for outcome in Outcome:
        account.note(f"attempts: {outcome.value}", campaign.total(outcome))
    account.hold("lost", [number for number, copies in arrived.items() if not copies])
    copies = [number for number, copies in arrived.items() if len(copies) > 1]
    account.note("arrived more than once", len(copies))
    account.hold(
        "duplicates that no lost connection explains",
        [
            number
            for number in copies
            if len(arrived[number]) > sum(campaign.outcomes[number][o] for o in MAY_HAVE_ARRIVED)
        ],
    )
    return account


def judge_bytes(account: Account, arrived: list[Kept], rows: list[dict[str, object]]) -> set[str]:
    """Compare every message that arrived with what was sent; return the links of the letters."""
    changed: dict[int, set[str]] = {}
    wrong: list[int] = []
    bare: list[int] = []
    for kept in arrived:
        number = int(re.sub(rb"\D", b"", kept.recipient))
        wire = wire_of(number)
        if kept.wire == wire:
            bare += [number] * is_rejection(number)
            continue
        found = LINK.findall(kept.wire)
        if is_rejection(number) and len(found) == 1 and restored(kept.wire) == unstuff(wire):
            changed.setdefault(number, set()).add(found[0].decode()[LINK_ID])
        else:
            wrong.append(number)
    account.note("letters with one link, which gave back the original", len(changed))
    account.note("letters without their link", len(bare))
    account.hold("not what was sent", wrong)
    account.hold("sent again with another link", [n for n, ids in changed.items() if len(ids) > 1])
    excused = sum(row.get("reason") in EXCUSES for row in rows)
    if len(bare) > excused:
        account.hold(f"letters without their link, {excused} of them excused in the log", bare)
    return {link for ids in changed.values() for link in ids}


def restored(wire: bytes) -> bytes | None:
    """Return the original of a changed letter."""
    try:
        return restore(unstuff(wire))
    except NotOurs:
        return None


def judge_record(account: Account, place: Place, links: set[str]) -> None:
    """Compare the events on record with the letters that arrived."""
    recorded: dict[str, Counter[str]] = {}
    with sqlite3.connect(place.folder / "careerrelay.db") as database:
        for (body,) in database.execute("SELECT body FROM inbox"):
            event = parse(body)
            recorded.setdefault(event.type, Counter())[str(event.data["link_id"])] += 1
    database.close()
    delivered = set(recorded.get("letter.delivered", Counter()))
    account.note("links on record as delivered", len(delivered))
    account.note("letters that arrived and are not on record so", len(links - delivered))
    if delivered - links:
        account.violations.append(f"recorded as delivered, but nobody has it: {delivered - links}")
    if links - set(recorded.get("letter.link_issued", Counter())):
        account.violations.append("a letter went out whose link is not on record")


def read_log(place: Place) -> list[dict[str, object]]:
    """Return the log; a line that a kill cut short is left out."""
    rows: list[dict[str, object]] = []
    for line in (place.folder / "log").read_bytes().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def judge_log(account: Account, rows: list[dict[str, object]], arrived: int) -> None:
    """See that the log claims no more deliveries than there were, and tells of no fault of ours."""
    claimed = sum(
        row.get("event") == "message" and row.get("code") == 250 and not row.get("outcome_unknown")
        for row in rows
    )
    account.note("deliveries that the log claims", claimed)
    account.note("messages that the hop has, copies included", arrived)
    if claimed > arrived:
        account.violations.append(f"the log claims {claimed} deliveries, the hop has {arrived}")
    faults = Counter(str(row.get("event")) for row in rows if "exception" in row)
    if faults:
        account.violations.append(f"faults in the log: {dict(faults)}")


def soak(messages: int, connections: int, processes: int, seed: int) -> Account:
    """Run the whole story once and return what came of it."""
    chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    campaign = Campaign(messages, wire_of, chance)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), Ports.free(), create(Path(name)), processes)
        began = time.monotonic()
        code = conduct(campaign, place, connections, events=True)
        seconds = time.monotonic() - began
        account = judge(campaign, place)
        arrived = place.kept()
        rows = read_log(place)
        judge_record(account, place, judge_bytes(account, arrived, rows))
        judge_log(account, rows, len(arrived))
    account.note("seconds", f"{seconds:.1f}, {messages / seconds:.0f} messages a second")
    account.note("peak memory", place.peaks())
    if code != 0:
        account.violations.append(f"the relay ended with {code}")
    return account


def large() -> Account:
    """Send large messages slowly, all at the same time; return what came of it."""
    chance = random.Random(0)  # noqa: S311
    campaign = Campaign(LARGE_SENDERS, large_wire_of, chance, LARGE_DRIBBLE_SECONDS)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), Ports.free(), create(Path(name)), 1, is_digest=True)
        code = conduct(campaign, place, LARGE_SENDERS, events=False)
        account = judge(campaign, place)
        wrong = [
            number
            for kept in place.kept()
            for number in [int(re.sub(rb"\D", b"", kept.recipient))]
            if kept.wire != hashlib.sha256(large_wire_of(number)).digest()
        ]
    account.hold("not what was sent", wrong)
    account.note("peak memory", place.peaks())
    if max(place.peak_kib.values()) > LARGE_MEMORY_MAX_KIB:
        account.violations.append(f"more than {LARGE_MEMORY_MAX_KIB // 1024} MiB of memory")
    if code != 0:
        account.violations.append(f"the relay ended with {code}")
    return account


def conduct(campaign: Campaign, place: Place, connections: int, *, events: bool) -> int:
    """Start all, run all, stop all; return the exit code of the relay."""
    try:
        place.start_hop()
        place.start_relay()
        asyncio.run(run_campaign(campaign, place, connections, events))
        return place.stop()
    finally:
        place.kill()


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Nothing lost, whatever is killed.")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="100 slow senders of 20 MiB each")
    options = parser.parse_args()
    account = (
        large()
        if options.large
        else soak(options.messages, options.connections, options.processes, options.seed)
    )
    account.print()
    return 1 if account.violations else 0


if __name__ == "__main__":
    sys.exit(main())
