"""What became of the letters: a sample of each server's work, read at the next hop.

A figure counts only for work that was done. Ours must carry the link in each rejection and leave
all other letters as they were, byte for byte; Haraka and alterMIME must show their text.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from letters import SERIAL

LINK = re.compile(r"https://r\.example\.jp/[a-z2-7]{43}")
SERIAL_FIELD = re.compile(rb"(?m)^Message-ID: <\d{10}")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many letters came, carried a link, and came as they were sent."""

    letters: int
    with_link: int
    unchanged: int

    def __str__(self) -> str:
        return f"{self.letters} letters: {self.with_link} with a link, {self.unchanged} unchanged"


def read_arrivals(kept: Path, sent: Path) -> Arrivals:
    """Return what the sink kept, compared with what the source was given."""
    originals = {_without_serial(wire) for wire in _split(sent)}
    arrived = _split(kept)
    return Arrivals(
        len(arrived),
        sum(_has_link(wire) for wire in arrived),
        sum(_without_serial(wire) in originals for wire in arrived),
    )


def _split(path: Path) -> list[bytes]:
    """Return the letters of a file; each stands behind a line that begins with its size."""
    found: list[bytes] = []
    with path.open("rb") as file:
        while line := file.readline():
            found.append(file.read(int(line.split()[0])))
    return found


def _without_serial(wire: bytes) -> bytes:
    return SERIAL_FIELD.sub(b"Message-ID: <" + SERIAL.encode(), wire, count=1)


def _has_link(wire: bytes) -> bool:
    """Say whether a reader meets the link in every text of the letter."""
    message = email.message_from_bytes(
        wire.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."), policy=email.policy.default
    )
    texts = [
        part
        for part in message.walk()
        if part.get_content_maintype() == "text" and not part.is_attachment()
    ]
    return bool(texts) and all(LINK.search(_text(part)) for part in texts)


def _text(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    # The link is ASCII, and so it is in each charset of the letters, between Japanese or not.
    return content.decode("ascii", "replace")
