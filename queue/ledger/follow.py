"""Follows a link: token in, redirect out, the click on record in between.

Whatever became of the link on its way, and whatever the store does, the candidate is sent on at
once (promise 7): to the registration page with the token as it was issued, or to the friendly
front page. Nothing that is asked here waits for the database but the record of the click, and that
ends after `CLICK_MAX_SECONDS`.

A mailing is opened by thousands in one minute, so this speaks ASGI itself: of a request it reads
what it needs, once, and whole links are answered in front of the router.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.agents import load_agents
from ledger.clickevents import clicks_thinned
from ledger.clickrate import ClickRate
from ledger.clickrecord import ClickRecord
from ledger.clicks import LOOPBACK, LinkWatch, Network, network_of
from ledger.inbox import Inbox
from ledger.intakecounts import Counts, Kept, Outcome, What
from ledger.pages import PAGE_HEADERS
from ledger.scanranges import ScannerRanges
from ledger.signals import Signal
from signer.errors import BadToken
from signer.keyring import KeyRing
from signer.tokens import TOKEN_CHARS, Claims, read_link

# How long a candidate waits for our disk. A group commit takes some 10 ms; over a second a person
# notices, and is sent on without the record.
CLICK_MAX_SECONDS = 1.0
# How much of it is the store's; in the rest the click is kept in the spill file.
CLICK_STORE_SECONDS = 0.5
CLICK_SPILL_SECONDS = CLICK_MAX_SECONDS - CLICK_STORE_SECONDS
FRONT_PATH = "/"
REGISTER_PATH = "/register"
NOTICE_QUERY = "notice=link"

_METHODS = ("GET", "HEAD")
# Without a body there is nothing to sniff.
_HEADERS_SENT = tuple(
    (name.lower().encode(), value.encode())
    for name, value in PAGE_HEADERS.items()
    if name != "X-Content-Type-Options"
)
_WHOLE = re.compile(rf"/[a-z2-7]{{{TOKEN_CHARS}}}")

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
    counts: Counts
    watch: LinkWatch
    rate: ClickRate


class Links:
    """Follows links: an ASGI application, one for each that serves people."""

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the candidate on, whatever became of the link on its way."""
        if scope["method"] not in _METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(_METHODS)})
        claims = self._read(scope["path"].lstrip("/"))
        if claims is None:
            await _send_on(send, f"{FRONT_PATH}?{NOTICE_QUERY}")
            return
        await self._keep(claims, scope)
        before, after = self._destination
        await _send_on(send, before + claims.token + after)

    def _read(self, text: str) -> Claims | None:
        try:
            claims = read_link(self._state.ring, text, self._companies)
        except BadToken as error:
            self._state.counts.add(What.LINKS, Outcome(error.reason))
            return None
        is_whole = claims.token == text
        self._state.counts.add(What.LINKS, Outcome.WHOLE if is_whole else Outcome.MENDED)
        return claims

    async def _keep(self, claims: Claims, scope: Scope) -> None:
        """Put the click on record; if that fails, the candidate does not notice (promise 7)."""
        try:
            now = self._clock()
            if self._state.rate.has_finished(now):
                async with asyncio.timeout(CLICK_MAX_SECONDS):
                    await record_thinned(self._state, self._inbox, now, self._new_id)
                    kept = await self._record(claims, scope, now)
            else:  # It keeps to the time by itself, which is cheaper.
                kept = await self._record(claims, scope, now)
        except Exception as error:
            # Everything: no bug of the accounting may stand between a candidate and the page.
            kept = Kept.LOST
            log.warning("click lost", link_id=claims.link_id, reason=type(error).__name__)
        self._state.counts.add(What.RECORDS, kept)

    async def _record(self, claims: Claims, scope: Scope, now: datetime) -> Kept:
        address = scope["client"][0] if scope["client"] else ""
        network = network_of(address)
        click = ClickRecord(
            claims.company,
            claims.link_id,
            self._new_id(),
            now,
            scope["method"],
            scope["headers"],
            network,
            self._seen(claims.link_id, address, network, now),
            self._agents,
        )
        rated = "" if network in LOOPBACK else network
        try:
            if not self._state.rate.admits(rated, claims.company, now):
                return Kept.THINNED
            place = await self._inbox.submit_made(
                click.make,
                deadline_seconds=CLICK_STORE_SECONDS,
                keeping_seconds=CLICK_SPILL_SECONDS,
            )
            return Kept(place)
        finally:
            self._state.counts.add(What.CLICKS, click.judged.click_class)

    def _seen(
        self, link_id: str, address: str, network: Network, now: datetime
    ) -> tuple[Signal, ...]:
        """Return what address and link show, and remember the request."""
        seen = self._state.watch.note(link_id, network, now)
        return (*seen, Signal.SCANNER_RANGE) if self._ranges.name_of(address) else seen


class LinksFirst:
    """Answers links which came through whole; the rest is for the application behind it."""

    def __init__(self, app: ASGIApp, links: Links) -> None:
        self._app = app
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        is_link = scope["type"] == "http" and _WHOLE.fullmatch(scope["path"])
        if is_link and scope["method"] in _METHODS:
            try:
                await self._links(scope, receive, send)
                return
            except Exception:
                # Nothing is sent before all that can fail. The application follows links, too, and
                # has a calm answer for a bug.
                log.exception("link_failed")
        await self._app(scope, receive, send)


async def _send_on(send: Send, location: str) -> None:
    """Send the answer of `redirect`."""
    headers = [(b"location", location.encode("ascii")), (b"content-length", b"0"), *_HEADERS_SENT]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


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
