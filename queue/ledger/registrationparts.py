"""What registrations are made with: what is theirs, and what the intake lends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from ledger.apply import Applier
from ledger.intakecounts import Counts
from ledger.people import People
from ledger.registrationform import Questions
from ledger.registrationmail import RegistrationMail
from ledger.suppression import Suppression
from signer.keyring import KeyRing

ANSWER_SECONDS = 0.25  # Ten times what a registration takes on a disk of its own.


class Show(Protocol):
    """Renders a page in the reader's language."""

    def __call__(
        self, request: Request, template: str, status: int = 200, **values: object
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class RegistrationParts:
    """What registrations are made with. `own_domains` are those of each company."""

    people: People
    suppression: Suppression
    mail: Callable[[Callable[[], KeyRing]], RegistrationMail]
    own_domains: Mapping[str, Sequence[str]]
    # What the answer to a form takes at least, so that its time does not tell whether one was kept.
    answer_seconds: float = ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the intake lends: pages, keys, whose link it is, the reader's language, the time."""

    show: Show
    language: Callable[[Request], str]
    questions: Questions
    ring: Callable[[], KeyRing]
    attribute: Callable[[str, datetime], tuple[str, str]]
    applier: Applier
    clock: Callable[[], datetime]
    counts: Counts
