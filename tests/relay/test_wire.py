"""The wire form: what goes in comes out, and no bare line ending becomes a command."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire import END_OF_DATA, has_bare_line_endings, normalise, settle, stuff, unstuff

LINES = st.lists(
    st.binary(max_size=30).filter(lambda line: b"\r" not in line and b"\n" not in line)
    | st.sampled_from([b".", b"..", b".a", b""]),
    max_size=12,
)


@given(LINES)
def test_stuffing_is_undone(lines: list[bytes]) -> None:
    """Whatever dots a message has, the wire form gives it back and ends at one place only."""
    message = b"".join(line + b"\r\n" for line in lines)
    wire = stuff(message)
    assert unstuff(wire) == message
    assert (b"\r\n" + wire).find(END_OF_DATA) == len(wire) + 2 - len(END_OF_DATA)


@given(st.binary(max_size=200) | st.text("\r\n.a", max_size=40).map(str.encode))
def test_normalised_message_has_only_crlf(message: bytes) -> None:
    """After normalising there is no bare CR or LF, and its wire form has one end of data."""
    settled = normalise(message)
    assert not has_bare_line_endings(settled)
    wire = b"\r\n" + stuff(settled)
    assert wire.find(END_OF_DATA) == len(wire) - len(END_OF_DATA)


@given(LINES)
def test_clean_message_is_left_alone(lines: list[bytes]) -> None:
    """A message that has only CRLF is not changed by normalising."""
    message = b"".join(line + b"\r\n" for line in lines)
    assert not has_bare_line_endings(message)
    assert normalise(message) == message


@pytest.mark.parametrize("message", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n.\r\n", b"\r", b"\n"])
def test_bare_line_endings_are_seen(message: bytes) -> None:
    """A CR or LF that stands alone is noticed wherever it stands."""
    assert has_bare_line_endings(message)


def test_empty_message() -> None:
    """No message at all is a dot alone."""
    assert stuff(b"") == b".\r\n"
    assert unstuff(b".\r\n") == b""


@pytest.mark.parametrize("octet", [b"\n", b"\r"])
def test_normalising_is_quick(octet: bytes) -> None:
    """A large message of nothing but line endings does not hold up the other sessions."""
    began = time.process_time()
    assert normalise(octet * 8_000_000) == b"\r\n" * 8_000_000
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("line", "settled"),
    [
        (b"\0.", b".."),
        (b".\0", b"\0"),  # Unstuffed it is a NUL, which is nothing to such a server.
        (b"\0\0.\0", b".."),
        (b"\0", b"\0"),
        (b"..", b".."),
        (b"..\0", b"..\0"),
        (b"\0.a", b"\0.a"),
        (b"a\0.", b"a\0."),
    ],
)
@pytest.mark.parametrize("before", [b"", b"a\r\n"])
def test_a_dot_between_nuls_is_a_dot(before: bytes, line: bytes, settled: bytes) -> None:
    """A server that drops NULs finds no end of data in the middle; all else stays as it was."""
    wire = before + line + b"\r\nb\r\n.\r\n"
    message, sent = settle(wire)
    assert sent == before + settled + b"\r\nb\r\n.\r\n"
    assert (sent is wire) == (line == settled)
    assert unstuff(sent) == message
