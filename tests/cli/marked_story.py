"""A candidate's whole story through the real program, with marks in all that is personal."""

from __future__ import annotations

import json
import smtplib
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from ledger.webhook import make_webhook
from tests.cli.daemon import LINK, REJECTION, WAIT_SECONDS, Daemon
from tests.cli.test_registering import Arrivals, links_in
from tests.relay.certificates import make_authority
from tests.relay.neighbours import Hop, always
from tests.serverthread import answering

# Who and what the letter is about.
CANDIDATE, TITLE, WORDS = "Kouho.zq81@mail.example.com", "鯨海件名", "鯱山本文"
SENDER, REFUSED = "jinji.zq80@aozora.example.jp", "fumei.zq89@mail.example.com"
# What a browser says of itself; of the agent the first 200 characters are kept for thirty days.
AGENT, AGENT_END = "MarkedAgentZq83", "FarBehindZq92"
CLICKER, REFERER, COOKIE, QUERY = "203.0.113.77", "webmail-zq85", "cookiezq93", "queryzq86"
# Who registers, and what a page of ours never asks for.
NAME, KANA, ADDRESS = "鱒沢鯉太郎", "マスザワコイタロウ", "Koi.zq84@mail.example.com"
PHONE, MESSAGE = "090-8765-4321", "鰯雲連絡"
# Who wants no mail; whom another service reports.
OTHER_NAME, OTHER, PERSON = "鮎川鱗子", "Rin.zq87@mail.example.com", "person-zq88@other.example"

NOWHERE = (
    *(CANDIDATE, TITLE, WORDS, SENDER, REFUSED),
    *(AGENT_END, CLICKER, REFERER, COOKIE, QUERY),
    *(NAME, KANA, ADDRESS, PHONE, MESSAGE, OTHER_NAME, OTHER, PERSON),
)

BROWSER = {
    "User-Agent": f"Mozilla/5.0 ({AGENT}) {'Gecko/20100101 ' * 13}{AGENT_END}",
    "Accept-Language": "ja",
    "X-Forwarded-For": CLICKER,
    "Referer": f"https://{REFERER}.example/?from={ADDRESS}",
    "Cookie": f"session={COOKIE}",
}


def letter(to: str) -> bytes:
    """Return a rejection with marks in its headers and its text."""
    head, _, body = REJECTION.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if line.startswith((b"MIME", b"Content", b"Date"))]
    marked = [
        f"From: {Header(NAME, 'utf-8').encode()} <{SENDER}>",
        f"To: {Header(NAME, 'iso-2022-jp').encode()} <{to}>",
        f"Subject: {Header(f'選考結果 {TITLE}', 'utf-8').encode()}",
        f"Message-ID: <{to.lower()}>",
    ]
    text = body.decode().replace("梶原 さくら", f"{NAME}").replace("夜間シフト", WORDS)
    assert NAME in text
    assert WORDS in text
    return b"\r\n".join([*(line.encode() for line in marked), *kept, b"", text.encode()])


@dataclass(slots=True)
class Receiver:
    """The placement service: takes what is handed over, by TLS."""

    url: str
    authority: Path
    taken: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    more: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def next(self) -> dict[str, object]:
        """Return what arrives next."""
        assert self.more.acquire(timeout=WAIT_SECONDS)
        return self.taken[-1]


@contextmanager
def receiver(folder: Path) -> Generator[Receiver]:
    """Run the placement service."""
    authority = make_authority(folder)
    context = authority.server_context(authority.issue(["localhost"]))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()
            running.more.release()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running = Receiver(f"https://localhost:{server.server_port}/people", authority.path)
    with answering(server):
        yield running


def prepare(config: Path, service: Receiver) -> None:
    """Have people registered, and handed over."""
    text = config.read_text(encoding="utf-8")
    text = text.replace('# [mail]\n# from = "relay@', '[mail]\nfrom = "relay@')
    secret = config.parent / "handover-secret"
    secret.touch(0o600)
    secret.write_text((config.parent / "webhook-secret").read_text())
    section = f'[handover]\nby = "webhook"\nurl = "{service.url}"\nsecret = "handover-secret"\n'
    config.write_text(text.replace("[outside]", f"{section}\n[outside]", 1), encoding="utf-8")


@contextmanager
def store_held(url: str) -> Generator[None]:
    """Keep everybody else from writing to the store."""
    if url.startswith("sqlite"):
        file = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
        file.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            file.execute("ROLLBACK")
            file.close()
        return
    with psycopg.connect(url.replace("+psycopg", "")) as server:
        server.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        yield
        server.rollback()


class Story:
    """What happens, in parts; `seen` is what the pages told the browser to keep or to tell."""

    def __init__(self, running: Daemon, next_hop: Hop, url: str, folder: Path) -> None:
        self._running = running
        self._hop = next_hop
        self._arrivals = Arrivals(next_hop)
        self._url = url
        self._folder = folder
        self.token = ""
        self.links: Mapping[str, str] = {}
        self.policies: set[str] = set()
        self.addresses: list[str] = []  # Of pages, which stand in histories and logs of proxies.
        base = f"http://127.0.0.1:{running.ports.intake}"
        self._browser = httpx.Client(
            base_url=base,
            follow_redirects=True,
            timeout=30,
            headers=BROWSER,
            event_hooks={"response": [self._note]},
        )

    def _note(self, answer: httpx.Response) -> None:
        if not answer.url.path.startswith("/v1/"):  # No browser goes on from there.
            self.policies.add(answer.headers.get("referrer-policy", ""))
        self.addresses.append(answer.headers.get("location", ""))

    def get_letters(self) -> None:
        """Two letters; the server refuses one recipient, and quotes it."""
        self._hop.answers["RCPT"] = lambda _connection, line: (
            f"550 5.1.1 <{REFUSED}> {line}".encode() if "zq89" in line else b"250 2.1.5 ok"
        )
        with self._running.client() as client:
            client.say(f"MAIL FROM:<{SENDER}>")
            assert client.say(f"RCPT TO:<{REFUSED}>").startswith("550")
        self._send(CANDIDATE)
        (token,) = LINK.findall(self._arrived_for(CANDIDATE))
        self.token = token.decode()

    def _send(self, to: str) -> None:
        with smtplib.SMTP("127.0.0.1", self._running.ports.relay, timeout=WAIT_SECONDS) as client:
            client.sendmail(SENDER, [to], letter(to))

    def _arrived_for(self, address: str, words: str = "") -> bytes:
        """Return the next message to somebody; mail that was deferred comes again at any time."""
        while True:
            wire = self._arrivals.next()
            if f"To: {address}" in wire.decode() or f"<{address}>" in wire.decode():
                if words in wire.decode():
                    return wire

    def click(self) -> None:
        """A click, one on a damaged link, and both again while the store is away."""
        for link in (self.token, f"{self.token}x", "b" * 43):
            self._browser.get(f"/{link}", params={"utm": QUERY, "who": ADDRESS})

    def while_the_store_is_away(self, look: Callable[[], None]) -> None:
        """A click and a report of another service are kept; `look` looks at what is there then."""
        with store_held(self._url):
            self.click()
            assert self._report() == 503
            look()

    def report_again(self) -> None:
        """The other service hears the answer, once what was kept is in the store."""
        self._running.wait_for_text("kept records are in the store now")
        assert self._report() == 202

    def register(self, look: Callable[[], None]) -> None:
        """The form, with more fields than it has; the mail server defers and quotes the address.

        `look` looks while the mail waits.
        """
        quoted = f"451 4.2.0 <{ADDRESS}> not now".encode()
        self._hop.answers["RCPT"] = always(quoted)
        page = self._browser.get(f"/{self.token}")
        form = {
            "name": f"{NAME}（{KANA}）",
            "address": ADDRESS,
            "job_group": "it",
            "privacy": "yes",
            "phone": PHONE,
            "message": MESSAGE,
        }
        wrong = self._browser.post(str(page.url), data=form | {"address": f"{ADDRESS}@"})
        assert wrong.status_code == 422
        sent = self._browser.post(str(page.url), data=form)
        assert "まだ登録は完了していません" in sent.text
        self._running.wait_for_text("send_mail")
        look()
        self._hop.answers["RCPT"] = always(b"250 2.1.5 ok")
        self._browser.post(str(sent.url).replace("/sent", "/again"))
        self.links = links_in(self._arrived_for(ADDRESS))

    def confirm(self, service: Receiver) -> None:
        """The link in the mail; then the placement service has the person."""
        done = self._browser.post(self.links["confirm"], data={"sure": "yes"})
        assert "登録が完了しました" in done.text
        data = service.next()["data"]
        assert isinstance(data, dict)
        assert (data["name"], data["address"]) == (f"{NAME}（{KANA}）", ADDRESS)

    def opt_out(self) -> None:
        """Somebody else registers and wants no more mail; the next letter has no link."""
        page = self._browser.get(f"/{self.token}")
        form = {"name": OTHER_NAME, "address": OTHER, "job_group": "it", "privacy": "yes"}
        self._browser.post(str(page.url), data=form)
        links = links_in(self._arrived_for(OTHER))
        self._browser.post(links["optout"], data={"sure": "yes"})
        self._browser.post(links["delete"], data={"sure": "yes"})
        self._send(OTHER)
        assert not LINK.search(self._arrived_for(OTHER, WORDS))

    def delete(self, service: Receiver) -> None:
        """Whoever registered takes it back; the placement service hears so."""
        assert "削除しました" in self._browser.post(self.links["delete"], data={"sure": "yes"}).text
        assert service.next()["type"] == "registration.erased"

    def close(self) -> None:
        """Close the browser."""
        self._browser.close()

    def places(self) -> list[str]:
        """Return the addresses of all pages that were shown, without those of the clicks."""
        return [urlsplit(address).query for address in self.addresses]

    def _report(self) -> int:
        now, stamp = datetime.now(UTC), "2026-03-02T01:00:00Z"
        data = {
            "signup_id": "signup-of-another-service",
            "token": self.token,
            "person_ref": PERSON,
            "verified_at": stamp,
            "verification": "double_opt_in",
            "consent_version": "2026-01",
        }
        body = json.dumps({"type": "signup.verified", "timestamp": stamp, "data": data})
        secret = (self._folder / "webhook-secret").read_text().strip()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": "message-1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": make_webhook(secret).sign("message-1", now, body),
        }
        return self._browser.post("/v1/signups", content=body, headers=headers).status_code
