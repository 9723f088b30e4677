"""The outside world of a demonstration: a mail server that takes everything, and a page about it.

The page shows what arrived and, for letters whose sending was recorded, what became of them on the
way. Mail is hostile: every word of it is escaped, HTML parts are shown in a sandboxed frame that
may load nothing, and no page has a script. It is for the eyes of who runs it, on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ledger.pages import Page, Pages, choose_language, find_templates
from ledger.webserver import WebServer
from relay.cli.outside_view import LetterView, render_html_part, view_letter
from relay.compare import compare, message_id_of
from relay.sink import Arrival, Sink
from relay.undo import NotOurs, restore

SENT_MAX = 500  # As many as the sink keeps of what arrived.
ROWS_MAX = 100  # On one page.
FOLDER = "outside"
# No script, no form, no other host: a letter may style itself and show pictures it brought along.
_FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was handed in, and what its sender calls it."""

    message: bytes
    label: str


class OutsideWorld:
    """Takes all mail on one port and shows it on another.

    Port 0 takes a free one. Messages are kept in `directory/outside` as `NNN.eml`.
    """

    def __init__(
        self,
        host: str,
        smtp_port: int,
        http_port: int,
        directory: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._sink = Sink(host, smtp_port, directory / FOLDER, clock)
        self._sent: OrderedDict[bytes, Sent] = OrderedDict()
        # Comparing takes milliseconds, for large messages more: done once.
        self._views: OrderedDict[int, LetterView] = OrderedDict()
        self._views_lock = threading.Lock()  # Requests compare in threads of their own.
        self._pages = Pages(find_templates(), "outside.css", frames=True)
        self._web = WebServer(host, http_port, self._app())

    @property
    def messages(self) -> tuple[Arrival, ...]:
        """What arrived, oldest first."""
        return self._sink.messages

    @property
    def smtp_port(self) -> int:
        """Where mail is taken, once started."""
        return self._sink.port

    @property
    def http_port(self) -> int:
        """Where the page is, once started."""
        return self._web.port

    @property
    def http_url(self) -> str:
        """The address of the page, once started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.http_port}/"

    async def start(self) -> None:
        """Listen on both ports; an `OSError` where one cannot be had."""
        await self.start_sink()
        try:
            await self.start_page()
        except BaseException:
            await self.stop()
            raise

    async def start_sink(self) -> None:
        """Take mail from now on; an `OSError` where the port cannot be had."""
        await self._sink.start()

    async def start_page(self) -> None:
        """Show it from now on; an `OSError` where the port cannot be had."""
        await self._web.start()

    async def stop(self) -> None:
        """Close both ports. Harmless when not started."""
        await self._web.stop()
        await self._sink.stop()

    def record_sent(self, message: bytes, label: str) -> None:
        """Remember a message as it is sent, so that it can be compared with what arrives.

        It is known again by its bytes, as they arrive or as they are restored, or by its
        Message-ID. A label that it has stays.
        """
        for key in (_digest(message), message_id_of(message)):
            known = self._sent.get(key)
            self._sent[key] = Sent(message, label or (known.label if known else ""))
        while len(self._sent) > 2 * SENT_MAX:
            self._sent.popitem(last=False)

    def letter(self, number: int) -> LetterView | None:
        """Return what there is to show of the message with this number."""
        arrival = next((kept for kept in self.messages if kept.number == number), None)
        return None if arrival is None else self._view(arrival)

    def _view(self, arrival: Arrival) -> LetterView:
        with self._views_lock:
            return self._view_locked(arrival)

    def _view_locked(self, arrival: Arrival) -> LetterView:
        known = self._views.get(arrival.number)
        if known is not None and known.verdict != "unknown":
            return known
        sent = self._find_sent(arrival.message)
        comparison = compare(sent.message if sent else None, arrival.message)
        view = view_letter(arrival, sent.label if sent else "", comparison)
        self._views[arrival.number] = view
        while len(self._views) > SENT_MAX:
            self._views.popitem(last=False)
        return view

    def _find_sent(self, message: bytes) -> Sent | None:
        found = self._sent.get(_digest(message))
        if found is None:
            with contextlib.suppress(NotOurs):
                found = self._sent.get(_digest(restore(message)))
        message_id = message_id_of(message)
        return found or (self._sent.get(message_id) if message_id else None)

    # ------------------------------------------------------------ the page

    def _app(self) -> Starlette:
        routes = [
            Route("/", self._show_list),
            Route("/favicon.ico", _no_picture),
            Route("/letters/{number:int}", self._show_letter),
            Route("/letters/{number:int}/html/{part:int}", self._show_html),
            Route("/letters/{number:int}/arrived.eml", self._download_arrived),
            Route("/letters/{number:int}/sent.eml", self._download_sent),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._show_missing})

    async def _show_list(self, request: Request) -> Response:
        newest = self.messages[::-1][:ROWS_MAX]
        letters = await asyncio.to_thread(lambda: [self._view(arrival) for arrival in newest])
        verdicts = [letter.verdict for letter in letters]
        return self._page(
            request,
            "outside.html.j2",
            letters=letters,
            arrived=len(self.messages),
            changed=verdicts.count("changed"),
            identical=verdicts.count("identical"),
            smtp_port=self.smtp_port,
        )

    async def _show_letter(self, request: Request) -> Response:
        letter = await self._wanted(request)
        return self._page(request, "outside_letter.html.j2", letter=letter)

    async def _show_html(self, request: Request) -> Response:
        letter = await self._wanted(request)
        index = int(request.path_params["part"])
        part = next((part for part in letter.parts if part.index == index), None)
        if part is None or part.kind != "html":
            raise HTTPException(404)
        headers = {
            "Content-Security-Policy": _FRAME_POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(render_html_part(part).encode("utf-8", "replace"), headers=headers)

    async def _download_arrived(self, request: Request) -> Response:
        letter = await self._wanted(request)
        return _download(letter.comparison.after, f"{letter.number:03d}-arrived.eml")

    async def _download_sent(self, request: Request) -> Response:
        letter = await self._wanted(request)
        if letter.comparison.before is None:
            raise HTTPException(404)
        return _download(letter.comparison.before, f"{letter.number:03d}-sent.eml")

    async def _show_missing(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = self._page(request, "outside_missing.html.j2")
        answer.status_code = error.status_code
        return answer

    async def _wanted(self, request: Request) -> LetterView:
        letter = await asyncio.to_thread(self.letter, int(request.path_params["number"]))
        if letter is None:
            raise HTTPException(404)
        return letter

    def _page(self, request: Request, template: str, **values: object) -> Response:
        asked = request.query_params.get("lang", "")
        language = choose_language(request.headers.get("accept-language", ""), asked)
        suffix = f"?lang={language}" if asked else ""
        page: Page = self._pages.render(template, language=language, suffix=suffix, **values)
        html = page.html.encode("utf-8", "replace")
        return HTMLResponse(html, headers=page.headers)


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def _download(message: bytes, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(message, media_type="message/rfc822", headers=headers)


async def _no_picture(_request: Request) -> Response:
    return Response(status_code=204)
