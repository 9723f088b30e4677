"""Every page and state is checked by axe-core: WCAG 2.2 AA and good practice, nothing left over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.candidate import candidate
from tests.browser.chromium import DESKTOP, PHONE, axe_source, complaints, visiting
from tests.browser.service import CONTACT, Service, serving
from tests.browser.states import STATES, have_paused, walk
from tests.browser.words import WORDS

# What depends on the colours; all else is the same in the dark.
COLOURS = ("color-contrast", "link-in-text-block")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_page_keeps_anybody_out(browser: Browser, service: Service, language: str) -> None:
    """On each page, on phone and desktop, in light and in dark, axe-core finds nothing."""
    axe = axe_source()
    found: dict[str, list[str]] = {}
    with candidate(browser, service, language) as person:
        for name in walk(person):
            for device in (DESKTOP, PHONE):
                person.visitor.hold(device)
                for dark, rules in ((True, COLOURS), (False, ())):
                    person.visitor.dim(dark=dark)
                    found[f"{name}, {device}, {dark=}"] = complaints(person.page, axe, *rules)
    assert len(found) == 4 * STATES
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_patience_is_asked_for_readably(browser: Browser, service: Service, language: str) -> None:
    """Too many forms from one network: what was typed is still on the page."""
    axe, words = axe_source(), WORDS[language]
    with candidate(browser, service, language) as person:
        have_paused(person)
        typed = person.page.get_by_label(words.address, exact=True)
        expect(typed).to_have_value(person.address)
        assert complaints(person.page, axe) == []


def test_a_store_that_is_away(browser: Browser, service: Service) -> None:
    """What was typed is on the page, and the button works when the store is back."""
    axe = axe_source()
    with candidate(browser, service) as person:
        person.visitor.open(f"{service.base}register")
        person.fill_in()
        with sqlite3.connect(service.store, isolation_level=None) as blocker:
            blocker.execute("BEGIN EXCLUSIVE")
            person.visitor.press(person.words.send)
            # A form waits for the store for up to eight seconds.
            expect(person.page.get_by_role("alert")).to_be_visible(timeout=20_000)
            blocker.execute("ROLLBACK")
        blocker.close()
        assert complaints(person.page, axe) == []
        person.visitor.press(person.words.send)
        person.sees(person.words.check_mail)


def test_whom_to_write_to(browser: Browser, tmp_path: Path) -> None:
    """Without a sender the page behind the link says whom to write to, as readably."""
    axe = axe_source()
    with serving(tmp_path, sender=False) as service:
        for language in WORDS:
            with candidate(browser, service, language, DESKTOP) as person:
                person.visitor.open(service.invite(person.address))
                expect(person.page.get_by_role("main").get_by_text(CONTACT)).to_be_visible()
                assert complaints(person.page, axe) == []


def test_what_keeps_people_out_is_found(browser: Browser, service: Service) -> None:
    """Pale words in the dark and a field without a name are told: the checks do look."""
    axe = axe_source()
    with visiting(browser, service.base, dark=True) as visitor:
        visitor.open(f"{service.base}register")
        assert complaints(visitor.page, axe, *COLOURS) == []
        visitor.page.evaluate("document.querySelector('h1').style.color = '#333'")
        visitor.page.evaluate("document.querySelector('label').remove()")
        (pale,) = complaints(visitor.page, axe, *COLOURS)
        assert pale.startswith("color-contrast: <h1")
        assert "#121715" in pale
        assert any(said.startswith("label: <input") for said in complaints(visitor.page, axe))
