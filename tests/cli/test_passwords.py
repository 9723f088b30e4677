"""`careerrelay hash-password`, run as a command: from a pipe and on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.passwords import PASSWORD_MAX_BYTES, Users, check_password_hash
from tests.cli.process import CAREERRELAY

COMMAND = (*CAREERRELAY, "hash-password")
ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 60


def knows(text: str, password: bytes) -> bool:
    """Say whether a hash that the configuration accepts is the password's."""
    return asyncio.run(Users({"ats": check_password_hash(text)}).knows("ats", password))


def piped(octets: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the command with these octets as its standard input."""
    return subprocess.run(
        COMMAND, input=octets, capture_output=True, timeout=TIMEOUT_SECONDS, cwd=ROOT
    )


@pytest.mark.parametrize("octets", ["合言葉 1\n", "合言葉 1\r\n", "合言葉 1", "合言葉 1\nmore\n"])
def test_a_password_from_a_pipe(octets: str) -> None:
    """The first line without its end is the password; stdout is the hash alone."""
    done = piped(octets.encode())
    assert done.returncode == 0
    (line,) = done.stdout.decode().splitlines()
    assert knows(line, "合言葉 1".encode())
    assert b"[[relay.user]]" in done.stderr


@pytest.mark.parametrize("octets", [b"", b"\n", b"x" * (PASSWORD_MAX_BYTES + 1) + b"\n"])
def test_passwords_that_are_none(octets: bytes) -> None:
    """No password and one that is too long are wrong use; nothing is on stdout."""
    done = piped(octets)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"expected a password of 1 to 1024 bytes" in done.stderr
    assert b"xxx" not in done.stderr


def test_the_longest_password() -> None:
    """A password of just the limit is taken whole."""
    longest = b"x" * PASSWORD_MAX_BYTES
    assert knows(piped(longest + b"\r\n").stdout.decode().strip(), longest)


@dataclass
class Terminal:
    """The command on a terminal: its standard input and errors are one, its output is not."""

    process: subprocess.Popen[bytes]
    master: int
    shown: bytes = b""

    def answer(self, prompt: bytes, line: bytes) -> None:
        """Wait for a prompt, then type a line."""
        while not self.shown.endswith(prompt):
            # Where the process has ended, an error: it was the last to hold the terminal.
            self.shown += os.read(self.master, 1024)
        os.write(self.master, line + b"\n")

    def end(self) -> tuple[int, bytes]:
        """Return exit code and output."""
        output, _ = self.process.communicate(timeout=TIMEOUT_SECONDS)
        with contextlib.suppress(OSError):
            while more := os.read(self.master, 1024):
                self.shown += more
        return self.process.returncode, output


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Run the command on a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        COMMAND,
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # Else the password would be asked for on the tester's terminal.
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.communicate()
        os.close(master)


def test_a_password_from_a_terminal(terminal: Terminal) -> None:
    """It is asked for twice and never shown."""
    terminal.answer(b"Password: ", b"geheim")
    terminal.answer(b"Once more: ", b"geheim")
    code, output = terminal.end()
    assert code == 0
    assert knows(output.decode().strip(), b"geheim")
    assert b"geheim" not in terminal.shown


def test_a_mistyped_password(terminal: Terminal) -> None:
    """Two that differ are wrong use."""
    terminal.answer(b"Password: ", b"geheim")
    terminal.answer(b"Once more: ", b"geheimm")
    assert terminal.end() == (2, b"")
    assert b"the two differ" in terminal.shown
    assert b"geheim" not in terminal.shown


def test_no_password_at_all(terminal: Terminal) -> None:
    """An empty answer is wrong use, asked for once."""
    terminal.answer(b"Password: ", b"")
    assert terminal.end() == (2, b"")
    assert b"Once more" not in terminal.shown
