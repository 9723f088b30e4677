"""`careerrelay run`: everything in one command on embedded defaults, with an outside world.

Real parts on real sockets: sample letters go in through our own SMTP port, a candidate follows a
link, ten registrations are reported as a registration service would, and the log is verified. The
letters are always the same, so a second run finds the same links and counts nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import smtplib
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from ledger.store import LedgerError
from ledger.webhook import make_webhook
from relay.addresses import Address, listen_failure
from relay.charset import decode_text
from relay.cli import account
from relay.cli.common import FILE_NAME, FOUND_WRONG, JsonOption, fail, now, print_json, read_config
from relay.cli.init import Choices, create_installation
from relay.cli.logs import configure_logs
from relay.cli.outside import OutsideWorld
from relay.cli.record import balance_of, verify_logs
from relay.cli.samples import Sample, load_samples, write_example
from relay.cli.service import Role, Service, StartError, read_materials, run_in_loop
from relay.compare import message_id_of
from relay.config import Config
from relay.envelope import Envelope
from relay.mimemap import body_of, map_message
from relay.pipeline import Outcome, process
from relay.undo import restore

DATA_FOLDER = Path(".careerrelay")
LOG_NAME = "careerrelay.log"
COMPANY = "aozora"
CHOICES = Choices(
    mode="inject",
    base_url="http://127.0.0.1:8080/",
    service_contact="support@career-relay.example",
    mail_sender="no-reply@career-relay.example",
)
SIGNUPS = 10
SEE_OTHER, ACCEPTED = 303, 202
WAIT_SECONDS = 20.0  # For what the worker does behind the answers; it takes well under a second.
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


@dataclass(frozen=True, slots=True)
class Journey:
    """What became of one sample: as sent, as arrived (`None`: not at all), and why."""

    sample: Sample
    arrived: bytes | None
    outcome: Outcome
    url: str | None

    @property
    def is_identical(self) -> bool:
        """Whether it arrived byte for byte as it was sent."""
        return self.arrived == self.sample.message

    @property
    def is_restorable(self) -> bool:
        """Whether the changed letter gives back the original bytes."""
        return self.arrived is not None and restore(self.arrived) == self.sample.message


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of the whole run, under the names of `--json`."""

    sent: int
    delivered: int
    injected: int
    unchanged_identical: bool
    clicked: int
    referrals: int
    slots: int
    log: str


def run(
    once: Annotated[bool, typer.Option("--once", help="End after the account.")] = False,
    data: Annotated[
        Path,
        typer.Option("--data", help="Where everything is kept.", show_default=str(DATA_FOLDER)),
    ] = DATA_FOLDER,
    json: JsonOption = False,
) -> None:
    """Run everything on this machine, with sample letters and an outside world to look at."""
    config = _prepare(data)
    materials = read_materials(config)
    with (data / LOG_NAME).open("a", encoding="utf-8") as log_file:
        configure_logs(log_file)

        async def _run(stopping: asyncio.Event) -> int:
            hop = config.relay.next_hop[0]
            outside = OutsideWorld(hop.host, hop.port, config.outside.listen.port, data, now)
            every = frozenset({Role.RELAY, Role.INTAKE, Role.WORKER})
            # What goes in is shown beside what comes out, the user's own letters too.
            service = Service(materials, every, taken=lambda sent: outside.record_sent(sent, ""))
            try:
                await _start(outside, service, config)
            except StartError as error:
                fail(f"careerrelay run: {error} in {data / FILE_NAME}")
            try:
                demo = Demo(config, service, outside)
                wrong = await demo.tell(as_json=json)
                if not once:
                    if not json:
                        letter = write_example(data)
                        account.print_next_steps(Console(), data, config, outside.http_url, letter)
                    await stopping.wait()
                    note = f"\nStopped. Everything is kept in {data}."
                    Console(quiet=json).print(note, markup=False, soft_wrap=True)
                return wrong
            except LedgerError as error:
                fail(f"careerrelay run: {error}; remove {data} to start anew", FOUND_WRONG)
            finally:
                await service.stop()
                await outside.stop()

        code = run_in_loop(_run)
    if code:
        raise typer.Exit(code)


def _prepare(data: Path) -> Config:
    try:
        create_installation(data, CHOICES)
    except OSError as error:
        fail(f"careerrelay run: {data}: {error.strerror}")
    return read_config(data / FILE_NAME)


async def _start(outside: OutsideWorld, service: Service, config: Config) -> None:
    listeners = (
        (outside.start_sink, config.relay.next_hop[0], "relay.next_hop"),
        (outside.start_page, config.outside.listen, "outside.listen"),
    )
    try:
        for start, address, key in listeners:
            try:
                await start()
            except OSError as error:
                raise StartError(f"{listen_failure(address, error)}; set {key}") from error
        await service.start()
    except StartError:
        await outside.stop()
        raise


class Demo:
    """One telling of the story, against running parts."""

    def __init__(self, config: Config, service: Service, outside: OutsideWorld) -> None:
        self._config = config
        self._service = service
        self._outside = outside
        self._intake = Address(config.intake.listen.host, service.intake.port)

    async def tell(self, *, as_json: bool) -> int:
        """Do everything once, give the account, and return the exit code."""
        console = Console(quiet=as_json)
        account.print_opening(console, self._config)
        journeys = await self._send_letters()
        account.print_letters(console, journeys)
        earlier = await asyncio.to_thread(balance_of, self._service.store, COMPANY)
        clicked = await self._click(journeys)
        account.print_click(console, clicked)
        decisions = await self._sign_up([journey.url for journey in journeys if journey.url])
        summary = await self._sum_up(journeys, clicked)
        account.print_credits(console, decisions, summary, earlier.referrals)
        if as_json:
            for journey in journeys:
                print_json(account.describe(journey))
            print_json({name: getattr(summary, name) for name in Summary.__slots__})
        return 0 if account.is_as_promised(summary) else 1

    async def _send_letters(self) -> list[Journey]:
        samples = load_samples()
        seen = len(self._outside.messages)
        for number, sample in enumerate(samples, 1):
            self._outside.record_sent(sample.message, f"sample {number}")
            await asyncio.to_thread(self._send, sample)
        arrived = {
            (message.envelope.recipients, message_id_of(message.message)): message.message
            for message in self._outside.messages[seen:]
        }
        return [self._journey(sample, arrived) for sample in samples]

    def _send(self, sample: Sample) -> None:
        listen = self._config.relay.listen[0]
        with smtplib.SMTP(listen.host, listen.port, timeout=WAIT_SECONDS) as client:
            client.sendmail(sample.sender, [sample.recipient], sample.message)

    def _journey(
        self, sample: Sample, arrived: dict[tuple[tuple[str, ...], bytes], bytes]
    ) -> Journey:
        message = arrived.get(((sample.recipient,), message_id_of(sample.message)))
        # Judged a second time for the account, by the same pure path.
        envelope = Envelope(sample.sender, (sample.recipient,))
        outcome = process(sample.message, envelope, self._service.delivery.rules)
        url = find_link(message or b"", self._config.link.base_url)
        return Journey(sample, message, outcome, url)

    async def _click(self, journeys: list[Journey]) -> int:
        """Follow the first link as a candidate's browser does; return how many were answered."""
        urls = [journey.url for journey in journeys if journey.url][:1]
        answers = [await asyncio.to_thread(self._follow, url) for url in urls]
        return answers.count(SEE_OTHER)

    def _follow(self, url: str) -> int:
        # The link's host is the company's public one; here the intake is asked directly.
        status, _ = self._ask("GET", urlsplit(url).path, None, {"User-Agent": BROWSER})
        return status

    def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Return status and body of the intake's answer; a redirect is shown, not followed."""
        host, port = self._intake.host, self._intake.port
        with contextlib.closing(HTTPConnection(host, port, timeout=WAIT_SECONDS)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    async def _sign_up(self, urls: list[str]) -> list[str]:
        return [
            await asyncio.to_thread(self._report_signup, number, url)
            for number, url in enumerate(urls[:SIGNUPS], 1)
        ]

    def _report_signup(self, number: int, url: str) -> str:
        """Report one registration as the registration service does; return the decision."""
        token = urlsplit(url).path.lstrip("/")
        moment = now()
        # Derived from the letter: reported again in another run, it is the same registration.
        data = {
            "signup_id": f"sample-signup-{token[1:17]}",
            "token": token,
            "person_ref": f"sample-person-{number}",
            "verified_at": "2026-11-06T00:00:00Z",
            "verification": "double_opt_in",
            "consent_version": "2026-01",
        }
        message = {"type": "signup.verified", "timestamp": "2026-11-06T00:00:00Z", "data": data}
        body = json.dumps(message)
        webhook = make_webhook(self._config.intake.webhook_secret.read_text().strip())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": f"sample-{number}",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": webhook.sign(f"sample-{number}", moment, body),
        }
        status, answer = self._ask("POST", "/v1/signups", body, headers)
        return str(json.loads(answer)["decision"]) if status == ACCEPTED else f"refused ({status})"

    async def _sum_up(self, journeys: list[Journey], clicked: int) -> Summary:
        await asyncio.to_thread(self._wait_for_worker)
        balance = await asyncio.to_thread(balance_of, self._service.store, COMPANY)
        verified = await asyncio.to_thread(verify_logs, self._service.store, self._config)
        untouched = [journey for journey in journeys if journey.url is None]
        return Summary(
            sent=len(journeys),
            delivered=sum(journey.arrived is not None for journey in journeys),
            injected=sum(journey.url is not None for journey in journeys),
            unchanged_identical=all(journey.is_identical for journey in untouched),
            clicked=clicked,
            referrals=balance.referrals,
            slots=balance.slots,
            log="verified" if verified else "damaged",
        )

    def _wait_for_worker(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self._service.applier.pending_count() and time.monotonic() < deadline:
            time.sleep(0.02)


def find_link(message: bytes, base_url: str) -> str | None:
    """Return the link that a reader of the message sees, `None` if there is none."""
    message_map = map_message(message)
    pattern = re.compile(re.escape(base_url) + r"[a-z2-7]{43}")
    for part in message_map.leaves():
        if part.content_type.startswith("text/"):
            text = decode_text(body_of(message_map, part), part.parameters.get("charset"))
            if found := pattern.search(text):
                return found.group()
    return None
