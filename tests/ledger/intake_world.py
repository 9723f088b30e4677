"""An intake to test against: real HTTP on a free port, a real store, the real applier."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from ledger import store_log
from ledger.apply import Applier
from ledger.attribution import ATTRIBUTION_DAYS
from ledger.events import Event, EventType, letter_delivered, link_issued, parse
from ledger.inbox import Inbox
from ledger.intake import IntakeServer, IntakeSettings, create_app
from ledger.policies import read_policies
from ledger.reclassify import Reclassifier
from ledger.report import report
from ledger.spill import Spill
from ledger.store import Store
from ledger.webhook import make_webhook
from signer.keyring import KeyRing
from signer.tokens import make_token

NOON = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
SETTINGS = IntakeSettings(companies=("aozora", "midori"), webhook_secret=SECRET)
LINK_ID = "abcdefghijklmnop"
PHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15",
    "Accept-Language": "ja-JP",
}


@dataclass(slots=True)
class World:
    """An intake that runs, and what a test does with it."""

    app: FastAPI
    http: httpx.AsyncClient
    port: int
    ring: KeyRing
    store: Store
    inbox: Inbox
    applier: Applier
    now: list[datetime] = field(default_factory=lambda: [NOON])

    def token(self, link_id: str = LINK_ID) -> str:
        """Return the token of a letter of the first company."""
        return make_token(self.ring, "aozora", link_id)

    async def issue(self, link_id: str = LINK_ID) -> str:
        """Put a letter's link on record and return its token."""
        event = link_issued(
            "aozora", link_id, self.now[0], language="ja", stage="document", position="sales"
        )
        await self.inbox.submit(event)
        return self.token(link_id)

    def events(self, company: str = "aozora") -> list[Event]:
        """Apply what is pending and return a company's log."""
        self.applier.apply_all()
        with self.store.read() as transaction:
            chunks = store_log.entries(transaction, company)
            return [parse(row.body) for chunk in chunks for row in chunk]

    async def deliver(self, link_id: str = LINK_ID) -> str:
        """Put a letter and the next hop's 250 on record and return the token of its link."""
        token = await self.issue(link_id)
        await self.inbox.submit(letter_delivered("aozora", link_id, self.now[0], 250))
        return token

    def find_out(self, attribution_days: int = ATTRIBUTION_DAYS) -> list[Event]:
        """Have the worker look at all clicks an hour later; return what it put on record."""
        later = self.now[0] + timedelta(hours=1)
        self.applier.apply_all()
        found: list[Event] = []
        reclassifier = Reclassifier(self.store, attribution_days)
        while due := reclassifier.due(later):
            report(self.store, due, later)
            found += due
        self.applier.apply_all()
        return found

    def clicks(self) -> list[Event]:
        """Return the clicks on record."""
        return [event for event in self.events() if event.type is EventType.LINK_CLICKED]

    async def report(
        self, token: str, signup_id: str = "sgn_1", person: str = "person-1", **changes: Any
    ) -> httpx.Response:
        """Call the webhook with a good signature."""
        data = {
            "signup_id": signup_id,
            "token": token,
            "person_ref": person,
            "verified_at": "2026-01-15T02:59:00Z",
            "verification": "double_opt_in",
            "consent_version": "2026-01",
            **changes,
        }
        body = {"type": "signup.verified", "timestamp": "2026-01-15T02:59:30Z", "data": data}
        return await self.call(json.dumps(body).encode())

    async def call(self, body: bytes, **headers: str) -> httpx.Response:
        """Post a signed body."""
        signed = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(self.now[0].timestamp())),
            "webhook-signature": make_webhook(SECRET).sign("msg_1", self.now[0], body.decode()),
            "content-type": "application/json",
        }
        return await self.http.post("/v1/signups", content=body, headers=signed | headers)


def visit(
    directory: Path,
    steps: Callable[[World], Awaitable[None]],
    settings: IntakeSettings = SETTINGS,
    *,
    spill: Spill | None = None,
) -> None:
    """Run the steps against an intake on a free port; `spill` is for when the store is away."""

    async def run() -> None:
        now = [NOON]
        store = Store(f"sqlite:///{directory}/ledger.db")
        inbox = Inbox(
            store,
            subject_key=b"k" * 32,
            clock=lambda: now[0],
            random_bytes=secrets.token_bytes,
            spill=spill,
        )
        applier = Applier(store, read_policies(), clock=lambda: now[0])
        ring = KeyRing.generate(NOON)
        ids = iter(range(10_000))
        app = create_app(settings, ring, inbox, applier, lambda: now[0], lambda: f"c{next(ids)}")
        server = IntakeServer("127.0.0.1", 0, app)
        inbox.start()
        await server.start()
        try:
            base = f"http://127.0.0.1:{server.port}"
            async with httpx.AsyncClient(base_url=base, timeout=15, headers=PHONE) as http:
                await steps(World(app, http, server.port, ring, store, inbox, applier, now))
        finally:
            await server.stop()
            inbox.close()
            store.close()

    asyncio.run(run())
