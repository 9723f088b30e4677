"""What a client sends, read as command lines and as messages in large pieces.

Between the stream of the connection and the command loop of the SMTP library. The library goes
through a message line by line, which takes over a second for 25 MB and blocks every other session
meanwhile. And it drops a client that closes its sending side, though the letter may be delivered
already: the client would not hear of it and send it again. Here the end of what a client sends is
met in its place, behind everything that came before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from relay.reply import NO_ROOM, Reply, too_large
from relay.wire import EMPTY_MESSAGE, END_OF_DATA

PIECE_MAX_BYTES = 256 * 1024


class MessageRefused(Exception):
    """The message was read to its end and dropped; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.lines[0])
        self.reply = reply


class Room:
    """The bytes that messages of all sessions together may still take up."""

    def __init__(self, size_bytes: int) -> None:
        self.free_bytes = size_bytes


class Hold:
    """What one message takes of the room; given back when the block ends."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken_bytes = 0

    def take(self, size: int) -> bool:
        """Take more, if there is as much."""
        if size > self._room.free_bytes:
            return False
        self._room.free_bytes -= size
        self._taken_bytes += size
        return True

    def give_back(self) -> None:
        """Give back all that was taken."""
        self._room.free_bytes += self._taken_bytes
        self._taken_bytes = 0

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()


class ClientStream:
    """The octets of one client. At their end every method raises `ConnectionResetError`.

    That is the error on which the library's command loop ends without another word.
    """

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = transport

    async def readuntil(self) -> bytes:
        """Return a line with its LF; the library calls it by this name.

        Raises `LimitOverrunError` for a line that does not fit the reader.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("we hung up")
        try:
            return await self._reader.readuntil()
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the client is done") from error

    async def read(self, size: int) -> bytes:
        """Return what is there, at most `size` octets."""
        octets = await self._reader.read(size)
        if not octets:
            raise ConnectionResetError("the client is done")
        return octets

    async def read_message(
        self, size_max_bytes: int, hold: Hold, heard: Callable[[], None]
    ) -> bytes:
        """Return the message in wire form, final dot included.

        `heard` is called for every piece. Raises `MessageRefused`, behind the end of the message,
        for one that is too large or that there is no room for.
        """
        # DATA's own CRLF belongs to the end-of-data sequence of an empty message.
        received = bytearray(b"\r\n")
        refusal: Reply | None = None
        while True:
            searched = max(0, len(received) - len(END_OF_DATA) + 1)
            piece = await self.read(PIECE_MAX_BYTES)
            heard()
            received += piece
            end = received.find(END_OF_DATA, searched)
            if refusal is None and not hold.take(len(piece)):
                refusal = NO_ROOM
            if end != -1:
                break
            if len(received) > size_max_bytes + len(END_OF_DATA):
                refusal = too_large(size_max_bytes)
            if refusal is not None:
                # The rest is read and dropped: the reply comes after the end (RFC 5321 §4.2.5).
                del received[2 : -len(END_OF_DATA)]
                hold.give_back()
        end += len(END_OF_DATA)
        # What follows is the next command, pipelined (RFC 2920).
        self._reader._buffer[0:0] = received[end:]  # type: ignore[attr-defined]
        if end - 2 - len(EMPTY_MESSAGE) > size_max_bytes:
            refusal = too_large(size_max_bytes)
        if refusal is not None:
            raise MessageRefused(refusal)
        return bytes(received[2:end])
