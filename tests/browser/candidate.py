"""What a candidate does on our pages, one step each, and sees."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect

from tests.browser.chromium import PHONE, Device, Visitor, visiting
from tests.browser.service import Service
from tests.browser.words import NAMES, WORDS


class Candidate:
    """Somebody who got a letter: an address, a browser, and the words of their language."""

    def __init__(
        self, visitor: Visitor, service: Service, language: str, address: str, network: str
    ) -> None:
        self.visitor = visitor
        self.network = network
        self.page = visitor.page
        self.service = service
        self.words = WORDS[language]
        self.address = address

    def sees(self, heading: str) -> None:
        """Wait for the page with this heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def fill_in(self, *, company: bool = False) -> None:
        """Fill the form in, without sending it."""
        words = self.words
        self.sees(words.form)
        self.page.get_by_label(words.name, exact=True).fill(NAMES[words.language])
        self.page.get_by_label(words.address, exact=True).fill(self.address)
        self.page.get_by_label(words.job, exact=True).select_option(label=words.job_it)
        self.visitor.tick(words.agree)
        if company:
            self.visitor.tick(words.company)

    def register(self) -> dict[str, str]:
        """Come by the link of a letter and register; return the links of the mail that follows."""
        self.visitor.open(self.service.invite(self.address))
        self.fill_in()
        self.visitor.press(self.words.send)
        self.sees(self.words.check_mail)
        return self.service.links_to(self.address)

    def confirm(self, link: str) -> None:
        """Open the link to confirm and confirm."""
        self.visitor.open(link)
        self.sees(self.words.ask_confirm)
        self.visitor.tick(self.words.sure)
        self.visitor.press(self.words.confirm)
        self.sees(self.words.confirmed)


@contextmanager
def candidate(
    browser: Browser,
    service: Service,
    language: str = "ja",
    device: Device = PHONE,
    *,
    scripts: bool = True,
    dark: bool = False,
) -> Generator[Candidate]:
    """Lend a candidate whom nobody knows yet; afterwards nobody else may have heard of them."""
    address, network = service.new_candidate()
    with visiting(
        browser,
        service.base,
        language,
        device,
        network=network,
        scripts=scripts,
        dark=dark,
    ) as visitor:
        yield Candidate(visitor, service, language, address, network)
        visitor.assert_left_alone()
