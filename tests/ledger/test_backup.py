"""A backup is whole and checked; an old one put in place of the store is noticed and named."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import Damage
from ledger.backup import BackupError, back_up, checkpoints_path, manifest_path, save_checkpoints
from ledger.checkpoint import Checkpoint, LogKey, checkpoint_path, sign_checkpoint
from ledger.events import Event, EventType
from ledger.store import LedgerError, Store
from ledger.witness import Witness, WitnessError, complaints, find_notes, read_witnesses
from tests.ledger.audits import findings
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    NOW,
    applier_on,
    checkpointer_on,
    issue,
    letters_and_signups,
    record,
    store_in,
    submit,
)


def save(store: Store, path: Path) -> None:
    """Back the store up."""
    back_up(store, path, installation=INSTALLATION, now=NOW)


def restore(store: Store, path: Path) -> None:
    """Put a backup in place of the store, as docs/admin/backup.md says."""
    store.close()
    for file in store.files():
        file.unlink(missing_ok=True)
    shutil.copy(path, store.path)


def said(store: Store, folder: Path) -> list[str]:
    """Return what the worker says at its start."""
    return complaints(store, public_key=KEY.public, installation=INSTALLATION, directory=folder)


def witnesses_in(*paths: Path) -> dict[str, list[Witness]]:
    """Return the witnesses of files."""
    return read_witnesses(paths, installation=INSTALLATION, public_key=KEY.public)


def test_a_backup_is_the_store(tmp_path: Path) -> None:
    """It opens, is verified against its own checkpoints, and the manifest tells the truth."""
    store = store_in(tmp_path)
    record(store, tmp_path, [*letters_and_signups(12), issue(90, "midori")])
    path = tmp_path / "backups" / "monday"
    path.parent.mkdir()
    done = back_up(store, path, installation=INSTALLATION, now=NOW)
    copy = Store(f"sqlite:///{path}", may_create=False)
    witnesses = witnesses_in(checkpoints_path(path))
    assert sorted(witnesses) == ["aozora", "midori"]
    assert findings(copy, tmp_path, witnesses) == {}
    with copy.read() as transaction:
        assert transaction.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    copy.close()
    manifest = json.loads(manifest_path(path).read_bytes())
    assert manifest == {
        "format": "careerrelay-backup/1",
        "time": "2026-04-01T09:00:00.000Z",
        "installation": INSTALLATION,
        "file": "monday",
        "size_bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "logs": [
            {"log": "aozora", "entries": 37, "checkpoint_size": 37},
            {"log": "midori", "entries": 1, "checkpoint_size": 1},
        ],
    }
    event = done.event(NOW, "x")
    assert event.type is EventType.STORE_BACKED_UP
    assert dict(event.data) == {
        "digest": manifest["sha256"],
        "size_bytes": manifest["size_bytes"],
        "logs": 2,
        "entries": 38,
    }
    made = sorted(path.parent.iterdir())
    assert made == [path, checkpoints_path(path), manifest_path(path)]
    assert [one.stat().st_mode & 0o777 for one in made] == [0o600] * 3
    store.close()


def test_a_store_in_use_is_copied_whole(tmp_path: Path) -> None:
    """While events are taken, applied and signed, the copy is of one moment."""
    store = store_in(tmp_path)
    record(store, tmp_path, letters_and_signups(3))
    enough = threading.Event()
    counts: list[int] = []

    def work() -> None:
        number = 100
        while not enough.is_set():
            record(store, tmp_path, [issue(number + n) for n in range(20)])
            number += 20
        counts.append(number)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(4):
            save(store, tmp_path / f"copy-{number}")
    finally:
        enough.set()
        worker.join()
    assert counts[0] > 100
    for number in range(4):
        copy = Store(f"sqlite:///{tmp_path}/copy-{number}", may_create=False)
        folder = tmp_path / "nothing published"
        assert findings(copy, folder) == {}
        copy.close()
    store.close()


@pytest.mark.parametrize("end", ["", ".checkpoints", ".manifest"])
def test_nothing_is_overwritten(tmp_path: Path, end: str) -> None:
    """A file that is there stays, and nothing else is left."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    (tmp_path / "backups").mkdir()
    there = tmp_path / "backups" / f"monday{end}"
    there.write_bytes(b"precious")
    with pytest.raises(BackupError, match="File exists"):
        save(store, tmp_path / "backups" / "monday")
    assert there.read_bytes() == b"precious"
    assert list(there.parent.iterdir()) == [there]
    store.close()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE node SET hash = zeroblob(32) WHERE level = 2", "not what was signed"),
        ("DELETE FROM entry WHERE seq > 2", "shorter than was signed"),
        ("DELETE FROM node WHERE level = 2", "no node at level 2"),
    ],
)
def test_a_damaged_store_is_no_backup(tmp_path: Path, damage: str, what: str) -> None:
    """What was copied is compared with what was signed; no file is left that looks like one."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(n) for n in range(5)])
    with store.write() as transaction:
        transaction.execute(text(damage))
    path = tmp_path / "backups" / "monday"
    path.parent.mkdir()
    with pytest.raises(LedgerError, match=what):
        save(store, path)
    assert list(path.parent.iterdir()) == []
    store.close()


def test_a_restored_old_backup_is_noticed(tmp_path: Path) -> None:
    """The published checkpoint says more: the audit names it, the worker says it and signs not."""
    store = store_in(tmp_path)
    record(store, tmp_path, letters_and_signups(4))
    save(store, tmp_path / "old")
    record(store, tmp_path, [issue(50), issue(51)])
    assert said(store, tmp_path) == []
    assert findings(store, tmp_path) == {}
    restore(store, tmp_path / "old")
    assert said(store, tmp_path) == [
        "log aozora has 12 entries, but 14 were published: was an older copy of the store "
        "restored?; see docs/admin/backup.md"
    ]
    found = findings(store, tmp_path)["aozora"]
    assert (found.kind, found.seq) == (Damage.MISSING, 12)
    assert "14 entries were signed for" in found.detail
    submit(store, [issue(60)])
    applier_on(store).apply_all()
    checkpointer = checkpointer_on(store, tmp_path)
    assert checkpointer.sign_due(at_once=True) == 0
    assert checkpoint_path(tmp_path, "aozora").read_bytes().splitlines()[1] == b"14"
    store.close()


def test_a_fork_is_noticed_by_whoever_kept_a_checkpoint(tmp_path: Path) -> None:
    """Restored, the file moved away, and continued further than before: an old note tells."""
    store = store_in(tmp_path)
    record(store, tmp_path, letters_and_signups(4))
    save(store, tmp_path / "old")
    record(store, tmp_path, [issue(50), issue(51)])
    kept = tmp_path / "kept.txt"
    checkpoint_path(tmp_path, "aozora").rename(kept)
    restore(store, tmp_path / "old")
    record(store, tmp_path, [issue(n) for n in range(70, 80)])
    # Inside, everything is in order, and what was published since agrees.
    assert findings(store, tmp_path) == {}
    assert said(store, tmp_path) == []
    found = findings(store, tmp_path, witnesses_in(kept))["aozora"]
    assert (found.kind, found.seq) == (Damage.ROOT, 12)
    assert "the first 14 entries are not those signed for; so far 12 are" in found.detail
    # The backup itself is no witness against it: it is the beginning of both.
    assert findings(store, tmp_path, witnesses_in(checkpoints_path(tmp_path / "old"))) == {}
    shutil.copy(kept, checkpoint_path(tmp_path, "aozora"))
    assert said(store, tmp_path) == [
        "log aozora is not the one whose first 14 entries were published; see docs/admin/backup.md"
    ]
    store.close()


def test_a_fork_of_the_same_size_names_both_roots(tmp_path: Path) -> None:
    """The store signed another root for the size of the note."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    save(store, tmp_path / "old")
    record(store, tmp_path, [issue(2)])
    kept = tmp_path / "kept.txt"
    checkpoint_path(tmp_path, "aozora").rename(kept)
    restore(store, tmp_path / "old")
    record(store, tmp_path, [issue(3)])
    found = findings(store, tmp_path, witnesses_in(kept))["aozora"]
    assert found.kind is Damage.CHECKPOINT
    assert found.detail == f"checkpoint in {kept}: two roots were signed for one size"
    store.close()


def test_a_log_that_is_gone_is_missed_by_its_witness(tmp_path: Path) -> None:
    """Also where nothing here remembers it."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1)])
    save(store, tmp_path / "old")
    record(store, tmp_path, [issue(2, "midori")])
    kept = tmp_path / "kept.txt"
    checkpoint_path(tmp_path, "midori").rename(kept)
    restore(store, tmp_path / "old")
    found = findings(store, tmp_path, witnesses_in(kept))["midori"]
    assert (found.kind, found.seq) == (Damage.MISSING, 0)
    store.close()


def note(log: str, size: int, key: LogKey = KEY, installation: str = INSTALLATION) -> bytes:
    """Return a signed checkpoint."""
    return sign_checkpoint(Checkpoint(f"{installation}/{log}", size, bytes(32)), key)


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
def test_notes_are_found_in_mails(tmp_path: Path, encoding: str) -> None:
    """However the mail is encoded, with words around the notes, or attached."""
    notes = [note("aozora", 3), note("midori", 70_000)]
    mail = EmailMessage()
    mail["Subject"] = "checkpoints"
    words = "Good morning,\n\n" + "\n".join(one.decode() for one in notes) + "\nYours\n"
    if encoding == "7bit":
        mail.set_content("See the file.\n")
        mail.add_attachment(words.encode(), maintype="text", subtype="plain", filename="a.txt")
    else:
        mail.set_content(words, cte=encoding)
    path = tmp_path / "mail.eml"
    path.write_bytes(mail.as_bytes().replace(b"\n", b"\r\n"))
    assert find_notes(path.read_bytes()) == notes
    found = witnesses_in(path, path)
    assert {log: len(both) for log, both in found.items()} == {"aozora": 2, "midori": 2}


def test_what_we_did_not_sign_is_no_witness(tmp_path: Path) -> None:
    """Another key, another installation, a changed digit, nothing at all: the file is named."""
    path = tmp_path / "note"
    for wrong in (
        note("aozora", 3, LogKey(bytes(32))),
        note("aozora", 3, installation="elsewhere.example"),
        note("aozora", 3).replace(b"\n3\n", b"\n4\n"),
        b"",
        b"\xff" * 100,
        b"Subject: nothing\n\nHello\n",
    ):
        path.write_bytes(wrong)
        with pytest.raises(WitnessError, match="no checkpoint of"):
            witnesses_in(path)
    with pytest.raises(WitnessError, match="No such file"):
        witnesses_in(tmp_path / "missing")


def test_checkpoints_alone(tmp_path: Path) -> None:
    """For a store that others copy; a file that is there is not overwritten."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2, "midori")])
    target = save_checkpoints(store, tmp_path / "monday")
    assert sorted(witnesses_in(target)) == ["aozora", "midori"]
    with pytest.raises(BackupError, match="File exists"):
        save_checkpoints(store, tmp_path / "monday")
    store.close()


def test_a_log_without_a_checkpoint_is_copied_as_well(tmp_path: Path) -> None:
    """Before the first signing there is nothing to compare with but its length."""
    store = store_in(tmp_path)
    events: list[Event] = [issue(1), issue(2)]
    submit(store, events)
    applier_on(store).apply_all()
    save(store, tmp_path / "monday")
    manifest = json.loads(manifest_path(tmp_path / "monday").read_bytes())
    assert manifest["logs"] == [{"log": "aozora", "entries": 2, "checkpoint_size": 0}]
    assert checkpoints_path(tmp_path / "monday").read_bytes() == b""
    store.close()
