"""One letter's whole life with a real client, relay and next hop, and what each of them saw of it.

What is seen is put into the words that the tables of `docs/flow.md` use, so that the page itself is
what a test compares with. What must hold in every life, whatever went wrong, is asserted here: no
transaction left half open, nothing left in use, no error that nobody looked at, and the next letter
arrives.
"""

from __future__ import annotations

import gc
import io
import json
import sqlite3
import struct
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import Any

from ledger.events import parse
from relay.undo import restore
from relay.wire import stuff, unstuff
from tests.relay.neighbours import Client, Hop
from tests.relay.running import Running, running

LETTERS = Path(__file__).parents[1] / "letters"
ORDINARY = (LETTERS / "040-offer-with-regret-about-location.eml").read_bytes()
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
FOLLOWING = b"Subject: minutes\r\n\r\nSee you on Monday.\r\n"
# Larger than what is judged in the event loop; of a rejection the first part is the letter.
LARGE_BYTES = 48 * 1024

HELLO = "EHLO client.example"
FROM = "MAIL FROM:<recruit@aozora.example.jp>"
TO = "RCPT TO:<yui@mail.example.com>"
OTHER_TO = "RCPT TO:<other@mail.example.com>"
LETTER_STEPS = ("MAIL", "RCPT", "DATA")
USUAL_CODES = {"EHLO": "250", "MAIL": "250", "RCPT": "250", "DATA": "354", "STARTTLS": "220"}
# In every reply of a next hop that is one of the failures: it is told apart from ours by it.
HOPS_OWN = "hop says"
ITS_REPLY = "its reply"
SETTLED_SECONDS = 20.0
# Reasons that a table need not name: those of a letter's usual way.
USUAL_REASONS = frozenset({"injected", "not_rejection"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one life, in the words of the page."""

    client: str
    next_hop: str
    log: str


class Caller(Client):
    """A client that notes what it hears, but for the replies that lead on as usual."""

    def __init__(self, port: int) -> None:
        self.notes: list[str] = []
        self.has_gone = False
        super().__init__(port)
        self.note("", self.greeting, "220")

    def note(self, step: str, reply: str, usual: str | None = None) -> bool:
        """Note a reply to a step; return whether it is the usual one, that leads on."""
        if not reply:
            if not self.has_gone:
                self._add("closed")
            return False
        if usual is not None and reply.startswith(usual):
            return True
        if HOPS_OWN in reply:
            text = ITS_REPLY
        else:
            code, _, rest = reply.split("\n")[-1].partition(" ")
            enhanced = rest.split(" ")[0]
            text = (
                f"`{code} {enhanced}`" if enhanced[:1].isdigit() and code != "250" else f"`{code}`"
            )
        self._add(f"{text} to {step}" if step else text)
        return False

    def _add(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def step(self, line: str) -> bool:
        """Say a command; return whether the reply leads on."""
        verb = line.split(" ")[0].upper()
        return self.note(verb, self.say(line), USUAL_CODES[verb])

    def begin(self, *commands: str) -> bool:
        """Say EHLO and these commands, by default all up to DATA, as long as they lead on."""
        return all(self.step(line) for line in (HELLO, *(commands or (FROM, TO, "DATA"))))

    def hear_verdict(self) -> None:
        """Note the reply to the final dot."""
        self.note("", self.reply())

    def hear_the_end(self) -> None:
        """Note all that comes up to the end of the connection."""
        while reply := self.reply():
            self.note("", reply)
        self.note("", "")

    def reset(self) -> None:
        """Vanish, so that the relay learns it by RST."""
        self.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.has_gone = True
        self.close()

    def half_close(self) -> None:
        """Close the sending side, and hear what still comes."""
        self.socket.shutdown(SHUT_WR)
        self.has_gone = True
        self.hear_the_end()

    @property
    def heard(self) -> str:
        """All that was noted."""
        return joined(self.notes)


@dataclass
class Stage:
    """Where one life is played: the way of playing it uses `caller` and what is below."""

    hop: Hop
    folder: Path
    letter: bytes  # The message of this life.
    log: io.StringIO
    relay: Running = field(init=False)
    callers: list[Caller] = field(default_factory=list[Caller])
    is_log_lost: bool = False
    not_its_own: set[str] = field(default_factory=set[str])  # What other clients left on record.

    @property
    def wire(self) -> bytes:
        """The message as it is sent."""
        return stuff(self.letter)

    def caller(self) -> Caller:
        """Return a client that is connected."""
        caller = Caller(self.relay.port)
        self.callers.append(caller)
        return caller

    def send(self, *commands: str) -> Caller:
        """Send the letter as far as it goes, to the reply behind its final dot; stay connected."""
        caller = self.caller()
        if caller.begin(*commands):
            caller.send(self.wire)
            caller.hear_verdict()
        return caller

    def send_another(self) -> None:
        """Send a letter that this life is not about; it must arrive."""
        with Client(self.relay.port) as client:
            for line in (HELLO, FROM, TO):
                assert client.say(line).startswith("250"), line
            assert client.say("DATA").startswith("354")
            client.send(stuff(FOLLOWING))
            assert client.reply().startswith("250")

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Return when something has become true in the relay's loop."""
        ends = time.monotonic() + SETTLED_SECONDS
        while not self.relay.call(_evaluate(is_so)):
            assert time.monotonic() < ends, "it never came true"


async def _evaluate(is_so: Callable[[], bool]) -> bool:
    return is_so()


@contextmanager
def stage(
    hop: Hop,
    folder: Path,
    letter: bytes,
    log: io.StringIO,
    *,
    hop_port: int,
    **options: Any,
) -> Generator[Stage]:
    """Set up a relay in front of a hop; at the end, assert what must hold in every life."""
    playing = Stage(hop, folder, letter, log)
    with running(hop_port, folder, **options) as relay:
        playing.relay = relay
        yield playing


def settle(playing: Stage) -> Seen:
    """Have the clients leave, see what each side saw, and send the next letter."""
    for caller in playing.callers:
        caller.close()
    relay = playing.relay
    in_use = (
        "careerrelay_connections",
        "careerrelay_in_flight_bytes",
        'careerrelay_next_hop_connections{"busy"}',
    )
    playing.wait_until(
        lambda: (
            not relay.relay.shared.deliveries and not any(samples(relay)[name] for name in in_use)
        )
    )
    heard, log = playing.hop.heard, read_log(playing.log)
    verbs = [line.split(" ")[0] for _, line in heard.commands]
    wires = [wire for wire in heard.wires if wire != stuff(FOLLOWING)]
    client = joined([caller.heard for caller in playing.callers])
    is_refused = any(ITS_REPLY in caller.notes for caller in playing.callers)
    code = "its code" if is_refused else ""
    seen = Seen(
        client=client,
        next_hop=got(verbs, len(wires)),
        log=joined(
            [w for w in in_words(log, samples(relay), code) if w not in playing.not_its_own]
        ),
    )
    check_letters(wires, playing.letter)
    if not playing.is_log_lost:
        check_counters(log, samples(relay))
    check_transactions(playing.hop)
    return seen


def next_letter_arrives(playing: Stage, seen: Seen) -> None:
    """Send another letter by a next hop that is well again: it meets nothing of this life.

    A connection on which a letter was not accepted in the end is not used again: Postfix for one
    keeps sender and recipients of a message that it refused.
    """
    playing.hop.answers.clear()
    playing.send_another()
    assert playing.hop.heard.wires[-1] == stuff(FOLLOWING)
    check_transactions(playing.hop)
    if "250" not in seen.client + seen.log:
        last, _ = playing.hop.heard.commands[-1]
        assert playing.hop.heard.verbs(last).count("MAIL") == 1


def unseen_errors(log: io.StringIO) -> list[dict[str, Any]]:
    """Return what the event loop had to say of exceptions that nobody looked at."""
    gc.collect()
    return [line for line in read_log(log) if line.get("logger") == "asyncio"]


def read_log(log: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines of the log."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


def in_words(log: list[dict[str, Any]], counted: dict[str, float], code: str = "") -> list[str]:
    """Return what is on record beside the links: the log's lines, and refusals of our own.

    `code` stands for the one that a message was answered with, if many are meant.
    """
    # What was refused is told by the count of its reason.
    own = [line for line in log if line.get("logger") is None and line["event"] != "refused"]
    words = [_line_in_words(line, code) for line in own]
    for name, value in counted.items():
        if name.startswith("careerrelay_refused_total") and value:
            words.append(f"refused `{name.split(chr(34))[1]}`")
    return words


def joined(words: list[str]) -> str:
    """Return the words as a cell of the page has them."""
    return ", ".join(dict.fromkeys(words)) or "nothing"


def _line_in_words(line: dict[str, Any], code: str) -> str:
    words = [f"`{line['event']}`"]
    if line["event"] == "message":
        words.append(code or str(line["code"]))
        if line["reason"] not in USUAL_REASONS:
            words.append(f"`{line['reason']}`")
    if line.get("outcome_unknown"):
        words.append("unknown")
    return " ".join(words)


def samples(relay: Running) -> dict[str, float]:
    """Return all metrics by name, with the values of their labels in quotes."""
    return {
        _name(sample.name, sample.labels.values()): sample.value
        for family in relay.metrics.registry.collect()
        for sample in family.samples
    }


def _name(name: str, labels: Iterable[str]) -> str:
    quoted = ",".join(f'"{label}"' for label in labels)
    return f"{name}{{{quoted}}}" if quoted else name


def got(verbs: list[str], letters: int) -> str:
    """Return how far a next hop got that heard these verbs, and so many letters."""
    if letters:
        return "the letter" if letters == 1 else f"the letter {letters} times"
    said = [verb for verb in LETTER_STEPS if verb in verbs]
    return f"`{said[-1]}`" if said else "nothing"


def link_on_record(folder: Path) -> str:
    """Return what the events on disk say of the letter's link, in the order they were taken."""
    path = folder / "careerrelay.db"
    if not path.is_file():
        return "nothing"
    with sqlite3.connect(path) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'inbox'").fetchall()
        rows = database.execute("SELECT body FROM inbox ORDER BY seq").fetchall() if tables else []
    database.close()
    kinds = [str(parse(row[0]).type).removeprefix("letter.") for row in rows]
    return ", ".join(kind.removeprefix("link_") for kind in kinds) or "nothing"


def check_letters(wires: list[bytes], letter: bytes) -> None:
    """Assert that what arrived is the letter as it was sent, or gives it back."""
    for wire in wires:
        assert wire == stuff(letter) or restore(unstuff(wire)) == letter


def check_counters(log: list[dict[str, Any]], counted: dict[str, float]) -> None:
    """Assert that the metrics say what the log says."""
    messages = [line for line in log if line["event"] == "message"]
    total = sum(v for name, v in counted.items() if name.startswith("careerrelay_messages_total"))
    assert total == len(messages)
    unknown = sum(bool(line["outcome_unknown"]) for line in messages)
    assert counted["careerrelay_outcomes_unknown_total"] == unknown


def check_transactions(hop: Hop) -> None:
    """Assert that no connection began a transaction while another was open on it."""
    for connection in range(1, hop.heard.connections + 1):
        is_open = False
        for verb in hop.heard.verbs(connection):
            assert not (verb == "MAIL" and is_open)
            is_open = verb == "MAIL" or (is_open and verb != "DATA")
