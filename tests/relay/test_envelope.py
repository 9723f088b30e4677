"""Paths are read as the peer wrote them, whatever the local part looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.envelope import domain_of, parse_path


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        ("FROM:<a@b.example>", "a@b.example", ()),
        ("from: <a@b.example>", "a@b.example", ()),
        ("FROM:<>", "", ()),
        ("FROM:<> RET=HDRS ENVID=QQ+2Bx", "", ("RET=HDRS", "ENVID=QQ+2Bx")),
        ("FROM:a@b.example SIZE=10", "a@b.example", ("SIZE=10",)),
        ('FROM:<"foo."@docomo.example>', '"foo."@docomo.example', ()),
        ("FROM:<foo..bar@docomo.example>", "foo..bar@docomo.example", ()),
        ('FROM:<"a > b"@x.example> BODY=8BITMIME', '"a > b"@x.example', ("BODY=8BITMIME",)),
        ("FROM:<採用@あおぞら.example> SMTPUTF8", "採用@あおぞら.example", ("SMTPUTF8",)),
    ],
)
def test_paths(argument: str, address: str, parameters: tuple[str, ...]) -> None:
    """Quotes, dots, letter case and parameters stay as they are."""
    path = parse_path(argument, "FROM:")
    assert path is not None
    assert (path.address, path.parameters) == (address, parameters)


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "FROM:",
        "FROM: ",
        "TO:<a@b.example>",
        "FROM:<a@b.example",
        "FROM:<a@b.example>x",
        "FROM:<a@b.example> =x",
        "FROM:<a b@c.example>",
        "FROM:<a@b.example>\rRCPT TO:<c@d.example>",
        "FROM:<a@b.example> SIZE=1\x00",
    ],
)
def test_no_paths(argument: str) -> None:
    """What is no path, or could smuggle another command, is refused."""
    assert parse_path(argument, "FROM:") is None


@given(st.text(max_size=100))
def test_any_argument(text: str) -> None:
    """Whatever a peer sends, there is a path without control characters, or none."""
    path = parse_path("FROM:" + text, "FROM:")
    assert path is None or not any(char < " " for char in path.address)


def test_long_argument_is_read_in_linear_time() -> None:
    """A hostile argument of the longest command line is answered at once."""
    assert parse_path("FROM:<" + '"\\' * 2000, "FROM:") is None
    assert parse_path("FROM:<" + '"a"' * 1300, "FROM:") is None


def test_parameters_are_found_in_any_case() -> None:
    """Parameter names are case-insensitive, their values are not touched."""
    path = parse_path("FROM:<a@b.example> size=77 SMTPUTF8", "FROM:")
    assert path is not None
    assert path.parameter("SIZE") == "77"
    assert path.parameter("SMTPUTF8") == ""
    assert path.parameter("BODY") is None


def test_domain() -> None:
    """The domain is what follows the last at sign, in lower case."""
    assert domain_of('"a@b"@C.Example') == "c.example"
    assert domain_of("") == domain_of("postmaster") == ""
