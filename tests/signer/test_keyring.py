"""The key ring and its file: one key signs, none leaks, none is lost."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signer.errors import KeyRingError
from signer.keyring import KEYS_MAX, KeyRing, KeyState
from signer.keyring_file import load_key_ring, save_key_ring

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def states(ring: KeyRing) -> list[str]:
    """Return the states of all keys, oldest first."""
    return [key.state.value for key in ring.keys]


def test_life_of_a_key() -> None:
    """next, active, verify-only, revoked: in this order, and one key is always active."""
    ring = KeyRing.generate(NOW).with_new_key(NOW)
    assert states(ring) == ["active", "next"]
    ring = ring.with_activated("b", NOW)
    assert states(ring) == ["verify-only", "active"]
    assert states(ring.with_revoked("a", NOW)) == ["revoked", "active"]


def test_times_of_a_key(tmp_path: Path) -> None:
    """The file keeps when a key came into each state, and takes one that does not say it."""
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6, 7, 8)]
    ring = KeyRing.generate(days[0]).with_new_key(days[1]).with_activated("b", days[2])
    ring = ring.with_revoked("a", days[3])
    first, second = ring.keys
    assert (first.created, first.activated) == (days[0], days[0])
    assert (first.retired, first.revoked) == (days[2], days[3])
    assert (second.created, second.activated, second.retired) == (days[1], days[2], None)
    path = tmp_path / "keys.json"
    save_key_ring(path, ring, replace=False)
    assert load_key_ring(path) == ring
    document = json.loads(path.read_text())
    for row in document["keys"]:
        for name in ("activated", "retired", "revoked"):
            row.pop(name, None)
    path.write_text(json.dumps(document))
    assert {key.revoked for key in load_key_ring(path).keys} == {None}


def test_refused_steps() -> None:
    """The active key cannot be revoked, nor a used one activated again; the error says so."""
    ring = KeyRing.generate(NOW).with_new_key(NOW).with_activated("b", NOW)
    with pytest.raises(KeyRingError, match="activate another one first"):
        ring.with_revoked("b", NOW)
    with pytest.raises(KeyRingError, match="is verify-only, not next"):
        ring.with_activated("a", NOW)
    with pytest.raises(KeyRingError, match="is revoked already"):
        ring.with_revoked("a", NOW).with_revoked("a", NOW)
    with pytest.raises(KeyRingError, match="no key 'q'"):
        ring.with_revoked("q", NOW)


def test_ring_is_bounded() -> None:
    """A ring that has had all its key ids takes no further key and says what to do."""
    ring = KeyRing.generate(NOW)
    for _ in range(KEYS_MAX - 1):
        ring = ring.with_new_key(NOW)
    with pytest.raises(KeyRingError, match="the ring is full"):
        ring.with_new_key(NOW)


def test_file_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded, from a file that only its owner may read."""
    ring = KeyRing.generate(NOW).with_new_key(NOW)
    path = tmp_path / "keys.json"
    save_key_ring(path, ring, replace=False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key_ring(path) == ring
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_existing_ring_is_never_overwritten_by_accident(tmp_path: Path) -> None:
    """A second init keeps the keys that letters out there depend on."""
    path = tmp_path / "keys.json"
    ring = KeyRing.generate(NOW)
    save_key_ring(path, ring, replace=False)
    with pytest.raises(KeyRingError, match="exists already"):
        save_key_ring(path, KeyRing.generate(NOW), replace=False)
    assert load_key_ring(path) == ring


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_readable_by_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A ring that others may read is not used; the error names file and mode."""
    path = tmp_path / "keys.json"
    save_key_ring(path, KeyRing.generate(NOW), replace=False)
    path.chmod(mode)
    with pytest.raises(KeyRingError, match=rf"keys\.json: mode is {mode:04o}"):
        load_key_ring(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"format": "other", "keys": []}', '{"format": "careerrelay-key-ring/1"}'],
)
def test_damaged_file(tmp_path: Path, text: str) -> None:
    """A file that is no key ring is named in the error."""
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyRingError, match=r"keys\.json"):
        load_key_ring(path)


def test_errors_and_representations_hold_no_secret(tmp_path: Path) -> None:
    """Neither repr nor the error for a damaged file quotes a secret."""
    path = tmp_path / "keys.json"
    ring = KeyRing.generate(NOW)
    save_key_ring(path, ring, replace=False)
    document = json.loads(path.read_text())
    secret = document["keys"][0]["secret"]
    document["keys"][0]["state"] = "unheard-of"
    path.write_text(json.dumps(document))
    with pytest.raises(KeyRingError) as caught:
        load_key_ring(path)
    assert secret not in str(caught.value)
    assert repr(ring.active.secret) not in repr(ring)


def test_a_pipe_does_not_hold_us(tmp_path: Path) -> None:
    """What is no file is refused at once."""
    path = tmp_path / "keys.json"
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyRingError, match="is not a file"):
        load_key_ring(path)


def test_missing_file(tmp_path: Path) -> None:
    """A missing ring says which command makes one."""
    with pytest.raises(KeyRingError, match="careerrelay init"):
        load_key_ring(tmp_path / "keys.json")


def test_two_active_keys_are_no_ring() -> None:
    """A ring in which two keys would sign cannot exist."""
    one = KeyRing.generate(NOW)
    other = one.with_new_key(NOW).with_activated("b", NOW).keys[1]
    assert other.state is KeyState.ACTIVE
    with pytest.raises(KeyRingError, match="one key must be active, 2 are"):
        KeyRing((*one.keys, other))
