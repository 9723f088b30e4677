"""Keys in files, signed notes, and the checkpointer."""

from __future__ import annotations

import base64
import hashlib
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from ledger import store_log
from ledger.checkpoint import (
    Checkpoint,
    Checkpointer,
    CheckpointError,
    checkpoint_path,
    load_log_key,
    log_origin,
    open_checkpoint,
    sign_checkpoint,
    verifier_key,
)
from ledger.events import Event
from ledger.keyfiles import KeyFileError, create_log_key, create_subject_key, load_subject_key
from ledger.log import leaf_hash
from ledger.store import StoreError
from tests.ledger.parts import (
    INSTALLATION,
    KEY,
    NOW,
    applier_on,
    checkpointer_on,
    issue,
    record,
    store_in,
    submit,
)

ORIGIN = f"{INSTALLATION}/aozora"
STATEMENT = Checkpoint(ORIGIN, 7, bytes(range(32)))


def test_keys_are_made_once_and_ours_alone(tmp_path: Path) -> None:
    """Key files are 0600, are not overwritten, and come back as they were."""
    path = tmp_path / "log-key"
    create_log_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(KeyFileError):
        create_log_key(path)
    assert path.read_bytes() == before
    assert load_log_key(path).public == load_log_key(path).public
    create_subject_key(tmp_path / "subject-key", lambda count: bytes(count))
    assert load_subject_key(tmp_path / "subject-key") == bytes(32)


def test_keys_that_will_not_do_are_refused(tmp_path: Path) -> None:
    """Missing, readable by others, of another purpose, cut or not a key at all."""
    path = tmp_path / "log-key"
    create_log_key(path)
    secret = path.read_text()
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="0640"):
        load_log_key(path)
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        load_subject_key(path)
    for content in (secret[:-9], "careerrelay-log-key-v1 ****\n", "\xff", ""):
        path.write_text(content, encoding="latin-1")
        with pytest.raises(KeyFileError) as caught:
            load_log_key(path)
        assert secret.split()[1] not in str(caught.value)
    with pytest.raises(KeyFileError):
        load_log_key(tmp_path / "none")


def test_note_is_what_c2sp_says() -> None:
    """Text, blank line, signature line; the key id and the signature are over what they should."""
    note = sign_checkpoint(STATEMENT, KEY).decode()
    body, _, line = note.partition("\n\n")
    root = base64.b64encode(bytes(range(32))).decode()
    assert body == f"r.example.jp/aozora\n7\n{root}"
    dash, name, encoded = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", ORIGIN)
    signature = base64.b64decode(encoded)
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + KEY.public).digest()[:4]
    assert signature[:4] == key_id
    Ed25519PublicKey.from_public_bytes(KEY.public).verify(signature[4:], body.encode() + b"\n")
    spelled = verifier_key(ORIGIN, KEY.public).split("+", 2)
    assert spelled[:2] == [ORIGIN, key_id.hex()]
    assert base64.b64decode(spelled[2]) == b"\x01" + KEY.public
    assert open_checkpoint(note.encode(), ORIGIN, KEY.public) == STATEMENT


def test_every_changed_byte_is_refused() -> None:
    """No byte of a note can be another one."""
    note = sign_checkpoint(STATEMENT, KEY)
    for index in range(len(note) - 1):
        changed = bytearray(note)
        changed[index] ^= 1
        with pytest.raises(CheckpointError):
            open_checkpoint(bytes(changed), ORIGIN, KEY.public)


def test_signatures_of_others_are_left_alone() -> None:
    """A witness may add its line; somebody else's line alone is not enough."""
    note = sign_checkpoint(STATEMENT, KEY)
    witness = "\u2014 witness.example.net aGVsbG8gd29ybGQ=\n".encode()
    assert open_checkpoint(note + witness, ORIGIN, KEY.public) == STATEMENT
    with pytest.raises(CheckpointError):
        open_checkpoint(note.partition(b"\n\n")[0] + b"\n\n" + witness, ORIGIN, KEY.public)
    other = sign_checkpoint(Checkpoint(f"{INSTALLATION}/midori", 7, bytes(32)), KEY)
    with pytest.raises(CheckpointError):
        open_checkpoint(other, ORIGIN, KEY.public)


@pytest.mark.parametrize("note", [b"", b"\n\n", b"x" * 5000, b"a\n1\nb\n\n\xff \xff \xff\n"])
def test_nonsense_is_refused(note: bytes) -> None:
    """What is not a note is said not to be one."""
    with pytest.raises(CheckpointError):
        open_checkpoint(note, ORIGIN, KEY.public)


@pytest.mark.parametrize("root", [b"", bytes(31), bytes(33)])
def test_a_signed_text_must_still_be_a_checkpoint(root: bytes) -> None:
    """A signature over something else does not make it one."""
    with pytest.raises(CheckpointError):
        open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 1, root), KEY), ORIGIN, KEY.public)
    note = sign_checkpoint(Checkpoint(ORIGIN, -1, bytes(32)), KEY)
    with pytest.raises(CheckpointError):
        open_checkpoint(note, ORIGIN, KEY.public)


@pytest.mark.parametrize("installation", ["a b", "a+b", "一", "a\n"])
def test_origins_are_key_names(installation: str) -> None:
    """A name that a signed note cannot carry is refused at the start."""
    assert log_origin("r", "aozora") == "r/aozora"
    with pytest.raises(CheckpointError):
        log_origin(installation, "aozora")


def test_logs_are_signed_into_store_and_file(tmp_path: Path) -> None:
    """Each log that has grown gets a checkpoint of its size; one that has not, none."""
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2, "midori")])
    note = checkpoint_path(tmp_path, "aozora").read_bytes()
    assert open_checkpoint(note, ORIGIN, KEY.public) == Checkpoint(
        ORIGIN, 1, leaf_hash(issue(1).body)
    )
    with store.read() as transaction:
        rows = store_log.checkpoints(transaction, "aozora")
    assert [(row.size, row.note) for row in rows] == [(1, note)]
    assert checkpointer_on(store, tmp_path).sign_due(at_once=True) == 0
    assert checkpoint_path(tmp_path, "midori").exists()
    store.close()


def test_a_busy_log_is_signed_once_an_interval(tmp_path: Path) -> None:
    """Within a second of the last one no checkpoint is signed, unless at once is asked for."""
    store = store_in(tmp_path)
    times = [NOW]

    def clock() -> datetime:
        return times[0]

    checkpointer = Checkpointer(
        store, KEY, installation=INSTALLATION, directory=tmp_path, clock=clock
    )
    for number, (seconds, signed) in enumerate(((0, 1), (0.5, 0), (1.5, 1), (-9, 1))):
        submit(store, [issue(number)])
        applier_on(store).apply_all()
        times[0] = NOW + timedelta(seconds=seconds)
        assert checkpointer.sign_due() == signed
    store.close()


def test_a_damaged_log_keeps_the_checkpoint_it_has(tmp_path: Path) -> None:
    """What lost a node is not signed for; the other logs are."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2), issue(3, "midori")])
    applier_on(store).apply_all()
    with store.write() as transaction:
        transaction.execute(text("DELETE FROM node"))
    assert checkpointer_on(store, tmp_path).sign_due() == 1
    assert not checkpoint_path(tmp_path, "aozora").exists()
    store.close()


def test_a_checkpoint_that_cannot_be_published_is_not_kept(tmp_path: Path) -> None:
    """Without its folder the file fails, the row is undone, and the next round does both."""
    store = store_in(tmp_path)
    submit(store, [issue(1)])
    applier_on(store).apply_all()
    with pytest.raises(StoreError):
        checkpointer_on(store, tmp_path / "none").sign_due()
    assert checkpointer_on(store, tmp_path).sign_due() == 1
    store.close()


@pytest.mark.parametrize("events", [[issue(7)], [issue(number) for number in range(7, 17)]])
def test_a_log_begun_anew_does_not_replace_what_was_published(
    tmp_path: Path, events: list[Event]
) -> None:
    """After the store was deleted, the old log's checkpoint stays: it tells that entries are gone.

    Neither a shorter log nor a longer one that does not continue it is signed over it.
    """
    store = store_in(tmp_path)
    record(store, tmp_path, [issue(1), issue(2), issue(3)])
    note = checkpoint_path(tmp_path, "aozora").read_bytes()
    store.path.unlink()
    store.close()
    store = store_in(tmp_path)
    record(store, tmp_path, [*events, issue(20, "midori")])
    assert checkpoint_path(tmp_path, "aozora").read_bytes() == note
    assert checkpoint_path(tmp_path, "midori").exists()
    record(store, tmp_path, [issue(21)])
    assert checkpoint_path(tmp_path, "aozora").read_bytes() == note
    store.close()


def test_a_log_of_an_impossible_name_hinders_no_other(tmp_path: Path) -> None:
    """What cannot be signed is left unsigned; the logs after it get their checkpoints."""
    store = store_in(tmp_path)
    submit(store, [issue(1), issue(2, "midori")])
    applier_on(store).apply_all()
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET log = 'a b' WHERE log = 'aozora'"))
    assert checkpointer_on(store, tmp_path).sign_due() == 1
    assert checkpoint_path(tmp_path, "midori").exists()
    store.close()
