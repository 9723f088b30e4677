"""What the metrics tell of clicks and registrations, in one process and in several."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ledger.clickrate import CLICKS_PER_MINUTE
from ledger.intakecounts import Kept, Outcome, Step, What
from ledger.signals import ClickClass
from tests.cli.daemon import LINK, Daemon, daemon
from tests.cli.marked_story import store_held
from tests.cli.process import careerrelay, create
from tests.cli.test_registering import Arrivals, registered
from tests.relay.neighbours import Hop

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/150.0",
    "Accept-Language": "ja",
}
SETS = {
    (What.LINKS, "outcome"): Outcome,
    (What.CLICKS, "class"): ClickClass,
    (What.RECORDS, "kept"): Kept,
    (What.REGISTRATIONS, "step"): Step,
}


def counted(running: Daemon, what: What) -> dict[str, float]:
    """Return what was counted, without what never happened."""
    begin = f"careerrelay_{what}_total{{"
    found = {
        name.partition('"')[2].removesuffix('"}'): value
        for name, value in running.samples().items()
        if name.startswith(begin) and value
    }
    return dict(sorted(found.items()))


@pytest.mark.parametrize("processes", [1, 2])
def test_clicks_are_counted(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """By what the link was, who clicked, and what became of the record."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        for (what, label), values in SETS.items():  # All are there from the start, at 0.
            names = {f'careerrelay_{what}_total{{{label}="{value}"}}' for value in values}
            assert names == {one for one in running.samples() if f"_{what}_total" in one}
        running.send("yui@mail.example.com")
        (token,) = (one.decode() for one in LINK.findall(next_hop.heard.wires[0]))
        base = f"http://127.0.0.1:{running.ports.intake}"
        with httpx.Client(base_url=base, headers=BROWSER, timeout=30) as browser:
            for path in (token, f"{token[:20]}={token[20:]}", f"b{token[1:]}", "nonsense"):
                browser.get(f"/{path}")
            browser.head(f"/{token}")
            with store_held(f"sqlite:///{tmp_path}/careerrelay.db"):
                browser.get(f"/{token}")
            assert counted(running, What.RECORDS) == {"spill": 1, "store": 3}
            assert counted(running, What.CLICKS)["scanner"] == 1
            assert sum(counted(running, What.CLICKS).values()) == 4
            for _ in range(CLICKS_PER_MINUTE + 3):
                browser.get(f"/{token}", headers={"X-Forwarded-For": "203.0.113.5"})
            # Where a minute ended in between, none was too many.
            records = counted(running, What.RECORDS)
            assert sum(records.values()) == CLICKS_PER_MINUTE + 7
            assert records.get("thinned", 0) in range(4)
            assert careerrelay("keys", "add", "--config", config).returncode == 0
            revoked = careerrelay(
                "keys", "revoke-links", token, "--why", "a test", "--config", config
            )
            assert revoked.returncode == 0, revoked.stderr
            running.reload()
            # With several: the supervisor, the relays, and the intake with the worker.
            running.wait_for("reloaded", 1 if processes == 1 else processes + 2)
            browser.get(f"/{token}")
        links = counted(running, What.LINKS)
        assert links.pop("whole") == CLICKS_PER_MINUTE + 6
        assert links == {"damaged": 1, "link_revoked": 1, "mended": 1, "unknown_key": 1}
        _, text = running.ask("/metrics")
        private = (token, "203.0.113", "127.0.0.1", "aozora", "mail.example", "Firefox")
        assert not [word for word in private if word in text]


def test_registrations_are_counted(next_hop: Hop, tmp_path: Path) -> None:
    """From the form to the confirmation, and out again; one that is not kept is told apart."""
    config = create(tmp_path)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('# [mail]\n# from = "relay@', '[mail]\nfrom = "relay@'))
    arrivals = Arrivals(next_hop)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        with registered(running, arrivals) as (browser, links):
            assert counted(running, What.REGISTRATIONS) == {"confirmed": 1, "received": 1}
            browser.post(links["confirm"], data={"sure": "yes"})  # Once more is not twice.
            browser.post(links["optout"], data={"sure": "yes"})
            form = {"name": "A", "address": "yui@mail.example.com", "job_group": "it"}
            browser.post("/register", data=form | {"privacy": "yes"})
            browser.post(links["optout"], data={"undo": "yes"})
            browser.post(links["delete"], data={"sure": "yes"})
            browser.get("/confirm?c=nonsense")
            assert counted(running, What.REGISTRATIONS) == {
                "broken": 1,
                "confirmed": 1,
                "deleted": 1,
                "not_kept": 1,
                "opted_in": 1,
                "opted_out": 1,
                "received": 1,
            }
