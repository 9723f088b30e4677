"""Every page on small screens and with large letters: nothing beside the edge, all to be hit."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.candidate import Candidate, candidate
from tests.browser.chromium import NARROW, PHONE
from tests.browser.service import CONTACT, LICENCE, Service
from tests.browser.states import STATES, walk

# What browsers start with.
USUAL_PX = 16
_SIZE = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
# A finger's (WCAG 2.2, 2.5.5).
TARGET_MIN_PX = 44
# To tick a box, its words can be pressed as well.
_TARGETS = """() => [...document.querySelectorAll("a, button, input, select")].map(one => {
  const hit = one.type === "checkbox" ? one.labels[0] : one;
  const box = hit.getBoundingClientRect();
  return {
    name: hit.innerText, width: box.width, height: box.height, left: box.left, right: box.right,
  };
})"""

# As WCAG 2.2, 1.4.12 has it.
_SPACED = """() => {
  const spaces = {
    "letter-spacing": ".12em", "word-spacing": ".16em", "line-height": "1.5", "margin-bottom": "2em"
  };
  for (const one of document.querySelectorAll("body *"))
    for (const [name, value] of Object.entries(spaces))
      if (name !== "margin-bottom" || one.tagName === "P") one.style.setProperty(name, value);
}"""
# The last line of each text of several lines, in letters.
_LAST_LINES = """() => [...document.querySelectorAll("h1, h2, p, label span")].map(one => {
  const range = document.createRange();
  range.selectNodeContents(one);
  const rects = [...range.getClientRects()].filter(rect => rect.width);
  const size = parseFloat(getComputedStyle(one).fontSize);
  const last = rects.filter(rect => Math.abs(rect.bottom - rects.at(-1).bottom) < 8);
  return {
    text: one.innerText,
    isAlone: last.length === rects.length,
    letters: last.reduce((sum, rect) => sum + rect.width, 0) / size,
  };
}).filter(one => !one.isAlone)"""
LETTERS_MIN = 1.5


def assert_no_letter_alone(page: Page, name: str) -> None:
    """No text ends with a line of one letter."""
    for one in page.evaluate(_LAST_LINES):
        assert one["letters"] >= LETTERS_MIN, (name, one)


def assert_within(page: Page, width: int, name: str) -> None:
    """Nothing has to be scrolled to sideways."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def assert_hit(page: Page, width: int, name: str) -> None:
    """A finger meets each thing to press, which is on the screen as a whole."""
    targets: list[dict[str, Any]] = page.evaluate(_TARGETS)
    assert targets
    for one in targets:
        assert min(one["width"], one["height"]) >= TARGET_MIN_PX, (name, one)
        assert 0 <= one["left"] < one["right"] <= width, (name, one)


def assert_says_who_we_are(person: Candidate) -> None:
    """Whose advertisement this is, the licence and whom to ask stand on the page."""
    foot = person.page.get_by_role("contentinfo")
    for words in (person.words.interest, LICENCE, CONTACT):
        expect(foot.get_by_text(words)).to_be_visible()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_small_screens_and_large_letters(browser: Browser, service: Service, language: str) -> None:
    """At 320 px, and with letters twice as large as somebody may set them in their browser."""
    count = 0
    with candidate(browser, service, language) as person:
        page = person.page
        session: Any = page.context.new_cdp_session(page)
        for name in walk(person):
            for device, size in ((NARROW, USUAL_PX), (PHONE, 2 * USUAL_PX)):
                person.visitor.hold(device)
                sizes = {"standard": size, "fixed": size}
                session.send("Page.setFontSizes", {"fontSizes": sizes})
                assert page.evaluate(_SIZE) == size
                assert_within(page, device.width, name)
                assert_hit(page, device.width, name)
                assert_says_who_we_are(person)
                assert_no_letter_alone(page, name)
            person.visitor.hold(NARROW)
            page.evaluate(_SPACED)
            assert_within(page, NARROW.width, name)
            count += 1
    assert count == STATES
