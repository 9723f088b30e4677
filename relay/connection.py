"""One connection to a next hop: commands, a message, and the replies that belong to them.

Every reply is a yes, a no or the one intermediate reply that fits; all else ends the connection.
Each step has a limit of its own, cut to what is left of the time for the client's reply.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from relay.nexthops import DialogueError, Extensions, Host, NextHopLost
from relay.reply import Reply

COMMAND_SECONDS = 60.0
DATA_SECONDS = 20.0
# RFC 5321 §4.5.3.2.6. The time for the client's reply (`reply_max_seconds`) is shorter and counts:
# this bounds a connection that is used without one.
FINAL_DOT_SECONDS = 600.0
QUIT_SECONDS = 2.0  # Politeness: the next hop has all its letters when we take leave.
# A reply to NOOP takes no thought; a firewall that swallows it costs a letter this much.
NOOP_SECONDS = 5.0

START_INPUT = 354  # RFC 5321 §4.3.2: the one reply after which a message may be sent.
SERVICE_CLOSING = 421  # RFC 5321 §4.2.1: the server is about to close the connection.


class Talk(Protocol):
    """Where commands and replies go back and forth, until a loop time."""

    when_lost: Callable[[], None] | None  # Called once, when it has ended.

    @property
    def is_connected(self) -> bool:
        """Whether it was alive when last looked at."""
        ...

    @property
    def is_in_step(self) -> bool:
        """Whether nothing came that was not asked for."""
        ...

    @property
    def is_taken(self) -> bool:
        """Whether all that was to be sent has left us."""
        ...

    @property
    def was_cut_off(self) -> bool:
        """Whether it ended before that."""
        ...

    async def ask(self, step: str, octets: bytes, limit: float) -> Reply:
        """Send octets and return the reply to them, or raise `DialogueError`."""
        ...

    def drop(self) -> None:
        """Close at once."""
        ...


class Connection:
    """One connection to a next hop, used by one transaction at a time."""

    def __init__(self, talk: Talk, host: Host, extensions: Extensions) -> None:
        self.host = host
        self.extensions = extensions
        self.offered = frozenset(keyword for keyword, _ in extensions.keywords)
        self.is_reused = False
        self.is_idle = False
        self.idle_since = 0.0
        self._talk = talk

    async def command(self, verb: bytes, argument: bytes, deadline: float) -> Reply:
        """Send one command and return its reply; `NextHopLost` if there is none in time."""
        if b"\r" in argument or b"\n" in argument or b"\0" in argument:
            raise ValueError("a control character would end the command")
        octets = b"%b %b\r\n" % (verb, argument) if argument else verb + b"\r\n"
        limit = _now() + (DATA_SECONDS if verb == b"DATA" else COMMAND_SECONDS)
        return await self._ask(verb.decode(), octets, min(limit, deadline))

    async def send(self, wire: bytes, deadline: float) -> Reply:
        """Send a message after a 354: `wire` is dot-stuffed and ends in CRLF.CRLF.

        Its reply decides over it. `NextHopLost` tells whether the next hop may have the message.
        """
        try:
            reply = await self._ask("END", wire, min(_now() + FINAL_DOT_SECONDS, deadline))
        except NextHopLost as error:
            raise NextHopLost(str(error), is_sent=not self._talk.was_cut_off) from error
        if not self._talk.is_taken:  # Answered in the middle of the message: the rest stays.
            self.close()
            if reply.is_positive:
                raise NextHopLost("END: accepted before it was sent", is_sent=True)
        return reply

    async def _ask(self, step: str, octets: bytes, deadline: float) -> Reply:
        try:
            reply = await self._talk.ask(step, octets, deadline)
        except DialogueError as error:
            raise NextHopLost(f"{self.host.address}: {step}: {error}") from error
        code = reply.code
        # RFC 5321 §4.2.1: a yes, a no, or the one intermediate reply that fits, to DATA alone.
        is_fitting = code == START_INPUT if step == "DATA" else 200 <= code < 300
        if not is_fitting and not 400 <= code < 600:
            self.close()
            raise NextHopLost(f"{self.host.address}: {step}: reply {code} out of place")
        if code == SERVICE_CLOSING:
            self.close()
        return reply

    async def is_awake(self) -> bool:
        """Ask a connection that was idle whether it still leads anywhere."""
        try:
            reply = await self._ask("NOOP", b"NOOP\r\n", _now() + NOOP_SECONDS)
        except NextHopLost:
            return False
        return reply.code != SERVICE_CLOSING

    @property
    def is_usable(self) -> bool:
        """Whether the connection was alive, and in step, when last looked at."""
        return self._talk.is_connected and self._talk.is_in_step

    def when_lost(self, tell: Callable[[Connection], None]) -> None:
        """Have somebody told, once, when the connection has ended."""
        self._talk.when_lost = lambda: tell(self)

    def close(self) -> None:
        """Drop the connection: whatever transaction is open on it is void (RFC 5321 §4.1.1.5)."""
        self._talk.drop()

    async def quit(self) -> None:
        """Take leave of the next hop, as far as it still listens."""
        with contextlib.suppress(NextHopLost):
            await self._ask("QUIT", b"QUIT\r\n", _now() + QUIT_SECONDS)
        self.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
