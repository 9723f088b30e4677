"""On PostgreSQL: erasing, retention, exports, and a dump that is restored too late."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ledger.audit import Damage
from ledger.backup import checkpoints_path
from ledger.clickdetail import raw_detail
from ledger.clicks import network_of
from ledger.erase import Erasure, erase_person
from ledger.events import INSTALLATION as INSTALLATION_LOG
from ledger.events import signup_verified
from ledger.export import Export, Format
from ledger.inbox import Inbox
from ledger.retention import purge
from ledger.store import RepeatedKey, Store
from ledger.witness import complaints, read_witnesses
from tests.cli.process import careerrelay, create
from tests.ledger.audits import findings
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    NOW,
    SUBJECT_KEY,
    applier_on,
    checkpointer_on,
    click,
    issue,
    letters_and_signups,
    link,
    record,
    run,
)
from tests.services import postgres_database

pytestmark = pytest.mark.services
HANAKO = "hanako@example.jp"


@pytest.fixture
def url() -> Generator[str]:
    """Return the URL of an empty database."""
    with postgres_database() as found:
        yield found


@pytest.fixture
def store(url: str) -> Generator[Store]:
    """Return a store in it."""
    opened = Store(url)
    yield opened
    opened.close()


def take_part(store: Store) -> None:
    """Let a person click and register by the first link; another clicks on the second."""

    async def steps(inbox: Inbox) -> None:
        detail = raw_detail("GET", {"user-agent": "Browser"}, network_of("203.0.113.77"))
        for number in (1, 2):
            await inbox.submit(click(number), detail=detail)
        await inbox.submit(
            signup_verified(
                "aozora",
                link(1),
                NOW,
                signup_id="one",
                person_ref=await inbox.reference("aozora", HANAKO),
                verification="email",
                consent_version="2026-01",
                body_digest="",
            )
        )

    run(store, steps)


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_person_is_erased(store: Store, tmp_path: Path, is_applied: bool) -> None:
    """Salt, records and details, in one transaction; the logs hold."""
    record(store, tmp_path, [issue(1), issue(2)])
    take_part(store)
    if is_applied:
        applier_on(store).apply_all()
    done = erase_person(store, subject_key=SUBJECT_KEY, person=HANAKO, now=NOW)
    assert done == Erasure(True, (INSTALLATION_LOG, "aozora"), clicks=1)
    again = erase_person(store, subject_key=SUBJECT_KEY, person=HANAKO, now=NOW)
    assert again == Erasure(was_known=False)
    applier_on(store).apply_all()
    checkpointer_on(store, tmp_path).sign_due(at_once=True)
    assert findings(store, tmp_path) == {}


def test_an_erasure_that_cannot_be_recorded_is_none(store: Store, tmp_path: Path) -> None:
    """The salt stays until both can be done."""
    record(store, tmp_path, [issue(1)])
    take_part(store)
    with store.write() as transaction:
        rule = "ALTER TABLE inbox ADD CONSTRAINT no CHECK (id NOT LIKE 'subject.%')"
        transaction.execute(text(rule))
    with pytest.raises(RepeatedKey):
        erase_person(store, subject_key=SUBJECT_KEY, person=HANAKO, now=NOW)
    with store.write() as transaction:
        transaction.execute(text("ALTER TABLE inbox DROP CONSTRAINT no"))
    done = erase_person(store, subject_key=SUBJECT_KEY, person=HANAKO, now=NOW)
    assert done.was_known


def test_details_end(store: Store, tmp_path: Path) -> None:
    """In time, and those of a clock that was ahead as well."""
    record(store, tmp_path, [issue(1), issue(2)])
    take_part(store)
    assert purge(store, NOW + timedelta(days=29)) == {"click_detail": 0, "job": 0, "person": 0}
    assert purge(store, NOW - timedelta(days=900))["click_detail"] == 0
    assert purge(store, NOW)["click_detail"] == 2


def test_an_export_is_the_log(store: Store, tmp_path: Path) -> None:
    """As on SQLite."""
    record(store, tmp_path, letters_and_signups(3))
    written: list[bytes] = []
    export = Export(store, "aozora", Format.JSONL, 2)
    export.run(written.append)
    assert export.next == 9
    assert len(b"".join(written).splitlines()) == 7


def test_a_dump_restored_too_late_is_noticed(store: Store, url: str, tmp_path: Path) -> None:
    """The commands of docs/admin/backup.md: dump, checkpoints, restore, verify."""
    config = create(tmp_path)
    settings = config.read_text(encoding="utf-8")
    settings = settings.replace("sqlite:///careerrelay.db", url)
    config.write_text(settings, encoding="utf-8")
    record(store, tmp_path, letters_and_signups(2))
    database = make_url(url)
    reach = [
        f"--host={database.host}",
        f"--port={database.port}",
        f"--username={database.username}",
    ]
    dump = tmp_path / "monday.dump"
    pg_dump = ["pg_dump", *reach, "--format=custom", f"--file={dump}", str(database.database)]
    subprocess.run(pg_dump, check=True, capture_output=True)
    record(store, tmp_path, [issue(70)])
    done = careerrelay("backup", tmp_path / "monday", "--config", config)
    assert done.returncode == 1
    assert "pg_dump --format=custom" in done.stderr
    assert not (tmp_path / "monday").exists()
    store.close()
    pg_restore = ["pg_restore", *reach, "--clean", "--if-exists", "--exit-on-error"]
    restored = [*pg_restore, f"--dbname={database.database}", str(dump)]
    subprocess.run(restored, check=True, capture_output=True)
    kept = checkpoints_path(tmp_path / "monday")
    witnesses = read_witnesses([kept], installation=INSTALLATION, public_key=KEY.public)
    nothing = tmp_path / "nothing published"
    found = findings(store, nothing, witnesses)["aozora"]
    assert (found.kind, found.seq) == (Damage.MISSING, 6)
    (line,) = complaints(
        store, public_key=KEY.public, installation=INSTALLATION, directory=tmp_path
    )
    assert "has 6 entries, but 7 were published" in line
