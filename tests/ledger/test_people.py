"""People: sealed, opened on record, confirmed once, erased; the keys change under them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.events import INSTALLATION, Event, EventType, parse, signup_verified
from ledger.keyfiles import KeyFileError, add_person_key, create_person_keys, load_person_keys
from ledger.people import (
    MAILS_PER_ADDRESS_MAX,
    Consent,
    People,
    Person,
    PersonGone,
    erase_address,
    new_person_id,
    signup_received,
)
from ledger.retention import purge
from ledger.sealed import RingSeal, SealError
from ledger.store import LedgerError, Store
from ledger.store_jobs import NewJob
from ledger.store_people import PersonRow, PersonState
from tests.ledger.parts import NOW, SUBJECT_KEY, applier_on, store_in

FIRST, SECOND = bytes(32), bytes([1]) * 32
HANAKO = Person(
    "山田花子", "hanako@mail.example", "ja", "営業", (Consent("privacy", "1", "ja", "2026-04-01"),)
)
MARKS = ("山田花子", "hanako", "営業")


@dataclass(slots=True)
class World:
    """A store with people, and a clock that a test moves."""

    store: Store
    now: datetime = NOW

    def people(self, *keys: bytes) -> People:
        """Return the people under these keys, by default the first."""
        return People(self.store, keys or (FIRST,), SUBJECT_KEY, lambda: self.now)

    def register(self, who: Person = HANAKO, people: People | None = None) -> str:
        """Register somebody and return the id, "" where that was not done."""
        person_id = new_person_id()
        event = signup_received(person_id, "aozora", "l" * 16, self.now, consent_version="1")
        job = NewJob(f"mail:{person_id}", "mail", {})
        made = (people or self.people()).receive(person_id, who, ("aozora", "l" * 16), event, job)
        return person_id if made else ""

    def confirm(self, person_id: str) -> bool:
        """Confirm a registration."""

        def verified(row: PersonRow, who: Person, reference: str) -> Event:
            assert (row.id, who.address.partition("@")[2].lower()) == (person_id, "mail.example")
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

        return self.people().confirm(person_id, verified)

    def query(self, text: str) -> list[tuple[object, ...]]:
        """Return rows as another program sees them."""
        connection = sqlite3.connect(self.store.path)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()

    def events(self) -> list[EventType]:
        """Return the kinds of all events that were taken, in their order."""
        return [parse(body).type for (body,) in self.query("SELECT body FROM inbox ORDER BY seq")]  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world on a file."""
    made = World(store_in(tmp_path))
    yield made
    made.store.close()


def test_a_registration_is_whole_or_not_there(world: World) -> None:
    """Row, event and mail come together; where one of them cannot be, none is."""
    person_id = world.register()
    assert world.events() == [EventType.SIGNUP_RECEIVED]
    assert world.query("SELECT id FROM job") == [(f"mail:{person_id}",)]
    other = new_person_id()
    event = signup_received(other, "aozora", "", NOW, consent_version="1")
    too_large = NewJob("mail:2", "mail", {"x": "y" * 70_000})
    with pytest.raises(ValueError, match="at most"):
        world.people().receive(other, HANAKO, ("aozora", ""), event, too_large)
    assert len(world.query("SELECT id FROM person")) == 1
    assert len(world.events()) == 1


def test_nothing_personal_is_in_the_files(world: World, tmp_path: Path) -> None:
    """Neither in the database nor beside it nor in any event; with the keys it is all there."""
    person_id = world.register()
    world.confirm(person_id)
    opened = world.people().open(person_id, "hand_over", "adviser")
    assert opened.person == HANAKO
    assert not any(mark in repr(opened) for mark in MARKS)
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [mark for mark in MARKS if mark.encode() in found]


def test_every_opening_is_on_record(world: World) -> None:
    """With purpose and who, under the signup's name, in the installation's log."""
    person_id = world.register()
    for purpose in ("hand_over", "question"):
        world.people().open(person_id, purpose, "adviser-1")
    applier_on(world.store).apply_all()
    bodies = world.query(
        f"SELECT body FROM entry WHERE log = '{INSTALLATION}' ORDER BY seq"  # noqa: S608
    )
    events = [parse(body) for (body,) in bodies]  # type: ignore[arg-type]
    assert [event.type for event in events] == [EventType.PERSON_OPENED] * 2
    assert [event.data["purpose"] for event in events] == ["hand_over", "question"]
    assert {event.data["by"] for event in events} == {"adviser-1"}
    assert person_id not in str(events)


def test_confirmed_once_handed_over_once(world: World) -> None:
    """The states follow each other, and each step is taken once."""
    person_id = world.register()
    people = world.people()
    assert not people.mark_handed_over(person_id), "not confirmed yet"
    assert [world.confirm(person_id), world.confirm(person_id)] == [True, False]
    assert world.events() == [EventType.SIGNUP_RECEIVED, EventType.SIGNUP_VERIFIED]
    (row,) = people.waiting_for_handover()
    assert (row.id, row.state) == (person_id, PersonState.CONFIRMED)
    assert [people.mark_handed_over(person_id), people.mark_handed_over(person_id)] == [True, False]
    assert people.waiting_for_handover() == []
    assert people.states() == {"handed_over": 1}


def test_the_newest_confirmation_is_the_one_handed_over(world: World) -> None:
    """What the same address sent before is emptied, in whatever case it was spelled."""
    first = world.register()
    world.confirm(first)
    second = world.register(replace(HANAKO, address="Hanako@MAIL.example", name="花子"))
    world.confirm(second)
    assert [row.id for row in world.people().waiting_for_handover()] == [second]
    with pytest.raises(PersonGone):
        world.people().open(first, "hand_over", "adviser")


def test_an_address_gets_few_mails_a_day(world: World) -> None:
    """A stranger cannot fill somebody's mailbox; the next day there is room again."""
    made = [bool(world.register()) for _ in range(MAILS_PER_ADDRESS_MAX + 2)]
    assert made == [True] * MAILS_PER_ADDRESS_MAX + [False] * 2
    assert world.register(replace(HANAKO, address="taro@mail.example"))
    world.now += timedelta(days=1, seconds=1)
    assert world.register()


def test_sent_again_counts_as_a_mail(world: World) -> None:
    """And stops with the same bound, or with the confirmation."""
    person_id = world.register()

    def again(who: Person, number: int) -> NewJob:
        assert who == HANAKO
        return NewJob(f"mail:{person_id}/{number}", "mail", {})

    people = world.people()
    sent = [people.send_again(person_id, again) for _ in range(MAILS_PER_ADDRESS_MAX)]
    assert sent == [True] * (MAILS_PER_ADDRESS_MAX - 1) + [False]
    world.confirm(person_id)
    world.now += timedelta(days=2)
    assert not people.send_again(person_id, again)
    assert not people.send_again("nobody", again)


def test_erasing_leaves_nothing_of_the_person(world: World) -> None:
    """All registrations of the address, and the salt; the log says so. Again it does nothing."""
    ids = [world.register(), world.register(replace(HANAKO, address="HANAKO@mail.example"))]
    world.confirm(ids[0])
    assert len(world.query("SELECT lookup FROM subject_salt")) == 1
    world.people().mark_handed_over(ids[0])
    mails: list[str] = []

    def mail(who: Person) -> NewJob:
        mails.append(who.address)
        return NewJob("mail:erased", "mail", {})

    assert world.people().erase(ids[0], "person", mail)
    assert mails == [HANAKO.address]
    assert EventType.SUBJECT_ERASED in world.events()
    assert world.query("SELECT lookup FROM subject_salt") == []
    assert world.query("SELECT DISTINCT lookup, sealed FROM person") == [(b"", b"")]
    assert [row.id for row in world.people().recalled_since(NOW)] == [ids[0]]
    assert not world.people().erase(ids[0], "person", mail)
    with pytest.raises(PersonGone):
        world.confirm(ids[0])


def test_erased_by_address_whatever_its_spelling(world: World) -> None:
    """As an operator does it."""
    world.register()
    assert erase_address(world.store, SUBJECT_KEY, " HANAKO@Mail.example", NOW).was_known
    assert world.query("SELECT DISTINCT state, sealed FROM person") == [("erased", b"")]
    assert not erase_address(world.store, SUBJECT_KEY, "hanako@mail.example", NOW).was_known


def test_withdrawn_is_empty_and_cannot_be_confirmed(world: World) -> None:
    """A change of mind before the confirmation; after it there is something to erase."""
    person_id = world.register()
    assert world.people().withdraw(person_id)
    assert world.query("SELECT state, sealed FROM person") == [("withdrawn", b"")]
    with pytest.raises(PersonGone):
        world.confirm(person_id)
    other = world.register()
    world.confirm(other)
    assert not world.people().withdraw(other)


def test_time_deletes(world: World) -> None:
    """Unconfirmed after a week, confirmed after half a year, handed over after a month."""
    ids = [world.register(replace(HANAKO, address=f"{number}@mail.example")) for number in range(3)]
    world.confirm(ids[1])
    world.confirm(ids[2])
    world.people().mark_handed_over(ids[2])
    left: list[int] = []
    for days in (7, 8, 30, 31, 180, 181):
        purge(world.store, NOW + timedelta(days=days))
        left.append(sum(world.people().states().values()))
    assert left == [3, 2, 2, 1, 1, 0]


def test_a_clock_that_was_ahead_keeps_nobody_longer(world: World) -> None:
    """What was taken then is dated back."""
    world.now = datetime(2040, 1, 1, tzinfo=UTC)
    world.register()
    assert purge(world.store, NOW)["person"] == 0
    assert purge(world.store, NOW + timedelta(days=9))["person"] == 1


# ------------------------------------------------------------------------ keys


def test_keys_are_changed_under_what_is_kept(world: World) -> None:
    """The newest seals, all open; sealed anew, the old one is not needed any more."""
    old = world.register()
    both = world.people(FIRST, SECOND)
    new = world.register(replace(HANAKO, address="taro@mail.example"), both)
    assert [both.open(one, "test", "me").person.name for one in (old, new)] == ["山田花子"] * 2
    only = world.people(SECOND)
    with pytest.raises(LedgerError, match="person keys"):
        only.open(old, "test", "me")
    assert [both.renew(), both.renew()] == [1, 0]
    assert only.open(old, "test", "me").person == HANAKO


def test_nobodys_data_fit_into_anothers_row(world: World) -> None:
    """Whoever can write to the database cannot have one person read as another."""
    ids = [world.register(), world.register(replace(HANAKO, address="taro@mail.example"))]
    connection = sqlite3.connect(world.store.path)
    connection.execute(
        "UPDATE person SET sealed = (SELECT sealed FROM person WHERE id = ?) WHERE id = ?", ids
    )
    connection.commit()
    connection.close()
    assert world.people().open(ids[0], "test", "me").person == HANAKO
    with pytest.raises(LedgerError, match="cannot be opened"):
        world.people().open(ids[1], "test", "me")


def test_a_seal_is_for_one_purpose() -> None:
    """Another purpose's cannot be opened, nor anything changed."""
    seal = RingSeal((FIRST, SECOND), "person")
    sealed = seal.close(b"x")
    assert seal.open(sealed) == b"x"
    for other in (RingSeal((FIRST, SECOND), "mail"), RingSeal((FIRST,), "person")):
        with pytest.raises(SealError):
            other.open(sealed)
    with pytest.raises(SealError):
        seal.renew(sealed[:-4] + b"AAA=")


def test_the_ring_is_a_file_of_its_owners(tmp_path: Path) -> None:
    """A new key comes last; others may not read it; what is in it is checked."""
    path = tmp_path / "person-keys"
    create_person_keys(path)
    (first,) = load_person_keys(path)
    assert add_person_key(path) == 2
    assert load_person_keys(path)[0] == first
    assert len(set(load_person_keys(path))) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {path.name, f".{path.name}.lock"}
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="0600"):
        load_person_keys(path)
    path.chmod(0o600)
    path.write_text("careerrelay-log-key-v1 AAAA\n")
    with pytest.raises(KeyFileError, match="not a careerrelay-person-key-v1 file"):
        load_person_keys(path)
    path.write_text("")
    with pytest.raises(KeyFileError, match="expected 1 to"):
        load_person_keys(path)


def test_a_new_key_goes_where_the_ring_is(tmp_path: Path) -> None:
    """The ring may be on another disk than the name it goes by: the link to it stays one.

    Where root adds a key, the service can still read the ring.
    """
    ring, name = tmp_path / "ring", tmp_path / "person-keys"
    create_person_keys(ring)
    if os.geteuid() == 0:
        os.chown(ring, 65534, 65534)
    owner = ring.stat().st_uid
    name.symlink_to(ring)
    assert add_person_key(name) == 2
    assert name.is_symlink()
    assert len(load_person_keys(ring)) == 2
    assert (ring.stat().st_uid, ring.stat().st_mode & 0o777) == (owner, 0o600)


def test_of_keys_that_are_added_at_once_none_is_lost(tmp_path: Path) -> None:
    """Whoever was sealed under a lost key could never be opened again."""
    path = tmp_path / "person-keys"
    create_person_keys(path)
    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(add_person_key, [path] * 24))
    assert sorted(counts) == list(range(2, 26))
    assert len(set(load_person_keys(path))) == 25
