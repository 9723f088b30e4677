"""The least a relay in Python can be: aiosmtpd takes a letter, aiosmtplib passes it on.

It looks at nothing, keeps its connections to the next hop, and stands beside the relay in
`bench/smtp.py` to show what the two libraries cost as they come.

    python bench/bare.py PORT NEXT_HOP_PORT
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from aiosmtplib import SMTP as Client
from aiosmtplib import SMTPException

HOST = "127.0.0.1"
SIZE_MAX_BYTES = 100 * 1024 * 1024


class Forwarder:
    """Passes each letter on over a connection of its own, taken from those that are idle."""

    def __init__(self, next_hop_port: int) -> None:
        self._next_hop_port = next_hop_port
        self._idle: list[Client] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Answer with what the next hop said to the letter."""
        if self._idle:
            client = self._idle.pop()
        else:
            client = Client(hostname=HOST, port=self._next_hop_port, start_tls=False)
            await client.connect()
        content = envelope.content
        assert isinstance(content, bytes)
        assert envelope.mail_from is not None
        try:
            _, text = await client.sendmail(envelope.mail_from, envelope.rcpt_tos, content)
        except SMTPException:
            client.close()
            return "451 4.4.1 The next hop did not take it"
        self._idle.append(client)
        return f"250 {text}"


async def serve(port: int, next_hop_port: int) -> None:
    """Listen until the process is ended."""
    forwarder = Forwarder(next_hop_port)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(forwarder, data_size_limit=SIZE_MAX_BYTES, hostname="bare.example.jp"),
        HOST,
        port,
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
