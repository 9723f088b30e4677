"""The intake: what a candidate meets behind a link, and the API of the registration service.

    GET /{token}            303 at once to the registration page; the click is on disk by then
    GET /                   the service's front page, also for links that did not come through whole
    GET /register?t={token} the built-in registration (see ledger.registration)
    POST /v1/signups        a confirmed registration (see ledger.signups)
    GET /v1/openapi.json    the API's description
    GET /checkpoint, /log/… what is published of the logs (see ledger.tiles)

Promises: a candidate never meets our accounting (promise 7): damaged links, a full disk or a bug
here end on a friendly page, never on an error. No cookie is set, and of a request the log gets the
class of a click and the names of its signals alone (promise 8); network and browser are kept beside
it for thirty days (`ledger.retention`). There is no open redirect: the destination is configured,
never taken from the request.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ledger.api import IntakeApp, make_router
from ledger.apply import Applier
from ledger.attribution import ATTRIBUTION_DAYS, Attribution
from ledger.clickrate import ClickRate
from ledger.clicks import LinkWatch
from ledger.follow import FRONT_PATH, REGISTER_PATH, Links, LinksFirst, redirect
from ledger.inbox import Inbox
from ledger.intakecounts import Counts, Hear
from ledger.networkbound import NetworkBound
from ledger.pages import PAGE_HEADERS, Page, Pages, choose_language, find_templates
from ledger.registration import Registration
from ledger.registrationform import load_questions
from ledger.registrationparts import RegistrationParts, Surroundings
from ledger.scanranges import ScannerRanges
from ledger.sealed import Seal
from ledger.signups import KEPT, Signups
from ledger.store import LedgerError
from ledger.webhook import make_webhook
from ledger.webserver import WebServer
from signer.keyring import KeyRing

READY_MAX_SECONDS = 2.0  # Probes of load balancers wait 2 to 5 seconds.
WATCH_SECRET_BYTES = 32

log = structlog.get_logger("intake")

# What is served to the composition root under the name of its use.
IntakeServer = WebServer


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """What the intake needs to know; checked on construction, `ValueError` says what is wrong.

    `registration_url` is the external registration page, `""` for the built-in one. The token is
    handed on as the parameter `t`. `webhook_secret` is `whsec_` and base64, `""` when no
    registration service reports; `seal_key` seals reports that are kept while the store is
    away. `service`, `contact` and `licence` are shown on our pages. `scanner_ranges` are networks
    of scanners; a registration counts for a company within `attribution_days` of the letter.
    """

    companies: tuple[str, ...]
    registration_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    seal_key: bytes = field(default=b"", repr=False)
    service: str = "Career Relay"
    contact: str = ""
    licence: str = ""
    templates: Path | None = None
    scanner_ranges: ScannerRanges = field(default_factory=ScannerRanges, repr=False)
    attribution_days: int = ATTRIBUTION_DAYS

    def __post_init__(self) -> None:
        if self.webhook_secret:
            make_webhook(self.webhook_secret)
        if not self.registration_url:
            return
        parts = urlsplit(self.registration_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("registration_url must be a whole http or https URL")
        if not self.registration_url.isascii() or not self.registration_url.isprintable():
            raise ValueError("registration_url must be printable ASCII")


def _new_watch() -> LinkWatch:
    return LinkWatch(secrets.token_bytes(WATCH_SECRET_BYTES))


def _new_rate() -> ClickRate:
    return ClickRate(secrets.token_bytes(WATCH_SECRET_BYTES))


@dataclass(slots=True)
class IntakeState:
    """What changes while an intake runs.

    `ring` may be replaced. `counts` is what has happened since the process began. `watch` and
    `rate` are what clicks have shown so far, `bound` is who has sent forms.
    """

    ring: KeyRing
    counts: Counts = field(default_factory=Counts)
    watch: LinkWatch = field(default_factory=_new_watch)
    rate: ClickRate = field(default_factory=_new_rate)
    bound: NetworkBound = field(default_factory=NetworkBound)


def create_app(
    settings: IntakeSettings,
    ring: KeyRing,
    inbox: Inbox,
    applier: Applier,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    earlier: IntakeState | None = None,
    log_routes: Sequence[Route] = (),
    registration: RegistrationParts | None = None,
    hear: Hear | None = None,
) -> FastAPI:
    """Return the application.

    `new_id` gives ids for clicks (letters, digits, `_.-`). What changes while it runs is in
    `app.state.intake`, an `IntakeState`; an application that takes another's place goes on with
    what that one has seen, `earlier`. `log_routes` publish checkpoints and tiles.
    Without `registration` our own page says whom to write to. `hear` hears what is counted.
    """
    state = IntakeState(ring, Counts(hear))
    if earlier is not None:
        state.counts, state.watch, state.rate = earlier.counts, earlier.watch, earlier.rate
        state.bound = earlier.bound
    attribution = Attribution(
        lambda: state.ring, settings.companies, applier.time_of, settings.attribution_days
    )
    pages = _CandidatePages(settings)
    links = Links(settings, state, inbox, clock, new_id)
    registering = [Route(REGISTER_PATH, pages.register)]
    if registration is not None:
        around = Surroundings(
            show=pages.show,
            language=pages.language,
            questions=load_questions(settings.templates or find_templates()),
            ring=lambda: state.ring,
            attribute=attribution.of,
            applier=applier,
            clock=clock,
            counts=state.counts,
        )
        registering = Registration(registration, around, state.bound).routes()
    people = Starlette(
        routes=[
            Route("/robots.txt", _robots),
            Route("/favicon.ico", _no_picture),
            Route("/healthz", _healthy),
            Route("/readyz", _Readiness(applier).answer),
            Route(FRONT_PATH, pages.front),
            *registering,
            *log_routes,
        ],
        exception_handlers={HTTPException: pages.answer_http_error, Exception: pages.answer_bug},
    )
    # Not a route "/{path:path}": its pattern does not match a line end, which mail programs add.
    people.router.default = links
    people.router.redirect_slashes = False
    app = IntakeApp(LinksFirst(people, links))
    app.state.intake = state
    signups = None
    if settings.webhook_secret:
        webhook = make_webhook(settings.webhook_secret)
        seal = Seal(settings.seal_key, KEPT)
        signups = Signups(webhook, attribution, inbox, applier, clock, seal)
    app.include_router(make_router(signups))
    return app


class _Readiness:
    """Says whether the store answers, for who sends us requests."""

    def __init__(self, applier: Applier) -> None:
        self._applier = applier

    async def answer(self, _request: Request) -> Response:
        """Return 200 when a question to the store is answered in time, 503 when not."""
        headers = {"Cache-Control": "no-store"}
        try:
            async with asyncio.timeout(READY_MAX_SECONDS):
                await asyncio.to_thread(self._applier.outcome, "")
        except (LedgerError, TimeoutError) as error:
            log.warning("not ready", reason=type(error).__name__)
            return JSONResponse({"status": "away"}, 503, headers=headers)
        return JSONResponse({"status": "ok"}, headers=headers)


class _CandidatePages:
    """The few pages of our own, in the reader's language."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._pages = Pages(settings.templates or find_templates(), "web.css", forms=True)
        self._settings = settings

    async def front(self, request: Request) -> Response:
        """Return the front page, with a friendly word for a link that came through damaged."""
        return _page(self._front(request, notice="notice" in request.query_params))

    async def register(self, request: Request) -> Response:
        """Return the registration page."""
        return _page(self._render(request, "register.html.j2"))

    def show(
        self, request: Request, template: str, status: int = 200, **values: object
    ) -> Response:
        """Return a page of the registration."""
        return _page(self._render(request, template, **values), status)

    def language(self, request: Request) -> str:
        """Return the reader's language."""
        asked = request.query_params.get("lang", "")
        return choose_language(request.headers.get("accept-language", ""), asked)

    async def answer_http_error(self, request: Request, error: Exception) -> Response:
        """Return a page, since a person is reading."""
        assert isinstance(error, HTTPException)
        answer = _page(self._front(request, notice=True), error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    async def answer_bug(self, request: Request, error: Exception) -> Response:
        """Return a calm answer to what should not have happened; the server logs the cause."""
        if request.url.path in (FRONT_PATH, REGISTER_PATH):
            # The page itself is what failed.
            text = (
                "しばらくしてから、もう一度お開きください。 / Please come back in a little while."
            )
            return PlainTextResponse(text, 503, headers=PAGE_HEADERS)
        return redirect(FRONT_PATH)

    def _front(self, request: Request, *, notice: bool) -> Page:
        return self._render(request, "front.html.j2", notice=notice)

    def _render(self, request: Request, template: str, **values: object) -> Page:
        language, settings = self.language(request), self._settings
        other = request.url.include_query_params(lang="en" if language == "ja" else "ja")
        return self._pages.render(
            template,
            language=language,
            other_query=other.query,
            own_query=request.url.include_query_params(lang=language).query,
            service=settings.service,
            contact=settings.contact,
            licence=settings.licence,
            **values,
        )


def _page(page: Page, status: int = 200) -> Response:
    return HTMLResponse(page.html, status, headers={**page.headers, "Vary": "Accept-Language"})


async def _robots(_request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def _no_picture(_request: Request) -> Response:
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
