"""`careerrelay serve`: the parts put together for production, started in order, stopped in order.

Everything is read and checked before the first socket opens. Stopping goes with the stream: first
no more mail and requests, then what is in flight, then the inbox, the worker last.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from ledger.apply import Applier, read_policies
from ledger.checkpoint import CheckpointError, LogKey, load_log_key, log_origin
from ledger.credits import Policy
from ledger.inbox import Inbox
from ledger.intake import IntakeServer, IntakeSettings, create_app
from ledger.keyfiles import load_subject_key
from ledger.store import LedgerError, Store
from ledger.worker import EmbeddedWorker
from relay.addresses import listen_failure
from relay.cli.common import ConfigOption, fail, now, read_config, read_rules
from relay.cli.logs import configure_logs
from relay.cli.parts import PartError, make_doors, make_hop_settings, make_limits
from relay.config import Config
from relay.deliver import Delivery
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.pipeline import Rules
from relay.smtp_in import Relay
from relay.sockets import ListenError, open_listeners

SECRET_FILE_MAX_BYTES = 4096  # "whsec_" and 32 bytes in base64 are 50.
WEBHOOK_SECRET_BYTES = range(24, 65)  # What Standard Webhooks asks for.

log = structlog.get_logger("service")


class Role(StrEnum):
    """What a process does."""

    RELAY = "relay"
    INTAKE = "intake"
    WORKER = "worker"
    ALL = "all"


class StartError(Exception):
    """A part cannot start; the text says which, why and what to set."""


@dataclass(frozen=True, slots=True)
class Materials:
    """All that was read from files, checked, before anything runs."""

    config: Config
    rules: Rules
    policies: tuple[Policy, ...]
    log_key: LogKey
    subject_key: bytes
    intake: IntakeSettings


def read_materials(config: Config) -> Materials:
    """Return what the parts are made of, or end the command naming the file that is wrong."""
    rules = read_rules(config)
    try:
        log_origin(config.store.installation, "x")
        return Materials(
            config,
            rules,
            read_policies(),
            load_log_key(config.store.log_key),
            load_subject_key(config.store.subject_key),
            IntakeSettings(
                companies=tuple(company.id for company in config.companies),
                registration_url=config.intake.registration_url
                if config.intake.registration == "external"
                else "",
                service=config.intake.service,
                contact=config.intake.contact,
                webhook_secret=read_webhook_secret(config.intake.webhook_secret),
            ),
        )
    except (LedgerError, CheckpointError) as error:
        fail(str(error))


def read_webhook_secret(path: Path) -> str:
    """Return the secret of the registration service, or end the command: others may not read it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(SECRET_FILE_MAX_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        fail(f"{path}: {error.strerror}; `careerrelay init` makes one")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        fail(f"{path}: mode is {mode:04o}, others may read it; expected 0600 (chmod 600)")
    try:
        size = len(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except ValueError:  # binascii.Error is one.
        size = 0
    if not text.startswith("whsec_") or size not in WEBHOOK_SECRET_BYTES:
        fail(f'{path}: expected "whsec_" and {WEBHOOK_SECRET_BYTES[0]} to 64 bytes in base64')
    return text


class Service:
    """The parts of one process; `start` and `stop` are called once each."""

    def __init__(
        self,
        materials: Materials,
        roles: frozenset[Role],
        taken: Callable[[bytes], None] | None = None,
    ) -> None:
        config = materials.config
        self._config = config
        self._roles = roles
        self.store = Store(config.store.url)
        self.worker = EmbeddedWorker(
            self.store,
            policies=materials.policies,
            log_key=materials.log_key,
            installation=config.store.installation,
            directory=config.store.log_key.parent,
            clock=now,
        )
        works_here = Role.WORKER in roles
        self.inbox = Inbox(
            self.store,
            subject_key=materials.subject_key,
            clock=now,
            random_bytes=secrets.token_bytes,
            # Without a worker in this process, the sweeper of another one finds the rows.
            announce=self.worker.announce if works_here else None,
        )
        self.metrics = Metrics()
        self.delivery = Delivery(
            materials.rules,
            self.inbox,
            self.metrics,
            refuse_bare_line_endings=config.relay.line_endings == "refuse",
            reply_max_seconds=float(config.relay.reply_max_seconds),
            now=now,
            taken=taken,
        )
        try:
            self._doors = make_doors(config)
            next_hop = NextHop(make_hop_settings(config), self.metrics)
        except PartError as error:
            fail(str(error))
        self.relay = Relay(make_limits(config), next_hop, self.delivery, self.metrics)
        self.applier = Applier(self.store, materials.policies, clock=now)
        app = create_app(
            materials.intake,
            materials.rules.ring,
            self.inbox,
            self.applier,
            now,
            lambda: secrets.token_hex(16),
        )
        listen = config.intake.listen
        self.intake = IntakeServer(listen.host, listen.port, app)
        self._stops: list[Callable[[], Awaitable[object]]] = []

    async def start(self) -> None:
        """Start the parts; `StartError` when one cannot, with none left running."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        await self._prepare_store()
        if Role.WORKER in self._roles:
            await asyncio.to_thread(self.worker.start)
            self._stops.append(lambda: asyncio.to_thread(self.worker.stop))
        self.inbox.start()
        self._stops.append(lambda: asyncio.to_thread(self.inbox.close))
        if Role.INTAKE in self._roles:
            await self._start_intake()
        if Role.RELAY in self._roles:
            self._stops.append(self.relay.close)
            for door in self._doors:
                try:
                    (sockets,) = open_listeners(door.address)
                except ListenError as error:
                    raise StartError(str(error)) from error
                for sock in sockets:
                    bound = await self.relay.listen(door, sock)
                    log.info("listening", part="relay", address=str(bound))

    async def _prepare_store(self) -> None:
        try:
            await asyncio.to_thread(self.store.prepare)
        except LedgerError as error:
            # Mail first: a relay without its store passes everything on, and tries it again.
            if self._roles != frozenset({Role.RELAY}):
                raise StartError(f"{error}; set store.url") from error
            log.warning("store_away", error=str(error))

    async def _start_intake(self) -> None:
        try:
            await self.intake.start()
        except OSError as error:
            reason = listen_failure(self._config.intake.listen, error)
            raise StartError(f"{reason}; set intake.listen") from error
        self._stops.append(self.intake.stop)
        host = self._config.intake.listen.host
        log.info("listening", part="intake", address=f"{host}:{self.intake.port}")

    async def stop(self) -> None:
        """Stop what runs, in the reverse order; one part that fails does not keep the others."""
        while self._stops:
            try:
                await self._stops.pop()()
            except Exception:
                log.exception("stop_failed")
        self.store.close()


def run_in_loop(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run `main` with an event that SIGINT and SIGTERM set; return its exit code."""

    async def _main() -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        return await main(stopping)

    return uvloop.run(_main())


def serve(
    role: Annotated[Role, typer.Argument(help="Which parts this process runs.")] = Role.ALL,
    config: ConfigOption = None,
) -> None:
    """Run the relay, the intake and the worker against your own next hop, until Ctrl-C."""
    materials = read_materials(read_config(config))
    configure_logs()
    every = frozenset({Role.RELAY, Role.INTAKE, Role.WORKER})
    roles = every if role is Role.ALL else frozenset({role})

    async def _serve(stopping: asyncio.Event) -> int:
        service = Service(materials, roles)
        try:
            await service.start()
        except StartError as error:
            fail(f"careerrelay: {error}")
        log.info("started", roles=sorted(roles), pid=os.getpid())
        await stopping.wait()
        log.info("stopping")
        await service.stop()
        return 0

    run_in_loop(_serve)
