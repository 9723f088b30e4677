"""Several next hops in order, and the time a letter may take over all of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from relay import connection, downstream, transaction
from relay.addresses import Address
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.nexthops import DOWN_SECONDS, HopSettings, NextHopAway
from relay.tls import TlsMode
from relay.transaction import Transaction
from tests.relay.neighbours import HANGS, Hop, Octets, always, hop, offers
from tests.relay.nexthop_letters import (
    AWAY,
    LOST,
    MAIL,
    RCPT,
    WIRE,
    XFORWARD,
    Sent,
    address,
    send,
    send_one,
    settings_for,
    with_next_hop,
)

ANSWERED = Sent("end", "250 2.0.0 queued as 4F2A")


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def second_hop() -> Iterator[Hop]:
    """Run another well-behaved next hop."""
    with hop() as running_hop:
        yield running_hop


@contextmanager
def nobody() -> Generator[Address]:
    """Give an address at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Address("127.0.0.1", int(bound.getsockname()[1]))


@contextmanager
def black_hole() -> Generator[Address]:
    """Give an address at which connections are never answered: its queue is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield Address("127.0.0.1", int(server.getsockname()[1]))


@pytest.mark.parametrize(
    "greeting", [None, b"421 4.3.2 no", b"451 4.3.0 no", b"554 5.7.1 no", b"hello"]
)
def test_a_host_that_does_not_let_us_in_is_passed_over(
    next_hop: Hop, second_hop: Hop, greeting: bytes | None
) -> None:
    """The letter goes to the second host, and the next one does not even ask the first."""
    next_hop.answers["greeting"] = always(greeting)

    async def two(hops: NextHop) -> list[Sent]:
        return [await send(hops), await send(hops)]

    assert with_next_hop(settings_for(next_hop, second_hop), two) == [ANSWERED, ANSWERED]
    assert next_hop.heard.connections == 1
    assert second_hop.heard.wires == [WIRE, WIRE]


def test_the_operator_reads_why_and_nothing_that_harms_a_log(next_hop: Hop) -> None:
    """Host, step, code and the hop's words, before any address was told, as one printable line."""
    next_hop.answers["greeting"] = always(b"554 5.7.1 blocked \xff\x1b[2J " + b"x" * 1000)
    sent = send_one(settings_for(next_hop))
    here = f"127.0.0.1:{next_hop.port}"
    assert sent.reason.startswith(f"{here}: GREETING: answered 554 5.7.1 blocked ??[2J xx")
    assert len(sent.reason) < 300


def test_a_host_where_nobody_listens_is_passed_over(next_hop: Hop) -> None:
    """A refused connection is a host away."""
    with nobody() as address_of_nobody:
        settings = HopSettings((address_of_nobody, address(next_hop)), "relay.example")
        assert send_one(settings) == ANSWERED


@pytest.mark.parametrize("settings", [{"tls": TlsMode.REQUIRED}, {"user": "relay"}], ids=str)
def test_a_host_without_tls_or_auth_is_passed_over(
    next_hop: Hop, second_hop: Hop, settings: dict[str, object]
) -> None:
    """Every host is asked for what is required; the reasons of all are told."""
    sent = send_one(settings_for(next_hop, second_hop, **settings))
    assert sent.answer == AWAY
    assert str(next_hop.port) in sent.reason
    assert str(second_hop.port) in sent.reason
    assert second_hop.heard.connections == 1


def test_a_black_hole_leaves_time_for_the_host_behind_it(
    next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the time for connecting is the second host's, though the first never answers."""
    monkeypatch.setattr(downstream, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(downstream, "CONNECT_MIN_SECONDS", 0.1)
    with black_hole() as hole:
        settings = HopSettings((hole, address(next_hop)), "relay.example")

        async def two(hops: NextHop) -> list[Sent]:
            first = await send(hops)
            # Passed over: else this would be too short to get beyond the first host.
            monkeypatch.setattr(downstream, "CONNECT_SECONDS", 0.5)
            return [first, await send(hops)]

        assert with_next_hop(settings, two) == [ANSWERED, ANSWERED]
    assert next_hop.heard.connections == 1


def test_the_first_host_is_used_again_when_it_is_back(next_hop: Hop, second_hop: Hop) -> None:
    """After a while one letter asks the first host again; the kept connection does not hold us."""
    clock = Clock()
    next_hop.answers["greeting"] = always(None)

    async def four() -> list[Sent]:
        hops = NextHop(settings_for(next_hop, second_hop), Metrics(), clock)
        sent = [await send(hops)]
        next_hop.answers.clear()
        sent.append(await send(hops))
        clock.now += DOWN_SECONDS + 1
        sent.append(await send(hops))
        sent.append(await send(hops))
        await hops.close()
        return sent

    assert asyncio.run(four()) == [ANSWERED] * 4
    assert (len(next_hop.heard.wires), len(second_hop.heard.wires)) == (2, 2)


def test_a_host_that_was_away_is_tried_by_one_letter_at_a_time(
    next_hop: Hop, second_hop: Hop
) -> None:
    """While a letter waits for it, others go past it."""
    clock = Clock()
    next_hop.answers["greeting"] = always(None)

    async def main() -> Sent:
        hops = NextHop(settings_for(next_hop, second_hop), Metrics(), clock)
        await send(hops)
        loop, is_asked = asyncio.get_running_loop(), asyncio.Event()

        def hang(_connection: int, _line: str) -> Octets:
            loop.call_soon_threadsafe(is_asked.set)
            return HANGS

        next_hop.answers["greeting"] = hang
        clock.now += DOWN_SECONDS + 1
        waiting = asyncio.create_task(send(hops))
        await is_asked.wait()
        sent = await send(hops)
        waiting.cancel()
        await asyncio.wait([waiting])
        await hops.close()
        return sent

    assert asyncio.run(main()) == ANSWERED
    assert next_hop.heard.connections == 2


def test_when_all_are_away_all_are_tried_again(next_hop: Hop, second_hop: Hop) -> None:
    """A host that is back at once is found at once, whatever was noted of it."""
    next_hop.answers["greeting"] = second_hop.answers["greeting"] = always(None)

    async def two(hops: NextHop) -> list[Sent]:
        away = await send(hops)
        second_hop.answers.clear()
        return [away, await send(hops)]

    sent = with_next_hop(settings_for(next_hop, second_hop), two)
    assert (sent[0].answer, sent[1]) == (AWAY, ANSWERED)
    assert next_hop.heard.connections == 2


def test_a_kept_connection_that_died_with_its_host_is_replaced_by_another_host(
    next_hop: Hop, second_hop: Hop
) -> None:
    """The letter that was begun on the first host is said again on the second, and arrives once."""

    async def two(hops: NextHop) -> list[Sent]:
        first = await send(hops)
        next_hop.answers["RCPT"] = next_hop.answers["greeting"] = always(None)
        return [first, await send(hops, commands=(XFORWARD, MAIL, RCPT))]

    assert with_next_hop(settings_for(next_hop, second_hop), two) == [ANSWERED, ANSWERED]
    assert second_hop.heard.verbs(1)[:5] == ["EHLO", "XFORWARD", "MAIL", "RCPT", "DATA"]
    assert len(second_hop.heard.wires) == 1


@pytest.mark.parametrize(
    ("commands", "offer"),
    [
        (((b"MAIL", MAIL[1] + b" BODY=8BITMIME"), RCPT), "8BITMIME"),
        (((b"MAIL", MAIL[1] + b" SMTPUTF8"), RCPT), "SMTPUTF8"),
        (((b"MAIL", MAIL[1] + b" RET=HDRS ENVID=q+3D1"), RCPT), "DSN"),
        ((MAIL, (b"RCPT", RCPT[1] + b" NOTIFY=NEVER")), "DSN"),
        ((XFORWARD, MAIL, RCPT), "XFORWARD NAME ADDR"),
    ],
    ids=["8BITMIME", "SMTPUTF8", "DSN in MAIL", "DSN in RCPT", "XFORWARD"],
)
def test_what_the_second_host_does_not_offer_is_no_permanent_refusal(
    next_hop: Hop, second_hop: Hop, commands: tuple[tuple[bytes, bytes], ...], offer: str
) -> None:
    """A client that was told of an extension hears 451 from a host without it, then the truth."""
    next_hop.answers["EHLO"] = offers("SIZE 1000", offer)
    second_hop.answers["EHLO"] = offers("SIZE 1000")
    refuse = always(b"555 5.5.4 unsupported")
    second_hop.answers["XFORWARD"] = refuse

    async def use(hops: NextHop) -> tuple[Sent, tuple[tuple[str, str], ...]]:
        assert offer.split()[0] in dict((await hops.extensions()).keywords)
        next_hop.answers["NOOP"] = next_hop.answers["greeting"] = always(None)
        next_hop.answers["MAIL"] = next_hop.answers["XFORWARD"] = always(None)
        sent = await send(hops, commands=commands)
        return sent, (await hops.extensions()).keywords

    sent, told = with_next_hop(settings_for(next_hop, second_hop), use)
    assert sent.answer == AWAY
    assert told == (("SIZE", "1000"),)
    assert second_hop.heard.wires == []


def test_size_is_said_only_to_hosts_that_know_it(next_hop: Hop) -> None:
    """We offer SIZE to clients whatever the next hop does; it is dropped where nobody knows it."""
    next_hop.answers["EHLO"] = offers("DSN")
    commands = ((b"MAIL", MAIL[1] + b" SIZE=120 RET=HDRS AUTH=<>"), RCPT)
    assert send_one(settings_for(next_hop), commands=commands) == ANSWERED
    said = next(line for _, line in next_hop.heard.commands if line.startswith("MAIL"))
    assert said == "MAIL FROM:<recruit@aozora.example.jp> RET=HDRS"


def test_requiretls_never_goes_where_it_is_not_offered(next_hop: Hop) -> None:
    """A next hop that has not proved its name cannot keep that promise (RFC 8689)."""
    next_hop.answers["EHLO"] = offers("REQUIRETLS")
    commands = ((b"MAIL", MAIL[1] + b" REQUIRETLS"), RCPT)
    assert send_one(settings_for(next_hop), commands=commands).answer == AWAY
    assert "MAIL" not in next_hop.heard.verbs(1)


def test_what_nobody_offered_is_the_next_hops_to_refuse(next_hop: Hop) -> None:
    """A parameter the client made up goes on as it is, and gets the refusal it deserves."""
    next_hop.answers["EHLO"] = offers("SIZE 1000")
    next_hop.answers["MAIL"] = always(b"555 5.5.4 unsupported")
    commands = ((b"MAIL", MAIL[1] + b" RET=HDRS"), RCPT)
    sent = send_one(settings_for(next_hop), commands=commands)
    assert (sent.step, sent.answer) == ("MAIL", "555 5.5.4 unsupported")


def test_a_reply_comes_within_its_time_whatever_is_tried(
    next_hop: Hop, second_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialogue said again shares the time of the command that failed: it is given up as well.

    The limits of the single steps are hours here: what ends the waiting is the limit of all.
    """
    monkeypatch.setattr(connection, "COMMAND_SECONDS", 3600.0)
    monkeypatch.setattr(downstream, "CONNECT_SECONDS", 3600.0)
    settings = settings_for(next_hop, second_hop, reply_max_seconds=1.0)

    async def two(hops: NextHop) -> list[Sent]:
        monkeypatch.setattr(transaction, "FINAL_DOT_MIN_SECONDS", 0.1)
        first = await send(hops)
        next_hop.answers["RCPT"] = always(None)
        next_hop.answers["greeting"] = always(HANGS)
        second_hop.answers["MAIL"] = always(HANGS)
        return [first, await send(hops)]

    sent = with_next_hop(settings, two)
    assert sent[0] == ANSWERED
    assert (sent[1].step, sent[1].answer) == ("RCPT", LOST)
    assert "MAIL: no answer in time" in sent[1].reason


@pytest.mark.parametrize("left_seconds", [-1.0, transaction.FINAL_DOT_MIN_SECONDS - 1])
def test_a_message_is_not_begun_when_its_time_is_nearly_up(
    next_hop: Hop, left_seconds: float
) -> None:
    """The client hears 451 and knows where it stands: no DATA was said, nothing is unknown."""

    async def use(hops: NextHop) -> bool:
        letter = Transaction(hops)
        for command in (MAIL, RCPT):
            assert (await letter.command(*command)).is_positive
        with pytest.raises(NextHopAway):
            await letter.send(WIRE, deadline=asyncio.get_running_loop().time() + left_seconds)
        letter.abandon()
        return letter.outcome_unknown

    assert with_next_hop(settings_for(next_hop), use) is False
    assert next_hop.heard.verbs(1) == ["EHLO", "MAIL", "RCPT"]


def test_a_slow_data_leaves_time_for_the_final_dot(
    next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A next hop that takes too long over DATA is given up before anything was sent."""
    monkeypatch.setattr(transaction, "FINAL_DOT_MIN_SECONDS", 0.5)
    next_hop.answers["DATA"] = always(HANGS)
    sent = send_one(settings_for(next_hop, reply_max_seconds=1.0))
    assert (sent.step, sent.answer, sent.outcome_unknown) == ("end", LOST, False)
