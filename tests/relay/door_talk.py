"""What clients at a door do in many tests: ask what is offered, and send a message."""

from __future__ import annotations

import ipaddress
import socket
import struct

from relay.wire import stuff
from tests.relay.neighbours import Client
from tests.relay.running import Running

FROM = "MAIL FROM:<recruit@aozora.example.jp>"
TO = "RCPT TO:<yui@mail.example.com>"
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)


def send(client: Client, message: bytes) -> str:
    """Send a message; return the last reply."""
    for command in (FROM, TO):
        reply = client.say(command)
        if not reply.startswith("250"):
            return reply
    assert client.say("DATA").startswith("354")
    client.send(stuff(message))
    return client.reply()


def offers(client: Client) -> set[str]:
    """Return the keywords that EHLO offers."""
    return {line[4:].split(" ")[0] for line in client.say("EHLO client.example").split("\n")[1:]}


def refused(relay: Running) -> dict[str, int]:
    """Return what was refused, by reason."""
    return {
        sample.labels["reason"]: int(sample.value)
        for family in relay.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "careerrelay_refused_total"
    }


def proxy_v2(host: str) -> bytes:
    """Return a PROXY header, version 2, for a client over IPv4."""
    addresses = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 5, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", 12) + addresses


PROXY_V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0x00]) + struct.pack("!H", 0)
