"""Erasing a person: references that are nobody's, logs that hold, and no byte left behind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import store_log, store_subject
from ledger.clickdetail import raw_detail
from ledger.clicks import network_of
from ledger.erase import Erasure, erase_person
from ledger.events import INSTALLATION as INSTALLATION_LOG
from ledger.events import Event, EventType, parse, signup_verified
from ledger.inbox import Inbox
from ledger.retention import purge
from ledger.store import LedgerError, Store, Transaction
from tests.ledger.audits import findings
from tests.ledger.parts import (
    NOW,
    SUBJECT_KEY,
    applier_on,
    checkpointer_on,
    click,
    issue,
    link,
    record,
    run,
    store_in,
    submit,
)

HANAKO = "hanako@example.jp"
TARO = "taro@example.jp"
AGENT = "Mozilla/5.0 (Marked; Browser 4711)"


def register(store: Store, person: str, *places: tuple[str, int]) -> list[str]:
    """Report a person's registration in each company by a link; return the references."""
    found: list[str] = []

    async def steps(inbox: Inbox) -> None:
        for company, number in places:
            reference = await inbox.reference(company, person)
            found.append(reference)
            await inbox.submit(
                signup_verified(
                    company,
                    link(number),
                    NOW,
                    signup_id=f"{company}-{number}",
                    person_ref=reference,
                    verification="email",
                    consent_version="2026-01",
                    body_digest="",
                )
            )

    run(store, steps)
    return found


def settle(store: Store, folder: Path) -> None:
    """Apply and sign what is pending."""
    applier_on(store).apply_all()
    checkpointer_on(store, folder).sign_due(at_once=True)


def events_of(store: Store, log: str, kind: EventType) -> list[Event]:
    """Return the entries of one type."""
    with store.read() as transaction:
        rows = [row for chunk in store_log.entries(transaction, log) for row in chunk]
    return [event for event in (parse(row.body) for row in rows) if event.type is kind]


def erase(store: Store, person: str = HANAKO) -> Erasure:
    """Erase a person."""
    return erase_person(store, subject_key=SUBJECT_KEY, person=person, now=NOW)


def click_on(store: Store, numbers: Sequence[int]) -> None:
    """Follow links, as the intake reports it; no click is applied yet."""
    detail = raw_detail("GET", {"user-agent": AGENT}, network_of("203.0.113.77"))

    async def steps(inbox: Inbox) -> None:
        for number in numbers:
            await inbox.submit(click(number), detail=detail)

    run(store, steps)


def test_each_log_with_the_person_is_told_and_proofs_hold(tmp_path: Path) -> None:
    """One entry in each such log with that log's reference; the others and all hashes stay."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2, "midori"), issue(3, "sumire")])
    mine = register(store, HANAKO, ("aozora", 1), ("midori", 2), (INSTALLATION_LOG, 9))
    others = register(store, TARO, ("sumire", 3))
    settle(store, tmp_path)
    done = erase(store)
    assert done == Erasure(True, (INSTALLATION_LOG, "aozora", "midori"))
    settle(store, tmp_path)
    for log, reference in zip(("aozora", "midori", INSTALLATION_LOG), mine, strict=True):
        (told,) = events_of(store, log, EventType.SUBJECT_ERASED)
        assert dict(told.data) == {"ref": reference}
    assert events_of(store, "sumire", EventType.SUBJECT_ERASED) == []
    assert findings(store, tmp_path) == {}
    # The same people ask again: only who was not erased is known.
    assert register(store, TARO, ("sumire", 4)) == others
    again = register(store, HANAKO, ("aozora", 5))
    assert not set(again) & set(mine)
    store.close()


def test_erasing_again_changes_nothing(tmp_path: Path) -> None:
    """The second time, and for someone never seen, nothing is known and nothing recorded."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    register(store, HANAKO, ("aozora", 1))
    settle(store, tmp_path)
    assert erase(store).was_known
    settle(store, tmp_path)
    assert erase(store) == Erasure(was_known=False)
    assert erase(store, "nobody@example.jp") == Erasure(was_known=False)
    settle(store, tmp_path)
    assert len(events_of(store, INSTALLATION_LOG, EventType.SUBJECT_ERASED)) == 1
    store.close()


def test_who_comes_back_can_be_erased_again(tmp_path: Path) -> None:
    """A new registration is a new person, with an erasure of its own."""
    store = store_in(tmp_path)
    register(store, HANAKO, ("aozora", 1))
    assert erase(store).was_known
    register(store, HANAKO, ("aozora", 2))
    assert erase(store).was_known
    settle(store, tmp_path)
    refs = {dict(e.data)["ref"] for e in events_of(store, "aozora", EventType.SUBJECT_ERASED)}
    assert len(refs) == 2
    store.close()


def test_a_registration_that_waits_is_seen(tmp_path: Path) -> None:
    """What nobody has applied yet names the person as well."""
    store = store_in(tmp_path)
    register(store, HANAKO, ("aozora", 1))
    assert erase(store).logs == (INSTALLATION_LOG, "aozora")
    store.close()


@pytest.mark.parametrize(
    "trigger",
    ["BEFORE DELETE ON subject_salt", "BEFORE INSERT ON inbox", "AFTER DELETE ON click_detail"],
)
def test_it_is_done_or_it_is_not(tmp_path: Path, trigger: str) -> None:
    """Whatever step fails: the salt is there, nothing is recorded, and the next try succeeds."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    (reference,) = register(store, HANAKO, ("aozora", 1))
    click_on(store, [1])
    settle(store, tmp_path)
    with store.write() as transaction:
        failing = f"CREATE TRIGGER broken {trigger} BEGIN SELECT RAISE(ABORT, 'disk'); END"
        transaction.execute(text(failing))
    with pytest.raises(LedgerError):
        erase(store)
    with store.write() as transaction:
        transaction.execute(text("DROP TRIGGER broken"))
        found = store_subject.reference(transaction, SUBJECT_KEY, "aozora", HANAKO, b"")
    assert found == reference
    assert applier_on(store).pending_count() == 0
    assert erase(store) == Erasure(True, (INSTALLATION_LOG, "aozora"), clicks=1)
    store.close()


def test_clicks_on_the_persons_link_lose_their_details(tmp_path: Path) -> None:
    """Applied or waiting; those on other links keep theirs."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(number) for number in (1, 2, 3)])
    register(store, HANAKO, ("aozora", 1), ("aozora", 3))
    click_on(store, [1, 2])
    settle(store, tmp_path)
    click_on(store, [3])
    assert erase(store).clicks == 2
    with store.read() as transaction:
        left = transaction.execute(text("SELECT event_id FROM click_detail")).scalars().all()
    assert left == [click(2).id]
    store.close()


def test_no_byte_is_left(tmp_path: Path) -> None:
    """After erasing and the purge neither salt, keyed hash, browser nor network is in any file."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(number) for number in range(1, 60)])
    register(store, HANAKO, *[("aozora", number) for number in range(1, 30)])
    register(store, TARO, ("aozora", 31))
    click_on(store, range(1, 60))
    settle(store, tmp_path)
    with store.read() as transaction:
        rows = transaction.execute(text("SELECT lookup, salt FROM subject_salt")).all()
    marks = [bytes(value) for row in rows for value in row]
    marks += [b"Browser 4711", b"203.0.113"]
    before = contents(tmp_path)
    assert all(mark in before for mark in marks)
    assert HANAKO.encode() not in before
    assert erase(store).is_scrubbed
    assert erase(store, TARO).is_scrubbed
    assert purge(store, NOW.replace(year=2027)) == {
        "click_detail": 30 - 1,
        "job": 0,
        "person": 0,
    }
    after = contents(tmp_path)
    assert [mark for mark in marks if mark in after] == []
    store.close()


def contents(folder: Path) -> bytes:
    """Return all bytes of all files."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_a_reader_keeps_the_second_file_from_being_cleaned(tmp_path: Path) -> None:
    """It is said, the erasure is done all the same, and the next purge cleans it."""
    store = store_in(tmp_path)
    register(store, HANAKO, ("aozora", 1))
    with store.read() as transaction:
        transaction.execute(text("SELECT count(*) FROM inbox")).scalar()
        done = erase(store)
        assert done.was_known
        assert not done.is_scrubbed
    wal = tmp_path / "careerrelay.db-wal"
    assert wal.stat().st_size > 0
    purge(store, NOW)
    assert wal.stat().st_size == 0
    store.close()


class Interrupted(Store):
    """A store in which something happens between the looking and the writing, once."""

    def __init__(self, folder: Path, happens: Callable[[], object]) -> None:
        super().__init__(f"sqlite:///{folder}/careerrelay.db")
        self.happens = [happens]

    @contextmanager
    def write(self) -> Generator[Transaction]:
        """Let it happen, then write."""
        if self.happens:
            self.happens.pop()()
        with super().write() as transaction:
            yield transaction


def test_a_registration_that_comes_meanwhile_is_seen(tmp_path: Path) -> None:
    """By a link clicked on long ago, in another company, applied or not."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2, "midori")])
    register(store, HANAKO, ("aozora", 1))
    old = [click(2, "midori")]
    submit(store, old)
    with store.write() as transaction:
        values = {"id": old[0].id, "ms": int((NOW - timedelta(days=20)).timestamp() * 1000)}
        transaction.execute(text("INSERT INTO click_detail VALUES (:id, :ms, x'00')"), values)

    def happens() -> None:
        register(store, HANAKO, ("midori", 2))
        applier_on(store).apply_all()

    interrupted = Interrupted(tmp_path, happens)
    assert erase(interrupted) == Erasure(True, (INSTALLATION_LOG, "aozora", "midori"), clicks=1)
    interrupted.close()
    store.close()


@pytest.mark.parametrize("comes_back", [False, True])
def test_two_erasures_at_once_are_one(tmp_path: Path, comes_back: bool) -> None:
    """The second finds nothing to do, or erases whoever came back in between."""
    store = store_in(tmp_path)
    register(store, HANAKO, ("aozora", 1))

    def happens() -> None:
        assert erase(store).was_known
        if comes_back:
            register(store, HANAKO, ("midori", 2))

    interrupted = Interrupted(tmp_path, happens)
    done = erase(interrupted)
    assert done == (
        Erasure(True, (INSTALLATION_LOG, "midori")) if comes_back else Erasure(was_known=False)
    )
    interrupted.close()
    store.close()
