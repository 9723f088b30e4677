"""The spill file: what is put into it comes out again, in order, once."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.sealed import Seal, SealError
from ledger.spill import RECORD_MAX_BYTES, Record, Spill, SpillError
from ledger.store import StoreError

PROJECT = Path(__file__).parents[2]
WAIT_SECONDS = 20.0

KEEP_UNTIL_KILLED = """
import os, sys
from pathlib import Path
from ledger.spill import Record, Spill
spill = Spill(Path(sys.argv[1]))
number = 0
while True:
    spill.append(Record("event", number, b"x" * 300))
    os.write(1, b".")
    number += 1
"""


def record(number: int) -> Record:
    """Return a record."""
    return Record("event", number, b"payload %d \n \xff" % number, b"detail")


def drained(spill: Spill) -> list[Record]:
    """Return what a spill hands over."""
    found: list[Record] = []
    spill.drain(found.extend)
    return found


@contextmanager
def files_cut_at(size: int) -> Generator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_records_come_back_in_order_and_once(tmp_path: Path) -> None:
    """More than a batch of them, whatever bytes; then the file is empty."""
    spill = Spill(tmp_path / "spill")
    for number in range(600):
        spill.append(record(number))
    assert not spill.is_empty
    assert drained(spill) == [record(number) for number in range(600)]
    assert spill.is_empty
    assert drained(spill) == []
    spill.append(record(7))
    assert drained(spill) == [record(7)]
    spill.close()


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Nobody else reads what is in them."""
    spill = Spill(tmp_path / "spill")
    spill.append(record(1))
    (file,) = (tmp_path / "spill").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    spill.close()


def test_records_stay_when_they_are_not_taken(tmp_path: Path) -> None:
    """A store that fails in between leaves all of them for the next time."""
    spill = Spill(tmp_path)
    for number in range(300):
        spill.append(record(number))
    seen: list[Record] = []

    def take(batch: Sequence[Record]) -> None:
        if seen:
            raise StoreError("store", "is away")
        seen.extend(batch)

    with pytest.raises(StoreError):
        spill.drain(take)
    assert len(seen) == 256
    assert drained(spill) == [record(number) for number in range(300)]
    spill.close()


def test_what_is_added_during_a_drain_is_taken_as_well(tmp_path: Path) -> None:
    """The file goes only when nothing was added meanwhile."""
    spill = Spill(tmp_path)
    large = Record("event", 1, b"x" * 40_000)
    for _ in range(2):
        spill.append(large)
    found: list[Record] = []

    def take(batch: Sequence[Record]) -> None:
        if not found:
            spill.append(record(2))
        found.extend(batch)

    assert spill.drain(take) == 3
    assert found == [large, large, record(2)]
    assert spill.is_empty
    spill.close()


def test_a_file_that_is_deleted_in_use_loses_nothing(tmp_path: Path) -> None:
    """What was in it is in the next one, and is taken in."""
    spill = Spill(tmp_path)
    for number in range(3):
        spill.append(record(number))
    (file,) = tmp_path.iterdir()
    file.unlink()
    spill.append(record(3))
    assert drained(spill) == [record(number) for number in range(4)]
    assert drained(spill) == []
    spill.close()


def test_a_file_that_is_deleted_and_not_written_again_loses_nothing(tmp_path: Path) -> None:
    """It is read through the handle, wherever its name has gone."""
    spill = Spill(tmp_path)
    spill.append(record(1))
    (file,) = tmp_path.iterdir()
    file.unlink()
    assert drained(spill) == [record(1)]
    spill.append(record(2))
    assert drained(spill) == [record(2)]
    spill.close()


def test_records_of_a_deleted_file_stay_when_no_other_can_be_made(tmp_path: Path) -> None:
    """The handle is kept until all that is behind it is elsewhere."""
    folder = tmp_path / "spill"
    spill = Spill(folder)
    spill.append(record(1))
    (file,) = folder.iterdir()
    file.unlink()
    folder.rmdir()
    folder.touch()  # No folder can be made here.
    with pytest.raises(SpillError):
        spill.append(record(2))
    folder.unlink()
    spill.append(record(3))
    assert drained(spill) == [record(1), record(3)]
    spill.close()


def test_a_file_that_is_deleted_while_it_is_taken_in_loses_nothing(tmp_path: Path) -> None:
    """Another is made in its place meanwhile, and something else opened under its number."""
    spill = Spill(tmp_path / "spill")
    records = [record(number) for number in range(2_000)]
    spill.append(*records)
    found: list[Record] = []
    others = tmp_path / "others"
    others.write_bytes(b"\n" * 4_000_000)
    opened: list[int] = []

    def take(batch: Sequence[Record]) -> None:
        found.extend(batch)
        if not opened:
            next((tmp_path / "spill").iterdir()).unlink()
            spill.append(record(2_000))
            opened.extend(os.open(others, os.O_RDONLY) for _ in range(5))

    spill.drain(take)
    for handle in opened:
        os.close(handle)
    assert found == [*records, record(2_000)]
    assert not list((tmp_path / "spill").iterdir())
    spill.close()


def test_nobody_waits_while_the_store_is_tried(tmp_path: Path) -> None:
    """A store that is silent holds up the keeper alone: clicks go on being kept."""
    spill = Spill(tmp_path)
    spill.append(record(1))
    is_trying, is_over = threading.Event(), threading.Event()

    def take(_batch: Sequence[Record]) -> None:
        is_trying.set()
        assert is_over.wait(WAIT_SECONDS)
        raise StoreError("store", "is away")

    def drain() -> None:
        with pytest.raises(StoreError):
            spill.drain(take)

    trying = threading.Thread(target=drain)
    trying.start()
    assert is_trying.wait(WAIT_SECONDS)
    adding = threading.Thread(target=spill.append, args=(record(2),))
    adding.start()
    adding.join(WAIT_SECONDS / 4)
    assert not adding.is_alive()
    is_over.set()
    trying.join()
    assert drained(spill) == [record(1), record(2)]
    spill.close()


def test_draining_ends_under_a_steady_load(tmp_path: Path) -> None:
    """Whoever goes on adding does not keep the file for ever."""
    spill = Spill(tmp_path)
    stopped = threading.Event()
    added: list[int] = []

    def add() -> None:
        while not stopped.is_set():
            spill.append(record(len(added)))
            added.append(1)

    adding = threading.Thread(target=add)
    adding.start()
    found: list[Record] = []
    while len(found) < 50:
        spill.drain(found.extend)
    stopped.set()
    adding.join()
    spill.drain(found.extend)
    assert [one.received_ms for one in found] == list(range(len(added)))
    spill.close()


def test_the_file_of_a_killed_process_is_adopted(tmp_path: Path) -> None:
    """Every record that was answered comes back, whenever the process was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP_UNTIL_KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert process.stdout
    answered = len(process.stdout.read(50))
    living = Spill(tmp_path)
    living.append(record(1))
    assert drained(living) == [record(1)], "the file of a process that lives is left alone"
    process.kill()
    answered += len(process.communicate()[0])
    found = drained(living)
    assert [one.received_ms for one in found][:answered] == list(range(answered))
    assert len(found) - answered in (0, 1)
    assert not list(tmp_path.iterdir())
    living.close()


def test_a_torn_line_spoils_nothing(tmp_path: Path) -> None:
    """Half a record at the end was never answered; the next process begins a new line."""
    first = Spill(tmp_path)
    first.append(record(1))
    first.append(record(2))
    first.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    second = Spill(tmp_path)
    second.append(record(3))
    assert drained(second) == [record(1), record(3)]
    second.close()


def test_a_damaged_record_is_set_aside(tmp_path: Path) -> None:
    """It is kept beside the file, and those behind it are taken in."""
    first = Spill(tmp_path)
    for number in range(3):
        first.append(record(number))
    first.close()
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"event", b"evenT")
    file.write_bytes(b"".join(lines))
    second = Spill(tmp_path)
    assert drained(second) == [record(0), record(2)]
    (damaged,) = tmp_path.glob("*.damaged")
    assert damaged.read_bytes() == lines[1]
    second.close()


def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path) -> None:
    """What does not fit is refused; what was there before and comes later is whole."""
    spill = Spill(tmp_path)
    spill.append(record(1))
    (file,) = tmp_path.iterdir()
    with files_cut_at(file.stat().st_size + 20), pytest.raises(SpillError, match="spill-0"):
        spill.append(record(2))
    spill.append(record(3))
    assert drained(spill) == [record(1), record(3)]
    spill.close()


def test_sizes_are_bounded(tmp_path: Path) -> None:
    """Neither a record nor the file may be of any size."""
    spill = Spill(tmp_path, size_max_bytes=1000)
    with pytest.raises(SpillError, match="the limit is"):
        spill.append(Record("event", 0, b"x" * RECORD_MAX_BYTES))
    for _ in range(5):
        spill.append(Record("event", 0, b"x" * 60))
    with pytest.raises(SpillError, match="is full"):
        spill.append(Record("event", 0, b"x" * 600))
    spill.close()


def test_seals_are_for_one_purpose() -> None:
    """What was sealed for one thing does not open as another, nor under another key."""
    seal = Seal(b"k" * 32, "signup")
    sealed = seal.close(b"person")
    assert b"person" not in sealed
    assert seal.open(sealed) == b"person"
    for other in (Seal(b"k" * 32, "mail"), Seal(b"l" * 32, "signup")):
        with pytest.raises(SealError):
            other.open(sealed)
    with pytest.raises(SealError):
        seal.open(os.urandom(40))
