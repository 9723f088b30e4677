"""Links that do not hold, and the ways out: what a browser shows, and what comes of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.candidate import Candidate, candidate
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.service import Service
from tests.browser.words import WORDS

EN, JA = WORDS["en"], WORDS["ja"]


def answer(person: Candidate, heading: str, box: str, button: str) -> None:
    """Tick the box of a page that asks, and press its button."""
    person.sees(heading)
    person.visitor.tick(box)
    person.visitor.press(button)


def test_letters_links_as_mail_programs_leave_them(browser: Browser, service: Service) -> None:
    """What can be read leads to the form, all else to a friendly page; never to an error."""
    with candidate(browser, service, "ja") as person:
        link = service.invite(person.address)
        token = link.removeprefix(service.base)
        for whole in (f"{service.base}{token.upper()}", f"{link}。", f"{link}%0D%0Afrom"):
            person.visitor.open(whole)
            person.sees(JA.form)
            assert f"t={token}" in person.page.url
        changed = "a" if token[20] != "a" else "b"
        for broken in (link[:-5], f"{service.base}{token[:20]}{changed}{token[21:]}"):
            person.visitor.open(broken)
            expect(person.page.get_by_role("heading", name=JA.welcome)).to_be_visible()
            person.visitor.press(JA.other, "link")
            expect(person.page.get_by_role("heading", name=EN.welcome)).to_be_visible()


def test_links_of_the_mail_that_do_not_hold(browser: Browser, service: Service) -> None:
    """Too old, cut short, of another page: each says what it is and asks for nothing."""
    with candidate(browser, service, "en", DESKTOP) as person:
        links = person.register()
        for url, heading in (
            (service.expired_link(), EN.expired),
            (links["confirm"].partition("&")[0][:-2], EN.broken),
            (links["optout"].partition("&")[0][:-2], EN.broken),
            (links["delete"].replace("/delete?d=", "/confirm?c="), EN.broken),
            (f"{service.base}delete", EN.broken),
        ):
            person.visitor.open(url)
            person.sees(heading)
            assert person.page.get_by_role("button").count() == 0
        person.confirm(links["confirm"])


def test_the_mail_comes_once_more(browser: Browser, service: Service) -> None:
    """By the button of the page; the first mail's link is as good as the second's."""
    before = service.referrals()
    with candidate(browser, service, "ja") as person:
        first = person.register()
        person.visitor.press(JA.again)
        expect(person.page.get_by_role("status")).to_contain_text(JA.sent_again)
        second = service.links_to(person.address)
        person.confirm(second["confirm"])
        person.visitor.open(first["confirm"])
        person.sees(JA.confirmed)
    assert service.referrals() == before + 1


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_no_more_mail(browser: Browser, service: Service, scripts: bool) -> None:
    """The next letter has no line, until it is taken back; said in either language."""
    with candidate(browser, service, "ja", scripts=scripts) as person:
        person.visitor.open(person.register()["optout"])
        answer(person, JA.ask_opt_out, JA.sure_opt_out, JA.opt_out)
        person.sees(JA.opted_out)
        person.visitor.press(JA.other, "link")
        person.sees(EN.opted_out)
        assert service.letter_to(person.address) == []
        person.visitor.press(EN.opt_in)
        person.sees(EN.opted_in)
        person.visitor.press(EN.other, "link")
        person.sees(JA.opted_in)
        assert len(service.letter_to(person.address)) == 1


def test_delete_my_data(browser: Browser, service: Service) -> None:
    """From the page that says that all is done: a mail says so too, and no link asks any more."""
    with candidate(browser, service, "en", PHONE) as person:
        links = person.register()
        person.confirm(links["confirm"])
        person.visitor.press(EN.change_mind, "link")
        answer(person, EN.ask_delete, EN.sure_delete, EN.delete)
        person.sees(EN.deleted)
        assert service.mail_to(person.address)["Subject"] == "Your data has been deleted"
        person.visitor.press(EN.other, "link")
        person.sees(JA.deleted)
        for name, heading in (("delete", EN.deleted), ("confirm", EN.gone)):
            person.visitor.open(links[name])
            person.sees(heading)
            assert person.page.get_by_role("button").count() == 0


def test_taken_back_before_it_is_confirmed(browser: Browser, service: Service) -> None:
    """By who never wanted it: nothing is counted, and the link confirms no more."""
    before = service.referrals()
    with candidate(browser, service, "ja", DESKTOP) as person:
        links = person.register()
        person.visitor.open(links["confirm"])
        person.visitor.press(JA.take_back, "link")
        answer(person, JA.ask_delete, JA.sure_delete, JA.delete)
        person.sees(JA.deleted)
        person.visitor.open(links["confirm"])
        person.sees(JA.gone)
    assert service.referrals() == before


def test_the_language_of_the_form_stays(browser: Browser, service: Service) -> None:
    """English on a browser that asks for Japanese: so are the mail, its pages and their links."""
    with candidate(browser, service, "ja") as person:
        person.visitor.open(service.invite(person.address))
        person.sees(JA.form)
        person.visitor.press(JA.other, "link")
        person.words = EN
        person.fill_in()
        person.visitor.press(EN.send)
        person.sees(EN.check_mail)
        person.confirm(service.links_to(person.address)["confirm"])
        person.visitor.press(EN.other, "link")
        person.sees(JA.confirmed)
        person.visitor.press(JA.other, "link")
        person.visitor.press(EN.change_mind, "link")
        person.sees(EN.ask_delete)
