"""Links over real HTTP: what gateways did to them, what is revoked or old, floods, a store away."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from ledger.clickrate import CLICKS_PER_MINUTE
from ledger.events import EventType
from ledger.follow import CLICK_MAX_SECONDS, record_thinned
from ledger.intake import IntakeSettings
from ledger.intakecounts import What
from ledger.scanranges import parse_ranges
from ledger.spill import Spill
from tests.ledger.intake_world import LINK_ID, SECRET, World, visit

WOUNDS = ("=\r\n", "=", "=3D\r\n", "\n> ", " ", "\u200b", "\u00ad")
ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}


async def leads_on(world: World, path: str, token: str) -> bool:
    """Tell whether a link leads to the registration page with the token as it was issued."""
    answer = await world.http.get(f"http://127.0.0.1:{world.port}/{path}")
    return (answer.status_code, answer.headers["location"]) == (303, f"/register?t={token}")


def test_damaged_links_lead_on(tmp_path: Path) -> None:
    """Wrapped, widened, encoded twice, in capitals: each leads on with the token as it was."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        wide = "".join(chr(ord(char) + 0xFEE0) for char in token.upper())
        texts = [token[:20] + wound + token[20:] for wound in WOUNDS] + [wide, f"=3D{token}"]
        for text in texts:
            assert await leads_on(world, quote(text, safe=""), token), text
            assert await leads_on(world, quote(quote(text, safe=""), safe=""), token), text
        assert await leads_on(world, f"{token}?utm_source=mail&utm_medium=x", token)
        assert {click.data["link_id"] for click in world.clicks()} == {LINK_ID}

    visit(tmp_path, steps)


def test_revoked_link_is_friendly_and_unattributed(tmp_path: Path) -> None:
    """It leads to the front page, and a registration through it is taken for nobody."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        ring = world.ring
        world.app.state.intake.ring = type(ring)(ring.keys, frozenset({LINK_ID}))
        answer = await world.http.get(f"/{token}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/?notice=link")
        assert world.app.state.intake.counts[What.LINKS, "link_revoked"] == 1
        signup = await world.report(token)
        assert (signup.status_code, signup.json()["decision"]) == (202, "unattributed")
        other = await world.report(await world.deliver("bbcdefghijklmnop"), "sgn_2", "person-2")
        assert other.json()["decision"] == "counted"

    visit(tmp_path, steps)


@pytest.mark.parametrize(("days", "decision"), [(365, "counted"), (366, "unattributed")])
def test_old_letters_lead_on_and_are_worth_nothing(
    tmp_path: Path, days: int, decision: str
) -> None:
    """After the configured days a link still leads on; its registration is nobody's."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.applier.apply_all()
        world.now[0] += timedelta(days=days)
        assert await leads_on(world, token, token)
        answer = await world.report(token, verified_at=_text(world))
        assert (answer.status_code, answer.json()["decision"]) == (202, decision)
        found = [event.data["signals"] for event in world.find_out()]
        assert found == ([] if days == 365 else ["old_link"])

    visit(tmp_path, steps)


def _text(world: World) -> str:
    return world.now[0].isoformat().replace("+00:00", "Z")


def test_same_call_after_the_time_is_over(tmp_path: Path) -> None:
    """What counted when it came is answered the same when the letter is old."""
    settings = IntakeSettings(("aozora",), webhook_secret=SECRET, attribution_days=1)

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.applier.apply_all()
        first = await world.report(token)
        world.now[0] += timedelta(days=2)
        again = await world.report(token)
        assert (again.status_code, again.json()) == (202, first.json())
        assert first.json()["decision"] == "counted"

    visit(tmp_path, steps, settings)


def test_flood_of_one_network_is_sent_on_and_counted(tmp_path: Path) -> None:
    """Beyond the number of a minute every request still leads on; the log gets one number."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        for _ in range(CLICKS_PER_MINUTE + 5):
            answer = await world.http.get(f"/{token}", headers=ELSEWHERE)
            assert answer.headers["location"] == f"/register?t={token}"
        await world.http.get(f"/{token}", headers={"X-Forwarded-For": "198.51.100.1"})
        assert len(world.clicks()) == CLICKS_PER_MINUTE + 1
        world.now[0] += timedelta(minutes=1)
        await world.http.get(f"/{token}", headers=ELSEWHERE)
        thinned = [one for one in world.events() if one.type is EventType.CLICK_THINNED]
        assert [(one.time, one.data) for one in thinned] == [
            (world.now[0] - timedelta(minutes=1), {"count": 5})
        ]
        assert world.app.state.intake.counts[What.RECORDS, "thinned"] == 5

    visit(tmp_path, steps)


def test_count_of_the_last_minute_is_kept_at_the_end(tmp_path: Path) -> None:
    """A process that stops in mid-flood puts on record what it did not keep singly."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        for _ in range(CLICKS_PER_MINUTE + 2):
            await world.http.get(f"/{token}", headers=ELSEWHERE)
        await record_thinned(world.app.state.intake, world.inbox, None, lambda: "end")
        thinned = [one for one in world.events() if one.type is EventType.CLICK_THINNED]
        assert [(one.id, one.data["count"]) for one in thinned] == [("click.thinned:end", 2)]

    visit(tmp_path, steps)


def test_proxy_that_does_not_say_for_whom_thins_nobody(tmp_path: Path) -> None:
    """Where everybody seems to come from this machine, everybody is kept."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        for _ in range(CLICKS_PER_MINUTE + 5):
            await world.http.get(f"/{token}")
        assert len(world.clicks()) == CLICKS_PER_MINUTE + 5

    visit(tmp_path, steps)


def test_clicks_while_the_store_is_away_are_fast_and_kept(tmp_path: Path) -> None:
    """While another holds the store, candidates are sent on, and all their clicks are kept."""
    slow: list[float] = []

    async def steps(world: World) -> None:
        token = await world.deliver()
        with world.store.write():
            for _ in range(20):
                started = time.monotonic()
                assert await leads_on(world, token, token)
                slow.append(time.monotonic() - started)
        world.inbox.close()
        assert len(world.clicks()) == 20
        counts = world.app.state.intake.counts
        assert (counts[What.RECORDS, "spill"], counts[What.RECORDS, "lost"]) == (20, 0)

    visit(tmp_path, steps, spill=Spill(tmp_path / "spill"))
    # The first one finds out; those behind it wait for the disk alone.
    assert max(slow) < CLICK_MAX_SECONDS
    assert sorted(slow)[10] < CLICK_MAX_SECONDS / 4


def test_published_networks_of_scanners(tmp_path: Path) -> None:
    """A browser's request from a network in the admin's file is a scanner's."""
    settings = IntakeSettings(("aozora",), scanner_ranges=parse_ranges("203.0.113.0/28 vendor"))

    async def steps(world: World) -> None:
        token = await world.deliver()
        await world.http.get(f"/{token}", headers=ELSEWHERE)
        await world.http.get(f"/{token}", headers={"X-Forwarded-For": "203.0.113.99"})
        found = [(click.data["class"], click.data["signals"]) for click in world.clicks()]
        assert found == [("scanner", "scanner_range"), ("human", "")]
        assert "203.0.113" not in str(world.events())

    visit(tmp_path, steps, settings)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["{token}", "{token}x", "damaged", "b" * 43])
def test_redirects_are_kept_by_nobody(tmp_path: Path, method: str, path: str) -> None:
    """No redirect is stored, indexed or referred from; it has no body, no cookie, no other host."""

    async def steps(world: World) -> None:
        answer = await world.http.request(method, f"/{path.format(token=world.token())}")
        assert (answer.status_code, answer.content) == (303, b"")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "set-cookie" not in answer.headers
        assert httpx.URL(answer.headers["location"]).is_relative_url

    visit(tmp_path, steps)
