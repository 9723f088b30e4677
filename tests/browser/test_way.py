"""The whole way in a real browser: letter, form, mail, confirmation."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.candidate import candidate
from tests.browser.chromium import DESKTOP, PHONE, Device
from tests.browser.service import Service


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=str)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_from_the_letter_to_the_referral(
    browser: Browser, service: Service, language: str, device: Device, scripts: bool
) -> None:
    """By the letter's link and the mail's, with finger or mouse: one referral more is counted."""
    before = service.referrals()
    with candidate(browser, service, language, device, scripts=scripts) as person:
        links = person.register()
        assert service.referrals() == before
        person.confirm(links["confirm"])
        assert person.page.locator("html").get_attribute("lang") == language
        assert person.visitor.noise == []
    assert service.referrals() == before + 1
