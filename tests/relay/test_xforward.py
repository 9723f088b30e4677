"""XFORWARD lines: those of real mail systems, and those that must not reach the next hop."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.xforward import NAMES, offered, parse_xforward


@pytest.mark.parametrize(
    ("argument", "attributes"),
    [
        (
            "NAME=spike.example.org ADDR=192.0.2.2 PROTO=ESMTP",
            (("NAME", "spike.example.org"), ("ADDR", "192.0.2.2"), ("PROTO", "ESMTP")),
        ),
        ("HELO=[192.0.2.2] SOURCE=REMOTE", (("HELO", "[192.0.2.2]"), ("SOURCE", "REMOTE"))),
        ("ADDR=IPv6:2001:db8::7 PORT=49152", (("ADDR", "IPv6:2001:db8::7"), ("PORT", "49152"))),
        ("IDENT=4Xk2Zt1qPzz9 SOURCE=local", (("IDENT", "4Xk2Zt1qPzz9"), ("SOURCE", "local"))),
        (
            "name=[UNAVAILABLE] addr=[unavailable]",
            (("NAME", "[UNAVAILABLE]"), ("ADDR", "[unavailable]")),
        ),
        (
            "NAME=[TEMPUNAVAIL] PORT=[UNAVAILABLE]",
            (("NAME", "[TEMPUNAVAIL]"), ("PORT", "[UNAVAILABLE]")),
        ),
        ("SOURCE=[UNAVAILABLE]", (("SOURCE", "[UNAVAILABLE]"),)),
        ("HELO=a+2Bb+3Dc+3dd", (("HELO", "a+b=c=d"),)),
        ("HELO=a=b", (("HELO", "a=b"),)),
        ("NAME=a  NAME=b ", (("NAME", "a"), ("NAME", "b"))),
        ("PROTO=" + "x" * 64, (("PROTO", "x" * 64),)),
        ("HELO=" + "+78" * 255, (("HELO", "x" * 255),)),
    ],
)
def test_attributes_are_read(argument: str, attributes: tuple[tuple[str, str], ...]) -> None:
    """What Postfix sends is understood: names without case, values in xtext."""
    assert parse_xforward(argument) == attributes


@pytest.mark.parametrize(
    "argument",
    [
        "",
        " ",
        "NAME",
        "NAME=",
        "=x",
        "NAME =x",
        "LOGIN=x",
        "NAME=x LOGIN=x",
        "NAME=x\tADDR=y",
        "NAME=a+b",
        "NAME=a+2",
        "NAME=a+GG",
        "NAME=a+0D+0A",
        "NAME=a+20b",
        "NAME=a+00",
        "NAME=a+7F",
        "NAME=a+C3+A9",
        "NAME=é",
        "NAME=a\rb",
        "NAME=a\n",
        "NAME=\udcff",
        "ſOURCE=LOCAL",
        "PORT=-1",
        "PORT=65536",
        "PORT=smtp",
        "PORT=+31+32+0A",
        "SOURCE=elsewhere",
        "PROTO=" + "x" * 65,
        "HELO=" + "x" * 256,
        "PORT=" + "9" * 256,
    ],
)
def test_what_must_not_reach_the_next_hop(argument: str) -> None:
    """Unknown names, broken xtext, hidden line ends and values out of bounds are syntax errors."""
    assert parse_xforward(argument) is None


@given(
    st.text(max_size=60) | st.from_regex(r"(NAME|PORT|x)=.{0,20}( HELO=.{0,20})?", fullmatch=True)
)
def test_values_are_printable(argument: str) -> None:
    """Whatever comes, what is accepted has known names and printable values, on one line."""
    for name, value in parse_xforward(argument) or ():
        assert name in NAMES
        assert re.fullmatch(r"[!-~]{1,255}", value)
        assert argument.isascii()
        assert argument.isprintable()


def test_what_is_offered_is_what_both_know() -> None:
    """Of the next hop's list the known names stay, in its order and as it writes them."""
    assert (
        offered("NAME ADDR PROTO HELO SOURCE PORT IDENT")
        == "NAME ADDR PROTO HELO SOURCE PORT IDENT"
    )
    assert offered("helo X-NEWS  NAME") == "helo NAME"
    assert offered("X-NEWS") == offered("") == ""
