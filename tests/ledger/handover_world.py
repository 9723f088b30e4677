"""People who wait to be handed over, for tests: a store, jobs, a clock that a test moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.events import INSTALLATION, Event, EventType, parse, signup_verified
from ledger.handover import GIVE_UP_SECONDS, HAND_OVER, RECALL, Channel, Handover
from ledger.jobs import Jobs, Kind
from ledger.people import Consent, People, Person, new_person_id, signup_received
from ledger.store import Store
from ledger.store_jobs import NewJob
from ledger.store_log import entries
from ledger.store_people import PersonRow
from tests.ledger.parts import NOW, SUBJECT_KEY, applier_on

PERSON_KEY = bytes(range(32))
HANAKO = Person(
    "山田花子",
    "hanako@mail.example",
    "ja",
    "営業",
    (Consent("privacy", "2026-01", "ja", "2026-04-01T09:00:00.000Z"),),
)
TARO = Person("Taro\r\nBcc: x@example.jp", "taro@mail.example", "en", "IT", (), True)
MARKS = ("山田花子", "hanako", "taro", "Taro")


@dataclass(slots=True)
class World:
    """A store with people in it."""

    store: Store
    now: datetime = NOW

    def people(self, kept: timedelta = timedelta(days=30)) -> People:
        """Return the people."""
        return People(
            self.store, [PERSON_KEY], SUBJECT_KEY, lambda: self.now, handed_over_kept=kept
        )

    def register(self, who: Person = HANAKO, *, is_confirmed: bool = True) -> str:
        """Register somebody and return the id."""
        person_id, link = new_person_id(), "l" * 16
        event = signup_received(person_id, "aozora", link, self.now, consent_version="1")
        job = NewJob(f"test:{person_id}", "test", {})
        assert self.people().receive(person_id, who, ("aozora", link), event, job)
        if is_confirmed:
            assert self.people().confirm(person_id, self.verified)
        return person_id

    def verified(self, row: PersonRow, _who: Person, reference: str) -> Event:
        """Return the event of somebody confirming."""
        return signup_verified(
            row.company,
            row.link_id,
            self.now,
            signup_id=row.id,
            person_ref=reference,
            verification="double_opt_in",
            consent_version="1",
            body_digest="",
        )

    def jobs(self, channel: Channel) -> tuple[Handover, Jobs]:
        """Return what hands people over, and the jobs that it runs as."""
        handover = Handover(self.store, self.people(), channel, lambda: self.now)
        jobs = Jobs(self.store, lambda: self.now)
        jobs.kinds[HAND_OVER] = Kind(handover.run, GIVE_UP_SECONDS)
        jobs.kinds[RECALL] = Kind(handover.recall, GIVE_UP_SECONDS)
        return handover, jobs

    def run_due(self, jobs: Jobs) -> int:
        """Run what is due of the hand-over; return how many were run."""
        due = [job_id for job_id in jobs.due() if not job_id.startswith("test:")]
        return sum(jobs.run(job_id) for job_id in due)

    def opened(self) -> list[Event]:
        """Return every look at a person that is on record."""
        applier_on(self.store).apply_all()
        with self.store.read() as transaction:
            chunks = entries(transaction, INSTALLATION)
            found = [parse(row.body) for chunk in chunks for row in chunk]
        return [event for event in found if event.type is EventType.PERSON_OPENED]

    def state(self, person_id: str) -> str:
        """Return how far a registration has come."""
        row = self.people().find(person_id)
        return str(row.state) if row else "gone"
