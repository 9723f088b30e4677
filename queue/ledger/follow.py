"""Follows a link: token in, redirect out, the click on record in between.

Whatever became of the link on its way, and whatever the store does, the candidate is sent on at
once (promise 7): to the registration page with the token as it was issued, or to the friendly
front page. Nothing that is asked here waits for the database but the record of the click, and that
ends after `CLICK_MAX_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ledger.agents import load_agents
from ledger.clickdetail import raw_detail
from ledger.clickevents import clicks_thinned, link_clicked
from ledger.clickrate import ClickRate
from ledger.clicks import LOOPBACK, LinkWatch, network_of, read_click
from ledger.inbox import Inbox
from ledger.pages import PAGE_HEADERS
from ledger.scanranges import ScannerRanges
from ledger.signals import Click, Signal
from signer.errors import BadToken
from signer.keyring import KeyRing
from signer.tokens import Claims, read_link

# How long a candidate waits for our disk. A group commit takes some 10 ms; over a second a person
# notices, and is sent on without the record.
CLICK_MAX_SECONDS = 1.0
# How much of it is the store's; in the rest the click is kept in the spill file.
CLICK_STORE_SECONDS = 0.5
FRONT_PATH = "/"
REGISTER_PATH = "/register"
NOTICE_QUERY = "notice=link"

log = structlog.get_logger("intake")


class Settings(Protocol):
    """What following links needs to know of the settings."""

    @property
    def companies(self) -> tuple[str, ...]: ...
    @property
    def registration_url(self) -> str: ...
    @property
    def scanner_ranges(self) -> ScannerRanges: ...


class State(Protocol):
    """What changes while links are followed."""

    ring: KeyRing
    counts: Counter[str]
    watch: LinkWatch
    rate: ClickRate


class Links:
    """Follows links; one per application."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        inbox: Inbox,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._companies = settings.companies
        self._ranges = settings.scanner_ranges
        self._destination = _before_token(settings.registration_url or REGISTER_PATH)
        self._state = state
        self._inbox = inbox
        self._clock = clock
        self._new_id = new_id
        self._agents = load_agents()

    async def follow(self, request: Request) -> Response:
        """Send the candidate on, whatever became of the link on its way."""
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        claims = self._read(request.scope["path"].lstrip("/"))
        if claims is None:
            return redirect(f"{FRONT_PATH}?{NOTICE_QUERY}")
        await self._keep(claims, request)
        before, after = self._destination
        return redirect(before + claims.token + after)

    def _read(self, text: str) -> Claims | None:
        try:
            return read_link(self._state.ring, text, self._companies)
        except BadToken as error:
            self._state.counts[f"link_{error.reason}"] += 1
            return None

    async def _keep(self, claims: Claims, request: Request) -> None:
        """Put the click on record; if that fails, the candidate does not notice (promise 7)."""
        try:
            async with asyncio.timeout(CLICK_MAX_SECONDS):
                await self._record(claims, request)
        except Exception as error:
            # Everything: no bug of the accounting may stand between a candidate and the page.
            self._state.counts["click_lost"] += 1
            log.warning("click lost", link_id=claims.link_id, reason=type(error).__name__)

    async def _record(self, claims: Claims, request: Request) -> None:
        now = self._clock()
        address = request.client.host if request.client else ""
        click = self._judge(claims, request, address, now)
        network = network_of(address)
        rated = "" if network in LOOPBACK else network
        is_kept = self._state.rate.admits(rated, claims.company, now)
        await record_thinned(self._state, self._inbox, now, self._new_id)
        if not is_kept:
            self._state.counts["click_thinned"] += 1
            return
        event = link_clicked(
            claims.company,
            claims.link_id,
            now,
            click_id=self._new_id(),
            click_class=click.click_class,
            signals=",".join(click.signals),
        )
        detail = raw_detail(request.method, request.headers, address, click.signals)
        await self._inbox.submit(event, detail=detail, deadline_seconds=CLICK_STORE_SECONDS)
        self._state.counts[f"click_{click.click_class}"] += 1
        log.info(
            "click",
            event_id=event.id,
            company=claims.company,
            link_id=claims.link_id,
            click_class=click.click_class,
            signals=event.data["signals"],
        )

    def _judge(self, claims: Claims, request: Request, address: str, now: datetime) -> Click:
        seen = list(self._state.watch.note(claims.link_id, address, now))
        if self._ranges.name_of(address):
            seen.append(Signal.SCANNER_RANGE)
        return read_click(request.method, request.headers, self._agents, seen)


async def record_thinned(
    state: State, inbox: Inbox, now: datetime | None, new_id: Callable[[], str]
) -> None:
    """Put on record how many clicks of past minutes were not kept singly; all, without a `now`.

    To be called without one before the inbox closes. Raises `InboxError`.
    """
    for one in state.rate.take_finished(now):
        time = datetime.fromtimestamp(one.minute * 60, UTC)
        event = clicks_thinned(one.company, time, event_id=new_id(), count=one.count)
        log.warning("clicks thinned", company=one.company, count=one.count)
        await inbox.submit(event, deadline_seconds=CLICK_STORE_SECONDS)


def redirect(location: str) -> Response:
    """Return the answer that sends a browser on, kept by nobody and telling nobody."""
    return Response(status_code=303, headers={"Location": location, **PAGE_HEADERS})


def _before_token(url: str) -> tuple[str, str]:
    """Return what stands before and after the token in the address of the registration page."""
    parts = urlsplit(url)
    query = f"{parts.query}&t=" if parts.query else "t="
    before = parts._replace(query=query, fragment="").geturl()
    return before, f"#{parts.fragment}" if parts.fragment else ""
