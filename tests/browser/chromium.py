"""Debian's chromium, driven by Playwright: for tests of what a person meets on our pages.

Nothing is downloaded: the driver is in Playwright's wheel, the browser is the system's. A browser
that is missing skips the test, and fails it in CI; so does a missing axe-core (`make readers`).

A `Visitor` is one person with one browser: every request is remembered.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, sync_playwright

from tests.relay.programs import program

_OPTIONS: Final = (
    # The pages are ours; in containers there is no sandbox to be had.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_WAIT_MS: Final = 20_000
_AXE: Final = Path(__file__).parents[1] / "readers" / "node_modules" / "axe-core" / "axe.min.js"
_AXE_TAGS: Final = [
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
]


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody holds in their hands, or sits at."""

    name: str
    width: int
    height: int
    is_phone: bool = False

    def __str__(self) -> str:
        return self.name


PHONE: Final = Device("phone", 390, 844, is_phone=True)
DESKTOP: Final = Device("desktop", 1280, 800)
NARROW: Final = Device("narrow", 320, 640, is_phone=True)

LOCALES: Final = {"ja": "ja-JP", "en": "en-GB"}


class Visitor:
    """One person at one browser, from a network of their own."""

    def __init__(self, context: BrowserContext, device: Device, base: str) -> None:
        self.device = device
        self._context = context
        self._base = base
        self._requests: list[Request] = []
        self._responses: list[Response] = []
        self.noise: list[str] = []  # What the browser complained about.
        context.on("request", lambda request: self._requests.append(request))
        context.on("response", lambda response: self._responses.append(response))
        context.on("console", lambda message: self.noise.append(message.text))
        self.page: Page = context.new_page()

    def hold(self, device: Device) -> None:
        """Have a screen as large as this device's."""
        self.page.set_viewport_size({"width": device.width, "height": device.height})

    def dim(self, *, dark: bool) -> None:
        """Have the colours that people choose for the dark, or for the light."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")

    def open(self, url: str) -> None:
        """Open a link, as from a mail program: in a page that came from nowhere."""
        self.page.goto(url)

    def press(self, name: str, role: Any = "button") -> None:
        """Press a button or a link by what it says, with a finger or the mouse."""
        found = self.page.get_by_role(role, name=name, exact=True)
        found.tap() if self.device.is_phone else found.click()

    def tick(self, name: str) -> None:
        """Tick a box by a press on its words, which is where a finger goes."""
        words = self.page.locator("label", has_text=name).locator("span")
        words.tap() if self.device.is_phone else words.click()
        assert self.page.get_by_label(name).is_checked()

    def paths(self) -> list[str]:
        """Return the paths of all that was asked for, in order."""
        return [urlsplit(request.url).path for request in self._requests]

    def assert_left_alone(self) -> None:
        """Nobody else was asked, nobody was told where from, and nothing is kept in the browser."""
        assert self._requests
        origin = urlsplit(self._base)[:2]
        for request in self._requests:
            headers = request.all_headers()
            assert urlsplit(request.url)[:2] == origin
            assert "referer" not in headers
            assert "cookie" not in headers
        for response in self._responses:
            assert "set-cookie" not in response.all_headers()
        assert self._context.cookies() == []
        assert self._context.storage_state() == {"cookies": [], "origins": []}


@contextmanager
def chromium() -> Generator[Browser]:
    """Run the browser until the end of the block.

    Playwright's loop runs in this thread meanwhile: no `asyncio.run` inside.
    """
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser,
    base: str,
    language: str = "ja",
    device: Device = PHONE,
    *,
    network: str = "192.0.2.1",
    scripts: bool = True,
    dark: bool = False,
) -> Generator[Visitor]:
    """Lend a fresh browser in a language; `network` is what a web server in front says of it."""
    context = browser.new_context(
        locale=LOCALES[language],
        viewport={"width": device.width, "height": device.height},
        is_mobile=device.is_phone,
        has_touch=device.is_phone,
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
        extra_http_headers={"X-Forwarded-For": network},
    )
    context.set_default_timeout(_WAIT_MS)
    try:
        yield Visitor(context, device, base)
    finally:
        context.close()


def axe_source() -> str:
    """Return axe-core as a script."""
    if not _AXE.is_file():
        reason = "npm's axe-core is not installed (make readers)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return _AXE.read_text("utf-8")


def complaints(page: Page, axe: str, *rules: str) -> list[str]:
    """Return what axe-core finds wrong with the page that is shown: all its rules, or these."""
    # Evaluated by the browser's debugger: the page's own policy lets no script in.
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    run = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _AXE_TAGS}
    found: dict[str, Any] = page.evaluate(
        "run => axe.run(document, {runOnly: run, resultTypes: ['violations', 'passes']})", run
    )
    assert found["passes"], "it looked at something"
    return [
        f"{one['id']}: {node['html']}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
