"""The next hop of the soak: a process of its own that keeps what it says it keeps.

    python -m tests.relay.soak_hop PORT FILE [--digest]

Each message is in the file before its 250 goes out, in one write: a kill -9 takes nothing that was
acknowledged. (A loss of power could, which is not what the soak is about: there is no fsync.)
A record is two lengths of four bytes, the recipient and the message in wire form; with --digest,
for large ones, its SHA-256. SIGTERM sends idle clients away with a 421 and drops the others.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LENGTHS = struct.Struct(">II")
PIECE_BYTES = 256 * 1024
EHLO = b"250-hop.example\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 DSN\r\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """One message that the hop has accepted."""

    recipient: bytes
    wire: bytes  # Or its digest.


def read_kept(path: Path) -> Iterator[Kept]:
    """Yield what a hop has kept; a record that a kill cut short was never acknowledged."""
    data = path.read_bytes()
    at = 0
    while at + LENGTHS.size <= len(data):
        recipient, wire = LENGTHS.unpack_from(data, at)
        at += LENGTHS.size
        if at + recipient + wire > len(data):
            return
        yield Kept(data[at : at + recipient], data[at + recipient : at + recipient + wire])
        at += recipient + wire


class Hop:
    """The server; one file, written by one process."""

    def __init__(self, path: Path, *, is_digest: bool) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._is_digest = is_digest
        self._idle: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(b"220 hop.example ESMTP\r\n")
            await self._talk(reader, writer)
        self._idle.discard(writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = b""
        while True:
            self._idle.add(writer)
            line = await reader.readuntil(b"\n")
            self._idle.discard(writer)
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipient = line[line.index(b"<") + 1 : line.index(b">")]
            if verb == b"DATA":
                writer.write(b"354 go ahead\r\n")
                self._keep(Kept(recipient, await self._take(reader)))
            writer.write(EHLO if verb == b"EHLO" else b"250 2.0.0 fine\r\n")
            await writer.drain()
            if verb == b"QUIT":
                return

    async def _take(self, reader: asyncio.StreamReader) -> bytes:
        """Return the message up to CRLF.CRLF, or its digest; nothing is pipelined behind it."""
        digest = hashlib.sha256()
        message = bytearray()
        end = b"\r\n"  # DATA's own CRLF.
        while not end.endswith(b"\r\n.\r\n"):
            piece = await reader.read(PIECE_BYTES)
            if not piece:
                raise asyncio.IncompleteReadError(b"", None)
            end = (end + piece)[-5:]
            if self._is_digest:
                digest.update(piece)
            else:
                message += piece
        return digest.digest() if self._is_digest else bytes(message)

    def _keep(self, kept: Kept) -> None:
        lengths = LENGTHS.pack(len(kept.recipient), len(kept.wire))
        os.write(self._file, lengths + kept.recipient + kept.wire)

    def send_away(self) -> None:
        """Tell idle clients that the server is closing."""
        for writer in self._idle:
            writer.write(b"421 4.3.2 closing\r\n")
            writer.close()


async def run(port: int, path: Path, *, is_digest: bool) -> None:
    """Serve until SIGTERM."""
    hop = Hop(path, is_digest=is_digest)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = await asyncio.start_server(hop.serve, "127.0.0.1", port, limit=4 * PIECE_BYTES)
    await stopping.wait()
    server.close()
    hop.send_away()
    os._exit(0)  # What is in the middle of a message is dropped, without a word from asyncio.


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description="The next hop of the soak.")
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()
    asyncio.run(run(options.port, options.file, is_digest=options.digest))


if __name__ == "__main__":
    main()
