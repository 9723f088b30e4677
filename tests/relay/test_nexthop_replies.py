"""What a next hop writes is what the client reads; and a large letter goes out as it came in."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
import uvloop

from relay import connection, downstream
from relay.addresses import Address
from relay.downstream import NextHop
from relay.metrics import Metrics
from relay.nexthops import HopSettings, NextHopLost
from relay.transaction import Transaction
from tests.relay.neighbours import HANGS, Hop, Octets, always
from tests.relay.nexthop_letters import (
    LOST,
    MAIL,
    RCPT,
    Sent,
    send,
    send_one,
    settings_for,
    with_next_hop,
)

LARGE = b"".join(b"%09d " % number * 7 + b"\r\n" for number in range(80_000)) + b".\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"550 5.1.1  two blanks before, three behind   ",
        b"550-5.1.1 first\r\n550-\r\n550-  5.1.1 indented\r\n550 5.1.1 last",
        b"550-\r\n550 5.1.1 behind an empty line",
        b"550-5.1.1 trailing \r\n550 ",
        "550 5.1.1 宛先が見つかりません".encode(),
        b"550 5.1.1 \xff\xfe no UTF-8",
        b"550 \t5.1.1 a tab",
    ],
)
@pytest.mark.parametrize("step", ["RCPT", "end"])
def test_a_reply_reaches_the_client_as_it_was_written(
    next_hop: Hop, step: str, answer: bytes
) -> None:
    """Blanks, empty lines and octets that are no text stay where they are."""
    next_hop.answers[step] = always(answer)
    sent = send_one(settings_for(next_hop))
    assert sent.answer.encode("utf-8", "surrogateescape") == answer.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("answer", "read"),
    [(Octets(b"250 lf alone\n"), "250 lf alone"), (Octets(b"250\r\n"), "250 ")],
    ids=["LF", "no text"],
)
def test_replies_of_sloppy_servers_are_read(next_hop: Hop, answer: Octets, read: str) -> None:
    """A bare LF ends a line, and a code may stand alone (RFC 5321 §4.2)."""
    next_hop.answers["end"] = always(answer)
    assert send_one(settings_for(next_hop)) == Sent("end", read)


def test_a_letter_of_many_pieces_arrives_whole(next_hop: Hop) -> None:
    """Several large letters on one connection, octet for octet."""
    assert len(LARGE) > 10 * downstream.PIECE_BYTES

    async def three(hops: NextHop) -> list[Sent]:
        return [await send(hops, wire=LARGE) for _ in range(3)]

    sent = with_next_hop(settings_for(next_hop), three)
    assert all(each.answer.startswith("250 ") for each in sent)
    assert next_hop.heard.wires == [LARGE] * 3
    assert next_hop.heard.connections == 1


class Reluctant:
    """A next hop that takes a letter up to its first octets, and then does as it is told."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer  # `None` hangs up.
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self._server.bind(("127.0.0.1", 0))
        self._server.listen()
        self.given_up = threading.Event()
        self.rest = b""
        self._thread = threading.Thread(target=self._converse)

    def __enter__(self) -> HopSettings:
        self._thread.start()
        host, port = self._server.getsockname()
        return HopSettings((Address(host, port),), "relay.example")

    def __exit__(self, *_: object) -> None:
        self.given_up.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._server.close()

    def _converse(self) -> None:
        peer, _ = self._server.accept()
        with peer, peer.makefile("rb") as lines:
            peer.sendall(b"220 hop.example ESMTP\r\n")
            for line in lines:
                is_data = line == b"DATA\r\n"
                peer.sendall(b"354 go ahead\r\n" if is_data else b"250 2.0.0 fine\r\n")
                if is_data:
                    break
            lines.read(100)
            if self._answer is None:
                return
            peer.sendall(self._answer)
            assert self.given_up.wait(20)
            try:
                while octets := lines.read1():
                    self.rest = (self.rest + octets)[-5:]
            except ConnectionResetError:
                pass


HUGE = LARGE[:-3] * 6 + b".\r\n"  # More than the buffers of two sockets hold.


def test_a_refusal_in_the_middle_of_a_letter_ends_it() -> None:
    """The refusal is the client's, and the rest of the letter is sent to nobody."""
    reluctant = Reluctant(b"552 5.3.4 too large\r\n")
    with reluctant as settings:
        sent = send_one(settings, wire=HUGE)
        assert (sent.answer, sent.outcome_unknown) == ("552 5.3.4 too large", False)
    assert not reluctant.rest.endswith(b"\r\n.\r\n")


def test_a_yes_in_the_middle_of_a_letter_is_not_believed() -> None:
    """A next hop that accepts what it does not have is lost, and what it has is unknown."""
    with Reluctant(b"250 2.0.0 fine\r\n") as settings:
        sent = send_one(settings, wire=HUGE)
    assert (sent.answer, sent.outcome_unknown) == (LOST, True)


def test_a_letter_that_is_taken_too_slowly_is_known_not_to_have_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The final dot never left us: the client hears 451, and its next attempt is no duplicate."""
    monkeypatch.setattr(connection, "FINAL_DOT_SECONDS", 0.5)
    reluctant = Reluctant(b"")
    with reluctant as settings:
        sent = send_one(settings, wire=HUGE)
        assert (sent.answer, sent.outcome_unknown) == (LOST, False)
    assert not reluctant.rest.endswith(b"\r\n.\r\n")


def test_a_connection_that_ends_within_a_letter_cannot_have_delivered_it() -> None:
    """The final dot never left us: the client hears 451, and we know that nothing arrived."""
    with Reluctant(None) as settings:
        sent = send_one(settings, wire=HUGE)
    assert (sent.answer, sent.outcome_unknown) == (LOST, False)


def test_a_client_that_goes_leaves_no_reply_for_the_next(next_hop: Hop) -> None:
    """A command that is broken off takes its connection along: its reply would come too late."""

    async def main() -> str:
        hops = NextHop(settings_for(next_hop), Metrics())
        loop, is_asked, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def answer(_connection: int, _line: str) -> bytes:
            loop.call_soon_threadsafe(is_asked.set)
            assert release.wait(20)
            return b"250 2.1.0 late"

        next_hop.answers["MAIL"] = answer
        letter = Transaction(hops)
        task = asyncio.create_task(letter.command(*MAIL))
        await is_asked.wait()
        task.cancel()
        await asyncio.wait([task])
        letter.finish()
        next_hop.answers["MAIL"] = always(b"550 5.7.1 no")
        release.set()
        sent = await send(hops)
        await hops.close()
        return sent.answer

    assert uvloop.run(main()) == "550 5.7.1 no"
    assert next_hop.heard.connections == 2


def test_a_command_ends_where_it_ends(next_hop: Hop) -> None:
    """An argument with a line break in it is our own mistake, and is never sent."""

    async def use(hops: NextHop) -> None:
        letter = Transaction(hops)
        with pytest.raises(ValueError, match="control character"):
            await letter.command(RCPT[0], RCPT[1] + b"\r\nDATA")
        with pytest.raises(ValueError, match="control character"):
            await letter.command(b"XFORWARD", b"NAME=a\nMAIL FROM:<>")
        letter.abandon()

    with_next_hop(settings_for(next_hop), use)
    assert {line for _, line in next_hop.heard.commands} == {"EHLO relay.example"}


def test_the_time_limit_holds_from_reply_to_reply(
    next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shorter limit behind a longer one is kept, on the same connection."""
    next_hop.answers["RCPT"] = always(HANGS)

    async def use(hops: NextHop) -> None:
        letter = Transaction(hops)
        assert (await letter.command(*MAIL)).is_positive
        monkeypatch.setattr(connection, "COMMAND_SECONDS", 0.2)
        with pytest.raises(NextHopLost, match="no answer in time"):
            await letter.command(*RCPT)

    with_next_hop(settings_for(next_hop), use)
