"""The state of a replay on disk: how far it has come, so that a killed one goes on from there.

Two files. FILE is JSON and replaced as a whole: whose mail it is (size, time and first bytes of
every file), by which rules it was judged, the place reached and the sums. FILE.seen holds eight
bytes for every letter met, appended before FILE is replaced; what FILE does not count is cut off
again. No word, address or subject of a letter is in either. A lock on FILE.seen keeps a second
run away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from relay.cli.replaysums import Sums
from relay.mailstore import Source

FORMAT = "careerrelay replay 1"
DIGEST_SIZE_BYTES = 8
# Some 150 MB of memory. Letters beyond are counted, but a copy of one of them is not noticed.
DIGESTS_MAX = 2_000_000
STATE_SIZE_MAX_BYTES = 16 * 1024 * 1024


class StateError(Exception):
    """The state cannot be read or written; the text says why and what to do."""


@dataclass(slots=True)
class Identity:
    """Whose mail it is, and by what it was judged. Two that differ have no sums in common."""

    files: int = 0
    mail_files: int = 0
    size_bytes: int = 0
    mail: str = ""
    rules: str = ""

    def difference(self, other: Identity) -> str:
        """Return what has changed since `other`, in words."""
        if self.mail != other.mail:
            return (
                f"the mail has changed ({other.files} files with {other.size_bytes} bytes then, "
                f"{self.files} with {self.size_bytes} now)"
            )
        return "the rules it is judged by have changed"


def identify(sources: Iterable[Source], rules: str) -> tuple[Identity, int]:
    """Return the identity of all mail together, in memory of one file, and how many others lie by.

    Those others do not count: the report, or the state itself, may be written beside the mail.
    """
    digest = hashlib.sha256()
    identity = Identity(rules=rules)
    others = 0
    for source in sources:
        if source.is_other:
            others += 1
            continue
        known = (str(source.path), source.form, source.size_bytes, source.mtime_ns, source.fault)
        digest.update(repr(known).encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(source.head).digest())
        identity.files += 1
        if source.form is not None:
            identity.mail_files += 1
            identity.size_bytes += source.size_bytes
    identity.mail = digest.hexdigest()
    return identity, others


@dataclass(slots=True)
class Progress:
    """How far a replay has come: the file in its order, and the next message in it."""

    source: int = 0
    offset: int = 0
    number: int = 1
    done_bytes: int = 0
    sums: Sums = field(default_factory=Sums)


class Seen:
    """Digests of the letters met, and those among them that are not on disk yet."""

    def __init__(self, known: bytes = b"") -> None:
        size = DIGEST_SIZE_BYTES
        self._digests = {
            int.from_bytes(known[at : at + size], "big") for at in range(0, len(known), size)
        }
        self.fresh = bytearray()

    def __len__(self) -> int:
        return len(self._digests)

    def is_new(self, digest: bytes) -> bool:
        """Say whether a letter is met for the first time, and remember it."""
        value = int.from_bytes(digest, "big")
        if value in self._digests:
            return False
        if len(self._digests) < DIGESTS_MAX:
            self._digests.add(value)
            self.fresh += digest
        return True


class StateFile:
    """The two files of one replay, locked while they are open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen_path = path.with_name(path.name + ".seen")
        self._load()  # Where something else stands there, nothing is put beside it.
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._seen_file = os.open(self._seen_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateError(
                f"{path}: the state cannot be kept here: {error.strerror}; "
                "name a place with --state"
            ) from error
        try:
            fcntl.flock(self._seen_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._seen_file)
            raise StateError(f"{path}: another replay is using it") from error

    def __enter__(self) -> StateFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._seen_file)

    def read(self) -> tuple[Identity, Progress, Seen] | None:
        """Return what was kept, None where there is nothing. Another file is a `StateError`."""
        kept = self._load()
        if kept is None:
            return None
        identity, progress, seen_bytes = kept
        seen = os.pread(self._seen_file, seen_bytes, 0)
        if len(seen) != seen_bytes:
            return None  # Lost its other half: what has been met is not known any more.
        return identity, progress, Seen(seen)

    def _load(self) -> tuple[Identity, Progress, int] | None:
        try:
            with self.path.open("rb") as file:
                text = file.read(STATE_SIZE_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(
                f"{self.path}: {error.strerror}; name another place with --state"
            ) from error
        try:
            kept: dict[str, Any] = json.loads(text)
            if kept["format"] != FORMAT:
                raise ValueError(kept["format"])
            progress = Progress(**kept["progress"], sums=Sums.decode(kept["sums"]))
            return Identity(**kept["identity"]), progress, int(kept["seen"]) * DIGEST_SIZE_BYTES
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(
                f"{self.path}: not the state of a replay; remove it or name another with --state"
            ) from error

    def begin(self, seen: Seen) -> None:
        """Cut off what the state does not count: it was appended and then the run was killed."""
        os.ftruncate(self._seen_file, len(seen) * DIGEST_SIZE_BYTES)
        os.lseek(self._seen_file, 0, os.SEEK_END)

    def write(self, identity: Identity, progress: Progress, seen: Seen) -> None:
        """Keep how far the run has come. A crash leaves the old state or the new one."""
        reached = {
            "source": progress.source,
            "offset": progress.offset,
            "number": progress.number,
            "done_bytes": progress.done_bytes,
        }
        kept = {
            "format": FORMAT,
            "identity": asdict(identity),
            "progress": reached,
            "seen": len(seen),
            "sums": progress.sums.encode(),
        }
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            _write_all(self._seen_file, seen.fresh)
            os.fsync(self._seen_file)
            seen.fresh.clear()
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forget a run that has come to its end."""
        for path in (self.path, self._seen_path):
            path.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
