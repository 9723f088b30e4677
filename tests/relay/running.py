"""A relay in a thread of its own, on free ports, with real rules, store and sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import uvloop

from ledger.inbox import Inbox
from ledger.store import Store
from relay.addresses import Address
from relay.arcseal import ArcSealer
from relay.company import Company, Mode
from relay.deliver import Delivery
from relay.door import Door, Limits
from relay.downstream import HopSettings, NextHop
from relay.metrics import Metrics
from relay.pipeline import Rules, make_rules
from relay.smtp_in import Relay
from relay.sockets import open_listeners
from signer.keyring import Key, KeyRing, KeyState
from tests.lexicons import installed_lexicons, installed_templates

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
RING = KeyRing((Key("a", bytes(range(32)), KeyState.ACTIVE, NOW),))
AOZORA = Company(
    id="aozora",
    name="株式会社あおぞら",
    domains=("aozora.example.jp",),
    mode=Mode.INJECT,
    contact="recruit@aozora.example.jp",
)
BASE_URL = "https://r.example.jp/"
DOOR = Door(Address("127.0.0.1", 0), "relay.example", (ipaddress.ip_network("127.0.0.0/8"),))


@cache
def rules(*companies: Company) -> Rules:
    """Return real rules for these companies, by default the one that injects."""
    return make_rules(
        companies or (AOZORA,), installed_lexicons(), installed_templates(), RING, BASE_URL
    )


@dataclass
class Running:
    """A running relay; `call` runs a coroutine function in its loop."""

    port: int
    relay: Relay
    metrics: Metrics
    loop: asyncio.AbstractEventLoop
    call: Callable[[Coroutine[Any, Any, object]], object]

    @property
    def reasons(self) -> dict[str, int]:
        """How many messages were answered, by the reason of the decision."""
        return {
            sample.labels["reason"]: int(sample.value)
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "careerrelay_messages_total"
        }


@contextmanager
def running(
    hop_port: int,
    folder: Path,
    *,
    with_rules: Rules | None = None,
    size_max_bytes: int = 1024 * 1024,
    connections_max: int = 20,
    in_flight_max_bytes: int = 64 * 1024 * 1024,
    refuse_bare_line_endings: bool = False,
    connections_per_address_max: int = 0,
    reply_max_seconds: float = 90.0,
    now: Callable[[], datetime] = lambda: NOW,
    door: Door = DOOR,
    next_hop: HopSettings | None = None,
    sealer: ArcSealer | None = None,
    is_suppressed: Callable[[str], bool] = lambda _address: False,
) -> Generator[Running]:
    """Run a relay in front of the hop on this port; its store lies in `folder`."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(coroutine: Coroutine[Any, Any, object]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    store = Store(f"sqlite:///{folder / 'careerrelay.db'}")
    inbox = Inbox(store, subject_key=bytes(32), clock=lambda: NOW, random_bytes=secrets.token_bytes)
    inbox.start()

    async def start() -> Running:
        metrics = Metrics()
        delivery = Delivery(
            with_rules or rules(),
            inbox,
            metrics,
            refuse_bare_line_endings=refuse_bare_line_endings,
            reply_max_seconds=reply_max_seconds,
            now=now,
            sealer=sealer,
            is_suppressed=is_suppressed,
        )
        limits = Limits(
            size_max_bytes=size_max_bytes,
            connections_max=connections_max,
            connections_per_address_max=connections_per_address_max,
            in_flight_max_bytes=in_flight_max_bytes,
        )
        settings = next_hop or HopSettings((Address("127.0.0.1", hop_port),), "relay.example")
        settings = replace(settings, reply_max_seconds=reply_max_seconds)
        relay = Relay(limits, NextHop(settings, metrics), delivery, metrics)
        opened = replace(door, address=Address("127.0.0.1", 0), hostname="relay.example")
        ((sock,),) = open_listeners(opened.address)
        address = await relay.listen(opened, sock)
        return Running(address.port, relay, metrics, loop, call)

    try:
        relay = call(start())
        try:
            yield relay
        finally:
            call(relay.relay.close(grace_seconds=5.0))
    finally:
        inbox.close()
        store.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
