"""The registration form: what it asks, and what of an answer is taken.

The questions are data (`templates/web/registration.toml`): consent texts with their versions, and
groups of jobs. An answer is refused only for what it cannot do without; everything that was typed
comes back with the complaint. Pure but for reading the questions and the body.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from ledger.mailaddress import BadAddress, parse_address
from ledger.people import Consent

BODY_MAX_BYTES: Final = 16 * 1024  # Ours has under 1 KiB; percent-encoding makes nine of three.
BODY_MAX_SECONDS: Final = 10.0  # A phone in a train; the head has had as long.
FIELDS_MAX: Final = 20
NAME_MAX_CHARS: Final = 100  # The longest names on record fit.
_JOINERS: Final = "\u200c\u200d"  # Of category Cf, and part of names in Persian or Sinhala.
FIELD_KEPT_MAX_CHARS: Final = 300  # What comes back of a field that is too long.

QUESTIONS_FILE: Final = "registration.toml"
_TICKED: Final = "yes"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
# RFC 8058 §3.1: what a mail program's own button to opt out sends.
ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")
_ONE_CLICK_PART: Final = re.compile(
    rb'\bname="?List-Unsubscribe"?[ \t]*(?:\r\n[^\r\n]+)*\r\n\r\nOne-Click\r\n--'
)


class BadForm(ValueError):
    """The body is no form, too large or too slow; a browser that shows our page sends none such."""


@dataclass(frozen=True, slots=True)
class ConsentText:
    """Something to agree to; another text is another version."""

    id: str
    version: str
    required: bool
    text: Mapping[str, str]  # By language.


@dataclass(frozen=True, slots=True)
class Questions:
    """What the form asks."""

    consents: tuple[ConsentText, ...]
    job_groups: Mapping[str, Mapping[str, str]]

    def version_of(self, given: Iterable[Consent]) -> str:
        """Return the versions of what had to be agreed to, and was, as one word for events."""
        required = {one.id for one in self.consents if one.required}
        return ".".join(one.version for one in given if one.id in required)


@dataclass(frozen=True, slots=True)
class Answers:
    """What was typed, as far as the page shows it again."""

    name: str = ""
    address: str = ""
    job_group: str = ""
    ticked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Checked:
    """What of the answers is taken, and by field what is wrong: names of messages."""

    answers: Answers
    name: str
    address: str
    errors: Mapping[str, str]


def load_questions(directory: Path) -> Questions:
    """Return the questions in a folder of web templates."""
    found: dict[str, Any] = tomllib.loads((directory / QUESTIONS_FILE).read_text(encoding="utf-8"))
    consents = tuple(
        ConsentText(one["id"], one["version"], one["required"], {"ja": one["ja"], "en": one["en"]})
        for one in found["consent"]
    )
    groups = {one["id"]: {"ja": one["ja"], "en": one["en"]} for one in found["job_group"]}
    return Questions(consents, groups)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, within the limits; raises `BadForm`.

    `application/x-www-form-urlencoded` (WHATWG URL, section 5); of a repeated field the last. Of
    `multipart/form-data` (RFC 7578), which no form of ours is sent as, only what RFC 8058 §3.1 has
    a mail program's own button send is found.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_URLENCODED, _MULTIPART):
        raise BadForm("not a form")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_MAX_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    raise BadForm("too large")
        if kind == _MULTIPART:
            return _read_one_click(body)
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            errors="strict",
        )
    except (TimeoutError, ClientDisconnect, ValueError) as error:
        raise BadForm("not a form of ours") from error
    return dict(fields)


def _read_one_click(body: bytearray) -> dict[str, str]:
    if _ONE_CLICK_PART.search(body) is None:
        raise BadForm("not a form of ours")
    return dict([ONE_CLICK])


def is_ticked(fields: Mapping[str, str], name: str) -> bool:
    """Tell whether a box was ticked."""
    return fields.get(name) == _TICKED


def check_answers(fields: Mapping[str, str], questions: Questions) -> Checked:
    """Return what of a form is taken, and what is wrong with it."""
    errors: dict[str, str] = {}
    name = _seen(fields.get("name", ""))
    if not name.strip(_JOINERS):
        errors["name"] = "name_missing"
    elif len(name) > NAME_MAX_CHARS:
        errors["name"] = "name_long"
    elif not _is_one_line(name):
        errors["name"] = "name_odd"
    address = fields.get("address", "")
    try:
        address = parse_address(address)
    except BadAddress:
        errors["address"] = "address_bad" if address.strip() else "address_missing"
    group = fields.get("job_group", "")
    if group not in questions.job_groups:
        errors["job_group"] = "job_group_missing"
    ticked = frozenset(one.id for one in questions.consents if is_ticked(fields, one.id))
    for one in questions.consents:
        if one.required and one.id not in ticked:
            errors[one.id] = "consent_missing"
    typed = fields.get("name", "")[:FIELD_KEPT_MAX_CHARS], fields.get("address", "")
    answers = Answers(typed[0], typed[1][:FIELD_KEPT_MAX_CHARS], group[:64], ticked)
    return Checked(answers, name, address, errors)


def _seen(text: str) -> str:
    """Return a name without what is pasted with it and nobody sees: category Cf, tabs of tables."""
    chars = unicodedata.normalize("NFC", text.replace("\t", " "))
    return "".join(
        char for char in chars if char in _JOINERS or unicodedata.category(char) != "Cf"
    ).strip()


def _is_one_line(text: str) -> bool:
    # Wide spaces between family and given name are no printable characters to Python.
    return all(
        char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"
        for char in text
    )
