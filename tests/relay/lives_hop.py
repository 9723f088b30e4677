"""Lives that a next hop, or the time for its replies, brings to a bad end."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from relay import transaction
from relay.addresses import Address
from relay.nexthops import HopSettings
from relay.tls import TlsMode
from tests.relay.lives_stage import FROM, OTHER_TO, TO, Stage
from tests.relay.lives_way import QUICK_HOP, SHORT_SECONDS, Limit, Way
from tests.relay.neighbours import HANGS, Answer, Hop, Octets, Then, always

Answers = Mapping[str, bytes | Octets | None]

# No reply, in as many ways as there are.
SILENCES: Answers = {
    "hangs": HANGS,
    "closes": None,
    "half a reply, hangs": Octets(b"250-hop.exam", Then.HANG),
    "half a reply, closes": Octets(b"250 2.0.0 ke", Then.CLOSE),
    "nonsense": b"hello there",
    "a code of nobody's": b"999 what",
}
LEAVES: Answers = {"421": b"421 4.3.2 hop says: not now"}
NOES: Answers = {"4xx": b"451 4.3.0 hop says: not now", "5xx": b"554 5.7.1 hop says: never"}
REFUSALS: Answers = {**LEAVES, **NOES}
BAD_GREETINGS = {**SILENCES, **REFUSALS}
# EHLO with 5xx is a server that knows HELO alone.
BAD_EHLOS = {name: answer for name, answer in BAD_GREETINGS.items() if name != "5xx"}
OLD_SERVER: Answers = {"5xx": REFUSALS["5xx"]}
ONE_TOO_MANY = b"\r\n250 2.0.0 and once more"
UNREACHABLE = socket.socket()  # Bound, and never listened on: connections are refused.
UNREACHABLE.bind(("127.0.0.1", 0))


def answers(
    step: str, which: Answers, *commands: str, usually: Answers | None = None
) -> tuple[Way, ...]:
    """Return the ways in which a next hop gives one of these answers at a step."""

    def way(name: str) -> Way:
        def play(stage: Stage) -> None:
            for other, answer in (usually or {}).items():
                stage.hop.answers[other] = always(answer)
            stage.hop.answers[step] = always(which[name])
            stage.send(*commands)

        return Way(f"{name} at {step}", play, QUICK_HOP)

    return tuple(way(name) for name in which)


def _only(recipient: str, answer: bytes | Octets | None) -> Answer:
    return lambda _connection, line: answer if recipient in line else b"250 2.1.5 fine"


def one_recipient(which: Answers) -> tuple[Way, ...]:
    """Return the ways in which it fails at the second of two recipients."""

    def way(name: str) -> Way:
        def play(stage: Stage) -> None:
            stage.hop.answers["RCPT"] = _only("other@", which[name])
            caller = stage.caller()
            assert caller.begin(FROM, TO)
            caller.step(OTHER_TO)
            if caller.step("DATA"):
                caller.send(stage.wire)
                caller.hear_verdict()

        return Way(f"{name} at one RCPT", play, QUICK_HOP)

    return tuple(way(name) for name in which)


def kept_connection() -> tuple[Way, ...]:
    """Return the ways in which a connection that was kept is dead for the next letter."""

    def way(step: str, name: str) -> Way:
        def play(stage: Stage) -> None:
            stage.send_another()
            stage.hop.answers[step] = lambda connection, _line: (
                {**SILENCES, **LEAVES}[name]
                if connection == 1
                else b"354 go ahead"
                if step == "DATA"
                else b"250 2.0.0 fine"
            )
            stage.send()

        return Way(f"{name} at {step}", play, QUICK_HOP)

    return tuple(
        way(step, name) for step in ("MAIL", "RCPT", "DATA") for name in ("hangs", "closes", "421")
    )


def _time_up(step: str) -> Way:
    """The time for a reply runs out before the limit of the step does."""

    def play(stage: Stage) -> None:
        stage.hop.answers[step] = always(HANGS)
        stage.send()

    limits: tuple[Limit, ...] = ((transaction, "FINAL_DOT_MIN_SECONDS", SHORT_SECONDS / 5),)
    longest = {"reply_max_seconds": 3 * SHORT_SECONDS}  # The steps before it take some of it.
    return Way(f"at {step}", play, limits, lambda _hop: longest, True)


def _send(stage: Stage) -> None:
    stage.send()


def _requires_tls(hop: Hop) -> Mapping[str, Any]:
    address = Address("127.0.0.1", hop.port)
    return {"next_hop": HopSettings((address,), "relay.example", tls=TlsMode.REQUIRED)}


def _without_tls(which: Answers) -> tuple[Way, ...]:
    ways = answers("STARTTLS", which, usually={"EHLO": b"250-hop.example\r\n250 STARTTLS"})
    return tuple(Way(way.name, way.play, way.limits, _requires_tls, True) for way in ways)


LIVES: dict[str, tuple[Way, ...]] = {
    "hop-refuses-connections": (
        Way(
            "at once",
            _send,
            options=lambda _hop: {"hop_port": UNREACHABLE.getsockname()[1]},
            is_the_last=True,
        ),
    ),
    "hop-fails-before-mail": answers("greeting", BAD_GREETINGS) + answers("EHLO", BAD_EHLOS),
    "hop-knows-helo-alone": answers("EHLO", OLD_SERVER),
    "hop-fails-at-starttls": answers(
        "STARTTLS", BAD_GREETINGS, usually={"EHLO": b"250-hop.example\r\n250 STARTTLS"}
    ),
    "hop-fails-at-required-starttls": _without_tls(BAD_GREETINGS),
    "hop-lost-at-mail": answers("MAIL", SILENCES),
    "hop-refuses-mail": answers("MAIL", REFUSALS),
    "hop-lost-at-a-recipient": one_recipient(SILENCES),
    "hop-leaves-at-a-recipient": one_recipient(LEAVES),
    "hop-refuses-a-recipient": one_recipient(NOES),
    "hop-refuses-every-recipient": answers("RCPT", NOES),
    "hop-lost-at-data": answers("DATA", SILENCES),
    "hop-refuses-data": answers("DATA", REFUSALS),
    "hop-lost-at-the-dot": answers("end", SILENCES),
    "hop-refuses-the-letter": answers("end", REFUSALS),
    "hop-accepts-and-dies": answers(
        "end",
        {
            "closes": Octets(b"250 2.0.0 kept\r\n", Then.CLOSE),
            "leaves": b"250 2.0.0 kept\r\n421 4.3.2 bye",
        },
    ),
    "hop-repeats-itself-at-mail": answers("MAIL", {"250": b"250 2.1.0 fine" + ONE_TOO_MANY}),
    "hop-repeats-itself-at-rcpt": answers("RCPT", {"250": b"250 2.1.5 fine" + ONE_TOO_MANY}),
    "hop-accepts-before-the-dot": answers("DATA", {"250": b"354 go ahead" + ONE_TOO_MANY}),
    "hop-dropped-a-kept-connection": kept_connection(),
    "time-up-at-connect": (_time_up("greeting"),),
    "time-up-at-mail": (_time_up("MAIL"),),
    "time-up-at-rcpt": (_time_up("RCPT"),),
    "time-up-at-data": (_time_up("DATA"),),
    "time-up-at-the-dot": (_time_up("end"),),
    "time-up-before-data": (
        Way(
            "at once",
            _send,
            options=lambda _hop: {"reply_max_seconds": 10.0},
            is_the_last=True,
        ),
    ),
}
