"""The clients of the soak: they behave as mail systems do, and remember what they were told.

A message is theirs until a 250 came to its final dot. A 4xx or a lost connection at any point puts
it back, to be sent again a little later, on whatever connection comes next. Some messages are
pipelined, some connections kept for many of them, some broken off right behind a final dot.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

REPLY_SECONDS = 100.0  # What Postfix' proxy filter waits.
RETRY_SECONDS = (0.1, 1.0)  # Mail systems wait minutes; the order of events is the same.
KEPT_MESSAGES_MAX = 40  # On one connection.
BREAK_OFF_CHANCE = 0.003
PIECE_BYTES = 64 * 1024
SENDER = "recruit@aozora.example.jp"


class Outcome(enum.Enum):
    """What one attempt to send one message came to."""

    ACCEPTED = "250 after the final dot"
    REFUSED = "4xx, and the message was not sent"
    LOST = "connection lost before the final dot"
    DEFERRED = "4xx after the final dot"
    UNKNOWN = "connection lost after the final dot"


MAY_HAVE_ARRIVED = (Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.UNKNOWN)


class Refused(Exception):
    """A permanent refusal: nothing in the soak deserves one."""


class _Later(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


def recipient_of(number: int) -> str:
    """Return the recipient of a message, which no other message has."""
    return f"person-{number}@mail.example.com"


@dataclass
class Campaign:
    """The messages of all clients: what is left, and how each attempt ended."""

    count: int
    wire_of: Callable[[int], bytes]
    chance: random.Random
    dribble_seconds: float = 0.0  # Between the pieces of a message.
    waiting: deque[int] = field(default_factory=deque[int])
    outcomes: dict[int, Counter[Outcome]] = field(default_factory=dict[int, "Counter[Outcome]"])
    accepted: int = 0
    connections: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # One more was accepted.

    def __post_init__(self) -> None:
        self.waiting.extend(range(self.count))
        self.outcomes = {number: Counter() for number in range(self.count)}

    @property
    def is_done(self) -> bool:
        """Whether every message was accepted."""
        return self.accepted == self.count

    def total(self, outcome: Outcome) -> int:
        """Return how many attempts ended so."""
        return sum(outcomes[outcome] for outcomes in self.outcomes.values())


class Connection:
    """One connection to the relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def reply(self) -> int:
        """Return the code of the next reply."""
        while True:
            line = await asyncio.wait_for(self._reader.readline(), REPLY_SECONDS)
            if not line:
                raise ConnectionResetError("the relay hung up")
            if line[3:4] != b"-":
                return int(line[:3])

    async def say(self, *lines: str) -> list[int]:
        """Send commands at once and return the codes of their replies."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        return [await self.reply() for _ in lines]

    async def begin(self, commands: tuple[str, ...], *, is_pipelined: bool) -> None:
        """Say MAIL, RCPT and DATA; `_Later` when one of them gets a 4xx."""
        codes: list[int] = []
        if is_pipelined:
            codes = await self.say(*commands)
        else:
            while len(codes) < len(commands) and all(code < 400 for code in codes):
                codes += await self.say(commands[len(codes)])
        if codes == [250, 250, 354]:
            return
        # What is pipelined behind a 4xx is out of sequence; before it, nothing may be refused.
        first = next((code for code in codes if code >= 400), 0)
        if not 400 <= first < 500 or codes[-1] == 354:
            raise Refused(f"{commands}: {codes}")
        raise _Later(Outcome.REFUSED)


async def work(campaign: Campaign, port: int) -> None:
    """Be one client: connect, send some, go; until nothing is left to do."""
    while not campaign.is_done:
        if not campaign.waiting:
            await asyncio.sleep(RETRY_SECONDS[0])
            continue
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(campaign.chance.uniform(*RETRY_SECONDS))
            continue
        campaign.connections += 1
        with contextlib.suppress(OSError, TimeoutError):
            await _use(campaign, Connection(reader, writer))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _use(campaign: Campaign, connection: Connection) -> None:
    """Send a random number of messages on one connection; a lost one ends it."""
    if await connection.reply() != 220 or await connection.say("EHLO client.example") != [250]:
        return
    for _ in range(campaign.chance.randint(1, KEPT_MESSAGES_MAX)):
        if not campaign.waiting:
            break
        number = campaign.waiting.popleft()
        try:
            outcome = await _send(campaign, connection, number)
        except _Later as later:
            outcome = later.outcome
        campaign.outcomes[number][outcome] += 1
        if outcome is Outcome.ACCEPTED:
            campaign.accepted += 1
            campaign.moved.set()
            continue
        delay = campaign.chance.uniform(*RETRY_SECONDS)
        asyncio.get_running_loop().call_later(delay, campaign.waiting.append, number)
        if outcome in (Outcome.LOST, Outcome.UNKNOWN):
            return
        await connection.say("RSET")
    await connection.say("QUIT")


async def _send(campaign: Campaign, connection: Connection, number: int) -> Outcome:
    """Send one message, and say how that went."""
    commands = (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{recipient_of(number)}>", "DATA")
    try:
        await connection.begin(commands, is_pipelined=campaign.chance.random() < 0.5)
        wire = memoryview(campaign.wire_of(number))
        while len(wire) > PIECE_BYTES:
            connection.writer.write(wire[:PIECE_BYTES])
            await connection.writer.drain()
            await asyncio.sleep(campaign.dribble_seconds)
            wire = wire[PIECE_BYTES:]
    except (OSError, TimeoutError) as error:
        raise _Later(Outcome.LOST) from error
    try:
        connection.writer.write(wire)
        if campaign.chance.random() < BREAK_OFF_CHANCE:
            connection.writer.close()
            return Outcome.UNKNOWN
        code = await connection.reply()
    except (OSError, TimeoutError) as error:
        raise _Later(Outcome.UNKNOWN) from error
    if code >= 500:
        raise Refused(f"message {number}: {code}")
    return Outcome.ACCEPTED if code == 250 else Outcome.DEFERRED
