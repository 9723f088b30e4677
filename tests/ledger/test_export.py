"""An export has every entry once, in order, from any place on, and goes on where it ended."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from ledger import store_log
from ledger.events import INSTALLATION, EventType
from ledger.export import Export, ExportError, ExportFile, Format
from ledger.log import leaf_hash
from ledger.store import Store
from tests.ledger.parts import NOW, click, issue, letters_and_signups, record, store_in

ENTRIES = 20 * 3 + 2  # Twenty letters and signups with what follows, and two slots.


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two logs."""
    store = store_in(tmp_path)
    record(store, tmp_path, [*letters_and_signups(20), issue(99, "midori")])
    return store


def bodies(store: Store, log: str = "aozora") -> list[bytes]:
    """Return the stored bytes of a log."""
    with store.read() as transaction:
        return [row.body for rows in store_log.entries(transaction, log) for row in rows]


def exported(store: Store, form: Format, first: int = 0) -> bytes:
    """Return an export."""
    written: list[bytes] = []
    Export(store, "aozora", form, first).run(written.append)
    return b"".join(written)


def test_jsonl_is_the_stored_bytes(store: Store) -> None:
    """Each line is what was hashed, so that an auditor can hash it again."""
    found = exported(store, Format.JSONL)
    assert found.splitlines() == bodies(store)
    assert found.endswith(b"\n")
    assert len(bodies(store)) == ENTRIES


@pytest.mark.parametrize("form", Format)
def test_an_export_from_a_place_is_the_rest(store: Store, form: Format) -> None:
    """Two exports, one from where the other ended, are the whole."""
    whole = exported(store, form)
    lines = whole.splitlines(keepends=True)
    header = 1 if form is Format.CSV else 0
    assert len(lines) == ENTRIES + header
    for first in (1, 17, ENTRIES):
        rest = exported(store, form, first).splitlines(keepends=True)
        assert rest[header:] == lines[first + header :]


def test_what_went_out_is_counted_and_digested(store: Store) -> None:
    """The event says which entries, as what, and the digest of the very bytes."""
    written: list[bytes] = []
    export = Export(store, "aozora", Format.CSV, 5)
    export.run(written.append)
    event = export.event(NOW, "x")
    assert (event.type, event.company) == (EventType.LOG_EXPORTED, INSTALLATION)
    assert dict(event.data) == {
        "log": "aozora",
        "format": "csv",
        "first": 5,
        "size": ENTRIES,
        "digest": hashlib.sha256(b"".join(written)).hexdigest(),
    }


def test_a_start_beyond_the_end_is_refused(store: Store) -> None:
    """At the end there is nothing more to say, behind it something is wrong."""
    assert exported(store, Format.JSONL, ENTRIES) == b""
    with pytest.raises(ExportError, match=f"{ENTRIES} entries"):
        exported(store, Format.JSONL, ENTRIES + 1)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE entry SET body = x'7b0a7d' WHERE log = 'aozora' AND seq = 7", "entry 7"),
        ("DELETE FROM entry WHERE log = 'aozora' AND seq = 7", "the next entry in the store is 8"),
    ],
)
@pytest.mark.parametrize("form", Format)
def test_damage_ends_an_export_and_is_named(
    store: Store, form: Format, damage: str, what: str
) -> None:
    """What stands before it is written whole, and counted."""
    whole = exported(store, form)
    with store.write() as transaction:
        transaction.execute(text(damage))
    written: list[bytes] = []
    export = Export(store, "aozora", form)
    with pytest.raises(ExportError, match=what):
        export.run(written.append)
    found = b"".join(written)
    header = 1 if form is Format.CSV else 0
    assert found.splitlines() == whole.splitlines()[: 7 + header]
    assert (export.count, export.digest) == (7, hashlib.sha256(found).hexdigest())


def test_a_log_longer_than_a_chunk(tmp_path: Path) -> None:
    """Chunks fit together; entries that come meanwhile are left to the next export."""
    store = store_in(tmp_path)
    count = 2 * store_log.CHUNK_ENTRIES + 3

    def add(first: int, last: int) -> None:
        rows = [
            store_log.EntryRow(n, click(n).id, click(n).body, leaf_hash(click(n).body))
            for n in range(first, last)
        ]
        with store.write() as transaction:
            store_log.insert_entries(transaction, "aozora", rows)

    add(0, count)
    written: list[bytes] = []

    def write(data: bytes) -> None:
        if not written:
            add(count, count + 2)
        written.append(data)

    export = Export(store, "aozora", Format.JSONL)
    export.run(write)
    assert b"".join(written).splitlines() == [click(n).body for n in range(count)]
    assert len(written) == 3
    assert export.next == count
    store.close()


def resume(store: Store, path: Path, form: Format, log: str = "aozora") -> int:
    """Continue a file; return where it began to."""
    with ExportFile(path, may_exist=True) as file:
        first, is_begun = file.next_place(store, log, form)
        Export(store, log, form, first).run(file.write, is_begun=is_begun)
        file.sync()
    return first


@given(data=st.data(), form=st.sampled_from(Format))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_is_continued(store: Store, data: st.DataObject, form: Format) -> None:
    """Whatever byte an export ended at, continuing it gives the file of an uncut one."""
    path = store.path.with_name(f"export.{form}")
    whole = exported(store, form)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    resume(store, path, form)
    assert path.read_bytes() == whole
    assert resume(store, path, form) == ENTRIES
    assert path.read_bytes() == whole


def test_a_file_is_continued_with_what_came_since(store: Store, tmp_path: Path) -> None:
    """Each run adds the new entries."""
    path = tmp_path / "export.jsonl"
    assert resume(store, path, Format.JSONL) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    record(store, tmp_path, [issue(50)])
    assert resume(store, path, Format.JSONL) == ENTRIES
    assert path.read_bytes().splitlines() == bodies(store)


def test_a_file_of_another_log_or_kind_is_left_alone(store: Store, tmp_path: Path) -> None:
    """Nothing is added to it; the text says what its last line is not."""
    path = tmp_path / "export"
    resume(store, path, Format.JSONL)
    before = path.read_bytes()
    with pytest.raises(ExportError, match="is not in midori"):
        resume(store, path, Format.JSONL, "midori")
    with pytest.raises(ExportError, match="its last line"):
        resume(store, path, Format.CEF)
    assert path.read_bytes() == before
    path.write_bytes(b"x" * 200_000)
    with pytest.raises(ExportError, match="too long"):
        resume(store, path, Format.JSONL)
    path.write_bytes(b"a\n" + b"x" * 200_000 + b"\n")
    with pytest.raises(ExportError, match="too long"):
        resume(store, path, Format.JSONL)
    assert path.stat().st_size == 200_003


def test_a_file_is_neither_overwritten_nor_shared(store: Store, tmp_path: Path) -> None:
    """A new export wants a new file, and two exports do not write one."""
    path = tmp_path / "export"
    with ExportFile(path, may_exist=False):
        with pytest.raises(ExportError, match="is there already"):
            ExportFile(path, may_exist=False)
        with pytest.raises(ExportError, match="another export"):
            ExportFile(path, may_exist=True)
    with pytest.raises(ExportError, match="No such file"):
        ExportFile(tmp_path / "missing" / "export", may_exist=False)
    with pytest.raises(ExportError, match="Is a directory"):
        ExportFile(tmp_path, may_exist=True)
