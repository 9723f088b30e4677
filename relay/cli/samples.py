"""The letters that `careerrelay run` sends through itself: files, and one text for seven people."""

from __future__ import annotations

import email.policy
import tomllib
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from importlib import resources
from pathlib import Path

SENDER = "recruit@aozora.example.jp"
EXAMPLE_NAME, EXAMPLE_SOURCE = "letter.eml", "02-rejection-final-interview.eml"
DATE = "Thu, 05 Nov 2026 09:30:00 +0900"


@dataclass(frozen=True, slots=True)
class Sample:
    """One letter to send. `subject` is for the account on the terminal."""

    sender: str
    recipient: str
    subject: str
    message: bytes


def load_samples() -> list[Sample]:
    """Return the letters, always the same ones: sent again, they are the same letters."""
    folder = resources.files("relay") / "samples"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".eml"))
    files = [_from_file((folder / name).read_bytes()) for name in names]
    more = tomllib.loads((folder / "more-rejections.toml").read_text(encoding="utf-8"))
    return files + [
        _from_text(number, more["subject"], more["text"], applicant)
        for number, applicant in enumerate(more["applicant"], len(files) + 1)
    ]


def write_example(folder: Path) -> Path:
    """Write a letter to try things with, and return its path."""
    path = folder / EXAMPLE_NAME
    path.write_bytes((resources.files("relay") / "samples" / EXAMPLE_SOURCE).read_bytes())
    return path


def _from_file(message: bytes) -> Sample:
    # Only read, for the envelope; the bytes of the file are what is sent.
    headers = BytesParser(policy=email.policy.default).parsebytes(message, headersonly=True)
    recipient = headers["to"].addresses[0].addr_spec
    return Sample(headers["from"].addresses[0].addr_spec, recipient, headers["subject"], message)


def _from_text(number: int, subject: str, text: str, applicant: dict[str, str]) -> Sample:
    name, address = applicant["name"], applicant["address"]
    letter = EmailMessage(policy=email.policy.SMTP)
    letter["Message-ID"] = f"<sample-{number:02d}.interview@aozora.example.jp>"
    letter["Date"] = DATE
    letter["From"] = Address("あおぞら採用チーム", addr_spec=SENDER)
    letter["To"] = Address(name, addr_spec=address)
    letter["Subject"] = subject
    letter.set_content(text.strip().format(name=name, position=applicant["position"]) + "\n")
    return Sample(SENDER, address, subject, letter.as_bytes())
