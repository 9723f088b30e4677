"""Links in our mail that are opened once more: what is done is said, and is not asked again."""

from __future__ import annotations

import html
import re
import sqlite3
from datetime import timedelta
from pathlib import Path

from signer.confirmations import Purpose, make_confirmation
from tests.ledger.registration_world import SURE, World, body_of, visit


def test_opened_again_after_it_was_confirmed(tmp_path: Path) -> None:
    """The link to confirm says that all is done, in either language, without a form."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        link = (await world.links())["confirm"]
        assert "<form" in (await world.http.get(link)).text
        await world.http.post(link, data=SURE)
        for lang, words in (("ja", "登録が完了しました</h1>"), ("en", "You are registered</h1>")):
            again = await world.http.get(f"{link}&lang={lang}")
            assert (again.status_code, words in again.text) == (200, True)
            assert "<form" not in again.text

    visit(tmp_path, steps)


def test_opened_again_after_it_was_deleted(tmp_path: Path) -> None:
    """Nothing is asked for where nothing is kept."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        links = await world.links()
        await world.http.post(links["delete"], data=SURE)
        for name, status, words in (
            ("confirm", 410, "残っていません"),
            ("delete", 200, "削除しました"),
        ):
            again = await world.http.get(links[name])
            assert (again.status_code, words in again.text) == (status, True)
            assert "<form" not in again.text

    visit(tmp_path, steps)


def test_opened_while_the_store_does_not_answer(tmp_path: Path) -> None:
    """Then the page asks, as if nobody had been here: its button says what came of it."""

    async def steps(world: World) -> None:
        await world.confirm(await world.issue())
        links = await world.links()
        database = sqlite3.connect(world.store.path, isolation_level=None)
        database.execute("ALTER TABLE person RENAME TO elsewhere")
        for name in ("confirm", "delete"):
            asked = await world.http.get(links[name])
            assert (asked.status_code, "<form" in asked.text) == (200, True)
        database.execute("ALTER TABLE elsewhere RENAME TO person")
        database.close()

    visit(tmp_path, steps)


def test_the_mails_link_never_offers_the_way_back(tmp_path: Path) -> None:
    """The button that takes opting out back has no box: who sends all forms must not meet it."""

    async def steps(world: World) -> None:
        await world.send()
        link = (await world.links())["optout"]
        done = await world.http.post(link, data=SURE)
        assert "done=out" in done.text, "the page in the other language is to say the same"
        assert 'name="undo"' in (await world.http.get(f"{link}&done=out")).text
        for url in (link, f"{link}&done=in", f"{link}&done=x"):
            assert 'name="undo"' not in (await world.http.get(url)).text
        await world.http.post(link, data={"undo": "yes"})
        assert 'name="undo"' not in (await world.http.get(f"{link}&done=out")).text

    visit(tmp_path, steps)


def test_links_of_a_mail_are_in_its_language(tmp_path: Path) -> None:
    """However the browser is set that they are opened in; deleted by a page of that language."""

    async def steps(world: World) -> None:
        await world.send(await world.issue(), lang="en")
        (mail,) = await world.mails()
        for kind, sign in (("plain", "&"), ("html", "&amp;")):
            assert body_of(mail, kind).count(f"{sign}lang=en") == 3
        assert str(mail["List-Unsubscribe"]).endswith("&lang=en>")
        page = await world.http.get((await world.links())["confirm"] + "&lang=en")
        assert page.text.count("&amp;lang=en") == 2, "the form, and the link to delete"

    visit(tmp_path, steps, "ja-JP")


def test_deleted_by_the_link_of_a_registration_that_was_replaced(tmp_path: Path) -> None:
    """A person registers by two letters; the older mail's link, and page, delete the newer, too."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        old = await world.links()
        page = (await world.http.get(old["confirm"])).text
        await world.http.post(old["confirm"], data=SURE)
        assert world.people.states() == {"confirmed": 1}
        await world.confirm(await world.issue("b" * 16))
        assert world.people.states() == {"withdrawn": 1, "confirmed": 1}
        (of_page,) = re.findall(r'href="https://r.example.jp(/delete[^"]+)"', page)
        for link in (old["delete"], html.unescape(of_page)):
            assert "<form" in (await world.http.get(link)).text
        await world.http.post(old["delete"], data=SURE)
        assert world.people.states() == {"withdrawn": 1, "erased": 1}
        assert "<form" not in (await world.http.get(old["delete"])).text

    visit(tmp_path, steps)


def test_deleted_by_the_link_of_one_that_was_never_confirmed(tmp_path: Path) -> None:
    """Who registers anew and deletes by that mail is told that nothing is left: nothing is."""

    async def steps(world: World) -> None:
        await world.confirm(await world.issue())
        world.now[0] += timedelta(minutes=1)
        await world.send(await world.issue("b" * 16))
        links = await world.links()
        await world.send(await world.issue("b" * 16), address="taro@mail.example")
        done = await world.http.post(links["delete"], data=SURE)
        assert "削除しました" in done.text
        assert world.people.states() == {"erased": 2, "received": 1}
        subjects = [str(mail["Subject"]) for mail in await world.mails()]
        assert subjects.count("ご登録の内容を削除しました") == 1

    visit(tmp_path, steps)


def test_links_to_delete_from_before_name_one_registration(tmp_path: Path) -> None:
    """Mail that is out there already holds the registration's id: it deletes as much."""

    async def steps(world: World) -> None:
        await world.confirm(await world.issue())
        (row,) = world.people.waiting_for_handover()
        token = make_confirmation(world.ring, Purpose.DELETE, row.id, world.now[0])
        await world.http.post("/delete", params={"d": token}, data=SURE)
        assert world.people.states() == {"erased": 1}

    visit(tmp_path, steps)
