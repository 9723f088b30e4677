"""What a client may expect of the relay, command by command: the oracle of the dialogue tests.

A `Dialogue` is one connection and the little state a client keeps of it. Each method says something
and checks the reply: its form, its place, and its code against that state and what the next hop was
told to answer. What is not for the client to foresee (is a connection to the hop left in the pool?)
is left open, but never so that a permanent refusal could come which the hop did not give.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from dataclasses import dataclass, field

from tests.relay.neighbours import Hop

REPLY_SECONDS = 20.0
REPLY_LINE = re.compile(rb"([2-5][0-9]{2})([ -])([\t\x20-\x7e\x80-\xff]*)\r\n\Z")
# A server may end a session of nothing but mistakes (Postfix: 20), with a 421.
MISTAKES_MIN = 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close becomes a reset.

FINE = b"250 2.1.0 fine"
USUAL = {"MAIL": FINE, "RCPT": FINE, "DATA": b"354 go ahead", "end": b"250 2.0.0 queued as 4F2A"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of the relay; the text is that of all lines, joined by LF."""

    code: int
    text: str


class Gone(Exception):
    """The relay has closed the connection."""


@dataclass
class Script:
    """What the hop answers just now: `None` hangs up. Set through `say`, so that both agree."""

    hop: Hop
    answers: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])

    def say(self, verb: str, answer: bytes | None) -> None:
        """Have the hop answer this to the verb from now on."""
        self.answers[verb] = answer
        self.hop.answers[verb] = lambda _connection, _line: answer

    def clear(self) -> None:
        """Have the hop behave again."""
        self.answers.clear()
        self.hop.answers.clear()

    def answer(self, verb: str) -> bytes | None:
        """Return what the hop says to a verb."""
        return self.answers.get(verb, USUAL[verb])

    @property
    def is_away(self) -> bool:
        """Whether a new connection to the hop fails; one in the pool may still do."""
        return self.answers.get("greeting", b"220") != b"220"


class Dialogue:
    """One client's connection to the relay, and what the client knows."""

    def __init__(self, port: int, script: Script) -> None:
        self._script = script
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        self.has_greeted = False
        self.has_sender = False
        self.recipients = 0
        self.is_broken = False  # The hop was lost within this transaction.
        self._mistakes = 0
        assert self.read().code == 220

    # ------------------------------------------------------------------ the wire

    def send(self, octets: bytes) -> None:
        """Send octets as they are. A relay that has taken leave meanwhile tells by its replies."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(octets)

    def read(self) -> Answer:
        """Return the next reply, well-formed to the last octet; `Gone` at the end."""
        lines: list[str] = []
        code = b""
        while True:
            line = self._file.readline()
            if not line and not lines:
                raise Gone
            found = REPLY_LINE.match(line)
            assert found, f"no reply line: {line!r}"
            assert code in (b"", found[1]), f"two codes in one reply: {lines} {line!r}"
            code = found[1]
            lines.append(found[3].decode("utf-8", "surrogateescape"))
            if found[2] == b" ":
                return Answer(int(code), "\n".join(lines))

    def expect_end(self) -> None:
        """See that nothing more comes."""
        rest = self._file.readline()
        assert rest == b"", f"one reply too many: {rest!r}"
        self.close()

    def reset(self) -> None:
        """Vanish without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self.socket.close()

    # ------------------------------------------------------------- what is expected

    def expect(self, line: str) -> Answer:
        """Read the reply to a command line, and check it."""
        answer = self.read()
        self._mistakes += answer.code >= 500
        if answer.code == 421 and self._mistakes >= MISTAKES_MIN:
            raise Gone
        verb = line[:4].upper()
        match verb:
            case "EHLO" | "HELO":
                self._greeted(line, answer)
            case "MAIL":
                self._mail(line, answer)
            case "RCPT":
                self._rcpt(line, answer)
            case "DATA":
                self._data(answer)
            case "RSET":
                assert answer.code == 250
                self._forget()
            case "NOOP":
                assert answer.code == 250
            case "VRFY":
                assert answer.code == 252
            case "QUIT":
                assert answer.code == 221
            case _:
                assert answer.code in (500, 502, 503), answer
        return answer

    def _forget(self) -> None:
        self.has_sender, self.recipients, self.is_broken = False, 0, False

    def _greeted(self, line: str, answer: Answer) -> None:
        if not line[5:].strip():
            assert answer.code == 501, answer
            return
        assert answer.code == 250, answer
        self.has_greeted = True
        self._forget()

    def _mail(self, line: str, answer: Answer) -> None:
        if self.has_sender:
            # Which of two mistakes is named first is no one's business.
            assert answer.code == 503 or is_wrong(line), answer
        if is_wrong(line):
            assert answer.code in (501, 503, 555), answer
        elif not self.has_sender:
            self._hops_answer("MAIL", answer)
        assert not (200 <= answer.code < 300 and self.has_sender)
        self.has_sender = self.has_sender or answer.code == 250

    def _rcpt(self, line: str, answer: Answer) -> None:
        if not self.has_sender:
            assert answer.code == 503 or is_wrong(line), answer
        if is_wrong(line):
            assert answer.code in (501, 503, 555), answer
        elif self.has_sender:
            self._hops_answer("RCPT", answer)
        self.recipients += 200 <= answer.code < 300

    def _hops_answer(self, verb: str, answer: Answer) -> None:
        """The reply is the hop's own, or a 451 that says why there is none."""
        said = self._script.answer(verb)
        if answer.text.startswith("4.4."):
            may_be_lost = said is None or said.startswith(b"421") or self._script.is_away
            assert may_be_lost or self.is_broken, answer
            assert answer.code == 451, answer
            self.is_broken = True
            return
        assert said is not None, answer
        assert f"{answer.code} {answer.text}" == said.decode(), answer
        # A hop that says so is gone, and its transaction with it (RFC 5321 §3.8).
        self.is_broken = self.is_broken or answer.code == 421

    def _data(self, answer: Answer) -> None:
        if not self.recipients:
            assert answer.code in (503, 554), answer
        else:
            # 4xx at once is as good as a 4xx behind the final dot.
            assert answer.code == 354 or (self.is_broken and answer.code == 451), answer

    # ---------------------------------------------------------------- the message

    def finish(self, wire: bytes, arriving: bytes | None) -> Answer:
        """Read the reply to a whole message and check it against what the hop holds.

        `arriving` is the wire form in which it must arrive; `None` when we refuse it ourselves.
        """
        answer = self.read()
        held = self._script.hop.heard.wires.count(arriving) if arriving is not None else 0
        said = self._script.answer("DATA")
        if said is not None and said.startswith(b"354"):
            said = self._script.answer("end")
            was_asked = True
        else:
            was_asked = False
        if arriving is None:
            assert answer.code in (552, 554), answer
        elif answer.text.startswith("4.4."):
            may_be_lost = said is None or said.startswith(b"421") or self._script.is_away
            assert may_be_lost or self.is_broken, answer
            assert answer.code == 451
        else:
            assert said is not None, answer
            assert f"{answer.code} {answer.text}" == said.decode(), answer
            assert held == (1 if was_asked else 0), f"held {held} times: {wire!r}"
        assert held == 1 or not 200 <= answer.code < 300, "accepted, and nobody has it"
        self._forget()
        return answer


def is_wrong(line: str) -> bool:
    """Say whether a MAIL or RCPT line is one that the tests mean to be wrong."""
    return line in WRONG_MAILS or line in WRONG_RECIPIENTS


RIGHT_MAILS = (
    "MAIL FROM:<recruit@aozora.example.jp>",
    "mail from:<>",
    "MAIL FROM: <a@b.example>",
    "MAIL FROM:a@b.example",
    'MAIL FROM:<"foo."@docomo.example>',
    'MAIL FROM:<"a > b"@c.example> BODY=8BITMIME',
    "MAIL FROM:<a..b.@c.example> SIZE=100",
    "MAIL FROM:<a@b.example> RET=hdrs ENVID=Qq314+2Bx",
    "MAIL FROM:<採用@あおぞら.example> SMTPUTF8",
    "MAIL FROM:<@route.example:a@b.example>",
    "MAIL FROM:<a@[192.0.2.1]>",
    "MAIL FROM:<" + "a" * 240 + "@b.example>",
    "MAIL FROM:<a@b.example> X-ODD=1 Y",
)
WRONG_MAILS = (
    "MAIL",
    "MAIL FROM:",
    "MAIL <a@b.example>",
    "MAIL TO:<a@b.example>",
    "MAIL FROM:<a@b.example",
    "MAIL FROM:<a@b.example> =x",
    "MAIL FROM:<a@b.example>\x01",
    "MAIL FROM:<a\x7f@b.example>",
)
RIGHT_RECIPIENTS = (
    "RCPT TO:<yui@mail.example.com>",
    "rcpt to:<foo..bar@docomo.example>",
    "RCPT TO:<Postmaster>",
    "RCPT TO:<c@d.example> NOTIFY=success,Delay ORCPT=rfc822;C+2BC@d.example",
    "RCPT TO:<結衣@例え.example>",
    'RCPT TO:<"@"@d.example>',
)
WRONG_RECIPIENTS = (
    "RCPT",
    "RCPT TO:",
    "RCPT TO:<>",
    "RCPT FROM:<a@b.example>",
    "RCPT TO:<a@b.example> =",
    "RCPT TO:<a@b.example>\x00",
)
