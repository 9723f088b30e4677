"""PROXY headers over real sockets: what is read, what is refused, and what is left behind them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging

import pytest

from relay.proxyheader import Origin, ProxyHeaderError, read_origin

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TIMEOUT_SECONDS = 20
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6, UDP4, UNIX, UNSPEC = 0x11, 0x21, 0x12, 0x31, 0x00
BEHIND = b"EHLO mail.aozora.example.jp\r\n"

Outcome = Origin | ProxyHeaderError | None


def version_2(command: int, family: int, payload: bytes) -> bytes:
    """Return a header of version 2."""
    return SIGNATURE + bytes([command, family]) + len(payload).to_bytes(2, "big") + payload


def addresses(source: str, target: str, source_port: int = 56324) -> bytes:
    """Return the address block of version 2."""
    packed = b"".join(ipaddress.ip_address(host).packed for host in (source, target))
    return packed + source_port.to_bytes(2, "big") + (25).to_bytes(2, "big")


V4 = addresses("192.0.2.7", "198.51.100.1")
V6 = addresses("2001:db8::7", "2001:db8::1")


def receive(
    *pieces: bytes, ends: bool = True, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[Outcome, bytes]:
    """Send the pieces over a socket; return what the receiver made of them, and what it left."""

    async def talk() -> tuple[Outcome, bytes]:
        done: asyncio.Future[tuple[Outcome, bytes]] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            outcome: Outcome
            try:
                outcome = await read_origin(reader, timeout_seconds)
            except ProxyHeaderError as error:
                outcome = error
            done.set_result((outcome, await reader.read() if ends else b""))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if ends:
                writer.write_eof()
            outcome = await done
            writer.close()
            return outcome

    return asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECONDS))


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", Origin("192.0.2.7", 56324)),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n", Origin("2001:db8::7", 56324)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 25\r\n", Origin("192.0.2.7", 1)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 56324 25\r\n", None),
        (version_2(PROXY, TCP4, V4), Origin("192.0.2.7", 56324)),
        (version_2(PROXY, TCP6, V6), Origin("2001:db8::7", 56324)),
        (version_2(PROXY, TCP4, V4 + b"\x04\x00\x03abc"), Origin("192.0.2.7", 56324)),
        (version_2(PROXY, TCP4, V4 + b"\x04\xff\xff"), Origin("192.0.2.7", 56324)),
        (version_2(PROXY, TCP4, V4.ljust(65535, b"\0")), Origin("192.0.2.7", 56324)),
        (version_2(PROXY, UNSPEC, b""), None),
        (version_2(LOCAL, UNSPEC, b""), None),
        (version_2(LOCAL, TCP4, b""), None),
        (version_2(LOCAL, TCP4, V4), None),
        (version_2(LOCAL, UNIX, b"short"), None),
    ],
)
def test_headers_are_read_to_their_end(header: bytes, origin: Origin | None) -> None:
    """Each kind of header gives its origin, and what follows in the same packet is left there."""
    assert receive(header + BEHIND) == (origin, BEHIND)


def test_headers_may_come_in_pieces() -> None:
    """A header that is sent octet by octet is the same header."""
    for header in (b"PROXY TCP4 192.0.2.7 198.51.100.1 9 25\r\n", version_2(PROXY, TCP6, V6)):
        outcome, left = receive(*(bytes([octet]) for octet in header + BEHIND))
        assert isinstance(outcome, Origin)
        assert left == BEHIND


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO mail.aozora.example.jp\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXYTCP4 192.0.2.7 198.51.100.1 56324 25\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 more\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 56324 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\n",
        b"PROXY TCP4 192.0.2.700 198.51.100.1 56324 25\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 56324 25\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 56324 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 056324 25\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 56324 25\r\n",
        SIGNATURE[:-1] + b"X" + version_2(PROXY, TCP4, V4)[12:],
        version_2(0x11, TCP4, V4),
        version_2(0x22, TCP4, V4),
        version_2(PROXY, 0x41, V4),
        version_2(PROXY, 0x13, V4),
        version_2(PROXY, TCP4, V4[:-1]),
        version_2(PROXY, TCP6, V4),
        version_2(PROXY, UDP4, V4),
        version_2(PROXY, UNIX, b"/run/mail".ljust(216, b"\0")),
        version_2(PROXY, 0x10, V4),
        version_2(PROXY, 0x01, V4),
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    """Anything else is our own error, in words that quote no address and no octet of it."""
    outcome, _ = receive(header + BEHIND)
    assert isinstance(outcome, ProxyHeaderError)
    assert str(outcome)
    for part in ("192.0.2", "2001:db8", "198.51", "56324", "aozora", "/run"):
        assert part not in str(outcome)


def test_a_line_without_end_is_read_no_further() -> None:
    """107 octets hold every line of version 1; of a longer one no more is read."""
    longest = b"PROXY UNKNOWN ".ljust(105, b"f") + b"\r\n"
    assert receive(longest + BEHIND) == (None, BEHIND)
    outcome, left = receive(b"PROXY UNKNOWN ".ljust(1000, b"f") + b"\r\n")
    assert isinstance(outcome, ProxyHeaderError)
    assert left == b"f" * (1000 - 107) + b"\r\n"


@pytest.mark.parametrize(
    "whole", [b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", version_2(PROXY, TCP4, V4)]
)
def test_connections_that_end_early(whole: bytes) -> None:
    """Wherever a header is cut off, from nothing to its last octet but one, it is our own error."""
    for size in range(len(whole)):
        assert isinstance(receive(whole[:size])[0], ProxyHeaderError)


def test_connections_that_say_nothing() -> None:
    """A connection without a header is given up after the time."""
    for said in (b"", b"PROXY TCP4 ", SIGNATURE):
        outcome, _ = receive(said, ends=False, timeout_seconds=0.01)
        assert isinstance(outcome, ProxyHeaderError)
        assert str(outcome) == "no PROXY header within 0.01 s"


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The library's log lines are not ours: no address, and no line a connection."""
    with caplog.at_level(logging.DEBUG):
        for header in (b"EHLO\r\n", b"PROXY TCP4 192.0.2.7 x y z\r\n", version_2(PROXY, TCP4, V4)):
            receive(header)
    assert [record for record in caplog.records if record.name.startswith("mail")] == []
