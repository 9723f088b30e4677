"""The way by the keyboard alone, and how complaints are told to who does not see the page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.candidate import Candidate, candidate
from tests.browser.chromium import DESKTOP
from tests.browser.service import CONTACT, Service
from tests.browser.words import NAMES

# What has the focus: what it is called, and what of it is to be seen.
_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const name = one.labels?.length ? one.labels[0].innerText : one.innerText;
  return {
    tag: one.tagName,
    name: name.trim(),
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    inView: box.top >= 0 && box.bottom <= innerHeight,
  };
}"""
# WCAG 2.2, 2.4.13: as thick as this, at least.
OUTLINE_MIN_PX = 2


def focus(page: Page) -> str:
    """Return what the thing with the focus is called; it has to be in view, and outlined."""
    seen: dict[str, Any] = page.evaluate(_FOCUS)
    assert seen["tag"] != "BODY"
    assert seen["outline"] >= OUTLINE_MIN_PX, seen
    assert seen["inView"], seen
    return str(seen["name"])


def tab_to(page: Page, *names: str) -> None:
    """Press Tab once for each; they are met in this order."""
    for name in names:
        page.keyboard.press("Tab")
        found = focus(page)
        assert found.startswith(name), f"{found!r} comes where {name!r} should"


def fill_in(person: Candidate) -> None:
    """Fill the form in, from the name on, up to the button."""
    page, words = person.page, person.words
    page.keyboard.insert_text(NAMES[words.language])
    tab_to(page, words.address)
    page.keyboard.type(person.address)
    tab_to(page, words.job)
    while page.get_by_label(words.job, exact=True).input_value() != "it":
        page.keyboard.press("ArrowDown")
    tab_to(page, words.agree)
    page.keyboard.press("Space")
    tab_to(page, words.company, words.send)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_without_a_mouse(browser: Browser, service: Service, language: str) -> None:
    """In the order of the page, always to be seen where one is; Enter and Space do the rest."""
    before = service.referrals()
    with candidate(browser, service, language, DESKTOP) as person:
        page, words = person.page, person.words
        person.visitor.open(service.invite(person.address))
        page.keyboard.press("Tab")
        assert focus(page) == words.other
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # How it is connected with the company.
        tab_to(page, CONTACT)
        page.keyboard.press("Shift+Tab")
        assert focus(page) == words.send
        person.visitor.open(page.url.partition("#")[0])
        for _ in range(2):
            page.keyboard.press("Tab")
        tab_to(page, words.name)
        fill_in(person)
        page.keyboard.press("Enter")
        person.sees(words.check_mail)
        tab_to(page, words.other, words.again, CONTACT)
        person.visitor.open(service.links_to(person.address)["confirm"])
        tab_to(page, words.other, words.sure)
        page.keyboard.press("Space")
        tab_to(page, words.confirm)
        page.keyboard.press("Enter")
        person.sees(words.confirmed)
        tab_to(page, words.other, words.change_mind, CONTACT)
    assert service.referrals() == before + 1


@pytest.mark.parametrize(("language", "scripts"), [("ja", False), ("en", True)])
def test_what_is_wrong_is_told_first(
    browser: Browser, service: Service, language: str, scripts: bool
) -> None:
    """The list of what is wrong has the focus; its links lead into the fields, by Enter alone."""
    with candidate(browser, service, language, DESKTOP, scripts=scripts) as person:
        page, words = person.page, person.words
        person.visitor.open(f"{service.base}register")
        page.get_by_label(words.address, exact=True).fill("yui@")
        person.visitor.tick(words.company)
        page.get_by_label(words.name, exact=True).press("Enter")
        expect(page.get_by_role("heading", name=words.wrong)).to_be_visible()
        assert focus(page).startswith(words.wrong)
        assert page.title().startswith(("エラー", "Error"))
        # What was entered is still there.
        expect(page.get_by_label(words.address, exact=True)).to_have_value("yui@")
        expect(page.get_by_label(words.company)).to_be_checked()
        for number, label in enumerate((words.name, words.address, words.job, words.agree)):
            field = page.get_by_label(label, exact=label != words.agree)
            said = page.get_by_role("alert").get_by_role("link").nth(number)
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_have_accessible_description(
                re.compile(re.escape(said.inner_text()) + "$")
            )
            said.press("Enter")
            expect(field).to_be_focused()
            assert focus(page).startswith(label)
        # From the first of them on, as if it were the first time.
        page.get_by_label(words.address, exact=True).fill("")
        page.get_by_label(words.name, exact=True).focus()
        fill_in(person)
        page.keyboard.press("Enter")
        person.sees(words.check_mail)
