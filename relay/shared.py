"""What all sessions of a process have in common, and what a session is given of its connection."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from relay import reply as replies
from relay.deliver import Delivery, Job
from relay.door import Door, Limits
from relay.downstream import NextHop
from relay.incoming import ClientStream, Hold, Room
from relay.metrics import Metrics
from relay.reply import Reply
from relay.transaction import Transaction

log = structlog.get_logger("relay")


class Client(Protocol):
    """The connection, as far as a dialogue needs it. Every wait ends when the client is gone."""

    @property
    def stream(self) -> ClientStream:
        """What the client sends."""
        ...

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection speaks TLS."""
        ...

    @property
    def is_known_by_certificate(self) -> bool:
        """Whether the client has shown a certificate that may use the relay."""
        ...

    def heard(self, octets: int = 0, since: float | None = None) -> None:
        """Start the client's time anew; with the moment since which it sends one message."""
        ...

    async def send(self, answer: Reply) -> None:
        """Send a reply."""
        ...

    async def start_tls(self) -> None:
        """Tell the client to begin with TLS, and go over to it."""
        ...


@dataclass(slots=True)
class Shared:
    """What the sessions of a process have in common. The event loop alone touches it."""

    limits: Limits
    next_hop: NextHop
    delivery: Delivery
    metrics: Metrics
    room: Room
    is_stopping: bool = False
    # A loop time: the process waits no longer for messages, so none is begun that would be cut off.
    ends_at: float = math.inf
    deliveries: set[asyncio.Task[Reply]] = field(default_factory=set[asyncio.Task[Reply]])

    def refuse(self, reason: str, door: Door, *, code: int = 0) -> None:
        """Count and log what we refused ourselves; `code` if it had one of its own."""
        self.metrics.refused(reason)
        log.info("refused", reason=reason, listener=str(door.address), code=code or None)

    async def deliver(self, job: Job, transaction: Transaction, hold: Hold) -> Reply:
        """Deliver to the end, whatever becomes of the client meanwhile.

        A session is cancelled when its connection breaks; a delivery cut off then would leave it
        unknown whether the next hop has the letter. So the transaction, and the room that the
        message takes, are handed over.
        """
        task = asyncio.create_task(self._deliver(job, transaction, hold))
        self.deliveries.add(task)
        task.add_done_callback(self.deliveries.discard)
        return await asyncio.shield(task)

    async def _deliver(self, job: Job, transaction: Transaction, hold: Hold) -> Reply:
        try:
            now = asyncio.get_running_loop().time()
            deadline = min(now + self.delivery.reply_max_seconds, self.ends_at)
            return await self.delivery.deliver(job, transaction, deadline)
        except asyncio.CancelledError:
            # The process ends first: what is not known is said to be unknown.
            log.error(
                "delivery_cut_off",
                incident=job.incident,
                outcome_unknown=transaction.outcome_unknown,
            )
            if transaction.outcome_unknown:
                self.metrics.outcome_unknown()
            raise
        except Exception:  # Promise 2: our own fault is a 4xx, so the sender keeps the mail.
            log.exception("delivery_failed", incident=job.incident)
            return replies.temporary_failure(job.incident)
        finally:
            transaction.abandon()
            hold.give_back()


def new_incident() -> str:
    """Return a short id that log lines and our own 4xx replies carry."""
    return f"{random.getrandbits(32):08x}"  # To be told apart, not to be kept secret.
