"""The built-in registration after the form: how long links hold, taking back, what is kept."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from ledger import store_jobs
from ledger.events import INSTALLATION, EventType
from ledger.pages import find_templates
from ledger.registrationform import load_questions
from tests.ledger.registration_world import HANAKO, LICENCE, SURE, World, body_of, visit
from tests.relay.neighbours import offers

MARKS = ("花子", "hanako", "mail.example")


def test_english_all_the_way(tmp_path: Path) -> None:
    """Pages and mail in the language of the form."""

    async def steps(world: World) -> None:
        answer = await world.send(await world.issue(), lang="en")
        assert '<html lang="en">' in answer.text
        (mail,) = await world.mails()
        assert mail["Subject"] == "Please confirm your registration"
        assert "The link is good for 7 days" in body_of(mail, "plain")
        done = await world.http.post((await world.links())["confirm"] + "&lang=en", data=SURE)
        assert "You are registered" in done.text

    visit(tmp_path, steps, "en-GB")


def test_links_that_do_not_hold(tmp_path: Path) -> None:
    """Tampered with, of another purpose, cut short, of another installation: friendly, no act."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        links = await world.links()
        token = links["confirm"].partition("=")[2]
        other = links["delete"].partition("=")[2]
        wrong = [
            token[:-2],
            token.replace(".", "x", 1),
            ("b" if token[0] != "b" else "c") + token[1:],
            token[:3] + ("a" if token[3] != "a" else "b") + token[4:],
            other,
            "",
            "x" * 5000,
            "💌",
        ]
        for path, name in (("/confirm", "c"), ("/optout", "u")):
            for text in wrong:
                for answer in (
                    await world.http.get(path, params={name: text}),
                    await world.http.post(path, params={name: text}, data=SURE),
                ):
                    assert answer.status_code == 404
                    assert "切れているようです" in answer.text
        assert (await world.http.post("/delete", params={"d": token}, data=SURE)).status_code == 404
        assert world.people.states() == {"received": 1}

    visit(tmp_path, steps)


def test_links_end_in_time(tmp_path: Path) -> None:
    """After seven days the page says so, and what to do; until then it works."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        link = (await world.links())["confirm"]
        world.now[0] += timedelta(days=7)
        assert (await world.http.get(link)).status_code == 200
        world.now[0] += timedelta(seconds=1)
        answer = await world.http.post(link, data=SURE)
        assert answer.status_code == 410
        assert "過ぎました</h1>" in answer.text
        assert world.people.states() == {"received": 1}

    visit(tmp_path, steps)


def test_a_clear_page_while_the_store_is_away(tmp_path: Path) -> None:
    """Nothing typed is lost, nothing half done; pressed again later, it works."""

    async def steps(world: World) -> None:
        token = await world.issue()
        await world.send(token)
        links = await world.links()
        blocker = sqlite3.connect(world.store.path, isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        answer = await world.send(token, address="taro@mail.example")
        assert (answer.status_code, 'value="taro@mail.example"' in answer.text) == (503, True)
        for name in ("confirm", "optout", "delete"):
            answer = await world.http.post(links[name], data=SURE)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert "もう一度ボタンを押して" in answer.text
            assert "<button" in answer.text
        blocker.execute("ROLLBACK")
        blocker.close()
        assert world.people.states() == {"received": 1}
        assert (await world.http.post(links["confirm"], data=SURE)).status_code == 200
        assert EventType.REFERRAL_COUNTED in [event.type for event in world.events()]

    visit(tmp_path, steps)


def test_taken_back_before_the_confirmation(tmp_path: Path) -> None:
    """By the link of the page or the mail: nothing is left, and the mail's link says so."""

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        links = await world.links()
        assert "/delete?d=" in (await world.http.get(links["confirm"])).text
        answer = await world.http.post(links["delete"], data=SURE)
        assert "削除しました" in answer.text
        late = await world.http.post(links["confirm"], data=SURE)
        assert (late.status_code, "残っていません" in late.text) == (410, True)
        assert world.people.states() == {"withdrawn": 1}
        assert (await world.http.post(links["delete"], data=SURE)).status_code == 200

    visit(tmp_path, steps)


def test_deleted_after_the_confirmation(tmp_path: Path) -> None:
    """Data and reference are gone, a mail says so, the log keeps its proofs."""

    async def steps(world: World) -> None:
        await world.confirm(await world.issue())
        answer = await world.http.post((await world.links())["delete"], data=SURE)
        assert "削除しました" in answer.text
        mails = await world.mails()
        assert str(mails[-1]["Subject"]) == "ご登録の内容を削除しました"
        assert world.people.states() == {"erased": 1}
        assert EventType.SUBJECT_ERASED in [event.type for event in world.events()]
        again = await world.http.post((await world.links(0))["delete"], data=SURE)
        assert again.status_code == 200
        assert len(await world.mails()) == 2

    visit(tmp_path, steps)


def test_opting_out_can_be_taken_back(tmp_path: Path) -> None:
    """By the same link, on the same page."""

    async def steps(world: World) -> None:
        await world.send()
        link = (await world.links())["optout"]
        assert 'name="undo"' in (await world.http.post(link, data=SURE)).text
        assert world.suppression.is_suppressed('"hanako"@MAIL.example.')
        await world.http.post(link, data={"undo": "yes"})
        assert not world.suppression.is_suppressed("hanako@mail.example")
        await world.send()
        assert len(await world.mails()) == 2

    visit(tmp_path, steps)


def read_all(folder: Path) -> list[bytes]:
    """Return the bytes of all files in a folder."""
    return [path.read_bytes() for path in folder.iterdir()]


def test_a_person_is_nowhere_in_clear(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the database, beside it, in events or logs; not while mail waits, not after."""
    caplog.set_level(logging.DEBUG, "registration")
    seen: list[bytes] = []

    async def steps(world: World) -> None:
        await world.send(await world.issue())
        seen.extend(read_all(tmp_path))
        await world.http.post((await world.links())["confirm"], data=SURE)
        await world.http.post((await world.links())["optout"], data=SURE)
        seen.extend(event.body for log in ("aozora", INSTALLATION) for event in world.events(log))

    visit(tmp_path, steps)
    seen.extend(read_all(tmp_path))
    assert len(seen) > 6
    for mark in MARKS:
        assert not [where for where in seen if mark.encode() in where]
        assert mark not in caplog.text


def test_pages_let_nothing_else_in(tmp_path: Path) -> None:
    """No cookie, no cache, no other host; forms go here and nowhere else."""

    async def steps(world: World) -> None:
        answers = [await world.http.get("/register"), await world.send(name="")]
        answers.append(await world.send())
        for link in (await world.links()).values():
            answers += [await world.http.get(link), await world.http.post(link, data=SURE)]
        assert len(answers) == 9
        for answer in answers:
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "form-action 'self'" in policy
            assert "set-cookie" not in answer.headers
            assert LICENCE in answer.text
            assert "【PR】" in answer.text
            for foreign in ("<script", "<img", "http://", "https://"):
                assert foreign not in answer.text.replace("https://r.example.jp/delete", "")

    visit(tmp_path, steps)


def test_consent_texts_are_known_by_their_version() -> None:
    """Who changes the words changes the version, and this table."""
    found = {
        (one.id, one.version): hashlib.sha256(
            "\n".join((one.text["ja"], one.text["en"])).encode()
        ).hexdigest()[:16]
        for one in load_questions(find_templates()).consents
    }
    assert found == {
        ("privacy", "2026-11"): "4edd755dd5cbbc9e",
        ("company_positions", "2026-11"): "40f283aa0b490c0e",
    }


def test_header_of_every_mail_is_parsed(tmp_path: Path) -> None:
    """No defect in what we send, for the library that reads it."""

    async def steps(world: World) -> None:
        await world.send()
        (mail,) = await world.mails()
        assert isinstance(mail, EmailMessage)
        assert mail.defects == []
        assert all(not getattr(value, "defects", ()) for value in mail.values())
        assert HANAKO["address"] == mail["To"]

    visit(tmp_path, steps)


@pytest.mark.parametrize("more", ["", "Content-Type: text/plain; charset=utf-8\r\n"])
def test_one_click_as_multipart(tmp_path: Path, more: str) -> None:
    """What RFC 8058 has mail programs send rather than an URL-encoded form; nothing else is one."""

    async def steps(world: World) -> None:
        await world.send()
        links = await world.links()
        kind = {"Content-Type": "multipart/form-data; boundary=bb"}

        async def press(name: str, value: str, link: str = links["optout"]) -> int:
            head = f'--bb\r\nContent-Disposition: form-data; name="{name}"\r\n{more}\r\n'
            body = f"{head}{value}\r\n--bb--\r\n"
            return (await world.http.post(link, content=body, headers=kind)).status_code

        assert await press("sure", "yes") == 400
        assert await press("List-Unsubscribe", "No") == 400
        assert await press("List-Unsubscribe", "One-Click", links["delete"]) == 422
        assert not world.suppression.is_suppressed(HANAKO["address"])
        assert await press("List-Unsubscribe", "One-Click") == 200
        assert world.suppression.is_suppressed(HANAKO["address"])

    visit(tmp_path, steps)


def test_an_address_in_other_letters_at_a_server_that_cannot(tmp_path: Path) -> None:
    """Who types one is served where the mail server offers SMTPUTF8; else the job says why not."""

    async def steps(world: World) -> None:
        world.hop.answers["EHLO"] = offers("SIZE 40000000", "8BITMIME")
        await world.send(address="山田@mail.example")
        assert await world.mails() == []
        with world.store.read() as transaction:
            (dead,) = store_jobs.dead_jobs(transaction)
        assert dead.error == "the server offers no SMTPUTF8"

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("\u200b佐藤\u3000結衣\ufeff", "佐藤\u3000結衣"),  # Out of a chat, a document.
        ("佐藤\t結衣", "佐藤 結衣"),  # Two cells of a table.
        ("\u202eolleh\u202c", "olleh"),
        ("نرگس\u200cبانو", "نرگس\u200cبانو"),  # A letter of Persian: it stays.
    ],
)
def test_what_nobody_sees_is_in_no_name(tmp_path: Path, typed: str, kept: str) -> None:
    """Who pastes a name is not asked to find in it what cannot be seen."""

    async def steps(world: World) -> None:
        await world.send(name=typed)
        await world.http.post((await world.links())["confirm"], data=SURE)
        (row,) = world.people.waiting_for_handover()
        assert world.people.open(row.id, "test", "me").person.name == kept
        for empty in ("\u200b\ufeff", "\u200d"):
            assert "お名前を入力してください" in (await world.send(name=empty)).text

    visit(tmp_path, steps)
