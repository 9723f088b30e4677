"""The built-in registration over real HTTP, with mail that arrives at a real SMTP server."""

from __future__ import annotations

import time
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger.events import INSTALLATION, EventType
from ledger.networkbound import FORMS_MAX
from ledger.people import MAILS_PER_ADDRESS_MAX
from ledger.registrationform import BODY_MAX_BYTES
from tests.ledger.registration_world import CONTACT, HANAKO, LICENCE, SURE, World, body_of, visit


def test_the_whole_way(tmp_path: Path) -> None:
    """Form, mail, confirmation: one referral is counted, and one person waits to be handed over."""

    async def steps(world: World) -> None:
        token = await world.issue()
        page = await world.http.get("/register", params={"t": token})
        assert page.status_code == 200
        answer = await world.send(token)
        assert "まだ登録は完了していません" in answer.text
        assert [event.type for event in world.events()][1:] == [EventType.SIGNUP_RECEIVED]
        (mail,) = await world.mails()
        assert mail["To"] == "hanako@mail.example"
        link = (await world.links())["confirm"]
        asked = await world.http.get(link)
        assert "登録を確定しますか" in asked.text
        done = await world.http.post(link, data=SURE)
        assert (done.status_code, "登録が完了しました" in done.text) == (200, True)
        kinds = [event.type for event in world.events()]
        assert kinds[1:] == [
            EventType.SIGNUP_RECEIVED,
            EventType.SIGNUP_VERIFIED,
            EventType.REFERRAL_COUNTED,
        ]
        verified = world.events()[2]
        assert verified.data["verification"] == "double_opt_in"
        assert verified.data["consent_version"] == "2026-11"
        (row,) = world.people.waiting_for_handover()
        person = world.people.open(row.id, "test", "me").person
        assert (person.name, person.job_group, person.language) == ("山田 花子", "sales", "ja")
        assert [one.id for one in person.consents] == ["privacy"]
        assert not person.company_may_write

    visit(tmp_path, steps)


def test_opening_and_sending_forms_makes_no_referral(tmp_path: Path) -> None:
    """A scanner that opens every link and sends every form as it finds it causes one mail."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        for link in (await world.links()).values():
            await world.http.get(link)
            await world.http.head(link)
            assert (await world.http.post(link, data={"sure": ""})).status_code == 422
        assert EventType.SIGNUP_VERIFIED not in [event.type for event in world.events()]
        assert world.people.states() == {"received": 1}
        world.suppression.refresh()
        assert not world.suppression.is_suppressed("hanako@mail.example")
        assert len(await world.mails()) == 1

    visit(tmp_path, steps)


def test_confirming_again_is_confirming_once(tmp_path: Path) -> None:
    """The same friendly page, one event."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        link = (await world.links())["confirm"]
        answers = [await world.http.post(link, data=SURE) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        kinds = [event.type for event in world.events()]
        assert kinds.count(EventType.SIGNUP_VERIFIED) == 1

    visit(tmp_path, steps)


def test_optional_consent_is_unticked_and_kept_when_given(tmp_path: Path) -> None:
    """Nothing is agreed to by leaving things as they are."""

    async def steps(world: World) -> None:
        page = (await world.http.get("/register")).text
        assert 'name="company_positions"' in page
        assert " checked" not in page
        await world.send(company_positions="yes")
        await world.http.post((await world.links())["confirm"], data=SURE)
        (row,) = world.people.waiting_for_handover()
        assert world.people.open(row.id, "test", "me").person.company_may_write
        assert [event.type for event in world.events(INSTALLATION)][-2:] == [
            EventType.SIGNUP_VERIFIED,
            EventType.PERSON_OPENED,
        ]

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "お名前を入力"),
        ({"name": " \u3000 "}, "name", "お名前を入力"),
        ({"name": "花" * 101}, "name", "100文字以内"),
        ({"name": "花子\r\nBcc: x@y.example"}, "name", "1行で"),
        ({"name": "花子\x00"}, "name", "1行で"),
        ({"address": ""}, "address", "メールアドレスを入力"),
        ({"address": "hanako"}, "address", "送信できません"),
        ({"address": "hanako@mail.example\r\nBcc: x@y.example"}, "address", "送信できません"),
        ({"address": "a@b@c.example, d@e.example"}, "address", "送信できません"),
        ({"address": "a" * 250 + "@mail.example"}, "address", "送信できません"),
        ({"job_group": "astronaut"}, "job_group", "職種を選んで"),
        ({"privacy": "no"}, "privacy", "同意が必要"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    tmp_path: Path, changes: dict[str, str], field: str, words: str
) -> None:
    """With a summary that leads there; all that was typed is still there, and nothing is kept."""

    async def steps(world: World) -> None:
        answer = await world.send(**changes)
        page = answer.text
        assert answer.status_code == 422
        assert page.count(words) == 2, "in the summary and at the field"
        assert f' href="#{field}">' in page
        assert f'id="{field}-error"' in page
        assert page.count(' aria-invalid="true"') == 1
        assert "<title>エラー：" in page
        if field != "name":
            assert 'value="山田 花子"' in page
        if field != "job_group":
            assert '<option value="sales" selected>' in page
        assert world.people.states() == {}
        assert await world.mails() == []

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    ("typed", "written_to"),
    [
        ("a..b@docomo.ne.jp", '"a..b"@docomo.ne.jp'),
        ("taro.@docomo.ne.jp", '"taro."@docomo.ne.jp'),
        ('".taro"@ezweb.ne.jp', '".taro"@ezweb.ne.jp'),
        ("ｔａｒｏ＠ｄｏｃｏｍｏ．ｎｅ．ｊｐ", "taro@docomo.ne.jp"),
        (" <Taro+job@Softbank.ne.jp> ", "Taro+job@softbank.ne.jp"),
        ("taro@日本語.jp", "taro@xn--wgv71a119e.jp"),
        ("taro@softbank.ne.jp.", "taro@softbank.ne.jp"),
        ("\u200btaro@soft\u00adbank.ne.jp\ufeff", "taro@softbank.ne.jp"),
        ("山田@日本語.jp", "山田@日本語.jp"),
    ],
)
def test_odd_addresses_are_taken_and_written_to(
    tmp_path: Path, typed: str, written_to: str
) -> None:
    """Old carrier addresses have owners; phones type wide letters."""

    async def steps(world: World) -> None:
        await world.send(address=typed)
        assert len(await world.mails()) == 1
        recipients = [line for _, line in world.hop.heard.commands if line.startswith("RCPT")]
        assert recipients == [f"RCPT TO:<{written_to}>"]
        assert (await world.http.post((await world.links())["confirm"], data=SURE)).is_success

    visit(tmp_path, steps)


INJECTIONS = (
    "'; DROP TABLE person; --",
    "{{7*7}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}",
    "<script>alert(1)</script>",
    '" autofocus onfocus="alert(1)',
    "Robert\nTo: all@mail.example",
    "\u202eolleh",
    "%0d%0aBcc: x@y.example",
)


def tags_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """Return all tags of a page with their attributes, as a browser reads them."""
    found: list[tuple[str, dict[str, str]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Parser().feed(page)
    return found


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_typed_is_text(tmp_path: Path, text: str) -> None:
    """In every field: it comes back escaped or is refused, and reaches no mail's header."""

    async def steps(world: World) -> None:
        for field in ("name", "address", "job_group", "privacy", "company_positions", "odd"):
            answer = await world.send(**{field: text})
            assert answer.status_code in (200, 422)
            tags = tags_of(answer.text)
            assert not [tag for tag, _ in tags if tag == "script"]
            assert not [given for _, given in tags if "onfocus" in given]
            # The page's own is on the list of what is wrong.
            assert not [given for tag, given in tags if tag == "input" and "autofocus" in given]
            typed = {given["value"] for _, given in tags if given.get("id") in ("name", "address")}
            assert typed <= {*HANAKO.values(), text, text.replace("\n", " ")}
        asked = await world.http.get("/register", params={"t": text, "lang": text})
        assert asked.status_code == 200
        assert "<script>alert" not in asked.text
        for mail in await world.mails():
            assert mail["To"] == "hanako@mail.example"
            assert mail["Bcc"] is None
            assert text not in body_of(mail, "html")
        assert world.people.states().keys() <= {"received"}

    visit(tmp_path, steps)


def test_bodies_that_are_no_form_of_ours(tmp_path: Path) -> None:
    """A friendly page, whatever comes; limits on size and number."""

    async def steps(world: World) -> None:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        for body, headers in (
            (b"{}", {"content-type": "application/json"}),
            (b"name=" + b"x" * BODY_MAX_BYTES, kind),
            (b"&".join(b"a%d=1" % number for number in range(30)), kind),
            (b"name=%ff%fe", kind),
            ("name=花子".encode(), kind),
        ):
            answer = await world.http.post("/register", content=body, headers=headers)
            assert answer.status_code == 400
            assert "もう一度ご入力" in answer.text
        assert (await world.http.put("/register")).status_code == 405
        assert await world.mails() == []

    visit(tmp_path, steps)


def test_nobody_learns_which_addresses_are_known(tmp_path: Path) -> None:
    """New, waiting, confirmed, opted out, had enough: the same page but for its token."""

    async def steps(world: World) -> None:
        def shown(text: str) -> str:
            return "".join(line for line in text.splitlines() if "?r=" not in line)

        pages = [shown((await world.send()).text)]
        await world.http.post((await world.links())["confirm"], data=SURE)
        pages.append(shown((await world.send()).text))
        for _ in range(3):
            pages.append(shown((await world.send()).text))
        await world.http.post((await world.links())["optout"], data=SURE)
        pages.append(shown((await world.send()).text))
        pages.append(shown((await world.send(address="new@mail.example")).text))
        assert len(pages) == 7
        assert len(set(pages)) == 1

    visit(tmp_path, steps)


def test_the_time_of_an_answer_tells_nothing(tmp_path: Path) -> None:
    """Whether a registration is kept or not, the answer takes as long as is set."""

    async def steps(world: World) -> None:
        world.suppression.add(world.suppression.hash_of("taro@mail.example"))
        for address in ("hanako@mail.example", "taro@mail.example"):
            started = time.monotonic()
            await world.send(address=address)
            assert time.monotonic() - started >= 0.3
        sent = await world.send(address="taro@mail.example")
        started = time.monotonic()
        await world.http.post(str(sent.url).replace("/sent", "/again"))
        assert time.monotonic() - started >= 0.3
        assert world.people.states() == {"received": 1}

    visit(tmp_path, steps, answer_seconds=0.3)


def test_a_stranger_cannot_flood_a_mailbox(tmp_path: Path) -> None:
    """However many forms and however spelled, a few mails a day; sent again counts as well."""

    async def steps(world: World) -> None:
        sent = await world.send()
        again = str(sent.url).replace("/register/sent", "/register/again")
        for number in range(8):
            assert (await world.http.post(again, follow_redirects=True)).status_code == 200
            await world.send(address=("HANAKO@mail.example", "Hanako@Mail.Example")[number % 2])
        assert len(await world.mails()) == MAILS_PER_ADDRESS_MAX
        world.now[0] += timedelta(days=1, minutes=1)
        await world.send()
        assert len(await world.mails()) == MAILS_PER_ADDRESS_MAX + 1

    visit(tmp_path, steps)


def test_one_network_sends_so_many_forms(tmp_path: Path) -> None:
    """Then it is asked to wait, with all that was typed on the page; an hour later it goes on.

    Others go on meanwhile, and those who come through a proxy that does not say for whom.
    """

    async def steps(world: World) -> None:
        world.http.headers["X-Forwarded-For"] = "198.51.100.7"
        for number in range(FORMS_MAX):
            answer = await world.send(address=f"p{number}@mail.example")
            assert answer.status_code == 200
        late = await world.send(address="late@mail.example")
        assert (late.status_code, late.headers["retry-after"]) == (429, "60")
        assert 'value="late@mail.example"' in late.text
        for other in ("203.0.113.7", "127.0.0.1"):
            world.http.headers["X-Forwarded-For"] = other
            assert (await world.send(address="late@mail.example")).status_code == 200
        world.http.headers["X-Forwarded-For"] = "198.51.100.8"
        assert (await world.send(address="late@mail.example")).status_code == 429
        world.now[0] += timedelta(hours=1)
        assert (await world.send(address="later@mail.example")).status_code == 200

    visit(tmp_path, steps)


def test_the_mail_is_sent_once_more(tmp_path: Path) -> None:
    """By the button of the page, for an hour; both links confirm the same registration."""

    async def steps(world: World) -> None:
        sent = await world.send(await world.issue())
        again = str(sent.url).replace("/register/sent", "/register/again")
        answer = await world.http.post(again, follow_redirects=True)
        assert "もう一度お送りしました" in answer.text
        assert "Please check your mail" in (await world.http.get(f"{again}&lang=en")).text
        assert len(await world.mails()) == 2
        for number in (0, 1):
            link = (await world.links(number))["confirm"]
            assert (await world.http.post(link, data=SURE)).status_code == 200
        kinds = [event.type for event in world.events()]
        assert kinds.count(EventType.SIGNUP_VERIFIED) == 1
        world.now[0] += timedelta(hours=2)
        late = await world.http.post(again)
        assert "<button" not in late.text

    visit(tmp_path, steps)


def test_the_mail_is_as_mail_should_be(tmp_path: Path) -> None:
    """Japanese headers, text and HTML that say the same, a way out, and no word of the form."""

    async def steps(world: World) -> None:
        await world.send(name="当選おめでとう http://evil.example")
        (mail,) = await world.mails()
        raw = world.hop.heard.wires[0]
        head = raw.partition(b"\r\n\r\n")[0]
        assert head.isascii()
        assert b"Subject: =?utf-8?" in head
        assert str(mail["Subject"]) == "【ご確認】ご登録のお手続きはまだ完了していません"
        assert str(mail["From"]) == "キャリアリレー <relay@r.example.jp>"
        assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.get_content_type() == "multipart/alternative"
        for kind in ("plain", "html"):
            text = body_of(mail, kind)
            assert "evil" not in text
            assert "当選" not in text
            for needed in ("confirm?c=", "delete?d=", "optout?u=", CONTACT, LICENCE, "7日間"):
                assert needed in text, (kind, needed)
        html = body_of(mail, "html")
        assert '<html lang="ja">' in html
        for foreign in ("<img", "<script", "url(", "@import"):
            assert foreign not in html

    visit(tmp_path, steps)


def test_one_click_of_the_mail_program_opts_out(tmp_path: Path) -> None:
    """RFC 8058: a POST to the field's address, without a page in between."""

    async def steps(world: World) -> None:
        await world.send()
        (mail,) = await world.mails()
        url = str(mail["List-Unsubscribe"]).strip("<>").replace("https://r.example.jp", "")
        answer = await world.http.post(url, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert world.suppression.is_suppressed("HANAKO@mail.example")
        await world.send()
        assert len(await world.mails()) == 1

    visit(tmp_path, steps)
