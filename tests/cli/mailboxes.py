"""Mailboxes made for the tests of the command `replay`, and its calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from relay.__main__ import app
from relay.cli.replayjudge import judge_for
from relay.policy import Reason
from tests.sampleyear import UNSURE

REJECTION = (
    "このたびは弊社の求人にご応募いただき、ありがとうございました。\n書類選考の結果、"
    "誠に残念ながら、今回は採用を見送らせていただくことになりました。\n"
)
MARK = b"From hr@aozora.example.jp Mon Jan  6 09:00:00 2025\n"
MEBIBYTE = 1024 * 1024


def letter(
    number: int = 1,
    *fields: str,
    text: str = REJECTION,
    sender: str = "recruit@aozora.example.jp",
    to: str = "a@mail.example.com",
    month: int = 1,
    subject: str = "Result of your application",
) -> bytes:
    """Return a letter of 2025."""
    date = format_datetime(datetime(2025, month, 6, 9, tzinfo=UTC))
    head = (
        *fields,
        f"Message-ID: <{number}@aozora.example.jp>",
        f"Date: {date}",
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {subject}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    return ("\n".join(head) + "\n\n" + text).encode()


def mbox(*messages: bytes) -> bytes:
    """Return an mbox of these messages."""
    return b"".join(MARK + message + b"\n" for message in messages)


def run(*arguments: str | Path) -> Result:
    """Return what a command says and how it ends."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def replay(*arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a replay; the last is the summary."""
    done = run("replay", "--json", *arguments)
    assert done.exit_code == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def unsure(number: int) -> bytes:
    """Return a letter that may be a rejection, by the lexicons of today."""
    judge = judge_for(None)
    letters = (
        letter(number, text=text, subject=subject, sender="ken@aozora.example.jp")
        for subject, text in UNSURE
    )
    return next(one for one in letters if judge.find(one).reason is Reason.UNSURE)
