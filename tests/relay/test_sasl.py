"""AUTH exchanges as a session holds them: what the client says, and what comes of it."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sasl import (
    LINE_MAX_BYTES,
    AuthenticationRefused,
    Challenge,
    Credentials,
    Exchange,
    parse_auth,
)


def encoded(text: str | bytes) -> str:
    """Return a response in base64."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def dialogue(argument: str, *answers: str) -> tuple[list[str], Credentials | str]:
    """Return the replies on the way, and the credentials or the reply at the end."""
    replies: list[str] = []
    try:
        exchange = parse_auth(argument)
        step = exchange.start()
        for answer in answers:
            assert isinstance(step, Challenge)
            replies.append(step.reply.encode().removesuffix(b"\r\n").decode())
            step = exchange.feed(answer.encode() + b"\r\n")
        assert isinstance(step, Credentials), "the exchange goes on"
        return replies, step
    except AuthenticationRefused as refused:
        return replies, refused.reply.encode().removesuffix(b"\r\n").decode()


ATS = Credentials("ats", b"geheim")


@pytest.mark.parametrize("message", ["\0ats\0geheim", "ats\0ats\0geheim"])
def test_plain_in_one_and_in_two_steps(message: str) -> None:
    """PLAIN takes its message with the command or after an empty challenge; the space stays."""
    assert dialogue(f"PLAIN {encoded(message)}") == ([], ATS)
    assert dialogue("PLAIN", encoded(message)) == (["334 "], ATS)
    assert dialogue("plain ", encoded(message)) == (["334 "], ATS)


def test_login_in_one_and_in_two_steps() -> None:
    """LOGIN asks for name and password in the words that clients know, or for the password."""
    name, password = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"
    assert dialogue("LOGIN", encoded("ats"), encoded("geheim")) == ([name, password], ATS)
    assert dialogue(f"login {encoded('ats')}", encoded("geheim")) == ([password], ATS)


def test_what_is_sent_is_what_is_taken() -> None:
    """Names are UTF-8, passwords any octets; spaces and forms of letters stay as they are."""
    name, password = "採用 ats\u00a0", b" \xff\xfe ge heim\n"
    expected = Credentials(name, password)
    assert dialogue("PLAIN", encoded(b"\0" + name.encode() + b"\0" + password))[1] == expected
    assert dialogue("LOGIN", encoded(name), encoded(password))[1] == expected


@pytest.mark.parametrize(
    ("argument", "answers", "reply"),
    [
        ("", [], "501 5.5.4"),
        ("CRAM-MD5", [], "504 5.5.4"),
        ("PLA\u0131N", [], "504 5.5.4"),
        ("XOAUTH2 dXNlcj1h", [], "504 5.5.4"),
        ("PLAIN", ["*"], "501 5.7.0"),
        ("LOGIN", [encoded("ats"), "*"], "501 5.7.0"),
        ("PLAIN *", [], "501 5.5.2"),
        ("PLAIN", ["AHRlc3Q"], "501 5.5.2"),
        ("PLAIN", ["AHRl c3Q="], "501 5.5.2"),
        ("PLAIN", ["="], "501 5.5.2"),
        ("PLAIN", ["=AHRlc3Q"], "501 5.5.2"),
        ("PLAIN", ["AHRlcw==AHRlcw=="], "501 5.5.2"),
        ("PLAIN \udcff\udcfe", [], "501 5.5.2"),
        ("PLAIN AGF0cwBn ZWhlaW0=", [], "501 5.5.2"),
        ("LOGIN", ["ats@aozora.example.jp"], "501 5.5.2"),
        ("PLAIN =", [], "535 5.7.8"),
        ("PLAIN", [""], "535 5.7.8"),
        ("PLAIN", [encoded("ats\0geheim")], "535 5.7.8"),
        ("PLAIN", [encoded("\0ats\0geheim\0")], "535 5.7.8"),
        ("PLAIN", [encoded("root\0ats\0geheim")], "535 5.7.8"),
        ("PLAIN", [encoded("\0\0geheim")], "535 5.7.8"),
        ("PLAIN", [encoded("\0ats\0")], "535 5.7.8"),
        ("PLAIN", [encoded(b"\0\xff\0geheim")], "535 5.7.8"),
        ("LOGIN", ["", encoded("geheim")], "535 5.7.8"),
        ("LOGIN =", [encoded("geheim")], "535 5.7.8"),
        ("LOGIN", [encoded("ats"), ""], "535 5.7.8"),
    ],
)
def test_what_ends_without_credentials(argument: str, answers: list[str], reply: str) -> None:
    """Each way to go wrong has its reply (RFC 4954 §4 and §6)."""
    replies, end = dialogue(argument, *answers)
    assert isinstance(end, str)
    assert end.startswith(reply + " ")
    assert len(replies) == len(answers)


def test_lines_have_a_limit() -> None:
    """A line of 12,288 octets is read, one more ends the exchange, in a command as after it."""
    room = (LINE_MAX_BYTES - 2) // 4 * 3
    message = b"\0ats\0".ljust(room, b"x")
    _, longest = dialogue("PLAIN", encoded(message))
    assert longest == Credentials("ats", message[5:])
    for argument, answers in (("PLAIN", ["x" * LINE_MAX_BYTES]), ("PLAIN " + "x" * 12_289, [])):
        assert (
            dialogue(argument, *answers)[1] == "500 5.5.6 Authentication exchange line is too long"
        )


def test_passwords_are_not_shown() -> None:
    """Neither credentials nor refusals show what the client sent, in a traceback or a log."""
    assert "geheim" not in repr(ATS)
    with pytest.raises(AuthenticationRefused) as caught:
        Exchange("PLAIN", b"geheim!")
    assert "geheim" not in str(caught.value)
    assert caught.value.__suppress_context__


@given(argument=st.text(max_size=40), answers=st.lists(st.binary(max_size=40), max_size=3))
def test_any_client_gets_an_answer(argument: str, answers: list[bytes]) -> None:
    """Whatever a client says, it is asked on, has credentials, or is refused."""
    for start in ("PLAIN", "LOGIN", "PLAIN " + argument, argument):
        with contextlib.suppress(AuthenticationRefused):
            exchange = parse_auth(start)
            step = exchange.start()
            for answer in answers:
                if isinstance(step, Credentials):
                    break
                step = exchange.feed(base64.b64encode(answer))
            assert isinstance(step, Challenge | Credentials)
