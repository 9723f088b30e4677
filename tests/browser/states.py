"""Every page a candidate may come to, one behind the other, in the states it may be in."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
from playwright.sync_api import expect

from ledger.networkbound import FORMS_MAX
from tests.browser.candidate import Candidate

# How many there are.
STATES = 19


def walk(person: Candidate) -> Iterator[str]:
    """Yield the name of each state while its page is shown."""
    visitor, words, base = person.visitor, person.words, person.service.base
    visitor.open(base)
    yield "front"
    visitor.open(f"{base}{'a' * 20}")
    expect(person.page.get_by_role("heading", name=words.welcome)).to_be_visible()
    yield "damaged"
    visitor.open(person.service.invite(person.address))
    person.sees(words.form)
    yield "form"
    visitor.press(words.send)
    expect(person.page.get_by_role("heading", name=words.wrong)).to_be_visible()
    yield "errors"
    person.fill_in()
    visitor.press(words.send)
    person.sees(words.check_mail)
    yield "sent"
    visitor.press(words.again)
    expect(person.page.get_by_role("status")).to_contain_text(words.sent_again)
    yield "sent-again"
    yield from _ends(person)


def _ends(person: Candidate) -> Iterator[str]:
    visitor, words = person.visitor, person.words
    links = person.service.links_to(person.address)
    visitor.open(links["optout"])
    yield from _asked(person, "optout", words.ask_opt_out, words.sure_opt_out, words.opt_out)
    person.sees(words.opted_out)
    yield "opted-out"
    visitor.press(words.opt_in)
    person.sees(words.opted_in)
    yield "opted-in"
    visitor.open(links["confirm"])
    yield from _asked(person, "confirm", words.ask_confirm, words.sure, words.confirm)
    person.sees(words.confirmed)
    yield "confirmed"
    visitor.press(words.change_mind, "link")
    yield from _asked(person, "delete", words.ask_delete, words.sure_delete, words.delete)
    person.sees(words.deleted)
    yield "deleted"
    for name, link, heading in (
        ("gone", links["confirm"], words.gone),
        ("expired", f"{person.service.expired_link()}&lang={words.language}", words.expired),
        ("broken", links["confirm"][:-30], words.broken),
    ):
        visitor.open(link)
        person.sees(heading)
        yield name


def _asked(person: Candidate, name: str, heading: str, box: str, button: str) -> Iterator[str]:
    """Yield a page that asks, and its complaint; then answer it."""
    person.sees(heading)
    yield name
    person.visitor.press(button)
    expect(person.page.get_by_role("heading", name=person.words.wrong)).to_be_visible()
    yield f"{name}-unticked"
    person.visitor.tick(box)
    person.visitor.press(button)


def have_paused(person: Candidate) -> None:
    """Come to the form that asks for patience: all forms of an hour have come from this network."""
    person.visitor.open(f"{person.service.base}register")
    person.fill_in()
    head = {"X-Forwarded-For": person.network}
    answers = {"name": "x", "address": person.address, "job_group": "it", "privacy": "yes"}
    with httpx.Client(headers=head, timeout=30) as client, ThreadPoolExecutor() as threads:

        def send(_number: int) -> int:
            return client.post(f"{person.service.base}register", data=answers).status_code

        assert set(threads.map(send, range(FORMS_MAX))) == {303}
    person.visitor.press(person.words.send)
    person.sees(person.words.form)
    expect(person.page.get_by_role("alert")).to_be_visible()
