"""Our own letters: those that `careerrelay run` sends through itself, and one to show a note in.

Those are files, and one text for seven people.
"""

from __future__ import annotations

import email.policy
import html
import tomllib
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from importlib import resources
from pathlib import Path

from relay.company import Company

PREVIEW_READER = "applicant@mail.example.com"
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
    more = tomllib.loads(_read("more-rejections.toml").decode("utf-8"))
    return files + [
        _from_text(number, more["subject"], more["text"], applicant)
        for number, applicant in enumerate(more["applicant"], len(files) + 1)
    ]


def write_example(folder: Path) -> Path:
    """Write a letter to try things with, and return its path."""
    path = folder / EXAMPLE_NAME
    path.write_bytes(_read(EXAMPLE_SOURCE))
    return path


def preview_letter(company: Company, language: str) -> bytes:
    """Return a rejection by a company as text and HTML, always the same one."""
    words = tomllib.loads(_read("preview.toml").decode("utf-8"))[language]
    text = words["text"].strip()
    name = " ".join(company.name.split())  # There are more line breaks than LF.
    signature = words["signature"].strip().format(company=name)
    letter = EmailMessage(policy=email.policy.SMTP)
    domain = company.domains[0]
    letter["Message-ID"] = f"<sample.preview.{language}@{domain}>"
    letter["Date"] = DATE
    letter["From"] = Address(name, "recruit", domain)
    letter["To"] = Address(words["to"], addr_spec=PREVIEW_READER)
    letter["Subject"] = words["subject"]
    letter.set_content(f"{text}\n\n-- \n{signature}\n")
    letter.add_alternative(_as_html(text, signature, language), subtype="html")
    letter.set_boundary(f"sample-{language}")
    return letter.as_bytes()


def _as_html(text: str, signature: str, language: str) -> str:
    paragraphs = (html.escape(each).replace("\n", "<br>\n") for each in text.split("\n\n"))
    body = "\n".join(f"<p>{each}</p>" for each in paragraphs)
    closing = html.escape(signature).replace("\n", "<br>\n")
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><body>\n{body}\n'
        f'<div class="signature">-- <br>\n{closing}</div>\n</body></html>\n'
    )


def _read(name: str) -> bytes:
    return (resources.files("relay") / "samples" / name).read_bytes()


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
