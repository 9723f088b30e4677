"""`careerrelay serve`: the parts put together for production, started in order, stopped in order.

Everything is read and checked before the first socket opens, and root's rights are given up before
the first byte comes in. Stopping goes with the stream: first no more mail and requests, then what
is in flight, then the inbox, the worker last.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import structlog
import typer
import uvloop
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from ledger.apply import Applier
from ledger.broker import EMBEDDED, BrokerError
from ledger.follow import record_thinned
from ledger.inbox import Inbox
from ledger.intake import IntakeServer, IntakeState, create_app
from ledger.spill import Spill, SpillError
from ledger.store import LedgerError, Store
from ledger.suppression import Suppression
from relay.addresses import listen_failure
from relay.admin import SHARED_METRICS_VARIABLE, this_process
from relay.cli.adminport import AdminError, AdminPort
from relay.cli.common import FOUND_WRONG, ConfigOption, fail, find_config, now, read_config
from relay.cli.logs import configure_logs
from relay.cli.materials import MaterialError, Materials, load_materials, settle
from relay.cli.parts import complain_of_certificates
from relay.cli.processes import CHILD_OPTION, Inheritance, Lifeline
from relay.cli.recordparts import make_log_routes, make_queue, make_worker, restored
from relay.cli.registering import SuppressionRefresher, make_registration
from relay.cli.reload import Reloader, hangups_held_back, until_stopped
from relay.cli.rights import Listeners, drop_root, open_sockets
from relay.cli.shapeflush import ShapeFlusher
from relay.cli.supervise import children_of, supervise
from relay.config import Config
from relay.deliver import Delivery
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.privileges import PrivilegeError
from relay.smtp_in import Relay
from relay.sockets import ListenError

log = structlog.get_logger("service")


class Role(StrEnum):
    """What a process does."""

    RELAY = "relay"
    INTAKE = "intake"
    WORKER = "worker"
    ALL = "all"


class StartError(Exception):
    """A part cannot start; the text says which, why and what to set."""


def read_materials(config: Config) -> Materials:
    """Return what the parts are made of, or end the command naming the file that is wrong."""
    try:
        return load_materials(config)
    except MaterialError as error:
        fail(str(error))


class Service:
    """The parts of one process; `start` and `stop` are called once each."""

    def __init__(
        self,
        materials: Materials,
        roles: frozenset[Role],
        taken: Callable[[bytes], None] | None = None,
        listeners: Listeners | None = None,
    ) -> None:
        """`listeners` were opened before; without them `start` opens them."""
        config = materials.config
        self._materials = materials
        self._roles = roles
        self._listeners = listeners
        self.metrics = Metrics()
        self.store = Store(config.store.url)
        self.suppression = Suppression(self.store, materials.subject_key, now)
        try:
            self._queue = make_queue(config)
        except BrokerError as error:
            fail(f"careerrelay: store.broker: {error}")
        self.worker = make_worker(materials, self.store, self._queue, now, self.metrics.queue)
        self._spill = Spill(config.store.spill)
        works_here = Role.WORKER in roles
        is_embedded = config.store.broker == EMBEDDED
        self.inbox = Inbox(
            self.store,
            subject_key=materials.subject_key,
            clock=now,
            random_bytes=secrets.token_bytes,
            # Without a broker or a worker here, the sweeper of another process finds the rows.
            announce=self._queue.announce if works_here or not is_embedded else None,
            spill=self._spill,
        )
        self.delivery = Delivery(
            materials.rules,
            self.inbox,
            self.metrics,
            refuse_bare_line_endings=config.relay.line_endings == "refuse",
            reply_max_seconds=float(config.relay.reply_max_seconds),
            now=now,
            taken=taken,
            sealer=materials.sealer,
            is_suppressed=self.suppression.is_suppressed,
        )
        next_hop = NextHop(materials.next_hop, self.metrics)
        self.relay = Relay(materials.limits, next_hop, self.delivery, self.metrics)
        self.applier = Applier(self.store, materials.policies, clock=now)
        self._candidates = _Replaceable(self._make_intake(materials))
        listen = config.intake.listen
        proxies = tuple(map(str, config.intake.trusted_proxies))
        self.intake = IntakeServer(
            listen.host, listen.port, self._candidates, trusted_proxies=proxies
        )
        self._stops: list[Callable[[], Awaitable[object]]] = []

    async def start(self) -> None:
        """Start the parts; `StartError` when one cannot, with none left running."""
        try:
            await self._start()
            settle()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        try:
            self._spill.check()
        except SpillError as error:
            raise StartError(f"{error}; set store.spill") from error
        await self._prepare_store()
        if Role.WORKER in self._roles:
            for complaint in await asyncio.to_thread(restored, self._materials, self.store):
                log.error("store_is_older", complaint=complaint)
            await asyncio.to_thread(self.worker.start)
            self._stops.append(lambda: asyncio.to_thread(self.worker.stop))
        self.inbox.start()
        self._stops.append(lambda: asyncio.to_thread(self.inbox.close))
        if self._roles & {Role.INTAKE, Role.RELAY}:
            refresher = SuppressionRefresher(self.suppression)
            await refresher.start()
            self._stops.append(refresher.stop)
        if Role.INTAKE in self._roles:
            await self._start_intake()
        if Role.RELAY in self._roles:
            shapes = ShapeFlusher(self.store, self.delivery.shapes)
            shapes.start()
            self._stops.append(shapes.stop)  # Behind the last letter.
            self._stops.append(self.relay.close)
            await self._start_relay()

    async def _start_relay(self) -> None:
        if self._listeners is None:
            try:
                (self._listeners,) = open_sockets(self._materials.doors, 1)
            except ListenError as error:
                raise StartError(str(error)) from error
        for door in self._materials.doors:
            # There is none for an address that was configured under a running supervisor.
            for listener in self._listeners.get(str(door.address), ()):
                bound = await self.relay.listen(door, listener)
                log.info("listening", part="relay", address=str(bound))

    async def _prepare_store(self) -> None:
        try:
            await asyncio.to_thread(self.store.prepare)
        except LedgerError as error:
            # Mail first: without its store a relay passes all on, and an intake keeps clicks.
            if Role.WORKER in self._roles:
                raise StartError(f"{error}; set store.url") from error
            log.warning("store_away", error=str(error))

    async def _start_intake(self) -> None:
        listen = self._materials.config.intake.listen
        try:
            await self.intake.start()
        except OSError as error:
            raise StartError(f"{listen_failure(listen, error)}; set intake.listen") from error
        self._stops.append(self._settle_clicks)
        self._stops.append(self.intake.stop)
        log.info("listening", part="intake", address=f"{listen.host}:{self.intake.port}")

    async def _settle_clicks(self) -> None:
        state = self._candidates.app.state.intake
        await record_thinned(state, self.inbox, None, _new_click_id)

    def _make_intake(self, materials: Materials, earlier: IntakeState | None = None) -> Starlette:
        return create_app(
            materials.intake,
            materials.rules.ring,
            self.inbox,
            self.applier,
            now,
            _new_click_id,
            earlier,
            make_log_routes(materials, self.store),
            make_registration(materials, self.store, self.suppression),
            self.metrics.intake,
        )

    async def renew(self, materials: Materials) -> None:
        """Use these from now on; what is under way goes on with what it began with."""
        candidates = self._make_intake(materials, self._candidates.app.state.intake)
        next_hop = NextHop(materials.next_hop, self.metrics)
        # All is made; from here on nothing can fail, and nobody else runs in between.
        self.relay.renew(materials.doors, next_hop, materials.limits)
        self.delivery.renew(
            materials.rules,
            refuse_bare_line_endings=materials.config.relay.line_endings == "refuse",
            reply_max_seconds=float(materials.config.relay.reply_max_seconds),
            sealer=materials.sealer,
        )
        self._candidates.app = candidates
        settle()

    async def stop(self) -> None:
        """Stop what runs, in the reverse order; one part that fails does not keep the others."""
        while self._stops:
            try:
                await self._stops.pop()()
            except Exception:
                log.exception("stop_failed")
        self.store.close()


# Seeded by the system, once: asking it for each click lets other threads run, which may take
# milliseconds. Names need to be different, and are no secret.
_names = random.Random()  # noqa: S311


def _new_click_id() -> str:
    """Return a random name; later ones sort behind, at the end of the store's index."""
    return f"{time.time_ns() // 1_000_000:012x}{_names.getrandbits(80):020x}"


class _Replaceable:
    """A web application that another can take the place of between two requests."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def run_in_loop(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run `main` with an event that SIGINT and SIGTERM set; return its exit code.

    Asked a second time the process ends at once: what was not answered the sender sends again.
    """

    async def _main() -> int:
        stopping = asyncio.Event()

        def ask_to_stop() -> None:
            if stopping.is_set():
                log.warning("stop_cut_short")
                os._exit(FOUND_WRONG)
            stopping.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ask_to_stop)
        return await main(stopping)

    return uvloop.run(_main())


def serve(
    role: Annotated[Role, typer.Argument(help="Which parts this process runs.")] = Role.ALL,
    config: ConfigOption = None,
    child: Annotated[str, typer.Option(CHILD_OPTION, hidden=True)] = "",
) -> None:
    """Run the relay, the intake and the worker against your own next hop, until Ctrl-C."""
    with hangups_held_back() as listen_for_hangup:
        path = find_config(config)
        materials = read_materials(read_config(path))
        configure_logs()
        complain_of_certificates(materials.config, now())
        every = frozenset({Role.RELAY, Role.INTAKE, Role.WORKER})
        roles = every if role is Role.ALL else frozenset({role})
        reloader = Reloader(path, materials)
        inherited = Inheritance.parse(child) if child else None
        count = materials.config.relay.processes if Role.RELAY in roles and not inherited else 1
        if count == 1:
            part = _Alone(materials, reloader, roles, inherited)
            code = run_in_loop(lambda stopping: part.run(stopping, listen_for_hangup))
        else:
            sockets = _open_and_drop_root(materials, count)
            children = children_of(sockets, with_rest=role is Role.ALL)
            code = run_in_loop(
                lambda stopping: supervise(
                    materials, reloader, children, stopping, listen_for_hangup
                )
            )
    raise typer.Exit(code)


def _open_and_drop_root(materials: Materials, processes: int) -> list[Listeners]:
    """Return the sockets of each process; ends the command when that cannot be."""
    try:
        sockets = open_sockets(materials.doors, processes)
        drop_root(materials.config, reads_again=processes > 1)
    except (ListenError, PrivilegeError, MaterialError) as error:
        fail(f"careerrelay: {error}")
    return sockets


class _Alone:
    """One process: the whole service, or a part of it that a supervisor has started."""

    def __init__(
        self,
        materials: Materials,
        reloader: Reloader,
        roles: frozenset[Role],
        inherited: Inheritance | None,
    ) -> None:
        config = materials.config
        self._reloader = reloader
        self._roles = roles
        self._lifeline: Lifeline | None = None
        self._waiting_for: tuple[str, ...] = ("starting",)
        listeners: Listeners = {}
        if inherited is not None:
            self._roles = frozenset(Role(name) for name in inherited.roles)
            self._lifeline = Lifeline(inherited.lifeline)
            listeners = inherited.open_listeners()
        elif Role.RELAY in roles:
            (listeners,) = _open_and_drop_root(materials, 1)
        else:
            _open_and_drop_root(materials, 0)
        self._service = Service(materials, self._roles, listeners=listeners)
        self._admin = AdminPort(
            None if inherited else config.admin.listen,  # The supervisor has it.
            self._service.metrics.registry,
            lambda: self._waiting_for,
            this_process,
        )

    async def run(
        self, stopping: asyncio.Event, listen_for_hangup: Callable[[], asyncio.Event]
    ) -> int:
        """Start, run until `stopping` is set, stop; return the exit code."""
        hangup = listen_for_hangup()
        if self._lifeline is not None:
            self._lifeline.watch(lambda: self._stop_alone(stopping))
        try:
            await self._admin.start()
            await self._service.start()
        except (AdminError, StartError) as error:
            await self._admin.stop()
            fail(f"careerrelay: {error}")
        self._waiting_for = ()
        if self._lifeline is not None:
            self._lifeline.say_ready()
        log.info("started", roles=sorted(self._roles))
        await until_stopped(stopping, hangup, lambda: self._reloader.reload(self._service.renew))
        self._waiting_for = ("stopping",)
        log.info("stopping")
        await self._service.stop()
        await self._admin.stop()
        return 0

    def _stop_alone(self, stopping: asyncio.Event) -> None:
        """Stop without the supervisor: nobody else tidies up, or could start us again."""
        log.error("supervisor_gone")
        folder = os.environ.get(SHARED_METRICS_VARIABLE)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)  # What is open in it stays usable.
        stopping.set()
