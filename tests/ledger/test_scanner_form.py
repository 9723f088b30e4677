"""Scanners that go behind the link: they submit what they find there, and earn nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from ledger.events import EventType
from tests.ledger.registration_world import SURE, World, visit

CLOUD = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/126.0.0.0 Safari/537.36",
    "X-Forwarded-For": "203.0.113.7",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
FILLED_IN = {"text": "test", "email": "test@mail.example", "tel": "0000000000"}


class Form(HTMLParser):
    """The form of a page that is sent, as a program that knows nothing of it would fill it in."""

    def __init__(self, page: httpx.Response, *, ticks: bool) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.count = 0
        self._ticks = ticks
        self._is_inside = False
        self._select = ""
        self.feed(page.text)
        self.action = str(page.url.join(self.action))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a form's beginning and its fields."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = found.get("method", "get").lower() == "post"
            self.action = found.get("action", "") if self._is_inside else self.action
        if not self._is_inside:
            return
        name, kind = found.get("name", ""), found.get("type", "text")
        self.count += bool(name)
        if tag == "input" and name:
            if kind in ("checkbox", "radio"):
                if self._ticks or "checked" in found:
                    self.fields[name] = found.get("value", "on")
            else:
                self.fields[name] = found.get("value") or FILLED_IN.get(kind, "test")
        elif tag == "textarea" and name:
            self.fields[name] = "test"
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and found.get("value"):
            self.fields.setdefault(self._select, found["value"])

    def handle_endtag(self, tag: str) -> None:
        """Note where a form ends."""
        if tag == "form":
            self._is_inside = False


async def press(world: World, page: httpx.Response, *, ticks: bool) -> httpx.Response:
    """Fill in the form of a page and send it."""
    form = Form(page, ticks=ticks)
    assert form.count
    encoded = {**CLOUD, "Content-Type": "application/x-www-form-urlencoded"}
    return await world.http.post(
        form.action, content=urlencode(form.fields), headers=encoded, follow_redirects=True
    )


def kinds(world: World) -> set[EventType]:
    """Return what the logs hold beside letters and clicks."""
    every = [*world.events(), *world.events("_installation")]
    return {event.type for event in every} - {EventType.LETTER_LINK_ISSUED, EventType.LINK_CLICKED}


@pytest.mark.parametrize("ticks", [False, True])
def test_safe_links_submits_the_form(tmp_path: Path, ticks: bool) -> None:
    """Link followed, form filled in and sent: at most a mail to an invented address comes of it."""

    async def steps(world: World) -> None:
        token = await world.issue()
        page = await world.http.get(f"/{token}", headers=CLOUD, follow_redirects=True)
        answer = await press(world, page, ticks=ticks)
        assert answer.status_code < 500
        assert kinds(world) <= {EventType.SIGNUP_RECEIVED}
        assert len([one for one in world.events() if one.type is EventType.LINK_CLICKED]) == 1

    visit(tmp_path, steps)


def test_gateway_in_front_of_the_mailbox_confirms_nothing(tmp_path: Path) -> None:
    """HEAD, GET and the form behind, of every link in the mail: the person can confirm after it."""

    async def steps(world: World) -> None:
        token = await world.issue()
        await world.send(token)
        for link in (await world.links()).values():
            await world.http.head(link, headers=CLOUD)
            page = await world.http.get(link, headers=CLOUD)
            if "<form" in page.text:
                await press(world, page, ticks=False)
        assert kinds(world) == {EventType.SIGNUP_RECEIVED}
        await world.http.post((await world.links())["confirm"], data=SURE)
        assert {EventType.SIGNUP_VERIFIED, EventType.REFERRAL_COUNTED} <= kinds(world)

    visit(tmp_path, steps)
