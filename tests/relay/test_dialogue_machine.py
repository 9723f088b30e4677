"""Any dialogue, in any order, with any next hop: hypothesis drives a real relay.

`dialogue_model` says what each reply may be. Held at every step: one well-formed reply to each
command, in order; 354 only behind an accepted MAIL and RCPT; 250 to a message exactly when the hop
said 250 to these very octets; and after every error the session goes on.
"""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.relay.dialogue_model import (
    RIGHT_MAILS,
    RIGHT_RECIPIENTS,
    WRONG_MAILS,
    WRONG_RECIPIENTS,
    Answer,
    Dialogue,
    Gone,
    Script,
)
from tests.relay.neighbours import hop
from tests.relay.running import running

SIZE_MAX_BYTES = 64 * 1024
CONNECTIONS_MAX = 3

OTHERS = (
    "RSET",
    "NOOP",
    "noop x",
    "VRFY yui",
    "HELO b.example",
    "EHLO",
    "BDAT 1 LAST",
    "",
    "X" * 600,
)
GREETINGS = ("EHLO client.example", "ehlo [192.0.2.1]", "HELO client.example")
WHO = st.integers(0, CONNECTIONS_MAX - 1)
COMMANDS = st.sampled_from(GREETINGS + RIGHT_MAILS + RIGHT_RECIPIENTS + OTHERS) | st.sampled_from(
    WRONG_MAILS + WRONG_RECIPIENTS
)
LINES = st.lists(
    st.sampled_from([b".", b"..", b".a", b"", b"Subject: x", b"RSET", b"\x00", b"\xff" * 999])
    | st.binary(max_size=40).map(lambda octets: re.sub(rb"[\r\n]", b"", octets)),
    max_size=8,
)
CUTS = st.lists(st.integers(1, 60), max_size=12)
REFUSALS = st.sampled_from([b"451 4.2.0 later", b"550 5.7.1 no", b"421 4.3.2 closing", None])


def stuffed(lines: list[bytes]) -> bytes:
    """Return lines as a message in wire form."""
    return (
        b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in lines) + b".\r\n"
    )


class DialogueMachine(RuleBasedStateMachine):
    """Up to three clients, one relay, one hop that may be told anything."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        running_hop = self._stack.enter_context(hop())
        self._script = Script(running_hop)
        relay = self._stack.enter_context(
            running(running_hop.port, folder, size_max_bytes=SIZE_MAX_BYTES)
        )
        self._port = relay.port
        self._dialogues: dict[int, Dialogue] = {}
        self._has_failed = False
        self._messages = 0
        self._acknowledged: list[bytes] = []
        self._sent: set[bytes] = set()

    def _do(self, who: int, step: Callable[[Dialogue], None]) -> None:
        """Take a step in a dialogue, a new one if there is none; forget it when it has ended."""
        dialogue = self._dialogues.get(who)
        if dialogue is None:
            dialogue = self._dialogues[who] = Dialogue(self._port, self._script)
        try:
            step(dialogue)
        except Gone:
            dialogue.close()
        except BaseException:
            self._has_failed = True
            raise
        if dialogue.socket.fileno() == -1:
            del self._dialogues[who]

    def _message(self, lines: list[bytes]) -> bytes:
        self._messages += 1
        wire = b"X-Number: %d\r\n" % self._messages + stuffed(lines)
        self._sent.add(wire)
        return wire

    # ------------------------------------------------------------------ the clients

    @rule(who=WHO, line=COMMANDS)
    def say(self, who: int, line: str) -> None:
        """Say one command, right or wrong, in its place or not."""

        def step(dialogue: Dialogue) -> None:
            dialogue.send(line.encode() + b"\r\n")
            dialogue.expect(line)

        self._do(who, step)

    @rule(who=WHO, lines=st.lists(COMMANDS, min_size=2, max_size=8), cuts=CUTS)
    def pipeline(self, who: int, lines: list[str], cuts: list[int]) -> None:
        """Say many commands at once; each has its reply, in order."""

        def step(dialogue: Dialogue) -> None:
            send_in_pieces(dialogue, b"".join(line.encode() + b"\r\n" for line in lines), cuts)
            for line in lines:
                dialogue.expect(line)

        self._do(who, step)

    @rule(who=WHO, lines=LINES, cuts=CUTS, is_bare=st.booleans())
    def message(self, who: int, lines: list[bytes], cuts: list[int], is_bare: bool) -> None:
        """Send a message in pieces; it arrives as it is, with bare line endings made CRLF."""
        wire = arriving = self._message(lines)
        if is_bare:
            wire = wire.replace(b"\r\n", b"\nbare\rendings\r\n", 1)
            arriving = arriving.replace(b"\r\n", b"\r\nbare\r\nendings\r\n", 1)
            self._sent.add(arriving)

        def step(dialogue: Dialogue) -> None:
            if begin(dialogue).code == 354:
                send_in_pieces(dialogue, wire, cuts)
                if 200 <= dialogue.finish(wire, arriving).code < 300:
                    self._acknowledged.append(arriving)

        self._do(who, step)

    @rule(who=WHO, lines=LINES)
    def transaction_at_once(self, who: int, lines: list[bytes]) -> None:
        """Send what follows the final dot along with it: the next transaction is heard, too."""
        wire = self._message(lines)
        behind = ("RSET", RIGHT_MAILS[0], "NOOP")

        def step(dialogue: Dialogue) -> None:
            if begin(dialogue).code == 354:
                dialogue.send(wire + b"".join(line.encode() + b"\r\n" for line in behind))
                if 200 <= dialogue.finish(wire, wire).code < 300:
                    self._acknowledged.append(wire)
                for line in behind:
                    dialogue.expect(line)

        self._do(who, step)

    @rule(who=WHO)
    def too_large(self, who: int) -> None:
        """A message over the limit is refused behind its end, and the session goes on."""

        def step(dialogue: Dialogue) -> None:
            if begin(dialogue).code == 354:
                wire = stuffed([b"x" * 998] * (SIZE_MAX_BYTES // 1000 + 1))
                dialogue.send(wire)
                dialogue.finish(wire, None)

        self._do(who, step)

    @rule(who=WHO, lines=st.lists(COMMANDS, max_size=4))
    def half_close(self, who: int, lines: list[str]) -> None:
        """Close the sending side behind some commands: their replies come, then the end."""

        def step(dialogue: Dialogue) -> None:
            dialogue.send(b"".join(line.encode() + b"\r\n" for line in lines))
            dialogue.socket.shutdown(socket.SHUT_WR)
            for line in lines:
                dialogue.expect(line)
            dialogue.expect_end()

        self._do(who, step)

    @rule(who=WHO, lines=LINES, cut=st.integers(0, 100))
    def half_close_in_message(self, who: int, lines: list[bytes], cut: int) -> None:
        """Close the sending side in a message: a whole one gets its reply, a part of one none."""
        wire = self._message(lines)

        def step(dialogue: Dialogue) -> None:
            if begin(dialogue).code != 354:
                return
            is_whole = cut >= len(wire)
            dialogue.send(wire[:cut])
            dialogue.socket.shutdown(socket.SHUT_WR)
            if is_whole and 200 <= dialogue.finish(wire, wire).code < 300:
                self._acknowledged.append(wire)
            if not is_whole:
                self._sent.discard(wire)
            dialogue.expect_end()

        self._do(who, step)

    @rule(who=WHO, lines=LINES, cut=st.integers(0, 200), in_message=st.booleans())
    def vanish(self, who: int, lines: list[bytes], cut: int, in_message: bool) -> None:
        """Break the connection off, idle, in a message or right behind one."""
        wire = self._message(lines)

        def step(dialogue: Dialogue) -> None:
            if in_message and begin(dialogue).code == 354:
                dialogue.send(wire[:cut])
                if cut < len(wire):
                    self._sent.discard(wire)
            dialogue.reset()

        self._do(who, step)

    @rule(who=WHO)
    def quit(self, who: int) -> None:
        """Take leave; the relay closes, and had nothing else to say."""
        self._do(who, take_leave)

    # ---------------------------------------------------------------------- the hop

    @rule(verb=st.sampled_from(["MAIL", "RCPT", "DATA", "end", "greeting"]), answer=REFUSALS)
    def hop_refuses(self, verb: str, answer: bytes | None) -> None:
        """Tell the hop to refuse, or to hang up."""
        self._script.say(verb, answer)

    @precondition(lambda self: bool(self._script.answers))
    @rule()
    def hop_behaves(self) -> None:
        """Tell the hop to behave again."""
        self._script.clear()

    def teardown(self) -> None:
        """After all that, an ordinary client is served, and the hop holds what it should."""
        try:
            if not self._has_failed:
                self._script.clear()
                self._see_all_well()
        finally:
            for dialogue in self._dialogues.values():
                dialogue.close()
            self._stack.close()

    def _see_all_well(self) -> None:
        for who in list(self._dialogues):
            self._do(who, take_leave)
        last = Dialogue(self._port, self._script)
        wire = self._message([b"last"])
        assert begin(last).code == 354
        last.send(wire)
        assert last.finish(wire, wire).code == 250
        last.close()
        wires = self._script.hop.heard.wires
        assert set(wires) <= self._sent
        assert len(set(wires)) == len(wires), "a message was sent on twice"
        assert set(self._acknowledged) <= set(wires)


def take_leave(dialogue: Dialogue) -> None:
    """Say QUIT; the relay closes, and had nothing else to say."""
    dialogue.send(b"QUIT\r\n")
    dialogue.expect("QUIT")
    dialogue.expect_end()


def send_in_pieces(dialogue: Dialogue, octets: bytes, cuts: list[int]) -> None:
    """Send octets in pieces of these sizes, and the rest at once."""
    for size in cuts:
        dialogue.send(octets[:size])
        octets = octets[size:]
    dialogue.send(octets)


def begin(dialogue: Dialogue) -> Answer:
    """Begin a transaction from wherever the dialogue stands; return the reply to DATA."""
    if not dialogue.has_greeted:
        dialogue.send(b"EHLO client.example\r\n")
        dialogue.expect("EHLO client.example")
    lines = [] if dialogue.has_sender else [RIGHT_MAILS[0]]
    lines += [] if dialogue.recipients else [RIGHT_RECIPIENTS[0]]
    dialogue.send(b"".join(line.encode() + b"\r\n" for line in (*lines, "DATA")))
    for line in lines:
        dialogue.expect(line)
    return dialogue.expect("DATA")


TestDialogue = DialogueMachine.TestCase
TestDialogue.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
