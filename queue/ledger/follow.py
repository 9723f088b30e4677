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
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.agents import load_agents
from ledger.clickdetail import HEADERS_KEPT, raw_detail
from ledger.clickevents import clicks_thinned, link_clicked
from ledger.clickrate import ClickRate
from ledger.clicks import HEADERS_READ, LOOPBACK, LinkWatch, Network, network_of, read_click
from ledger.inbox import Inbox
from ledger.intakecounts import Counts, Kept, Outcome, What
from ledger.pages import PAGE_HEADERS
from ledger.scanranges import ScannerRanges
from ledger.signals import Click, Signal
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
_HEADERS = {name.encode(): name for name in (*HEADERS_READ, *HEADERS_KEPT)}
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
        method, headers = scope["method"], _headers_of(scope)
        address = scope["client"][0] if scope["client"] else ""
        network = network_of(address)
        click = self._judge(claims, (method, headers), (address, network), now)
        self._state.counts.add(What.CLICKS, click.click_class)
        rated = "" if network in LOOPBACK else network
        if not self._state.rate.admits(rated, claims.company, now):
            return Kept.THINNED
        event = link_clicked(
            claims.company,
            claims.link_id,
            now,
            click_id=self._new_id(),
            click_class=click.click_class,
            signals=",".join(click.signals),
        )
        detail = raw_detail(method, headers, network, click.signals)
        place = await self._inbox.submit(
            event,
            detail=detail,
            deadline_seconds=CLICK_STORE_SECONDS,
            keeping_seconds=CLICK_SPILL_SECONDS,
        )
        return Kept(place)

    def _judge(
        self,
        claims: Claims,
        said: tuple[str, Mapping[str, str]],
        came_from: tuple[str, Network],
        now: datetime,
    ) -> Click:
        """Return the class: of what was said, method and headers, and where from, how often."""
        address, network = came_from
        seen = list(self._state.watch.note(claims.link_id, network, now))
        if self._ranges.name_of(address):
            seen.append(Signal.SCANNER_RANGE)
        return read_click(*said, self._agents, seen)


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


def _headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers that are looked at, by lower-case names; of a repeated one the first."""
    return {
        _HEADERS[name]: value.decode("latin-1")
        for name, value in reversed(scope["headers"])
        if name in _HEADERS
    }


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
