"""`careerrelay hash-password`: the hash that stands in the configuration instead of a password."""

from __future__ import annotations

import getpass
import sys

import typer

from relay.cli.common import fail
from relay.passwords import PASSWORD_MAX_BYTES, hash_password


def hash_password_command() -> None:
    """Write the hash of a user's password: of the one typed, or of the first line of stdin."""
    password = _ask() if sys.stdin.isatty() else _read_line()
    try:
        text = hash_password(password)
    except ValueError as error:
        fail(str(error))
    typer.echo(text)
    sys.stderr.write(
        'In the configuration: [[relay.user]] with name = "…" and password = "…", the line above.\n'
    )


def _ask() -> bytes:
    password = getpass.getpass("Password: ")
    if password and getpass.getpass("Once more: ") != password:
        fail("the two differ")
    # As SMTP clients send it; what the terminal could not decode stays as it was typed.
    return password.encode("utf-8", "surrogateescape")


def _read_line() -> bytes:
    # One more than is allowed, with its line ending: what is cut off here is refused.
    return sys.stdin.buffer.readline(PASSWORD_MAX_BYTES + 3).rstrip(b"\r\n")
