"""Redis as the broker, with the settings under which dramatiq keeps its messages through a kill."""

from __future__ import annotations

from typing import Any, Final

import redis
from dramatiq.broker import Broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

# With dramatiq's defaults a killed worker's messages were not back after 100 s, so after 6.
REDIS_HEARTBEAT_MS: Final = 5_000
REDIS_MAINTENANCE_CHANCE: Final = 1_000_000
# A server without an answer: the publisher waits no longer for connecting and for replies.
SOCKET_SECONDS: Final = 5.0


def redis_broker(url: str, namespace: str, middleware: list[Middleware]) -> Broker:
    """Return the broker at `url`; nothing is connected yet."""
    make: Any = RedisBroker  # The library's has no types, nor has the client.
    connect: Any = getattr(redis.Redis, "from_url")  # noqa: B009
    broker: Broker = make(
        client=connect(url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS),
        middleware=middleware,
        namespace=namespace,
        heartbeat_timeout=REDIS_HEARTBEAT_MS,
        maintenance_chance=REDIS_MAINTENANCE_CHANCE,
    )
    return broker
