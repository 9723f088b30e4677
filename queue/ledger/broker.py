"""The broker: who tells the workers that there is something to do.

`embedded` is dramatiq's in-memory broker in this process; Redis and RabbitMQ connect any number of
processes. Messages carry ids only and may be lost, repeated or late: rows are the truth, and a
sweeper in every worker finds what nobody was told of.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import dramatiq
from dramatiq.broker import Broker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, Retries

EMBEDDED: Final = "embedded"

RETRY_FIRST_MS: Final = 1_000
# TRAPS: delayed messages sit unacknowledged in the worker's memory, and RabbitMQ takes them back
# after 30 minutes.
RETRY_MAX_MS: Final = 600_000
# After these (some ten minutes) a message is dropped; the sweeper goes on without it.
RETRIES_MAX: Final = 10


class BrokerError(ValueError):
    """The address of a broker cannot be used; the text does not repeat it, for its password."""


def make_broker(url: str, namespace: str, *watches: Middleware) -> Broker:
    """Return the broker at `url`; nothing is connected yet. Raises `BrokerError`.

    Installations that share a server have a namespace each, of which names of queues begin.
    """
    # Given explicitly: the default list holds middleware that interrupts threads.
    middleware: list[Middleware] = [
        Retries(max_retries=RETRIES_MAX, min_backoff=RETRY_FIRST_MS, max_backoff=RETRY_MAX_MS),
        *watches,
    ]
    if url == EMBEDDED:
        return StubBroker(middleware=middleware)
    try:
        # Imported where one is used: their client libraries are a tenth of what a start loads.
        scheme = urlsplit(url).scheme
        if scheme in ("redis", "rediss"):
            from ledger.broker_redis import redis_broker

            return redis_broker(url, namespace, middleware)
        if scheme in ("amqp", "amqps"):
            from ledger.broker_rabbitmq import rabbitmq_broker

            return rabbitmq_broker(url, middleware)
    except Exception as error:
        # Whatever the libraries say of an address may quote its password.
        raise BrokerError(f"not the address of a broker ({type(error).__name__})") from None
    raise BrokerError('expected "embedded", "redis://…" or "amqp://…"')


def make_actor(broker: Broker, name: str, queue: str, run: Any, priority: int = 0) -> Any:
    """Return an actor of dramatiq's that calls `run`; the broker is not the global one."""
    return dramatiq.Actor(
        run, broker=broker, actor_name=name, queue_name=queue, priority=priority, options={}
    )
