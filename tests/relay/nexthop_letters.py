"""One letter through a transaction, and what its client would hear: for tests of next hops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from relay.addresses import Address
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.nexthops import HopSettings, NextHopAway, NextHopLost
from relay.reply import NEXT_HOP_AWAY, NEXT_HOP_LOST, Reply
from relay.transaction import Transaction
from tests.relay.neighbours import Hop

WIRE = b"Subject: minutes\r\n\r\nSee you on Monday.\r\n.\r\n"
T = TypeVar("T")

XFORWARD = (b"XFORWARD", b"NAME=mail.example.com ADDR=192.0.2.1")
MAIL = (b"MAIL", b"FROM:<recruit@aozora.example.jp>")
RCPT = (b"RCPT", b"TO:<yui@mail.example.com>")


def text(reply: Reply) -> str:
    """Return a reply as the client reads it, its lines joined by LF."""
    octets = reply.encode().removesuffix(b"\r\n")
    return octets.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


AWAY, LOST = text(NEXT_HOP_AWAY), text(NEXT_HOP_LOST)


@dataclass(frozen=True)
class Sent:
    """How far a letter got: the last step, and what the client hears of it."""

    step: str
    answer: str
    outcome_unknown: bool = False
    reason: str = ""  # For the operator, if there was no answer.


async def send(
    next_hop: NextHop,
    *,
    wire: bytes = WIRE,
    commands: tuple[tuple[bytes, bytes], ...] = (MAIL, RCPT),
) -> Sent:
    """Send a letter as a session would."""
    transaction = Transaction(next_hop)
    step = ""
    try:
        for verb, argument in commands:
            step = verb.decode()
            reply = await transaction.command(verb, argument)
            if not reply.is_positive:
                return Sent(step, text(reply))
        step = "end"
        reply = await transaction.send(wire)
        transaction.finish()
        return Sent(step, text(reply), transaction.outcome_unknown)
    except NextHopAway as error:
        return Sent(step, AWAY, transaction.outcome_unknown, str(error))
    except NextHopLost as error:
        return Sent(step, LOST, transaction.outcome_unknown, str(error))
    finally:
        transaction.abandon()


def address(hop: Hop) -> Address:
    """Return where a hop listens."""
    return Address("127.0.0.1", hop.port)


def settings_for(*hops: Hop, **others: Any) -> HopSettings:
    """Return settings for hops in this order."""
    return HopSettings(tuple(address(each) for each in hops), "relay.example", **others)


def with_next_hop(
    settings: HopSettings, use: Callable[[NextHop], Awaitable[T]], metrics: Metrics | None = None
) -> T:
    """Run a coroutine with a next hop, in the loop that the product uses."""

    async def main() -> T:
        next_hop = NextHop(settings, metrics or Metrics())
        try:
            return await use(next_hop)
        finally:
            await next_hop.close()

    return uvloop.run(main())


def send_one(settings: HopSettings, **others: Any) -> Sent:
    """Send one letter."""
    return with_next_hop(settings, lambda next_hop: send(next_hop, **others))
