"""Files of keys: read with a look at their rights, replaced in one step, changed under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Generator
from pathlib import Path

from signer.errors import KeyRingError

FILE_MODE = 0o600


def read_file(path: Path, forbidden_mode: int, size_max_bytes: int, *, hint: str) -> bytes:
    """Return what is in the file; `KeyRingError` says why it cannot be, or must not be used."""
    try:
        # Without O_NONBLOCK a named pipe would hold us for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            text = file.read(size_max_bytes + 1) if stat.S_ISREG(found.st_mode) else b""
    except OSError as error:
        raise KeyRingError(f"{path}: {error.strerror}; {hint}") from error
    if not stat.S_ISREG(found.st_mode):
        raise KeyRingError(f"{path}: is not a file; {hint}")
    mode = stat.S_IMODE(found.st_mode)
    if mode & forbidden_mode:
        does = "read" if mode & forbidden_mode & 0o044 else "change"
        raise KeyRingError(
            f"{path}: mode is {mode:04o}, others may {does} it; expected 0600 (chmod 600)"
        )
    if len(text) > size_max_bytes:
        raise KeyRingError(f"{path}: larger than {size_max_bytes} bytes: not a file of ours")
    return text


def write_file(path: Path, content: bytes, *, is_replacing: bool, like: Path | None = None) -> None:
    """Write the file with mode 0600, in one step: a crash leaves the old file or the new one.

    Without `is_replacing` a file that is there is an error. Where the name is a link to the file,
    the file is replaced and not the link. Written by root, it is of whom the replaced file was, or,
    where there was none, the file `like`: the service reads it without root's rights.
    """
    path = path.resolve() if is_replacing else path
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(fresh, flags, FILE_MODE), "wb") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            _give_to_owner_of(file.fileno(), path if path.exists() else like)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if is_replacing:
            fresh.replace(path)
        else:
            os.link(fresh, path)  # Unlike a rename, refuses to replace what is there.
    except FileExistsError as error:
        raise KeyRingError(f"{path}: exists already; it is not overwritten") from error
    except OSError as error:
        raise KeyRingError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        # Left behind only by a crash before this line; holds keys, but for the owner alone.
        fresh.unlink(missing_ok=True)
    _sync_directory(path.parent)


@contextlib.contextmanager
def locked(path: Path, *, like: Path | None = None) -> Generator[None]:
    """Hold the lock of a file that is replaced; others wait.

    It is on a file beside it, which stays: one that is removed can be locked twice. A process that
    is killed lets go of it.
    """
    path = path.resolve()
    beside = path.with_name(f".{path.name}.lock")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(beside, flags, FILE_MODE)
        _give_to_owner_of(handle, path if path.exists() else like)
    except OSError as error:
        raise KeyRingError(f"{beside}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _give_to_owner_of(descriptor: int, model: Path | None) -> None:
    if os.geteuid() == 0 and model is not None:
        owner = model.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
