"""Connections that are kept: used again, left in time, and never trusted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from relay import downstream, pool
from relay.addresses import Address
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.nexthops import HopSettings
from relay.transaction import Transaction
from tests.relay.neighbours import HANGS, Hop, Octets
from tests.relay.nexthop_letters import MAIL, RCPT, WIRE, Sent, send, settings_for, with_next_hop

ANSWERED = Sent("end", "250 2.0.0 queued as 4F2A")


def connections(metrics: Metrics) -> tuple[float | None, float | None]:
    """Return how many connections are idle and busy, as the metrics tell."""
    idle, busy = (
        metrics.registry.get_sample_value("careerrelay_next_hop_connections", {"state": state})
        for state in ("idle", "busy")
    )
    return idle, busy


class Heard:
    """An answer of a hop that tells the loop when it was asked for."""

    def __init__(self, answer: bytes | Octets | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self._answer = answer

    def __call__(self, _connection: int, _line: str) -> bytes | Octets | None:
        """Answer."""
        self._loop.call_soon_threadsafe(self._asked.set)
        return self._answer

    async def wait(self) -> None:
        """Return when it was asked for."""
        async with asyncio.timeout(20):
            await self._asked.wait()


def test_letters_share_a_connection_and_the_metrics_count_it(next_hop: Hop) -> None:
    """One connection carries letter after letter; it is busy, then idle, then gone."""
    metrics = Metrics()
    seen = list[tuple[float | None, float | None]]()

    async def use(hops: NextHop) -> None:
        letter = Transaction(hops)
        await letter.command(*MAIL)
        seen.append(connections(metrics))
        await letter.command(*RCPT)
        await letter.send(WIRE)
        letter.finish()
        seen.append(connections(metrics))
        assert await send(hops) == ANSWERED
        broken = Transaction(hops)
        await broken.command(*MAIL)
        broken.abandon()

    with_next_hop(settings_for(next_hop), use, metrics)
    assert seen == [(0, 1), (1, 0)]
    assert connections(metrics) == (0, 0)
    assert next_hop.heard.connections == 1
    replies = metrics.registry.get_sample_value(
        "careerrelay_next_hop_replies_total", {"command": "END", "code": "250"}
    )
    assert replies == 2


def test_idle_connections_leave_when_their_time_is_up(
    next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to come and take one: a timer says QUIT."""
    monkeypatch.setattr(pool, "IDLE_MAX_SECONDS", 0.2)

    async def use(hops: NextHop) -> None:
        quits = next_hop.answers["QUIT"] = Heard(b"221 2.0.0 bye")
        assert await send(hops) == ANSWERED
        await quits.wait()
        assert await send(hops) == ANSWERED

    with_next_hop(settings_for(next_hop), use)
    assert next_hop.heard.connections == 2


def test_only_so_many_connections_are_kept(next_hop: Hop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given back over the limit takes leave politely."""
    monkeypatch.setattr(pool, "IDLE_CONNECTIONS_MAX", 1)

    async def use(hops: NextHop) -> None:
        quits = next_hop.answers["QUIT"] = Heard(b"221 2.0.0 bye")
        both = [await hops.take(), await hops.take()]
        for each in both:
            hops.give_back(each)
        await quits.wait()
        assert await send(hops) == ANSWERED

    with_next_hop(settings_for(next_hop), use)
    assert next_hop.heard.connections == 2
    assert next_hop.heard.verbs(2) == ["EHLO", "QUIT"]


@pytest.mark.parametrize("answer", [None, HANGS, b"421 4.4.2 idle for too long"], ids=repr)
def test_a_connection_that_was_idle_is_asked_before_it_is_used(
    next_hop: Hop, monkeypatch: pytest.MonkeyPatch, answer: bytes | Octets | None
) -> None:
    """One that does not answer NOOP is given up, with those that were idle for longer."""
    monkeypatch.setattr(downstream, "NOOP_AFTER_SECONDS", 0.0)
    monkeypatch.setattr("relay.connection.NOOP_SECONDS", 0.3)
    next_hop.answers["NOOP"] = lambda number, _line: answer if number < 3 else b"250 2.0.0 fine"

    async def use(hops: NextHop) -> list[Sent]:
        both = [await hops.take(), await hops.take()]
        for each in both:
            hops.give_back(each)
        return [await send(hops), await send(hops)]

    assert with_next_hop(settings_for(next_hop), use) == [ANSWERED, ANSWERED]
    assert next_hop.heard.verbs(1) == ["EHLO"]
    assert next_hop.heard.verbs(2) == ["EHLO", "NOOP"]
    letter = ["MAIL", "RCPT", "DATA"]
    assert next_hop.heard.verbs(3) == ["EHLO", *letter, "NOOP", *letter, "QUIT"]


class Talkative:
    """A next hop in the test's own loop, which may say something at any time."""

    def __init__(self) -> None:
        self.writers = list[asyncio.StreamWriter]()
        self.ends = list[asyncio.Event]()
        self.wires = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as a next hop does, until the relay goes."""
        self.writers.append(writer)
        self.ends.append(asyncio.Event())
        end = self.ends[-1]
        writer.write(b"220 hop.example ESMTP\r\n")
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(b"354 go ahead\r\n" if line == b"DATA\r\n" else b"250 2.0.0 fine\r\n")
                if line == b"DATA\r\n":
                    await reader.readuntil(b"\r\n.\r\n")
                    self.wires += 1
                    writer.write(b"250 2.0.0 kept\r\n")
        writer.close()
        end.set()

    async def say(self, number: int, octets: bytes) -> None:
        """Say something on a connection (from 0); return when the relay has closed it."""
        self.writers[number].write(octets)
        async with asyncio.timeout(20):
            await self.ends[number].wait()


async def with_talkative(use: Callable[[NextHop, Talkative], Awaitable[None]]) -> None:
    """Run a test with such a next hop."""
    hop = Talkative()
    server = await asyncio.start_server(hop.converse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        hops = NextHop(HopSettings((Address("127.0.0.1", port),), "relay.example"), Metrics())
        await use(hops, hop)
        await hops.close()
        for end in hop.ends:
            await end.wait()


def test_a_next_hop_that_says_goodbye_by_itself_is_believed() -> None:
    """A 421 that nobody asked for ends the idle connection; it answers no MAIL."""

    async def use(hops: NextHop, hop: Talkative) -> None:
        assert (await send(hops)).answer == "250 2.0.0 kept"
        await hop.say(0, b"421 4.4.2 idle for too long\r\n")
        assert (await send(hops)).answer == "250 2.0.0 kept"
        assert (len(hop.writers), hop.wires) == (2, 2)

    uvloop.run(with_talkative(use))


@pytest.mark.parametrize("is_reused", [True, False])
def test_a_goodbye_before_data_is_no_reply_to_it(is_reused: bool) -> None:
    """The connection is replaced, kept or made for this letter: nothing of it was sent."""

    async def use(hops: NextHop, hop: Talkative) -> None:
        if is_reused:
            await send(hops)
        letter = Transaction(hops)
        for command in (MAIL, RCPT):
            assert (await letter.command(*command)).is_positive
        await hop.say(0, b"421 4.3.2 shutting down\r\n")
        assert (await letter.send(WIRE)).is_positive
        letter.finish()
        assert hop.wires == (2 if is_reused else 1)

    uvloop.run(with_talkative(use))


def test_a_connection_of_old_settings_ends_with_its_letter(next_hop: Hop) -> None:
    """Idle ones take leave at once, those in use when they are given back, none is kept."""

    async def use(hops: NextHop) -> None:
        letter = Transaction(hops)
        await letter.command(*MAIL)
        idle = await hops.take()
        hops.give_back(idle)
        quits = next_hop.answers["QUIT"] = Heard(b"221 2.0.0 bye")
        hops.retire()
        await quits.wait()
        await letter.command(*RCPT)
        quits = next_hop.answers["QUIT"] = Heard(b"221 2.0.0 bye")
        assert (await letter.send(WIRE)).is_positive
        letter.finish()
        await quits.wait()

    with_next_hop(settings_for(next_hop), use)
    assert next_hop.heard.verbs(2) == ["EHLO", "QUIT"]
    assert next_hop.heard.verbs(1) == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_letter_begun_before_the_settings_changed_is_finished(next_hop: Hop) -> None:
    """A retired next hop still opens connections for whoever holds it."""

    async def use(hops: NextHop) -> Sent:
        hops.retire()
        return await send(hops)

    assert with_next_hop(settings_for(next_hop), use) == ANSWERED
