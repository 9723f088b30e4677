"""People who register on our own page: kept sealed, opened on record, erased.

What is personal is encrypted at rest (`ledger.sealed`), under a ring of keys that lies apart from
the database. A row without those keys says which link somebody came by and when, and not who.

    received ──confirm──▶ confirmed ──mark_handed_over──▶ handed_over
        │                     │                               │
        └─withdraw▶ withdrawn └──────────erase──▶ erased ◀────┘

Promises: a registration, its event and the mail that follows from it are on disk together or not
at all; confirming twice is confirming once; whoever opens a person's data leaves `person.opened` in
the installation's log, in the same transaction that reads them; an erased row holds nothing
personal.

For who hands people over: `waiting_for_handover`, `open`, then `mark_handed_over`. A crash in
between hands the same person over again: let the id tell. `recalled_since` gives those whom the
placement service has, and must delete. All of it blocks, and raises `LedgerError`.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger import erase, mailaddress, store_erase, store_people, store_subject
from ledger.events import Event, EventType, installation_event, signup_digest
from ledger.sealed import RingSeal, SealError
from ledger.store import LedgerError, Store, Transaction
from ledger.store_jobs import NewJob, addition
from ledger.store_people import PersonRow, PersonState

# How long a registration waits for its confirmation, and the link in the mail is good.
PENDING_MAX: Final = timedelta(days=7)
# A placement service that has not asked for one in half a year does not want it.
CONFIRMED_KEPT: Final = timedelta(days=180)
# What is handed over is the placement service's; we keep it for questions about the hand-over.
HANDED_OVER_KEPT: Final = timedelta(days=30)

# Mails about registrations to one address in a day: a person who mistypes twice gets all they need,
# a stranger with somebody else's address gets hardly any through.
MAILS_PER_ADDRESS_MAX: Final = 3
MAILS_PER_ADDRESS_TIME: Final = timedelta(days=1)

ROWS_MAX: Final = 500
HASH_CHARS: Final = 64  # Of SHA-256 in hexadecimal; a registration's id has 16.
# What is sealed, and what hashes of addresses are made for: here, and in `ledger.suppression`.
PERSON: Final = "person"
SUPPRESSION: Final = "suppression"
_ID_BYTES: Final = 10  # 80 bit, as a link's.


class PersonGone(LedgerError):
    """Nothing is kept of this person (any more)."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What was agreed to: which text, in which version and language, and when."""

    id: str
    version: str
    language: str
    time: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person as they told us, and what they agreed to."""

    name: str
    address: str
    language: str
    job_group: str
    consents: tuple[Consent, ...]
    # Whether the company may tell them of other positions: a consent of its own.
    company_may_write: bool = False

    def __repr__(self) -> str:
        return "Person(…)"  # Into no log by accident.


@dataclass(frozen=True, slots=True)
class Opened:
    """A registration and the person in it."""

    row: PersonRow
    person: Person = field(repr=False)


MakeEvent = Callable[[PersonRow, Person, str], Event]


class People:
    """Keeps people; thread-safe. `subject_key` makes the hashes that find them."""

    def __init__(
        self,
        store: Store,
        keys: Sequence[bytes],
        subject_key: bytes,
        clock: Callable[[], datetime],
        *,
        confirmed_kept: timedelta = CONFIRMED_KEPT,
        handed_over_kept: timedelta = HANDED_OVER_KEPT,
    ) -> None:
        """`keys` go from the oldest to the newest, which seals."""
        self._store = store
        self._seal = RingSeal(keys, PERSON)
        self._subject_key = subject_key
        self._clock = clock
        self._confirmed_kept = confirmed_kept
        self._handed_over_kept = handed_over_kept

    # ------------------------------------------------------------- by the person

    def receive(
        self,
        person_id: str,
        person: Person,
        link: tuple[str, str],
        event: Event,
        job: NewJob,
    ) -> bool:
        """Keep a registration, its event and its mail; tells whether that was done.

        `link` is company and link id, or the installation's log and `""` where no link explains it.
        It is not where the address asked for no more mail, or has had enough of it today; whoever
        sent the form is not told.
        """
        now_ms = self._now_ms()
        lookup = self._lookup(person.address)
        row = PersonRow(
            person_id,
            PersonState.RECEIVED,
            *link,
            now_ms,
            None,
            None,
            now_ms + _ms(PENDING_MAX),
        )
        with self._store.write() as transaction:
            if not self._may_write(transaction, person.address, now_ms):
                return False
            sealed = self._close(person_id, person)
            store_people.insert_person(transaction, row, lookup, sealed)
            store_erase.take_in(transaction, [event], now_ms)
            self._add_job(transaction, job, now_ms)
        return True

    def send_again(self, person_id: str, job: Callable[[Person, int], NewJob]) -> bool:
        """Add the mail of a registration that waits for it once more; tells whether it was added.

        `job` gets the person and the mail's number.
        """
        now_ms = self._now_ms()
        with self._store.write() as transaction:
            found = store_people.find_sealed(transaction, person_id)
            if found is None or found[0].state is not PersonState.RECEIVED:
                return False
            person = self._open(found[0].id, found[2])
            if not self._may_write(transaction, person.address, now_ms):
                return False
            number = store_people.count_mail(transaction, person_id)
            self._add_job(transaction, job(person, number), now_ms)
        return True

    def name_of(self, person_id: str) -> str:
        """Return the hash of a registration's address in hexadecimal; its id where none is kept."""
        with self._store.read() as transaction:
            found = store_people.find_sealed(transaction, person_id)
        return (found[1].hex() if found else "") or person_id

    def kept_of(self, name: str) -> list[PersonRow]:
        """Return what is kept of a person, by what `name_of` returned or a registration's id."""
        hashed = name if len(name) == HASH_CHARS else self.name_of(name)
        if len(hashed) != HASH_CHARS:
            return []
        with self._store.read() as transaction:
            return store_people.alive_of(transaction, bytes.fromhex(hashed))

    def find(self, person_id: str) -> PersonRow | None:
        """Return a registration without what is personal."""
        with self._store.read() as transaction:
            return store_people.find(transaction, person_id)

    def confirm(self, person_id: str, make_event: MakeEvent) -> bool:
        """Note that a person confirmed, with the event of it; tells whether it was the first time.

        `make_event` gets the registration, the person and their reference in the company's log.
        Other registrations of the same address that were not handed over are emptied: this one is
        the newest word. Raises `PersonGone`.
        """
        now_ms = self._now_ms()
        with self._store.write() as transaction:
            found = store_people.find_sealed(transaction, person_id)
            if found is None or found[0].state not in store_people.ALIVE:
                raise PersonGone("nothing is kept of this person")
            expires_ms = now_ms + _ms(self._confirmed_kept)
            if not store_people.confirm(transaction, person_id, now_ms, expires_ms):
                return False
            person = self._open(person_id, found[2])
            event = make_event(found[0], person, self._reference(transaction, found[0], person))
            store_erase.take_in(transaction, [event], now_ms)
            for other in store_people.ids_of(transaction, found[1]):
                row = store_people.find(transaction, other)
                if other != person_id and row and row.state is not PersonState.HANDED_OVER:
                    store_people.empty(transaction, other, PersonState.WITHDRAWN)
        return True

    def withdraw(self, person_id: str) -> bool:
        """Empty a registration that was not confirmed; tells whether it was one."""
        with self._store.write() as transaction:
            row = store_people.find(transaction, person_id)
            if row is None or row.state is not PersonState.RECEIVED:
                return False
            store_people.empty(transaction, person_id, PersonState.WITHDRAWN)
        return True

    def erase(self, person_id: str, by: str, job: Callable[[Person], NewJob] | None = None) -> bool:
        """Erase whoever registered: every registration of the address, and every reference.

        `job` gets the person, for the mail that says that it is done. Tells whether anything was
        there. A crash in between leaves the rows, and erasing again does the rest.
        """
        try:
            person = self.open(person_id, "erase", by).person
        except PersonGone:
            return False
        erase_address(self._store, self._subject_key, person.address, self._clock())
        if job is not None:
            now_ms = self._now_ms()
            with self._store.write() as transaction:
                if not self._is_suppressed(transaction, person.address):
                    self._add_job(transaction, job(person), now_ms)
        return True

    # --------------------------------------------------- by who hands people over

    def waiting_for_handover(self, count: int = ROWS_MAX) -> list[PersonRow]:
        """Return confirmed registrations that nobody was handed, the longest waiting first."""
        with self._store.read() as transaction:
            return store_people.waiting(transaction, count)

    def recalled_since(self, since: datetime, count: int = ROWS_MAX) -> list[PersonRow]:
        """Return what was handed over since then and erased after that."""
        with self._store.read() as transaction:
            return store_people.recalled(transaction, _at_ms(since), count)

    def open(self, person_id: str, purpose: str, by: str) -> Opened:
        """Return a person, and have the installation's log say for what and by whom.

        `purpose` is a word such as `hand_over`; raises `PersonGone`, or `LedgerError` where the
        data were sealed under a key that is not in the ring.
        """
        now = self._clock()
        with self._store.write() as transaction:
            found = store_people.find_sealed(transaction, person_id)
            if found is None or not found[2]:
                raise PersonGone("nothing is kept of this person")
            row, _, sealed = found
            person = self._open(row.id, sealed)
            event = person_opened(person_id, now, purpose=purpose, by=by)
            store_erase.take_in(transaction, [event], self._now_ms())
        return Opened(row, person)

    def mark_handed_over(self, person_id: str) -> bool:
        """Note that the placement service has a person; tells whether it was the first time."""
        now_ms = self._now_ms()
        with self._store.write() as transaction:
            expires_ms = now_ms + _ms(self._handed_over_kept)
            return store_people.hand_over(transaction, person_id, now_ms, expires_ms)

    # ----------------------------------------------------------------- by operators

    def states(self) -> dict[str, int]:
        """Return how many registrations there are in each state."""
        with self._store.read() as transaction:
            return store_people.states(transaction)

    def renew(self) -> int:
        """Seal everything under the newest key; return how many registrations were not.

        Harmless at any time; after a crash the next call does the rest.
        """
        after, renewed = "", 0
        while True:
            with self._store.write() as transaction:
                found = store_people.sealed_after(transaction, after, store_people.CHUNK_ROWS)
                for person_id, old in found:
                    new = self._renewed(old)
                    if new is not None:
                        store_people.reseal(transaction, person_id, old, new)
                        renewed += 1
            if len(found) < store_people.CHUNK_ROWS:
                return renewed
            after = found[-1][0]

    # ------------------------------------------------------------------------ inside

    def _close(self, person_id: str, person: Person) -> bytes:
        # With the id inside nobody can give one person's data to another's registration.
        return self._seal.close(json.dumps({"id": person_id, **asdict(person)}).encode())

    def _open(self, person_id: str, sealed: bytes) -> Person:
        try:
            found: dict[str, Any] = json.loads(self._seal.open(sealed))
            if found.pop("id") != person_id:
                raise SealError("sealed for another registration")
            consents = tuple(Consent(**one) for one in found.pop("consents"))
            return Person(**found, consents=consents)
        except (SealError, KeyError, TypeError, ValueError) as error:
            raise LedgerError("a registration cannot be opened with these person keys") from error

    def _renewed(self, sealed: bytes) -> bytes | None:
        try:
            return self._seal.renew(sealed)
        except SealError as error:
            raise LedgerError("a registration cannot be opened with these person keys") from error

    def _reference(self, transaction: Transaction, row: PersonRow, person: Person) -> str:
        salt = secrets.token_bytes(store_subject.SALT_SIZE_BYTES)
        name = mailaddress.canonical(person.address)
        return store_subject.reference(transaction, self._subject_key, row.company, name, salt)

    def _lookup(self, address: str) -> bytes:
        return mailaddress.lookup(self._subject_key, PERSON, address)

    def _may_write(self, transaction: Transaction, address: str, now_ms: int) -> bool:
        if self._is_suppressed(transaction, address):
            return False
        since_ms = now_ms - _ms(MAILS_PER_ADDRESS_TIME)
        count = store_people.mails_since(transaction, self._lookup(address), since_ms)
        return count < MAILS_PER_ADDRESS_MAX

    def _is_suppressed(self, transaction: Transaction, address: str) -> bool:
        hashed = mailaddress.lookup(self._subject_key, SUPPRESSION, address)
        return store_people.is_suppressed(transaction, hashed)

    def _add_job(self, transaction: Transaction, job: NewJob, now_ms: int) -> None:
        self._store.add_in(transaction, addition([job], now_ms))

    def _now_ms(self) -> int:
        return _at_ms(self._clock())


def erase_address(store: Store, subject_key: bytes, address: str, now: datetime) -> erase.Erasure:
    """Erase an address: the references first, then every registration of it.

    Erasing again is harmless, and does what a crash left undone.
    """
    name = mailaddress.canonical(address)
    done = erase.erase_person(store, subject_key=subject_key, person=name, now=now)
    hashed = mailaddress.lookup(subject_key, PERSON, address)
    with store.write() as transaction:
        ids = store_people.ids_of(transaction, hashed)
        for one in ids:
            store_people.empty(transaction, one, PersonState.ERASED)
    if not ids:
        return done
    return replace(done, was_known=True, is_scrubbed=store_erase.scrub(store))


def new_person_id() -> str:
    """Return the id of a registration: 16 letters and digits, unguessable."""
    return base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().lower()


def signup_received(
    person_id: str, company: str, link_id: str, now: datetime, *, consent_version: str
) -> Event:
    """Return the event of a form being sent: nothing is confirmed, and nobody is named."""
    kind, name = EventType.SIGNUP_RECEIVED, signup_digest(person_id)
    data = {"link_id": link_id, "consent_version": consent_version}
    return Event(f"{kind}:{name}", kind, company, now, f"signup:{name}", data)


def person_opened(person_id: str, now: datetime, *, purpose: str, by: str) -> Event:
    """Return the event of somebody looking at a person; the person is the signup's name."""
    name = signup_digest(person_id)
    return installation_event(
        EventType.PERSON_OPENED,
        now.astimezone(UTC),
        event_id=f"{name}/{secrets.token_hex(8)}",
        subject=f"signup:{name}",
        data={"signup": name, "purpose": purpose, "by": by},
    )


def _at_ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
