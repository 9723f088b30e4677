"""The built-in registration: form, confirmation, opting out, deletion. No login, no cookie.

    GET, POST /register?t=…      the form; sending it causes a mail, and nothing else
    GET /register/sent?r=…       what to do now; POST /register/again?r=… sends the mail once more
    GET, POST /confirm?c=…       a page with a button; the button confirms. Once done, it says so
    GET, POST /optout?u=…        no more mail, and no line in letters either; also RFC 8058's POST
    GET, POST /delete?d=…        takes a registration back and deletes it

Promises: a GET changes nothing; a program that sends every form it meets gets a mail sent at most,
since what acts on a person asks for a tick in a box besides; the same page is shown whether an
address is new, known or opted out; while the store is away nothing that was typed is lost.

Nobody is logged in, so another site that has a browser send our forms can do with it only what it
could do by itself: there is nothing for a CSRF token to protect. What a link may do is in its
signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger.domains import flags_for
from ledger.events import Event, signup_verified
from ledger.follow import REGISTER_PATH, redirect
from ledger.intakecounts import Step, What
from ledger.networkbound import NetworkBound
from ledger.people import Consent, Person, PersonGone, new_person_id, signup_received
from ledger.registrationform import (
    ONE_CLICK,
    Answers,
    BadForm,
    Checked,
    check_answers,
    is_ticked,
    read_form,
)
from ledger.registrationparts import RegistrationParts, Surroundings
from ledger.store import LedgerError
from ledger.store_people import PersonRow, PersonState
from signer.confirmations import (
    LIFETIMES,
    Confirmation,
    ExpiredLink,
    Purpose,
    make_confirmation,
    read_confirmation,
)
from signer.errors import BadToken

OPT_OUT = "/optout"
STORE_MAX_SECONDS = 8.0  # As for a webhook; a browser waits longer.
LOOK_MAX_SECONDS = 2.0  # To see whether there is anything to ask; then the page asks.
RETRY_AFTER_SECONDS = "60"
_JAPAN = timezone(timedelta(hours=9), "JST")
_UNTIL = {"ja": "%Y年%-m月%-d日 %H:%M（日本時間）", "en": "%-d %B %Y, %H:%M (Japan time)"}
_VERIFICATION = "double_opt_in"
_GONE = (None, PersonState.WITHDRAWN, PersonState.ERASED)

_T = TypeVar("_T")
log = structlog.get_logger("registration")


class Registration:
    """Takes registrations; one per application."""

    def __init__(self, parts: RegistrationParts, around: Surroundings, bound: NetworkBound) -> None:
        self._people = parts.people
        self._suppression = parts.suppression
        self._mail = parts.mail(around.ring)
        self._own_domains = parts.own_domains
        self._answer = parts.answer_seconds
        self._around = around
        self._bound = bound

    def routes(self) -> list[Route]:
        """Return what it answers; the form's address included."""
        both = ["GET", "POST"]
        return [
            Route(REGISTER_PATH, self._register, methods=both),
            Route(f"{REGISTER_PATH}/sent", self._sent),
            Route(f"{REGISTER_PATH}/again", self._again, methods=both),
            Route("/confirm", self._confirm, methods=both),
            Route(OPT_OUT, self._opt_out, methods=both),
            Route("/delete", self._delete, methods=both),
        ]

    # ------------------------------------------------------------------ the form

    async def _register(self, request: Request) -> Response:
        if request.method != "POST":
            return self._form(request, Answers())
        try:
            fields = await read_form(request)
        except BadForm:
            return self._form(request, Answers(), 400, notice="odd")
        checked = check_answers(fields, self._around.questions)
        if checked.errors:
            return self._form(request, checked.answers, 422, checked.errors)
        address = request.client.host if request.client else ""
        if not self._bound.take(address, self._around.clock()):
            return self._form(request, checked.answers, 429, notice="busy")
        loop = asyncio.get_running_loop()
        person_id, now, until = new_person_id(), self._around.clock(), loop.time() + self._answer
        try:
            is_kept = await _in_thread(lambda: self._receive(request, checked, person_id, now))
        except (LedgerError, TimeoutError) as error:
            log.warning("registration not taken", reason=type(error).__name__)
            return self._form(request, checked.answers, 503, notice="away")
        log.info("registration", is_kept=is_kept)
        self._count(Step.RECEIVED if is_kept else Step.NOT_KEPT)
        # Also where nothing is kept: nobody is told whose addresses are known here.
        await asyncio.sleep(until - loop.time())
        token = make_confirmation(self._around.ring(), Purpose.AGAIN, person_id, now)
        return self._to_sent(request, token)

    def _receive(self, request: Request, checked: Checked, person_id: str, now: datetime) -> bool:
        around, answers = self._around, checked.answers
        language = around.language(request)
        consents = tuple(
            Consent(one.id, one.version, language, now.isoformat(timespec="seconds"))
            for one in around.questions.consents
            if one.id in answers.ticked
        )
        person = Person(
            name=checked.name,
            address=checked.address,
            language=language,
            job_group=answers.job_group,
            consents=consents,
            company_may_write="company_positions" in answers.ticked,
        )
        link = around.attribute(request.query_params.get("t", ""), now)
        version = around.questions.version_of(consents)
        event = signup_received(person_id, *link, now, consent_version=version)
        job = self._mail.confirmation(person_id, person, 1, now)
        return self._people.receive(person_id, person, link, event, job)

    def _form(
        self,
        request: Request,
        answers: Answers,
        status: int = 200,
        errors: Mapping[str, str] | None = None,
        notice: str = "",
    ) -> Response:
        return self._show(
            request,
            "form.html.j2",
            status,
            answers=answers,
            errors=errors or {},
            notice=notice,
            questions=self._around.questions,
        )

    async def _sent(self, request: Request) -> Response:
        try:
            self._read(request, Purpose.AGAIN, "r")
        except BadToken:
            return self._show_sent(request, may_repeat=False)
        return self._show_sent(request, may_repeat=True)

    async def _again(self, request: Request) -> Response:
        if request.method != "POST":  # By the link to the other language.
            return await self._sent(request)
        try:
            person_id = self._read(request, Purpose.AGAIN, "r").value
        except BadToken:
            return self._show_sent(request, may_repeat=False)
        now = self._around.clock()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._answer
        try:
            await _in_thread(
                lambda: self._people.send_again(
                    person_id,
                    lambda person, number: self._mail.confirmation(person_id, person, number, now),
                )
            )
        except (LedgerError, TimeoutError):
            return self._show_sent(request, 503, may_repeat=True, notice="away")
        await asyncio.sleep(until - loop.time())  # As for the form.
        return self._to_sent(request, request.query_params["r"], again="1")

    def _to_sent(self, request: Request, token: str, **more: str) -> Response:
        url = request.url.replace(path=f"{REGISTER_PATH}/sent", query="")
        language = self._around.language(request)
        url = url.include_query_params(r=token, lang=language, **more)
        return redirect(f"{url.path}?{url.query}")

    def _show_sent(
        self, request: Request, status: int = 200, *, may_repeat: bool, notice: str = ""
    ) -> Response:
        again = "again" in request.query_params and not notice
        return self._show(
            request, "sent.html.j2", status, may_repeat=may_repeat, again=again, notice=notice
        )

    # ---------------------------------------------------- what links in mails do

    async def _confirm(self, request: Request) -> Response:
        try:
            found = self._read(request, Purpose.CONFIRM, "c")
        except BadToken as error:
            return self._stale(request, error)
        until = (found.time + LIFETIMES[Purpose.CONFIRM]).astimezone(_JAPAN)
        now = self._around.clock()
        state, name = await self._look(found.value)
        values = {
            "until": until.strftime(_UNTIL[self._around.language(request)]),
            "delete_url": self._mail.delete_link(name, self._around.language(request), now),
        }
        if request.method != "POST":
            if state in (PersonState.CONFIRMED, PersonState.HANDED_OVER):
                return self._show(request, "confirmed.html.j2", delete_url=values["delete_url"])
            if state in _GONE:
                return self._show(request, "stale.html.j2", 410, why="gone")

        async def act(_fields: Mapping[str, str]) -> Response:
            if event_id := await _in_thread(lambda: self._confirmed(found.value, now)):
                self._count(Step.CONFIRMED)
                await self._apply(event_id)
            return self._show(request, "confirmed.html.j2", delete_url=values["delete_url"])

        try:
            return await self._asked(request, "confirm.html.j2", act, **values)
        except PersonGone:
            return self._show(request, "stale.html.j2", 410, why="gone")

    def _confirmed(self, person_id: str, now: datetime) -> str:
        """Confirm a registration; return the id of the event, "" where that was done before."""
        made: list[Event] = []

        def verified(row: PersonRow, person: Person, reference: str) -> Event:
            given = [f"{one.id} {one.version} {one.language}" for one in person.consents]
            said = json.dumps([row.id, reference, given], separators=(",", ":"))
            event = signup_verified(
                row.company,
                row.link_id,
                now,
                signup_id=row.id,
                person_ref=reference,
                verification=_VERIFICATION,
                consent_version=self._around.questions.version_of(person.consents),
                body_digest=hashlib.sha256(said.encode()).hexdigest(),
                flags=flags_for(person.address, self._own_domains.get(row.company, ())),
            )
            made.append(event)
            return event

        return made[0].id if self._people.confirm(person_id, verified) else ""

    async def _apply(self, event_id: str) -> None:
        """Have the registration counted at once; what fails here the worker does in a moment."""
        try:
            await _in_thread(lambda: self._around.applier.apply_event(event_id))
        except Exception as error:
            # Everything: the registration is on disk, and its person is not to see a bug of ours.
            log.warning("left to the worker", event_id=event_id, reason=type(error).__name__)

    async def _opt_out(self, request: Request) -> Response:
        try:
            hashed = bytes.fromhex(self._read(request, Purpose.OPT_OUT, "u").value)
        except (BadToken, ValueError) as error:
            return self._stale(request, error)

        # Only from the page that follows the act: it has a button without a box, for the way back.
        done = request.query_params.get("done", "")
        is_done = done == ("out" if self._suppression.is_listed(hashed) else "in")
        if request.method != "POST" and is_done:
            return self._show(request, "optout.html.j2", done=done)

        async def act(fields: Mapping[str, str]) -> Response:
            if is_ticked(fields, "undo"):
                await _in_thread(lambda: self._suppression.take_back(hashed))
                self._count(Step.OPTED_IN)
                return self._show(request, "optout.html.j2", done="in")
            await _in_thread(lambda: self._suppression.add(hashed))
            self._count(Step.OPTED_OUT)
            return self._show(request, "optout.html.j2", done="out")

        return await self._asked(request, "optout.html.j2", act, done="")

    async def _delete(self, request: Request) -> Response:
        try:
            name = self._read(request, Purpose.DELETE, "d").value
        except BadToken as error:
            return self._stale(request, error)

        if request.method != "POST" and not await self._is_kept(name):
            return self._show(request, "delete.html.j2", done=True)

        async def act(_fields: Mapping[str, str]) -> Response:
            await _in_thread(lambda: self._deleted(name))
            self._count(Step.DELETED)
            return self._show(request, "delete.html.j2", done=True)

        return await self._asked(request, "delete.html.j2", act, done=False)

    def _deleted(self, name: str) -> None:
        now = self._around.clock()
        for row in self._people.kept_of(name):
            # One that is confirmed at this moment is not taken back but erased.
            if row.state is PersonState.RECEIVED and self._people.withdraw(row.id):
                continue
            self._people.erase(row.id, "person", partial(self._mail.deleted, row.id, now=now))

    async def _asked(
        self,
        request: Request,
        template: str,
        act: Callable[[Mapping[str, str]], Awaitable[Response]],
        **values: object,
    ) -> Response:
        """Return the page that asks, or what the answer leads to."""

        def ask(status: int, errors: Mapping[str, str], notice: str = "") -> Response:
            return self._show(request, template, status, errors=errors, notice=notice, **values)

        if request.method != "POST":
            return ask(200, {})
        try:
            fields = await read_form(request)
        except BadForm:
            return ask(400, {}, "odd")
        # Also: the button that takes it back.
        is_one_click = ONE_CLICK in fields.items()
        is_sure = is_ticked(fields, "sure") or (
            request.url.path == OPT_OUT and (is_one_click or is_ticked(fields, "undo"))
        )
        if not is_sure:
            return ask(422, {"sure": "sure_missing"})
        try:
            return await act(fields)
        except PersonGone:
            raise
        except (LedgerError, TimeoutError) as error:
            log.warning("not done", path=request.url.path, reason=type(error).__name__)
            return ask(503, {}, "away")

    # -------------------------------------------------------------------- inside

    async def _look(self, person_id: str) -> tuple[PersonState | None, str]:
        """Return how far a registration has come, and what to delete it by.

        While the store is away: that all is open.
        """
        try:
            async with asyncio.timeout(LOOK_MAX_SECONDS):
                row = await asyncio.to_thread(self._people.find, person_id)
                name = await asyncio.to_thread(self._people.name_of, person_id)
        except (LedgerError, TimeoutError):
            return PersonState.RECEIVED, person_id
        return row.state if row else None, name

    async def _is_kept(self, name: str) -> bool:
        """Tell whether there is anything to delete; while the store is away, there is."""
        try:
            async with asyncio.timeout(LOOK_MAX_SECONDS):
                return bool(await asyncio.to_thread(self._people.kept_of, name))
        except (LedgerError, TimeoutError):
            return True

    def _read(self, request: Request, purpose: Purpose, name: str) -> Confirmation:
        text = request.query_params.get(name, "")
        return read_confirmation(self._around.ring(), purpose, text, self._around.clock())

    def _stale(self, request: Request, error: Exception) -> Response:
        why = Step.EXPIRED if isinstance(error, ExpiredLink) else Step.BROKEN
        self._count(why)
        return self._show(request, "stale.html.j2", 410 if why is Step.EXPIRED else 404, why=why)

    def _count(self, step: Step) -> None:
        self._around.counts.add(What.REGISTRATIONS, step)

    def _show(
        self, request: Request, template: str, status: int = 200, **values: object
    ) -> Response:
        values = {"errors": {}, "notice": "", **values}
        answer = self._around.show(request, template, status, **values)
        if status in (429, 503):
            answer.headers["Retry-After"] = RETRY_AFTER_SECONDS
        return answer


async def _in_thread(work: Callable[[], _T]) -> _T:
    async with asyncio.timeout(STORE_MAX_SECONDS):
        return await asyncio.to_thread(work)
