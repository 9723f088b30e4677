"""Scanners as they are met in the wild: all are recorded with their class, none earns anything."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from ledger.events import EventType
from tests.ledger.intake_world import World, visit

CHROME = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Accept-Language": "en-US",
}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def from_(address: str, **headers: str) -> dict[str, str]:
    """Return the headers of a request from another address, through the web server before us."""
    return {**CHROME, "X-Forwarded-For": address, **headers}


def classes(world: World) -> Counter[str]:
    """Return how many clicks are of each class, when all that can be found out is found out."""
    final = {click.id: str(click.data["class"]) for click in world.clicks()}
    for event in world.events():
        if event.type is EventType.CLICK_RECLASSIFIED:
            final[str(event.data["click"])] = str(event.data["to"])
    return Counter(final.values())


def earned(world: World) -> list[str]:
    """Return what the company's log and the installation's hold of referrals, slots and signups."""
    kinds = ("referral.", "slot.", "signup.")
    every = [*world.events(), *world.events("_installation")]
    return [event.type for event in every if event.type.startswith(kinds)]


def test_safe_links(tmp_path: Path) -> None:
    """Within seconds of delivery, as a browser, from a cloud's network: found out afterwards."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.now[0] += timedelta(seconds=4)
        answer = await world.http.get(f"/{token}", headers=from_("203.0.113.7") | NAVIGATION)
        page = await world.http.get(answer.headers["location"], headers=from_("203.0.113.7"))
        assert page.status_code == 200
        assert [click.data["class"] for click in world.clicks()] == ["human"]
        (found,) = world.find_out()
        assert found.data["signals"] == "soon_after_delivery"
        assert classes(world) == {"scanner": 1}
        assert earned(world) == []

    visit(tmp_path, steps)


def test_gateways(tmp_path: Path) -> None:
    """HEAD, then GET, then the same from several networks within a minute."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.now[0] += timedelta(minutes=2)
        await world.http.head(f"/{token}", headers=from_("192.0.2.7"))
        for address in ("192.0.2.8", "198.51.100.3", "203.0.113.5", "203.0.113.77"):
            world.now[0] += timedelta(seconds=3)
            await world.http.get(f"/{token}", headers=from_(address) | NAVIGATION)
        agent = {"User-Agent": "Mozilla/5.0 (compatible; BarracudaCentral)"}
        await world.http.get(f"/{token}", headers=from_("198.51.100.9") | agent)
        world.find_out()
        assert len(world.clicks()) == 6
        assert classes(world) == {"scanner": 2, "unknown": 4}
        assert earned(world) == []

    visit(tmp_path, steps)


def test_prefetch(tmp_path: Path) -> None:
    """A mail program that fetches ahead says so; the picture proxy of another has its name."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.now[0] += timedelta(hours=3)
        ahead = {"Sec-Purpose": "prefetch", **NAVIGATION}
        await world.http.get(f"/{token}", headers=from_("203.0.113.20") | ahead)
        proxy = {"User-Agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"}
        await world.http.get(f"/{token}", headers=from_("203.0.113.21") | proxy)
        assert world.find_out() == []
        found = [(click.data["class"], click.data["signals"]) for click in world.clicks()]
        assert found == [("scanner", "prefetch"), ("scanner", "preview")]
        assert earned(world) == []

    visit(tmp_path, steps)


def test_a_person_among_scanners(tmp_path: Path) -> None:
    """A click a day later is a person's, whatever came before; only a registration counts."""

    async def steps(world: World) -> None:
        token = await world.deliver()
        world.now[0] += timedelta(seconds=2)
        await world.http.head(f"/{token}", headers=from_("203.0.113.7"))
        world.now[0] += timedelta(days=1)
        answer = await world.http.get(f"/{token}")
        assert answer.headers["location"] == f"/register?t={token}"
        world.find_out()
        assert classes(world) == {"scanner": 1, "human": 1}
        assert earned(world) == []
        signup = await world.report(token)
        assert signup.json()["decision"] == "counted"

    visit(tmp_path, steps)
