"""Links over real HTTP, with a real store behind the intake."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from ledger.follow import CLICK_MAX_SECONDS
from ledger.intake import IntakeSettings
from ledger.intakecounts import What
from signer.tokens import make_token
from tests.ledger.intake_world import LINK_ID, NOON, World, visit


def test_click_is_on_record_before_the_redirect(tmp_path: Path) -> None:
    """The answer is a 303 with the token, and the event is in the store by then."""

    async def steps(world: World) -> None:
        token = world.token()
        answer = await world.http.get(f"/{token}")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/register?t={token}"
        (click,) = world.clicks()
        assert click.data == {"link_id": LINK_ID, "class": "human", "signals": ""}
        assert (click.company, click.time) == ("aozora", NOON)

    visit(tmp_path, steps)


def test_events_hold_nothing_of_the_request(tmp_path: Path) -> None:
    """Neither address nor agent nor anything glued to the link is in the log (promise 8)."""

    async def steps(world: World) -> None:
        await world.http.get(
            f"/{world.token()}/taro@mail.example?name=taro",
            headers={"X-Forwarded-For": "203.0.113.9", "Cookie": "id=taro"},
        )
        text = str(world.events())
        for private in ("127.0.0.1", "203.0.113.9", "iPhone", "taro"):
            assert private not in text

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "。"),
        ("", "."),
        ("", "%20%E5%AE%9C%E3%81%97%E3%81%8F"),
        ("", "%0D%0A"),
        ("", ">より"),
        ("", "A" * 10_000),
        ("", "/index.html?utm_source=mail#top"),
        ("%3C", ""),
        ("/", "/"),
    ],
)
def test_links_are_read_forgivingly(tmp_path: Path, before: str, after: str) -> None:
    """Whatever mail programs did to the link, it leads on, and with the token as it was issued."""

    async def steps(world: World) -> None:
        token = world.token()
        escaped = "".join(f"%{ord(char):02x}" for char in token)
        for form in (token, token.upper(), escaped):
            url = f"http://127.0.0.1:{world.port}/{before}{form}{after}"
            answer = await world.http.get(url)
            assert answer.status_code == 303
            assert answer.headers["location"] == f"/register?t={token}"
        assert len(world.clicks()) == 3

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "a" * 43,
        "%00%ff%fe",
        "..%2f..%2fetc%2fpasswd",
        "%0d%0aSet-Cookie:%20a=b",
        "https://evil.example/",
        "/evil.example",
        "\\evil.example",
        "a" * 10_000,
    ],
)
def test_unknown_links_end_on_the_front_page(tmp_path: Path, path: str) -> None:
    """What is no link of ours leads to the friendly page, and to nowhere else."""

    async def steps(world: World) -> None:
        answer = await world.http.get(f"http://127.0.0.1:{world.port}/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/?notice=link")
        front = await world.http.get(answer.headers["location"])
        assert front.status_code == 200
        assert "このページで間違いありません" in front.text
        assert world.clicks() == []
        assert "set-cookie" not in answer.headers

    visit(tmp_path, steps)


def test_revoked_and_changed_tokens_are_friendly_too(tmp_path: Path) -> None:
    """A revoked key's link and a token with one character changed lead to the front page."""

    async def steps(world: World) -> None:
        token = world.token()
        other = token[:-1] + ("a" if token[-1] != "a" else "b")
        foreign = make_token(world.ring, "stranger", LINK_ID)
        for bad in (other, foreign):
            answer = await world.http.get(f"/{bad}")
            assert answer.headers["location"] == "/?notice=link"
        newer = world.ring.with_new_key(NOON)
        world.app.state.intake.ring = newer.with_activated(newer.keys[-1].id, NOON).with_revoked(
            token[0], NOON
        )
        answer = await world.http.get(f"/{token}")
        assert answer.headers["location"] == "/?notice=link"
        assert world.clicks() == []
        assert world.app.state.intake.counts[What.LINKS, "revoked"] == 1

    visit(tmp_path, steps)


def test_scanners_are_kept_and_told_apart(tmp_path: Path) -> None:
    """HEAD and known agents are answered like everyone and recorded as scanners."""

    async def steps(world: World) -> None:
        head = await world.http.head(f"/{world.token()}")
        await world.http.get(f"/{world.token()}", headers={"User-Agent": "curl/8.5.0"})
        assert (head.status_code, head.content) == (303, b"")
        found = [(click.data["class"], click.data["signals"]) for click in world.clicks()]
        assert found == [("scanner", "head"), ("scanner", "robot")]

    visit(tmp_path, steps)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://jobs.example/start", "https://jobs.example/start?t={}"),
        ("https://jobs.example/start?lang=ja#form", "https://jobs.example/start?lang=ja&t={}#form"),
    ],
)
def test_external_registration_gets_the_token(tmp_path: Path, url: str, location: str) -> None:
    """The configured page is where a link leads, its own query and fragment kept."""

    async def steps(world: World) -> None:
        answer = await world.http.get(f"/{world.token()}")
        assert answer.headers["location"] == location.format(world.token())

    visit(tmp_path, steps, IntakeSettings(("aozora",), registration_url=url))


@pytest.mark.parametrize(
    "url", ["jobs.example", "ftp://jobs.example/", "https:///x", "https://あ/"]
)
def test_unusable_registration_url_is_refused(url: str) -> None:
    """What a browser could not be sent to is found at the start."""
    with pytest.raises(ValueError, match="registration_url"):
        IntakeSettings(("aozora",), registration_url=url)


def test_redirect_happens_without_the_record(tmp_path: Path) -> None:
    """With the inbox gone the candidate notices nothing; the loss is counted (promise 7)."""

    async def steps(world: World) -> None:
        world.inbox.close()
        answer = await world.http.get(f"/{world.token()}")
        assert answer.headers["location"] == f"/register?t={world.token()}"
        assert world.app.state.intake.counts[What.RECORDS, "lost"] == 1

    visit(tmp_path, steps)


def test_slow_store_does_not_keep_a_candidate(tmp_path: Path) -> None:
    """While another holds the store's lock, the redirect comes after the deadline at the latest."""

    async def steps(world: World) -> None:
        await world.issue()
        with world.store.write():
            started = time.monotonic()
            answer = await world.http.get(f"/{world.token()}")
            assert time.monotonic() - started < CLICK_MAX_SECONDS + 1.0
        assert answer.headers["location"] == f"/register?t={world.token()}"
        assert world.app.state.intake.counts[What.RECORDS, "lost"] == 1

    visit(tmp_path, steps)


@pytest.mark.parametrize("path", ["/", "/register?t=x", "/{token}", "/damaged"])
def test_answers_carry_the_security_headers(tmp_path: Path, path: str) -> None:
    """No answer is stored, indexed, referred from, or sets a cookie; pages have no script."""

    async def steps(world: World) -> None:
        answer = await world.http.get(path.format(token=world.token()))
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers
        if answer.status_code == 200:
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert "<script" not in answer.text

    visit(tmp_path, steps)


def test_pages_speak_two_languages(tmp_path: Path) -> None:
    """The browser's language decides, a reader's choice comes first, nothing is reflected."""

    async def steps(world: World) -> None:
        japanese = await world.http.get("/", headers={"Accept-Language": "ja,en;q=0.5"})
        english = await world.http.get("/", headers={"Accept-Language": "de, en;q=0.8, ja;q=0.2"})
        chosen = await world.http.get("/register?lang=en&t=%22%3E%3Cscript%3E")
        assert '<html lang="ja">' in japanese.text
        assert '<html lang="en">' in english.text
        assert "How to register" in chosen.text
        assert "<script" not in chosen.text

    visit(tmp_path, steps)


def test_small_things_answer(tmp_path: Path) -> None:
    """Robots are sent away, pictures are none, health and readiness are told."""

    async def steps(world: World) -> None:
        assert (await world.http.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"
        assert (await world.http.get("/favicon.ico")).status_code == 204
        assert (await world.http.get("/healthz")).json() == {"status": "ok"}
        assert (await world.http.get("/readyz")).status_code == 200

    visit(tmp_path, steps)


def test_store_away_is_healthy_but_not_ready(tmp_path: Path) -> None:
    """A broken store is told to who sends us requests, not to candidates."""
    (tmp_path / "ledger.db").write_bytes(b"this is not a database" * 100)

    async def steps(world: World) -> None:
        assert (await world.http.get("/healthz")).status_code == 200
        assert (await world.http.get("/readyz")).status_code == 503
        assert (await world.http.get(f"/{world.token()}")).status_code == 303
        answer = await world.report(world.token())
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert str(tmp_path) not in answer.text

    visit(tmp_path, steps)


def test_a_bug_of_ours_leads_on(tmp_path: Path) -> None:
    """Where even reading a link fails, the candidate meets the front page."""

    async def steps(world: World) -> None:
        token = world.token()
        world.app.state.intake.ring = None
        for path in (token, f"{token}%20x"):
            answer = await world.http.get(f"/{path}")
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert world.clicks() == []

    visit(tmp_path, steps)


def test_other_methods_on_links_are_a_page(tmp_path: Path) -> None:
    """A scanner that submits a form behind the link gets a page and leaves no trace."""

    async def steps(world: World) -> None:
        answer = await world.http.post(f"/{world.token()}", content=b"x" * 1000)
        assert answer.status_code == 405
        assert answer.headers["content-type"].startswith("text/html")
        assert world.clicks() == []

    visit(tmp_path, steps)


def test_endless_request_is_cut_off(tmp_path: Path) -> None:
    """A request line without end is refused, and others are still served."""

    async def steps(world: World) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"GET /" + b"a" * 300_000)
        assert b" 400 " in await reader.readline()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        assert (await world.http.get("/healthz")).status_code == 200

    visit(tmp_path, steps)


def test_a_thousand_at_once_are_sent_on(tmp_path: Path) -> None:
    """A mailing opened by a thousand people in one moment shows none of them an error."""

    async def steps(world: World) -> None:
        token = await world.issue()
        request = f"GET /{token} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n".encode()
        people = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(1000)]
        for _, writer in people:
            writer.write(request)
        answers = [await reader.read() for reader, _ in people]
        for _, writer in people:
            writer.close()
        assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 303 See Other"}

    visit(tmp_path, steps)
