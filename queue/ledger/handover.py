"""The hand-over: confirmed registrations of our own page go to the placement service.

By a signed webhook or by mail to an adviser, as jobs; by an encrypted file where somebody asks for
it (`ledger.handoverfile`). Promises: a job names a registration and holds nothing personal, so
that whoever is erased while it waits is not sent; each look at a person is on record
(`person.opened`); a registration is handed over when the other side has taken it, and not before.
A crash in between hands it over again, under the same id, by which the receiver tells.

Whoever is erased after the hand-over is recalled in the same way. Registrations that an external
service reports are not handed over: we hold no person.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Protocol

from ledger import store_jobs
from ledger.events import INSTALLATION, format_time
from ledger.jobs import JobFailed
from ledger.mailer import Mailer
from ledger.people import Opened, People, PersonGone
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob
from ledger.store_people import PersonState
from ledger.webhook import make_webhook
from ledger.webhookout import GONE, post_signed

HAND_OVER: Final = "hand_over"
RECALL: Final = "recall"
PURPOSE: Final = "hand_over"

# As for all webhooks; a mail server that is away for three days is away.
GIVE_UP_SECONDS: Final = 75 * 3600

# How far back those are looked for who were erased after the hand-over: as long as we keep rows of
# those who were handed over at most.
RECALLED_SINCE: Final = timedelta(days=366)

# Registrations that one look finds; those behind them are found when these are gone.
WAITING_MAX: Final = 5_000

# While the other side is away, one try in so long is enough, whoever it is about: every try opens
# a person's data.
AWAY_FIRST: Final = timedelta(seconds=30)
AWAY_MAX: Final = timedelta(hours=1)

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """What the placement service is told of one registration; `data` is personal."""

    kind: str
    registration_id: str
    time: datetime
    data: dict[str, object]


class Channel(Protocol):
    """A way to the placement service."""

    # What `person.opened` calls it.
    name: ClassVar[str]

    def send(self, job_id: str, notice: Notice, now: datetime) -> None:
        """Return when the other side has taken it; raises `JobFailed`."""
        ...


class WebhookChannel:
    """Calls the placement service, signed as Standard Webhooks."""

    name: ClassVar = "webhook"

    def __init__(self, url: str, secrets: str) -> None:
        self._url = url
        self._webhook = make_webhook(secrets)

    def send(self, job_id: str, notice: Notice, now: datetime) -> None:
        """Send the notice; raises `JobFailed`."""
        body = {"type": notice.kind, "timestamp": format_time(notice.time), "data": notice.data}
        post_signed(
            "the placement service",
            self._url,
            self._webhook,
            job_id,
            json.dumps(body, sort_keys=True).encode(),
            now,
            content_type="application/json",
        )


class MailChannel:
    """Writes to an adviser of the placement service."""

    name: ClassVar = "mail"

    def __init__(self, mailer: Mailer, adviser: str) -> None:
        self._mailer = mailer
        self._adviser = adviser

    def send(self, job_id: str, notice: Notice, now: datetime) -> None:
        """Send the notice; raises `JobFailed`."""
        subject = f"{_SUBJECTS[notice.kind]} {notice.registration_id}"
        lines = [f"{name}: {_on_one_line(value)}" for name, value in notice.data.items()]
        text = "\n".join([_SUBJECTS[notice.kind], "", *lines, ""])
        self._mailer.send(job_id, self._adviser, subject, text, now)


CONFIRMED: Final = "registration.confirmed"
ERASED: Final = "registration.erased"
_SUBJECTS: Final = {
    CONFIRMED: "新しい登録 / New registration",
    ERASED: "登録の削除のお願い / Please delete this registration",
}


class Handover:
    """Hands confirmed registrations over. `collect` is for one thread, `run` for any."""

    def __init__(
        self, store: Store, people: People, channel: Channel, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._people = people
        self._channel = channel
        self._clock = clock
        # Jobs that this process has put on record, so that it does not ask every second.
        self._asked: set[str] = set()
        self._refused: list[str] = []
        self._failures = 0
        self._next_try = datetime.min.replace(tzinfo=UTC)

    def collect(self) -> int:
        """Put what is to be handed over or recalled on record as jobs; return how many are new.

        0 while the other side wants no more (410): then `careerrelay queue dead` names the
        registration that heard it, and trying that one again goes on. Raises `StoreError`.
        """
        wanted = [f"{HAND_OVER}:{one.id}" for one in self._people.waiting_for_handover(WAITING_MAX)]
        since = self._clock() - RECALLED_SINCE
        wanted += [f"{RECALL}:{one.id}" for one in self._people.recalled_since(since, WAITING_MAX)]
        new = [job_id for job_id in wanted if job_id not in self._asked]
        if not new or self._is_unwanted():
            return 0
        jobs = [NewJob(each, each.partition(":")[0], {}) for each in new]
        now_ms = int(self._clock().timestamp() * 1000)
        added = store_jobs.add_jobs(self._store, jobs, now_ms)
        self._asked = set(wanted)
        return added

    def run(self, row: JobRow) -> None:
        """Hand one registration over: the job. Raises `JobFailed` or `LedgerError`."""
        person_id = row.id.partition(":")[2]
        found = self._people.find(person_id)
        if found is None or found.state is not PersonState.CONFIRMED:
            return  # Erased meanwhile, or handed over by a try that was killed before it said so.
        self._wait_for_turn()
        try:
            opened = self._people.open(person_id, PURPOSE, self._channel.name)
        except PersonGone:
            return
        self._send(row.id, notice_of(opened))
        # Killed here, the claim runs out and the same call is made again.
        self._people.mark_handed_over(person_id)

    def recall(self, row: JobRow) -> None:
        """Ask for the deletion of one that was handed over: the job. Raises `JobFailed`."""
        person_id = row.id.partition(":")[2]
        self._wait_for_turn()
        data: dict[str, object] = {"registration_id": person_id}
        self._send(row.id, Notice(ERASED, person_id, self._clock(), data))

    def _send(self, job_id: str, notice: Notice) -> None:
        now = self._clock()
        try:
            self._channel.send(job_id, notice, now)
        except JobFailed as failed:
            if not failed.is_final:
                # The shift is bounded, since the count of failures is not.
                self._next_try = now + min(AWAY_FIRST * (1 << min(self._failures, 10)), AWAY_MAX)
                self._failures += 1
            raise
        self._failures = 0
        self._next_try = now

    def _wait_for_turn(self) -> None:
        left = self._next_try - self._clock()
        # A clock that was set back waits for nothing.
        if timedelta(0) < left <= AWAY_MAX:
            raise JobFailed(f"the other side was away; nobody is opened for {left}")

    def _is_unwanted(self) -> bool:
        with self._store.read() as transaction:
            dead = store_jobs.dead_jobs(transaction)
        kinds, said = (HAND_OVER, RECALL), f"answered {GONE}"
        refused = [one.id for one in dead if one.kind in kinds and one.error.endswith(said)]
        if refused and refused != self._refused:
            _log.error("hand-over has stopped: %s was %s", refused[0], said)
        self._refused = refused
        return bool(refused)


def notice_of(opened: Opened) -> Notice:
    """Return what the placement service is told of a person."""
    row, person = opened.row, opened.person
    confirmed = datetime.fromtimestamp((row.confirmed_ms or 0) / 1000, UTC)
    data: dict[str, object] = {
        "registration_id": row.id,
        "confirmed_at": format_time(confirmed),
        # "" where no letter explains it.
        "company": "" if row.company == INSTALLATION else row.company,
        **asdict(person),
    }
    return Notice(CONFIRMED, row.id, confirmed, data)


def _on_one_line(value: object) -> str:
    """Return the value as it stands in a mail: nobody's name makes a line of its own."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())
