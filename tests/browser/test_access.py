"""Every page and state is checked by axe-core: WCAG 2.2 AA and good practice, nothing left over."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.candidate import candidate
from tests.browser.chromium import DESKTOP, PHONE, Device, axe_source, complaints
from tests.browser.service import Service
from tests.browser.states import walk

# What depends on the colours; all else is the same in the dark.
COLOURS = ("color-contrast", "link-in-text-block")


@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=str)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_page_keeps_anybody_out(
    browser: Browser, service: Service, language: str, device: Device
) -> None:
    """On each page, in light and in dark, axe-core finds nothing."""
    axe = axe_source()
    found: dict[str, list[str]] = {}
    with candidate(browser, service, language, device) as person:
        for name in walk(person):
            person.page.emulate_media(color_scheme="light")
            found[name] = complaints(person.page, axe)
            person.page.emulate_media(color_scheme="dark")
            found[name] += complaints(person.page, axe, *COLOURS)
    assert len(found) == 19
    assert {name: said for name, said in found.items() if said} == {}
