"""One mail transaction with the next hop, kept in step with the client's (RFC 5321 §3.3).

Each command goes on as it comes, and the next hop's reply is the answer. A connection from the pool
may have died unnoticed or answer 421: then the transaction so far is said again on a fresh one, but
only while no byte of a message was sent. After that, nothing is ever sent twice.

Whatever becomes of connections, a reply comes within the time that the settings give it, and a
message is not begun when too little of it is left to learn what became of it.
"""

from __future__ import annotations

import asyncio

from relay.connection import SERVICE_CLOSING, START_INPUT, Connection
from relay.downstream import NextHop
from relay.esmtp import fit
from relay.nexthops import NextHopAway, NextHopLost
from relay.reply import Reply
from relay.wire import EMPTY_MESSAGE

# Next hops that look into mail answer the final dot after seconds. In less than this, "nobody
# knows" would be the likely outcome, and with it a letter that arrives twice.
FINAL_DOT_MIN_SECONDS = 15.0


class Transaction:
    """MAIL, RCPT, DATA towards the next hop. Ends with `finish`, or with `abandon` at any point."""

    def __init__(self, next_hop: NextHop) -> None:
        self._next_hop = next_hop
        self._connection: Connection | None = None
        self._said: list[tuple[bytes, bytes]] = []  # Commands with a positive reply, in order.
        self.outcome_unknown = False  # The message was sent, and no reply came.
        self.host = ""  # Whom it was said to, for the log.

    async def command(self, verb: bytes, argument: bytes) -> Reply:
        """Return the next hop's reply to XFORWARD, MAIL or RCPT; `NextHopError` if there is none.

        All of it, other connections and the dialogue said again included, within the time for one
        reply.
        """
        reply = await self._speak(verb, argument, self._reply_limit())
        if reply.is_positive:
            self._said.append((verb, argument))
        return reply

    async def send(self, wire: bytes, *, deadline: float | None = None) -> Reply:
        """Send the message and return the reply that decides over it, before a loop time.

        A refusal of DATA itself is that reply, too. `NextHopLost` with `outcome_unknown` set on
        this transaction means that the next hop may or may not have the message.
        """
        limit = self._reply_limit() if deadline is None else deadline
        connection = self._connection
        if connection is not None and 0 < self.size_max_bytes < len(wire) - len(EMPTY_MESSAGE):
            if self._takes_less_than_told(connection):
                raise NextHopAway("this next hop takes less than another one told")
        begins = limit - FINAL_DOT_MIN_SECONDS
        if begins <= asyncio.get_running_loop().time():
            raise NextHopAway("too little time is left for the message")
        reply = await self._speak(b"DATA", b"", begins)
        if reply.code != START_INPUT:
            # The next hop may still hold sender and recipients: not for the next letter to meet.
            self.abandon()
            return reply
        assert self._connection is not None
        self.outcome_unknown = True
        try:
            reply = await self._connection.send(wire, limit)
        except NextHopLost as error:
            self.outcome_unknown = error.is_sent
            self.abandon()
            raise
        self.outcome_unknown = False
        return reply

    @property
    def is_lost(self) -> bool:
        """Whether the connection went in the middle: the client must start anew."""
        return self._connection is None and bool(self._said)

    @property
    def size_max_bytes(self) -> int:
        """The largest message the next hop takes, 0 if it did not say."""
        if self._connection is None:
            return self._next_hop.size_max_bytes
        return self._connection.extensions.size_max_bytes()

    def finish(self) -> None:
        """Give the connection back for the next message."""
        if self._connection is not None:
            self._next_hop.give_back(self._connection)
            self._connection = None

    def abandon(self) -> None:
        """Drop the connection, and with it whatever the next hop had been told."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fitting(self, verb: bytes, argument: bytes, connection: Connection) -> bytes:
        offered = connection.offered
        if verb == b"MAIL" and self._takes_less_than_told(connection):
            offered = offered - {"SIZE"}  # Whether the letter is too large here, `send` tells.
        return fit(verb, argument, offered, self._next_hop.told)

    def _takes_less_than_told(self, connection: Connection) -> bool:
        """Say whether the client may have heard of a larger SIZE, of another host."""
        own, most = connection.extensions.size_max_bytes(), self._next_hop.size_told_bytes
        return own > 0 and (not most or own < most)

    def _reply_limit(self) -> float:
        return asyncio.get_running_loop().time() + self._next_hop.settings.reply_max_seconds

    async def _speak(self, verb: bytes, argument: bytes, limit: float) -> Reply:
        connection = self._connection
        if connection is None:
            if self.is_lost:
                raise NextHopLost("the connection is gone")
            connection = self._connection = await self._next_hop.take(limit)
        self.host = str(connection.host.address)
        # A message takes its time: a connection may have been closed for idling meanwhile.
        is_replaceable = connection.is_reused or (verb == b"DATA" and not connection.is_usable)
        fitting = self._fitting(verb, argument, connection)
        try:
            reply = await connection.command(verb, fitting, limit)
        except NextHopLost:
            self.abandon()
            if not is_replaceable:
                raise
        else:
            if reply.code != SERVICE_CLOSING:
                return reply
            self.abandon()
            if not is_replaceable:
                return reply
        return await self._say_again(verb, argument, limit)

    async def _say_again(self, verb: bytes, argument: bytes, limit: float) -> Reply:
        connection = self._connection = await self._next_hop.connect(limit)
        self.host = str(connection.host.address)
        try:
            for said in self._said:
                reply = await connection.command(said[0], self._fitting(*said, connection), limit)
                if not reply.is_positive:
                    # The client was told otherwise; it hears of this as a lost connection.
                    raise NextHopAway(f"{said[0].decode()} was accepted once, then refused")
            reply = await connection.command(verb, self._fitting(verb, argument, connection), limit)
            if reply.code == SERVICE_CLOSING:
                self.abandon()
            return reply
        except (NextHopAway, NextHopLost):
            self.abandon()
            raise
