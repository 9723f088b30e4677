"""The outside world: real SMTP in, pages over real HTTP, hostile mail shown harmlessly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import re
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from relay.cli.outside import OutsideWorld
from relay.company import Company
from relay.inject import inject
from relay.mimemap import map_message
from relay.note import load_templates
from relay.undo import Mark

LINK = "https://r.example.jp/a2cdefghijklmnopqrstuvwxyz234567abcdefghijk"
LETTER = (
    "From: recruit@aozora.example.jp\r\nTo: taro@mail.example\r\n"
    "Message-ID: <1@aozora.example.jp>\r\n"
    "Subject: 選考結果のご連絡\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    "山田様\r\n\r\n今回は採用を見送らせていただくことになりました。\r\n\r\n-- \r\n採用担当\r\n"
).encode()
HTML_LETTER = (
    b"Message-ID: <2@aozora.example.jp>\r\nSubject: Your application\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b"<html><body><p>We will not take your application further.</p></body></html>\r\n"
)
HOSTILE = (
    b"From: <script>alert(1)</script>@evil.example\r\nMessage-ID: <3@evil.example>\r\n"
    b'Subject: </title><script>alert("subject")</script><img src=x onerror=alert(2)>\r\n'
    b'X-Evil: "><script>alert(3)</script>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    b"</div></main><script>alert('body')</script>\r\n{{ 7 * 7 }} \x1b[31m\xff\r\n"
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a test does while the world stands: send mail and look at pages."""

    world: OutsideWorld
    http: httpx.AsyncClient

    async def send(
        self, message: bytes, *, sent: bytes | None = None, label: str = "sample"
    ) -> None:
        """Deliver a message; `sent` is what the sender recorded before."""
        if sent is not None:
            self.world.record_sent(sent, label)
        await asyncio.to_thread(_deliver, self.world.smtp_port, message)

    async def page(self, path: str, language: str = "en") -> str:
        """Return a page that must exist."""
        answer = await self.http.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 200
        return answer.text


def _deliver(port: int, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="test.example", timeout=10) as client:
        client.sendmail("recruit@aozora.example.jp", ["taro@mail.example"], message)


def visit(directory: Path, steps: Callable[[Visit], object]) -> None:
    """Run the steps against a world on free ports."""

    async def run() -> None:
        world = OutsideWorld("127.0.0.1", 0, 0, directory)
        await world.start()
        try:
            async with httpx.AsyncClient(base_url=world.http_url, timeout=10) as http:
                result = steps(Visit(world, http))
                assert asyncio.iscoroutine(result)
                await result
        finally:
            await world.stop()

    asyncio.run(run())


def changed(message: bytes, language: str = "ja") -> bytes:
    """Return the letter with a real note in it."""
    contact = "recruit@aozora.example.jp"
    company = Company(
        "aozora", "あおぞら", ("aozora.example.jp",), language=language, contact=contact
    )
    notes = load_templates().notes(company, language, LINK)
    return inject(map_message(message), notes, Mark("abcdefghijklmnop", "a" * 26)).message


def texts(page: str, tag: str) -> list[str]:
    """Return the contents of the elements of a name, unescaped."""
    return [html.unescape(found) for found in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)]


def test_empty_world_says_so(tmp_path: Path) -> None:
    """Before anything arrived, the page says where mail is taken."""

    async def steps(here: Visit) -> None:
        page = await here.page("/")
        assert "Nothing has arrived yet" in page
        assert str(here.world.smtp_port) in page
        assert "まだ何も届いていません" in await here.page("/", "ja")

    visit(tmp_path, steps)


def test_changed_letter_shows_the_added_lines_and_the_proof(tmp_path: Path) -> None:
    """The added lines are marked, nothing else is, and taking them out gives the original."""

    async def steps(here: Visit) -> None:
        await here.send(changed(LETTER), sent=LETTER, label="書類選考")
        overview = await here.page("/")
        assert "1 letter arrived" in overview
        assert "1 carries the added line" in overview
        assert "書類選考" in overview
        assert LINK in overview
        page = await here.page("/letters/1")
        note, field, raw_field, raw_note = texts(page, "ins")
        assert LINK in note
        assert note.startswith("【PR】")
        assert "採用を見送らせて" not in note
        assert field.startswith("X-Career-Relay: v=1; link=abcdefghijklmnop")
        assert raw_field.startswith("X-Career-Relay")
        assert LINK in raw_note
        assert "Added in 2 places" in page
        assert "byte for byte" in page
        assert "<del>" not in page

    visit(tmp_path, steps)


def test_identical_letter_is_said_to_be_identical(tmp_path: Path) -> None:
    """A letter that passed untouched is shown as such, with its size."""

    async def steps(here: Visit) -> None:
        await here.send(LETTER, sent=LETTER)
        assert "1 is exactly as sent" in await here.page("/")
        page = await here.page("/letters/1")
        assert "Identical: yes." in page
        assert f"All {len(LETTER)} bytes" in page
        assert "<ins>" not in page
        assert "完全一致" in await here.page("/letters/1", "ja")

    visit(tmp_path, steps)


def test_unrecorded_letter_is_shown_without_a_claim(tmp_path: Path) -> None:
    """Where the original is not known, nothing is said about it; recording it later is enough."""

    async def steps(here: Visit) -> None:
        await here.send(LETTER)
        assert "not compared" in await here.page("/")
        assert "nothing to compare" in await here.page("/letters/1")
        here.world.record_sent(LETTER, "late")
        assert "Identical: yes." in await here.page("/letters/1")

    visit(tmp_path, steps)


def test_letter_without_message_id_is_known_by_its_bytes(tmp_path: Path) -> None:
    """A message without Message-ID is compared when it arrives unchanged."""
    bare = b"Subject: bare\r\n\r\nx\r\n"

    async def steps(here: Visit) -> None:
        await here.send(bare, sent=bare)
        assert "Identical: yes." in await here.page("/letters/1")

    visit(tmp_path, steps)


def test_html_is_shown_in_a_frame_that_may_do_nothing(tmp_path: Path) -> None:
    """The frame is sandboxed twice, and the note in it stands in a box."""

    async def steps(here: Visit) -> None:
        await here.send(changed(HTML_LETTER, "en"), sent=HTML_LETTER)
        page = await here.page("/letters/1")
        assert '<iframe sandbox="" loading="lazy" title="HTML" src="/letters/1/html/0">' in page
        frame = await here.http.get("/letters/1/html/0")
        policy = frame.headers["content-security-policy"]
        assert policy.startswith("sandbox; default-src 'none'")
        assert "script" not in policy
        box = re.search(r'<div style="outline:[^>]*>(.*?)</div>', frame.text, re.S)
        assert box is not None
        assert LINK in box[1]

    visit(tmp_path, steps)


def test_hostile_mail_is_only_text(tmp_path: Path) -> None:
    """No markup of a letter becomes markup of a page, wherever it stands."""

    async def steps(here: Visit) -> None:
        await here.send(HOSTILE, sent=HOSTILE, label="<script>alert('label')</script>")
        await here.send(HOSTILE.replace(b"<3@", b"<4@"))
        for path in ("/", "/letters/1", "/letters/2"):
            page = await here.page(path)
            assert "<script" not in page
            assert "onerror=alert(2)&gt;" in page
            assert "<img" not in page
            assert page.count("</main>") == 1
        assert "{{ 7 * 7 }} ␛[31m" in await here.page("/letters/1")

    visit(tmp_path, steps)


@pytest.mark.parametrize("path", ["/", "/letters/1", "/letters/77", "/nowhere"])
def test_pages_let_nothing_in(tmp_path: Path, path: str) -> None:
    """Every page has a policy without scripts and other hosts, and the hash of its style."""

    async def steps(here: Visit) -> None:
        await here.send(LETTER)
        answer = await here.http.get(path)
        policy = answer.headers["content-security-policy"]
        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert ' style="' not in answer.text

    visit(tmp_path, steps)


def test_missing_letters_are_a_page(tmp_path: Path) -> None:
    """What is not kept any more is a page of its own with 404; so is a part that is no HTML."""

    async def steps(here: Visit) -> None:
        await here.send(LETTER)
        for path in ("/letters/9", "/letters/1/html/0", "/letters/1/html/5", "/letters/1/sent.eml"):
            answer = await here.http.get(path)
            assert answer.status_code == 404
            assert "<h1>" in answer.text

    visit(tmp_path, steps)


def test_downloads_are_the_exact_bytes(tmp_path: Path) -> None:
    """Both messages can be had as files, byte for byte, and are never shown as pages."""
    after = changed(LETTER)

    async def steps(here: Visit) -> None:
        await here.send(after, sent=LETTER)
        arrived = await here.http.get("/letters/1/arrived.eml")
        sent = await here.http.get("/letters/1/sent.eml")
        assert (arrived.content, sent.content) == (after, LETTER)
        assert arrived.headers["content-type"] == "message/rfc822"
        assert arrived.headers["content-disposition"].startswith("attachment")

    visit(tmp_path, steps)
    assert (tmp_path / "outside" / "001.eml").read_bytes() == after


def test_taken_port_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the page's port is taken, the mail port is free again and the error names the port."""

    async def run() -> None:
        first = OutsideWorld("127.0.0.1", 0, 0, tmp_path)
        await first.start()
        second = OutsideWorld("127.0.0.1", 0, first.http_port, tmp_path)
        try:
            with pytest.raises(OSError, match=str(first.http_port)):
                await second.start()
            third = OutsideWorld("127.0.0.1", second.smtp_port, 0, tmp_path)
            await third.start()
            await third.stop()
        finally:
            await first.stop()

    asyncio.run(run())
