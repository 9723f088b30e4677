"""Mail to one person as a job: sealed while it waits, gone when it is sent.

Recipient and text are personal. In the job's row they are sealed under a key that is not in the
database; the broker and the logs carry the job's id.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from ledger.jobs import JobFailed
from ledger.mailer import Mailer, Manner
from ledger.sealed import Seal, SealError
from ledger.store_jobs import JobRow, NewJob
from ledger.store_people import SEND_MAIL as SEND_MAIL  # For who runs the jobs.

_PURPOSE: Final = "mail"


@dataclass(frozen=True, slots=True)
class PersonalMail:
    """A message to one person."""

    recipient: str
    subject: str
    text: str
    # See `mailer.Manner`.
    html: str = ""
    sender_name: str = ""
    unsubscribe: str = ""


def mail_job(seal_key: bytes, name: str, mail: PersonalMail) -> NewJob:
    """Return the job that sends it; `name` says what for, and the same name is the same mail."""
    sealed = Seal(seal_key, _PURPOSE).close(json.dumps(asdict(mail)).encode())
    payload = {"sealed": base64.b64encode(sealed).decode()}
    return NewJob(f"{SEND_MAIL}:{name}", SEND_MAIL, payload)


class MailJobs:
    """Runs the jobs that send personal mail."""

    def __init__(self, mailer: Mailer, seal_key: bytes, clock: Callable[[], datetime]) -> None:
        self._mailer = mailer
        self._seal = Seal(seal_key, _PURPOSE)
        self._clock = clock

    def run(self, row: JobRow) -> None:
        """Send the mail; raises `JobFailed`."""
        try:
            sealed = base64.b64decode(str(row.payload["sealed"]))
            mail = PersonalMail(**json.loads(self._seal.open(sealed)))
        except (SealError, KeyError, ValueError, TypeError) as error:
            raise JobFailed("cannot be opened with this subject key", is_final=True) from error
        self._mailer.send(
            row.id,
            mail.recipient,
            mail.subject,
            mail.text,
            self._clock(),
            manner=Manner(mail.html, mail.sender_name, mail.unsubscribe),
        )
