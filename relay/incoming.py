"""What a client sends, read as command lines and as messages in large pieces.

Between the connection and the dialogue. The SMTP library goes through a message line by line, which
takes over a second for 25 MB and blocks every other session meanwhile. And it drops a client that
closes its sending side, though the letter may be delivered already: the client would not hear of it
and send it again. Here the end of what a client sends is met in its place, behind everything that
came before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relay.metrics import Metrics
from relay.reply import NO_ROOM, Reply, too_large
from relay.wire import EMPTY_MESSAGE, END_OF_DATA

# RFC 4954 §4 has 12,288 octets for a line of AUTH; commands are shorter (see `dialogue`).
LINE_MAX_BYTES = 12_288
# The connection is not read further while so much of it waits: a client that sends faster than we
# take it is slowed down by TCP.
WAITING_MAX_BYTES = 256 * 1024


class LineTooLong(Exception):
    """A line over the limit was read to its end and dropped."""


class MessageRefused(Exception):
    """The message was read to its end and dropped; `reply` says why, `reason` is for metrics."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.lines[0])
        self.reply = reply
        self.reason = "in_flight_max" if reply == NO_ROOM else "size_max"


class Room:
    """The bytes that messages of all sessions together may still take up."""

    def __init__(self, size_bytes: int, metrics: Metrics) -> None:
        self._size_bytes = size_bytes
        self._taken_bytes = 0
        self._metrics = metrics

    @property
    def free_bytes(self) -> int:
        """What is left, never less than nothing."""
        return max(0, self._size_bytes - self._taken_bytes)

    def resize(self, size_bytes: int) -> None:
        """Set another size; what is taken stays taken."""
        self._size_bytes = size_bytes

    def change(self, size_bytes: int) -> None:
        """Take some, or give it back."""
        self._taken_bytes += size_bytes
        self._metrics.in_flight(size_bytes)


class Hold:
    """What one message takes of the room, until it is given back."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken_bytes = 0

    def take(self, size: int) -> bool:
        """Take more, if there is as much."""
        if size > self._room.free_bytes:
            return False
        self._room.change(size)
        self._taken_bytes += size
        return True

    def give_back(self) -> None:
        """Give back all that was taken."""
        if self._taken_bytes:
            self._room.change(-self._taken_bytes)
            self._taken_bytes = 0

    def hand_over(self) -> Hold:
        """Return a hold of all that was taken; this one holds nothing any more."""
        other = Hold(self._room)
        other._taken_bytes, self._taken_bytes = self._taken_bytes, 0
        return other


class ClientStream:
    """The octets of one client. At their end every method raises `ConnectionResetError`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._waiting = bytearray()
        self._has_ended = False
        self._is_paused = False
        self._more: asyncio.Future[None] | None = None

    # ---------------------------------------------- called by the connection

    def feed(self, octets: bytes) -> None:
        """Take octets that came in."""
        self._waiting += octets
        self._wake()
        if len(self._waiting) > WAITING_MAX_BYTES and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def go_on_with(self, transport: asyncio.Transport) -> None:
        """Read from another transport, the encrypted one, from here on."""
        self.transport = transport
        self._is_paused = False

    def end(self) -> None:
        """Take note that nothing more will come."""
        self._has_ended = True
        self._wake()

    @property
    def is_awaited(self) -> bool:
        """Whether the dialogue waits for the client to send something."""
        return self._more is not None

    def take_waiting(self) -> bytes:
        """Return all that came and was not read, and forget it."""
        waiting = bytes(self._waiting)
        self._waiting.clear()
        return waiting

    def _wake(self) -> None:
        if self._more is not None:
            if not self._more.done():
                self._more.set_result(None)
            self._more = None

    # ------------------------------------------------ called by the dialogue

    async def read_line(self) -> bytes:
        """Return a command line without its ending; a bare LF ends one as well, as everywhere.

        Raises `LineTooLong` behind the end of a line over the limit.
        """
        searched = 0
        is_too_long = False
        while (end := self._waiting.find(b"\n", searched)) == -1:
            if len(self._waiting) > LINE_MAX_BYTES:
                is_too_long = True
                self._waiting.clear()
                self._resume()
            searched = len(self._waiting)
            await self._wait()
        line = self._take(end + 1)
        if is_too_long or end > LINE_MAX_BYTES:
            raise LineTooLong
        return line.rstrip(b"\r\n")

    async def readexactly(self, size: int) -> bytes:
        """Return exactly `size` octets; under the name that readers of asyncio's streams know."""
        while len(self._waiting) < size:
            await self._wait()
        return self._take(size)

    async def read_message(
        self, size_max_bytes: int, hold: Hold, heard: Callable[[int], None]
    ) -> bytes:
        """Return the message in wire form, final dot included.

        `heard` is told the octets so far for every piece. Raises `MessageRefused`, behind the end
        of the message, for one that is too large or that there is no room for.
        """
        # DATA's own CRLF belongs to the end-of-data sequence of an empty message.
        received = bytearray(b"\r\n")
        refusal: Reply | None = None
        total_bytes = 0
        while True:
            searched = max(0, len(received) - len(END_OF_DATA) + 1)
            piece = await self._read_piece()
            total_bytes += len(piece)
            heard(total_bytes)
            received += piece
            end = received.find(END_OF_DATA, searched)
            if refusal is None and not hold.take(len(piece)):
                refusal = NO_ROOM
            if end != -1:
                break
            # Doubled dots do not count, and there may be one to every two octets of a message.
            if len(received) > size_max_bytes * 3 // 2 + len(END_OF_DATA):
                refusal = too_large(size_max_bytes)
            if refusal is not None:
                # The rest is read and dropped: the reply comes after the end (RFC 5321 §4.2.5).
                del received[2 : -len(END_OF_DATA)]
                hold.give_back()
        end += len(END_OF_DATA)
        # What follows is the next command, pipelined (RFC 2920).
        self._waiting[0:0] = received[end:]
        size = end - 2 - len(EMPTY_MESSAGE)
        if size > size_max_bytes and size - received.count(b"\r\n..", 0, end) > size_max_bytes:
            refusal = too_large(size_max_bytes)
        if refusal is not None:
            raise MessageRefused(refusal)
        with memoryview(received) as view:
            return bytes(view[2:end])

    async def _read_piece(self) -> bytearray:
        while not self._waiting:
            await self._wait()
        piece, self._waiting = self._waiting, bytearray()
        self._resume()
        return piece

    def _take(self, size: int) -> bytes:
        octets = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._resume()
        return octets

    async def _wait(self) -> None:
        """Return when more has come."""
        if self._has_ended or self.transport.is_closing():
            raise ConnectionResetError("the client is done")
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    def _resume(self) -> None:
        if self._is_paused and len(self._waiting) <= WAITING_MAX_BYTES:
            self._is_paused = False
            self.transport.resume_reading()
