"""One mail transaction with the next hop, kept in step with the client's (RFC 5321 §3.3).

Each command goes on as it comes, and the next hop's reply is the answer. A connection from the pool
may have died unnoticed or answer 421: then the transaction so far is said again on a fresh one, but
only while no byte of a message was sent. After that, nothing is ever sent twice.
"""

from __future__ import annotations

from relay.downstream import START_INPUT, Connection, NextHop, NextHopAway, NextHopLost
from relay.reply import Reply

SERVICE_CLOSING = 421  # RFC 5321 §4.2.1: the server is about to close the connection.


class Transaction:
    """MAIL, RCPT, DATA towards the next hop. Ends with `finish`, or with `abandon` at any point."""

    def __init__(self, next_hop: NextHop) -> None:
        self._next_hop = next_hop
        self._connection: Connection | None = None
        self._said: list[tuple[bytes, bytes]] = []  # Commands with a positive reply, in order.
        self.outcome_unknown = False  # The message was sent, and no reply came.

    async def command(self, verb: bytes, argument: bytes) -> Reply:
        """Return the next hop's reply to MAIL or RCPT; `NextHopError` if there is none."""
        reply = await self._speak(verb, argument)
        if reply.is_positive:
            self._said.append((verb, argument))
        return reply

    async def send(self, wire: bytes) -> Reply:
        """Send the message and return the reply that decides over it.

        A refusal of DATA itself is that reply, too. `NextHopLost` with `outcome_unknown` set on
        this transaction means that the next hop may or may not have the message.
        """
        reply = await self._speak(b"DATA", b"")
        if reply.code != START_INPUT:
            # The next hop may still hold sender and recipients: not for the next letter to meet.
            self.abandon()
            return reply
        assert self._connection is not None
        self.outcome_unknown = True
        reply = await self._connection.send(wire)
        self.outcome_unknown = False
        return reply

    @property
    def size_max_bytes(self) -> int:
        """The largest message the next hop takes, 0 if it did not say."""
        return self._next_hop.size_max_bytes

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

    async def _speak(self, verb: bytes, argument: bytes) -> Reply:
        if self._connection is None:
            if self._said:  # An earlier command lost the connection: the client must start anew.
                raise NextHopLost("the connection is gone")
            self._connection = await self._next_hop.take()
        try:
            reply = await self._connection.command(verb, argument)
            if reply.code != SERVICE_CLOSING or not self._connection.is_reused:
                return reply
        except NextHopLost:
            if not self._connection.is_reused:
                raise
        self.abandon()
        return await self._say_again(verb, argument)

    async def _say_again(self, verb: bytes, argument: bytes) -> Reply:
        self._connection = await self._next_hop.connect()
        for said in self._said:
            reply = await self._connection.command(*said)
            if not reply.is_positive:
                # The client was told otherwise; it hears of this as a lost connection.
                self.abandon()
                raise NextHopAway(f"{said[0].decode()} was accepted once, then refused")
        return await self._connection.command(verb, argument)
