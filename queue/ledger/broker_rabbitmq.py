"""RabbitMQ as the broker, with the settings under which dramatiq keeps its messages."""

from __future__ import annotations

import logging
from typing import Any, Final

from dramatiq.broker import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Middleware

# A server without an answer: the publisher waits no longer for connecting; silence behind the
# handshake shows in missed heartbeats.
SOCKET_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 20

# The library tells every lost connection with a traceback; the sweeper's line says it.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class _QuorumBroker(RabbitmqBroker):
    """RabbitMQ with queues that survive the loss of one of its nodes."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        build: Any = getattr(super(), "_build_queue_arguments")  # noqa: B009 (it has no types)
        arguments: dict[str, Any] = build(queue_name)
        # Only durable without priorities; queues for delayed messages are quorum queues as well.
        return {**arguments, "x-queue-type": "quorum"}


def rabbitmq_broker(url: str, middleware: list[Middleware]) -> Broker:
    """Return the broker at `url`; nothing is connected yet."""
    broker = _QuorumBroker(url=url, confirm_delivery=True, middleware=middleware)
    parameters: Any = broker.parameters
    parameters.socket_timeout = parameters.stack_timeout = SOCKET_SECONDS
    parameters.blocked_connection_timeout = SOCKET_SECONDS
    parameters.heartbeat = HEARTBEAT_SECONDS
    return broker
