"""Single links and batches are revoked, bounded, kept in a file, and no change is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signer.errors import BadToken, KeyRingError
from signer.keyring import KeyRing
from signer.keyring_file import change_key_ring, load_key_ring, save_key_ring
from signer.revocations import LINKS_MAX, WHY_CHARS_MAX, Batch, Revocations
from signer.revocations_file import change_revocations, load_revocations, revocations_path
from signer.tokens import check_token, make_token, read_token

NOW = datetime(2026, 1, 5, tzinfo=UTC)
LINK, OTHER = "abcdefghijklmnop", "bbcdefghijklmnop"
ADDER = """
import sys, datetime, pathlib
from signer.keyring_file import change_key_ring
now = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
for _ in range(3):
    change_key_ring(pathlib.Path(sys.argv[1]), lambda ring: ring.with_new_key(now))
"""


@pytest.fixture
def ring_path(tmp_path: Path) -> Path:
    """Return a file with a ring of one key."""
    path = tmp_path / "keys.json"
    save_key_ring(path, KeyRing.generate(NOW), replace=False)
    return path


def revoke(ring_path: Path, *links: str, why: str = "a mistaken mailing") -> Revocations:
    """Revoke links of a company beside the ring."""
    return change_revocations(ring_path, lambda known: known.with_batch("aozora", links, NOW, why))


def test_revoked_link_is_refused_and_others_are_not(ring_path: Path) -> None:
    """Whoever loads the ring refuses what stands in the file beside it."""
    revoke(ring_path, LINK)
    ring = load_key_ring(ring_path)
    assert revocations_path(ring_path).name == "keys.revoked.json"
    with pytest.raises(BadToken, match="link_revoked"):
        check_token(ring, make_token(ring, "aozora", LINK), ["aozora"])
    reading = read_token(ring, make_token(ring, "aozora", LINK), ["aozora"])
    assert (reading.company, reading.link_id) == ("aozora", LINK)
    assert check_token(ring, make_token(ring, "aozora", OTHER), ["aozora"]).link_id == OTHER


def test_changes_of_the_ring_keep_revoked_links(ring_path: Path) -> None:
    """A key that is added takes no revocation back, and the ring file holds none."""
    revoke(ring_path, LINK)
    change_key_ring(ring_path, lambda ring: ring.with_new_key(NOW))
    ring = load_key_ring(ring_path)
    assert ring.revoked_links == {LINK}
    assert ring.with_new_key(NOW).with_activated("b", NOW).revoked_links == {LINK}
    assert LINK not in ring_path.read_text()


def test_file_round_trip(ring_path: Path) -> None:
    """What was written is read, the earlier batch first, each link in one batch."""
    revoke(ring_path, LINK, LINK)
    made = revoke(ring_path, LINK, OTHER, why="誤送信")
    path = revocations_path(ring_path)
    assert load_revocations(path) == made
    assert [batch.links for batch in made.batches] == [(LINK,), (OTHER,)]
    assert made.find(OTHER) == Batch("aozora", NOW, "誤送信", (OTHER,))
    assert made.find("c" * 16) is None
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_mtime_ns
    assert revoke(ring_path, LINK) == made
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("link", ["", "short", "A" * 16, LINK + "a", "1" * 16])
def test_what_is_no_link_id_is_refused(link: str) -> None:
    """Only link ids are kept, so that a slip of the pen is seen."""
    with pytest.raises(KeyRingError, match="not a link id"):
        Revocations().with_batch("aozora", [link], NOW, "why")


@pytest.mark.parametrize("why", ["", "two\nlines", "x" * (WHY_CHARS_MAX + 1)])
def test_a_reason_is_a_line(why: str) -> None:
    """Every batch has a reason that people can read."""
    with pytest.raises(KeyRingError, match="a reason is"):
        Revocations().with_batch("aozora", [LINK], NOW, why)


def test_links_are_bounded() -> None:
    """More links than the limit are refused with what to do instead."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    many = [
        "a" * 12 + letters[at >> 15 & 31] + letters[at >> 10 & 31] + letters[at >> 5 & 31]
        + letters[at & 31]
        for at in range(LINKS_MAX)
    ]  # fmt: skip
    full = Revocations().with_batch("aozora", many, NOW, "why")
    assert len(full.link_ids) == LINKS_MAX
    with pytest.raises(KeyRingError, match="revoke the key instead"):
        full.with_batch("aozora", [LINK], NOW, "why")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "other"}', '{"format": "careerrelay-revoked-links/1"}']
)
def test_damaged_file_is_named(ring_path: Path, text: str) -> None:
    """A ring is not used without its revocations: the file that cannot be read is named."""
    path = revocations_path(ring_path)
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyRingError, match=r"keys\.revoked\.json"):
        load_key_ring(ring_path)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_file_that_others_may_write_is_refused(ring_path: Path, mode: int) -> None:
    """Who may write it could take credits away; who may read it, learns nothing."""
    revoke(ring_path, LINK)
    path = revocations_path(ring_path)
    path.chmod(mode)
    with pytest.raises(KeyRingError, match="others may change it"):
        load_key_ring(ring_path)
    path.chmod(0o644)
    assert load_key_ring(ring_path).revoked_links == {LINK}


def test_no_key_of_two_processes_is_lost(ring_path: Path) -> None:
    """Processes that add keys at once wait for each other: every key is there, under its own id."""
    command = [sys.executable, "-c", ADDER, str(ring_path)]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [each.wait(60) for each in running] == [0, 0, 0, 0]
    ring = load_key_ring(ring_path)
    assert len(ring.keys) == 13
    assert {path.name for path in ring_path.parent.iterdir()} == {"keys.json", ".keys.json.lock"}


def test_no_revocation_of_two_threads_is_lost(ring_path: Path) -> None:
    """The same for revoked links."""
    links = [letter * 16 for letter in "abcdefgh"]
    threads = [threading.Thread(target=revoke, args=(ring_path, link)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load_key_ring(ring_path).revoked_links == set(links)


def test_refused_change_writes_nothing(ring_path: Path) -> None:
    """A change that cannot be leaves the file as it was, and the next one is not held up."""
    before = ring_path.read_bytes()
    with pytest.raises(KeyRingError, match="is active"):
        change_key_ring(ring_path, lambda ring: ring.with_revoked("a", NOW))
    assert ring_path.read_bytes() == before
    change_key_ring(ring_path, lambda ring: ring.with_new_key(NOW))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_the_files_to_the_service(ring_path: Path) -> None:
    """What root changes is still of whom the ring is: the service reads it without its rights."""
    os.chown(ring_path, 1234, 1235)
    revoke(ring_path, LINK)
    change_key_ring(ring_path, lambda ring: ring.with_new_key(NOW))
    assert len(list(ring_path.parent.iterdir())) == 4
    for path in ring_path.parent.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_link_to_the_ring_stays_a_link(tmp_path: Path, ring_path: Path) -> None:
    """Where the configured name is a symbolic link, the file behind it is changed."""
    name = tmp_path / "elsewhere"
    name.mkdir()
    name = name / "keys.json"
    name.symlink_to(ring_path)
    change_key_ring(name, lambda ring: ring.with_new_key(NOW))
    assert name.is_symlink()
    assert len(load_key_ring(ring_path).keys) == 2
