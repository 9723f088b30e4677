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

from relay.wire import EMPTY_MESSAGE, END_OF_DATA

PIECE_MAX_BYTES = 256 * 1024


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

    async def read_message(self, size_max_bytes: int, heard: Callable[[], None]) -> bytes | None:
        """Return the message in wire form, final dot included; `None` if it is too large.

        `heard` is called for every piece.
        """
        # DATA's own CRLF belongs to the end-of-data sequence of an empty message.
        received = bytearray(b"\r\n")
        too_large = False
        while True:
            searched = max(0, len(received) - len(END_OF_DATA) + 1)
            received += await self.read(PIECE_MAX_BYTES)
            heard()
            end = received.find(END_OF_DATA, searched)
            if end != -1:
                break
            if len(received) > size_max_bytes + len(END_OF_DATA):
                # The rest is read and dropped: the reply comes after the end (RFC 5321 §4.2.5).
                too_large = True
                del received[2 : -len(END_OF_DATA)]
        end += len(END_OF_DATA)
        # What follows is the next command, pipelined (RFC 2920).
        self._reader._buffer[0:0] = received[end:]  # type: ignore[attr-defined]
        if too_large or end - 2 - len(EMPTY_MESSAGE) > size_max_bytes:
            return None
        return bytes(received[2:end])
