"""The sink keeps what was sent, byte for byte, and never too much of it."""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay import sink as sink_module
from relay.envelope import Envelope
from relay.sink import Sink

NOON = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)


def deliver(directory: Path, *dialogues: Callable[[smtplib.SMTP], object]) -> Sink:
    """Run each dialogue against a sink of its own port and return the sink, stopped."""

    async def run() -> Sink:
        sink = Sink("127.0.0.1", 0, directory, clock=lambda: NOON)
        await sink.start()
        try:
            for dialogue in dialogues:
                await asyncio.to_thread(_talk, sink.port, dialogue)
        finally:
            await sink.stop()
        return sink

    return asyncio.run(run())


def _talk(port: int, dialogue: Callable[[smtplib.SMTP], object]) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="test.example", timeout=10) as client:
        dialogue(client)


def send(
    message: bytes, sender: str = "hr@aozora.example.jp", *recipients: str
) -> Callable[[smtplib.SMTP], object]:
    """Return the dialogue that sends one message."""
    to = recipients or ("taro@mail.example",)
    return lambda client: client.sendmail(sender, to, message)


def test_bytes_are_kept_as_sent(tmp_path: Path) -> None:
    """Dots, trailing spaces, NUL and 8-bit octets survive; so does the envelope."""
    message = b"Subject: x\r\n\r\n.dot\r\n..two \t\r\n\xe3\x81\x82\xff\r\n.\x00\r\nend\r\n"
    sink = deliver(tmp_path, send(message, "hr@aozora.example.jp", "a@b.example", "c@d.example"))
    (arrival,) = sink.messages
    assert arrival.message == message
    assert arrival.envelope == Envelope("hr@aozora.example.jp", ("a@b.example", "c@d.example"))
    assert (arrival.number, arrival.time) == (1, NOON)


@pytest.mark.parametrize("length", [999, 1_001, 5_000, 300_000])
def test_long_lines_are_taken(tmp_path: Path, length: int) -> None:
    """A line over the 1,001 octets of the library is mail like any other."""
    message = b"Subject: long\r\n\r\n" + b"x" * length + b"\r\n.\r\n".replace(b".", b"..")
    sink = deliver(tmp_path, send(message))
    assert sink.messages[0].message == message


def test_files_hold_message_and_envelope(tmp_path: Path) -> None:
    """Each message is one .eml file, its envelope the .json beside it."""
    message = "Subject: 選考結果\r\n\r\n本文\r\n".encode()
    deliver(tmp_path / "outside", send(message))
    assert (tmp_path / "outside" / "001.eml").read_bytes() == message
    described = json.loads((tmp_path / "outside" / "001.json").read_text(encoding="utf-8"))
    assert described == {
        "time": "2026-01-15T03:00:00.000+00:00",
        "sender": "hr@aozora.example.jp",
        "recipients": ["taro@mail.example"],
        "size_bytes": len(message),
    }


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    """A second run does not write over the files of the first."""
    deliver(tmp_path, send(b"Subject: 1\r\n\r\n1\r\n"))
    sink = deliver(tmp_path, send(b"Subject: 2\r\n\r\n2\r\n"))
    assert [arrival.number for arrival in sink.messages] == [2]
    assert b"Subject: 1" in (tmp_path / "001.eml").read_bytes()


def test_null_sender_and_odd_addresses_pass_as_written(tmp_path: Path) -> None:
    """RFC 5321 §4.5.5's null sender is `""`; quotes and dots of old carriers stay."""

    def dialogue(client: smtplib.SMTP) -> None:
        client.ehlo()
        assert client.docmd("MAIL FROM:<>")[0] == 250
        for address in ('"foo."@docomo.example.jp', "foo..bar@docomo.example.jp"):
            assert client.docmd(f"RCPT TO:<{address}>")[0] == 250
        assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250

    (arrival,) = deliver(tmp_path, dialogue).messages
    assert arrival.envelope == Envelope(
        "", ('"foo."@docomo.example.jp', "foo..bar@docomo.example.jp")
    )


def test_malformed_addresses_are_refused(tmp_path: Path) -> None:
    """An unclosed bracket is a syntax error of the peer, and the connection goes on."""

    def dialogue(client: smtplib.SMTP) -> None:
        client.ehlo()
        assert client.docmd("MAIL FROM:<a@b.example")[0] == 553
        assert client.docmd("MAIL FROM:<a@b.example>")[0] == 250

    assert deliver(tmp_path, dialogue).messages == ()


def test_many_messages_on_one_connection(tmp_path: Path) -> None:
    """A kept connection delivers several messages, in order."""
    letters = [f"Subject: {n}\r\n\r\n{n}\r\n".encode() for n in range(5)]

    def dialogue(client: smtplib.SMTP) -> None:
        for letter in letters:
            client.sendmail("a@b.example", ["c@d.example"], letter)

    sink = deliver(tmp_path, dialogue)
    assert [arrival.message for arrival in sink.messages] == letters


def test_oldest_is_dropped_over_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and disk hold the last messages only."""
    monkeypatch.setattr(sink_module, "KEPT_MAX", 2)
    letters = [send(f"Subject: {n}\r\n\r\n{n}\r\n".encode()) for n in range(4)]
    sink = deliver(tmp_path, *letters)
    assert [arrival.number for arrival in sink.messages] == [3, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "003.eml",
        "003.json",
        "004.eml",
        "004.json",
    ]


def test_what_cannot_be_written_is_not_accepted(tmp_path: Path) -> None:
    """No 250 without the file: a lost directory is a temporary refusal without internals."""
    directory = tmp_path / "outside"

    def dialogue(client: smtplib.SMTP) -> None:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\nx\r\n")
        assert caught.value.smtp_code == 451
        assert str(directory) not in str(caught.value.smtp_error)

    assert deliver(directory, dialogue).messages == ()


def test_taken_port_is_an_error(tmp_path: Path) -> None:
    """A port in use is reported, not waited for."""

    async def run() -> None:
        first = Sink("127.0.0.1", 0, tmp_path)
        await first.start()
        try:
            with pytest.raises(OSError, match=str(first.port)):
                await Sink("127.0.0.1", first.port, tmp_path).start()
        finally:
            await first.stop()

    asyncio.run(run())
