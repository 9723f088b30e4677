"""Lives in which the client breaks off, falls silent, is slow or does not listen."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from relay import deliver, smtp_in
from tests.relay.lives_stage import FROM, HELLO, TO, Caller, Stage, samples
from tests.relay.lives_way import QUICK_CLIENT, Held, Way
from tests.relay.neighbours import Client, Hop
from tests.relay.running import DOOR

POINTS: Mapping[str, tuple[tuple[str, ...], bytes]] = {
    # What was said and answered, and what is sent behind it.
    "at the greeting": ((), b""),
    "after EHLO": ((HELLO,), b""),
    "in a command": ((HELLO,), b"MAIL FROM:<recr"),
    "after MAIL": ((HELLO, FROM), b""),
    "in RCPT": ((HELLO, FROM), TO.encode()),
    "after RCPT": ((HELLO, FROM, TO), b""),
    "after DATA": ((HELLO, FROM, TO, "DATA"), b""),
    "in the message": ((HELLO, FROM, TO, "DATA"), b"Subject: minutes\r\n\r\nSee you on"),
    "in a large message": ((HELLO, FROM, TO, "DATA"), b"Subject: large\r\n\r\n" + b"x" * 600_000),
    "at the dot": ((HELLO, FROM, TO, "DATA"), b"Subject: minutes\r\n\r\nMonday.\r\n."),
}
BEFORE_MAIL = ("at the greeting", "after EHLO", "in a command")
AFTER_MAIL = ("after MAIL", "in RCPT")
AFTER_RCPT = ("after RCPT", "after DATA", "in the message", "in a large message", "at the dot")

Leave = Callable[[Caller], None]


def up_to(stage: Stage, point: str) -> Caller:
    """Return a client that has come so far."""
    said, sent = POINTS[point]
    caller = stage.caller()
    assert all(caller.step(line) for line in said)
    caller.send(sent)
    return caller


def leaves(points: Sequence[str]) -> tuple[Way, ...]:
    """Return the ways in which it breaks off at these points."""

    def way(point: str, manner: str, leave: Leave) -> Way:
        return Way(f"{manner} {point}", lambda stage: leave(up_to(stage, point)))

    manners: Mapping[str, Leave] = {"resets": Caller.reset, "half-closes": Caller.half_close}
    return tuple(way(point, name, leave) for point in points for name, leave in manners.items())


def silent(points: Sequence[str]) -> tuple[Way, ...]:
    """Return the ways in which it says nothing more at these points."""

    def way(point: str) -> Way:
        return Way(point, lambda stage: up_to(stage, point).hear_the_end(), QUICK_CLIENT)

    return tuple(way(point) for point in points)


@contextmanager
def _while_the_hop_decides(stage: Stage) -> Generator[Caller]:
    held = Held(stage.hop, "end", b"250 2.0.0 kept")
    caller = with_message(stage)
    held.wait()
    yield caller
    held.release()


@contextmanager
def _while_it_is_recorded(stage: Stage) -> Generator[Caller]:
    """Another program holds the store's lock: an ordinary letter does not wait for it."""
    other = sqlite3.connect(stage.folder / "careerrelay.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        caller = with_message(stage)
        stage.wait_until(
            lambda: bool(stage.relay.relay.shared.deliveries) or bool(stage.hop.heard.wires)
        )
        yield caller
    finally:
        other.close()


@contextmanager
def while_threads_are_busy(stage: Stage) -> Generator[None]:
    """Take every thread that work beside the loop could have."""
    released = threading.Event()
    try:
        stage.relay.call(_occupy(released))
        yield
    finally:
        released.set()


async def _occupy(released: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(64):
        loop.run_in_executor(None, released.wait, 20)


@contextmanager
def _while_it_is_judged(stage: Stage) -> Generator[Caller]:
    with while_threads_are_busy(stage):
        caller = with_message(stage)
        stage.wait_until(lambda: bool(stage.relay.relay.shared.deliveries))
        yield caller


def with_message(stage: Stage) -> Caller:
    """Return a client that has sent the letter."""
    caller = stage.caller()
    assert caller.begin()
    caller.send(stage.wire)
    return caller


MOMENTS = {
    "while it is judged": _while_it_is_judged,
    "while it is recorded": _while_it_is_recorded,
    "while the next hop decides": _while_the_hop_decides,
}


def behind_the_dot(manner: str) -> tuple[Way, ...]:
    """Return the ways in which it does something while the letter is with us."""

    def way(moment: str) -> Way:
        def play(stage: Stage) -> None:
            with MOMENTS[moment](stage) as caller:
                if manner == "resets":
                    caller.reset()
                elif manner == "half-closes":
                    caller.socket.shutdown(socket.SHUT_WR)
                    caller.has_gone = True
                else:
                    _outlast_the_limit(stage)
            if manner == "half-closes":
                caller.hear_the_end()
            elif manner == "is silent":
                caller.hear_verdict()

        limits = ((deliver, "JUDGE_IN_LOOP_MAX_BYTES", 0),) if "judged" in moment else ()
        return Way(moment, play, limits + (QUICK_CLIENT if manner == "is silent" else ()))

    return tuple(way(moment) for moment in MOMENTS)


def while_the_hop_answers(*steps: str) -> tuple[Way, ...]:
    """Return the ways in which it vanishes while the next hop thinks about a command."""

    def way(step: str) -> Way:
        def play(stage: Stage) -> None:
            held = Held(stage.hop, step, b"250 2.0.0 fine")
            caller = stage.caller()
            caller.send(f"{HELLO}\r\n{FROM}\r\n{TO}\r\n".encode())
            held.wait()
            caller.reset()
            stage.wait_until(lambda: not samples(stage.relay)["careerrelay_connections"])
            held.release()

        return Way(f"at {step}", play)

    return tuple(way(step) for step in steps)


def _silent_proxy(stage: Stage) -> None:
    stage.caller().hear_the_end()


def _behind_a_proxy(_hop: Hop) -> Mapping[str, Any]:
    return {"door": replace(DOOR, proxies=DOOR.allow)}


def _outlast_the_limit(stage: Stage) -> None:
    """Return when a client that says nothing at all has been sent away, and then another."""
    stage.not_its_own.add("refused `silent`")
    for _ in range(2):
        with Client(stage.relay.port) as other:
            while other.reply():
                pass


def _drips(stage: Stage) -> None:
    caller = up_to(stage, "after DATA")
    while not select.select([caller.socket], [], [], 0)[0]:
        caller.send(b"x")
        for _ in range(2):  # Until the relay has read it.
            stage.wait_until(lambda: True)
    caller.hear_the_end()


def _does_not_read(stage: Stage) -> None:
    """Say what is answered at length, and read nothing, until the relay hangs up."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", stage.relay.port))
        deaf.sendall(f"{HELLO}\r\n{FROM}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while True:
                deaf.sendall(f"{TO}\r\n".encode() * 1000)


LIVES: dict[str, tuple[Way, ...]] = {
    "client-leaves-before-mail": leaves(BEFORE_MAIL),
    "client-leaves-after-mail": leaves(AFTER_MAIL),
    "client-leaves-after-rcpt": leaves(AFTER_RCPT),
    "client-vanishes-at-mail": while_the_hop_answers("MAIL"),
    "client-vanishes-at-rcpt": while_the_hop_answers("RCPT"),
    "client-silent-before-mail": (
        *silent(BEFORE_MAIL),
        Way("at the PROXY header", _silent_proxy, QUICK_CLIENT, _behind_a_proxy, True),
    ),
    "client-silent-after-mail": silent(("after MAIL",)),
    "client-silent-after-rcpt": silent(AFTER_RCPT),
    "client-vanishes-behind-the-dot": behind_the_dot("resets"),
    "client-half-closes-behind-the-dot": behind_the_dot("half-closes"),
    "client-silent-behind-the-dot": behind_the_dot("is silent"),
    "client-sends-in-drops": (
        Way("a message", _drips, (*QUICK_CLIENT, (smtp_in, "MESSAGE_RATE_MIN_BYTES", 10**9))),
    ),
    "client-does-not-read": (Way("replies to RCPT", _does_not_read, QUICK_CLIENT),),
}
