"""The broker: who tells the workers that there is something to do.

`embedded` is dramatiq's in-memory broker in this process; Redis and RabbitMQ connect any number of
processes. Messages carry ids only and may be lost, repeated or late: rows are the truth, and a
sweeper in every worker finds what nobody was told of. The settings are those under which dramatiq
keeps its messages through a kill (measured; see the comments).
"""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import urlsplit

import dramatiq
import redis
from dramatiq.broker import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, Retries

EMBEDDED: Final = "embedded"

RETRY_FIRST_MS: Final = 1_000
# TRAPS: delayed messages sit unacknowledged in the worker's memory, and RabbitMQ takes them back
# after 30 minutes.
RETRY_MAX_MS: Final = 600_000
# After these (some ten minutes) a message is dropped; the sweeper goes on without it.
RETRIES_MAX: Final = 10

# With dramatiq's defaults a killed worker's messages were not back after 100 s, so after 6.
REDIS_HEARTBEAT_MS: Final = 5_000
REDIS_MAINTENANCE_CHANCE: Final = 1_000_000
# A broker without an answer: the publisher waits no longer for connecting and for Redis' replies;
# with RabbitMQ silence behind the handshake shows in missed heartbeats.
SOCKET_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 20

# The broker's library tells every lost connection with a traceback; the sweeper's line says it.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class BrokerError(ValueError):
    """The address of a broker cannot be used; the text does not repeat it, for its password."""


class _QuorumBroker(RabbitmqBroker):
    """RabbitMQ with queues that survive the loss of one of its nodes."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        build: Any = getattr(super(), "_build_queue_arguments")  # noqa: B009 (it has no types)
        arguments: dict[str, Any] = build(queue_name)
        # Only durable without priorities; queues for delayed messages are quorum queues as well.
        return {**arguments, "x-queue-type": "quorum"}


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
        scheme = urlsplit(url).scheme
        if scheme in ("redis", "rediss"):
            make: Any = RedisBroker  # The library's has no types, nor has the client.
            connect: Any = getattr(redis.Redis, "from_url")  # noqa: B009
            broker: Broker = make(
                client=connect(
                    url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
                ),
                middleware=middleware,
                namespace=namespace,
                heartbeat_timeout=REDIS_HEARTBEAT_MS,
                maintenance_chance=REDIS_MAINTENANCE_CHANCE,
            )
            return broker
        if scheme in ("amqp", "amqps"):
            return _rabbitmq(url, middleware)
    except Exception as error:
        # Whatever the libraries say of an address may quote its password.
        raise BrokerError(f"not the address of a broker ({type(error).__name__})") from None
    raise BrokerError('expected "embedded", "redis://…" or "amqp://…"')


def _rabbitmq(url: str, middleware: list[Middleware]) -> Broker:
    broker = _QuorumBroker(url=url, confirm_delivery=True, middleware=middleware)
    parameters: Any = broker.parameters
    parameters.socket_timeout = parameters.stack_timeout = SOCKET_SECONDS
    parameters.blocked_connection_timeout = SOCKET_SECONDS
    parameters.heartbeat = HEARTBEAT_SECONDS
    return broker


def make_actor(broker: Broker, name: str, queue: str, run: Any, priority: int = 0) -> Any:
    """Return an actor of dramatiq's that calls `run`; the broker is not the global one."""
    return dramatiq.Actor(
        run, broker=broker, actor_name=name, queue_name=queue, priority=priority, options={}
    )
