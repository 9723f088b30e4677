"""Dropping root: from the one who may open port 25 to the one who may do nothing else.

Root's rights are given up for good, groups included, in the order that leaves none behind. What
the user must be able to write is checked before the first letter needs it.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = 0


class PrivilegeError(Exception):
    """The user cannot be changed, or cannot do its work; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom the process becomes."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """Say whether this process has root's rights."""
    return os.geteuid() == ROOT


def find_user(name: str) -> User:
    """Return the user of this name, if this process may become it."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError) as error:
        raise PrivilegeError(f"relay.run_as = {name!r}: no such user; expected one") from error
    if entry.pw_uid == ROOT:
        raise PrivilegeError(
            f"relay.run_as = {name!r}: is root; expected a user without its rights"
        )
    if not is_root() and os.geteuid() != entry.pw_uid:
        raise PrivilegeError(
            f"relay.run_as = {name!r}: only root can become another user; "
            "start as root, or as that user, or take the key out"
        )
    return User(name, entry.pw_uid, entry.pw_gid)


def become(user: User) -> None:
    """Give up root's rights for those of the user; nothing to do for a process that is the user."""
    if not is_root():
        return
    os.setgroups(os.getgrouplist(user.name, user.gid))
    os.setgid(user.gid)
    os.setuid(user.uid)  # All three of its ids; whoever could take one back would still be root.
    try:
        os.setuid(ROOT)
    except OSError:
        return
    raise PrivilegeError(f"relay.run_as = {user.name!r}: root's rights could not be given up")


def check_writable(paths: Iterable[Path], user: User) -> None:
    """Raise `PrivilegeError` for the first of these files and folders that we may not write."""
    for path in paths:
        if path.exists() and not os.access(path, os.W_OK):
            raise PrivilegeError(
                f"{path}: belongs to {_owner(path)} and {user.name!r} may not write it; "
                f"chown {user.name} it, or set relay.run_as"
            )


def unreadable(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return those of these files that we may not read, or not even see."""
    return tuple(path for path in paths if not os.access(path, os.R_OK))


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return "somebody else"
