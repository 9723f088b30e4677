"""Parameters of MAIL and RCPT meet what a connection offers."""

from __future__ import annotations

import pytest

from relay.esmtp import fit
from relay.nexthops import NextHopAway

ALL = frozenset(("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS", "XFORWARD"))


@pytest.mark.parametrize(
    "argument",
    [
        b"FROM:<>",
        b"FROM:<a@example.com>",
        b"FROM: <a@example.com>",
        b"FROM:a@example.com",
        b"FROM:<a@example.com>  SIZE=1  body=8bitmime ",
        b'FROM:<"a> SIZE=1"@example.com> RET=FULL ENVID=q+3D\xc3\xa9',
        b'FROM:<"a \\" b"@example.com>',
        b'FROM:<"never closed SIZE=1',
        b"FROM:<a@example.com> REQUIRETLS SMTPUTF8",
    ],
)
def test_where_all_is_offered_nothing_changes(argument: bytes) -> None:
    """Case, order and white space are the client's."""
    assert fit(b"MAIL", argument, ALL, ALL) == argument


@pytest.mark.parametrize(
    ("argument", "fitted"),
    [
        (b"FROM:<a@example.com> SIZE=120", b"FROM:<a@example.com>"),
        (b"FROM:<a@example.com> size=120 RET=HDRS", b"FROM:<a@example.com> RET=HDRS"),
        (b'FROM:<"a> SIZE=1"@example.com> SIZE=9', b'FROM:<"a> SIZE=1"@example.com>'),
        (b"FROM:a@example.com SIZE=120", b"FROM:a@example.com"),
        (b"FROM: <> AUTH=<>", b"FROM: <>"),
    ],
)
def test_what_a_letter_does_not_need_is_left_out(argument: bytes, fitted: bytes) -> None:
    """SIZE goes where it is known, AUTH nowhere; a local part only looks like one."""
    assert fit(b"MAIL", argument, {"DSN"}, ALL) == fitted


@pytest.mark.parametrize(
    ("verb", "argument"),
    [
        (b"MAIL", b"FROM:<a@example.com> BODY=8BITMIME"),
        (b"MAIL", b"FROM:<a@example.com> SIZE=1 smtputf8"),
        (b"RCPT", b"TO:<a@example.com> ORCPT=rfc822;a@example.com"),
        (b"XFORWARD", b"NAME=mail.example.com"),
    ],
)
def test_what_was_told_and_is_not_offered_keeps_the_letter_back(
    verb: bytes, argument: bytes
) -> None:
    """The client tries again; what nobody ever offered goes on as it is."""
    with pytest.raises(NextHopAway):
        fit(verb, argument, {"SIZE"}, ALL)
    assert fit(verb, argument, {"SIZE"}, {"SIZE"}) == argument


def test_long_arguments_are_read_in_time_that_grows_with_their_length() -> None:
    """Quotes and backslashes without end lead into no search."""
    argument = b"FROM:<" + b'a"\\' * 100_000 + b" SIZE=1"
    assert fit(b"MAIL", argument, {"SIZE"}, ALL) == argument
