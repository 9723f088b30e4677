"""A registration to test against: real HTTP, a real store, mail that goes to a real SMTP server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx

from ledger import store_log
from ledger.apply import Applier
from ledger.events import Event, link_issued, parse
from ledger.inbox import Inbox
from ledger.intake import IntakeServer, IntakeSettings, create_app
from ledger.jobs import Jobs, Kind
from ledger.mailer import Mailer, MailSettings
from ledger.mailjobs import SEND_MAIL, MailJobs
from ledger.pages import find_templates
from ledger.people import People
from ledger.policies import read_policies
from ledger.registrationmail import Letterhead, RegistrationMail
from ledger.registrationparts import RegistrationParts
from ledger.store import Store
from ledger.suppression import Suppression
from signer.keyring import KeyRing
from signer.tokens import make_token
from tests.relay.neighbours import Hop, hop

NOON = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
LINK_ID = "abcdefghijklmnop"
SUBJECT_KEY, PERSON_KEY = b"k" * 32, b"p" * 32
BASE_URL = "https://r.example.jp/"
CONTACT, LICENCE = "soudan@career.example.jp", "13-ユ-000000"
PHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15",
    "Accept-Language": "ja-JP",
}
HANAKO = {
    "name": "山田 花子",
    "address": "hanako@mail.example",
    "job_group": "sales",
    "privacy": "yes",
}
SURE = {"sure": "yes"}
_LINK = re.compile(rf"{re.escape(BASE_URL)}(\w+\?\w=[A-Za-z0-9._-]+)")


@dataclass(slots=True)
class World:
    """A registration that runs, and what a test does with it."""

    http: httpx.AsyncClient
    port: int
    ring: KeyRing
    store: Store
    inbox: Inbox
    applier: Applier
    people: People
    suppression: Suppression
    jobs: Jobs
    hop: Hop
    now: list[datetime] = field(default_factory=lambda: [NOON])

    async def issue(self, link_id: str = LINK_ID) -> str:
        """Put a letter's link on record and return its token."""
        event = link_issued("aozora", link_id, NOON, language="ja", stage="", position="")
        await self.inbox.submit(event)
        return make_token(self.ring, "aozora", link_id)

    async def send(self, token: str = "", lang: str = "ja", **changes: str) -> httpx.Response:
        """Send the form as a browser does."""
        return await self.http.post(
            "/register",
            params={"t": token, "lang": lang},
            data=HANAKO | changes,
            follow_redirects=True,
        )

    async def mails(self) -> list[EmailMessage]:
        """Send what is to be sent, and return all mail that has arrived."""
        for job_id in await asyncio.to_thread(self.jobs.due):
            await asyncio.to_thread(self.jobs.run, job_id)
        return [
            email.message_from_bytes(wire, policy=email.policy.default)
            for wire in self.hop.heard.wires
        ]

    async def links(self, number: int = -1) -> Mapping[str, str]:
        """Return the links of a mail by the page they lead to."""
        text = body_of((await self.mails())[number], "plain")
        return {link.partition("?")[0]: f"/{link}" for link in _LINK.findall(text)}

    async def confirm(self, token: str = "") -> httpx.Response:
        """Register and confirm; return the last page."""
        await self.send(token)
        return await self.http.post((await self.links())["confirm"], data=SURE)

    def events(self, company: str = "aozora") -> list[Event]:
        """Apply what is pending and return a company's log."""
        self.applier.apply_all()
        with self.store.read() as transaction:
            chunks = store_log.entries(transaction, company)
            return [parse(row.body) for chunk in chunks for row in chunk]


def body_of(message: EmailMessage, kind: str) -> str:
    """Return the text of a message, plain or html."""
    body = message.get_body((kind,))
    assert body
    return str(body.get_content()).replace("\r\n", "\n")


def visit(
    directory: Path,
    steps: Callable[[World], Awaitable[None]],
    language: str = "ja-JP",
    answer_seconds: float = 0.0,
) -> None:
    """Run the steps against a registration on a free port."""

    async def run(server_of_mail: Hop) -> None:
        now = [NOON]

        def clock() -> datetime:
            return now[0]

        store = Store(f"sqlite:///{directory}/ledger.db")
        inbox = Inbox(store, subject_key=SUBJECT_KEY, clock=clock, random_bytes=secrets.token_bytes)
        applier = Applier(store, read_policies(), clock=clock)
        ring = KeyRing.generate(NOON)
        people = People(store, (PERSON_KEY,), SUBJECT_KEY, clock)
        suppression = Suppression(store, SUBJECT_KEY, clock)
        letterhead = Letterhead(BASE_URL, "キャリアリレー", CONTACT, LICENCE)
        parts = RegistrationParts(
            people,
            suppression,
            lambda ring: RegistrationMail(
                letterhead, find_templates(), ring, suppression, SUBJECT_KEY
            ),
            {"aozora": ("aozora.example.jp",)},
            answer_seconds,
        )
        settings = IntakeSettings(
            ("aozora",), service="キャリアリレー", contact=CONTACT, licence=LICENCE
        )
        app = create_app(
            settings, ring, inbox, applier, clock, lambda: secrets.token_hex(8), registration=parts
        )
        mailer = Mailer(MailSettings("127.0.0.1", server_of_mail.port, "relay@r.example.jp"))
        jobs = Jobs(store, clock)
        jobs.kinds[SEND_MAIL] = Kind(MailJobs(mailer, SUBJECT_KEY, clock).run, 3600)
        server = IntakeServer("127.0.0.1", 0, app)
        inbox.start()
        await server.start()
        headers = PHONE | {"Accept-Language": language}
        try:
            base = f"http://127.0.0.1:{server.port}"
            async with httpx.AsyncClient(base_url=base, timeout=15, headers=headers) as http:
                world = World(
                    http,
                    server.port,
                    ring,
                    store,
                    inbox,
                    applier,
                    people,
                    suppression,
                    jobs,
                    server_of_mail,
                    now,
                )
                await steps(world)
        finally:
            await server.stop()
            inbox.close()
            store.close()

    with hop() as server_of_mail:
        asyncio.run(run(server_of_mail))
