"""What root is needed for, and how it is given up: sockets first, then the user of the relay.

Files are read before, so that a service with one process can be given files that root alone may
read. Read again at SIGHUP, or by a process that is started again, they are read as the user.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from ledger.store import Store
from relay.cli.materials import MaterialError, files_of
from relay.config import Config
from relay.door import Door
from relay.privileges import (
    PrivilegeError,
    User,
    become,
    check_writable,
    find_user,
    is_root,
    unreadable,
)
from relay.sockets import open_listeners

# The sockets of one process, by the address as the configuration writes it.
Listeners = Mapping[str, tuple[socket.socket, ...]]

# Of Python and of us: what is loaded later on, or by processes that are started again.
_CODE = (Path(sys.executable), Path(os.__file__), Path(__file__))

log = structlog.get_logger("service")


def open_sockets(doors: Iterable[Door], processes: int) -> list[Listeners]:
    """Return the listening sockets of each process; `ListenError` when one cannot be had."""
    each: list[dict[str, tuple[socket.socket, ...]]] = [{} for _ in range(processes)]
    for door in doors if processes else ():
        opened = open_listeners(door.address, processes)
        for own, sockets in zip(each, opened, strict=True):
            own[str(door.address)] = sockets
    return list(each)


def drop_root(config: Config, *, reads_again: bool) -> None:
    """Become the relay's user, and see that it can do its work.

    `reads_again`: processes are started again later on, so files that only root can read will not
    do. Raises `PrivilegeError` and `MaterialError`.
    """
    if not config.relay.run_as:
        if is_root():
            log.warning("running_as_root", advice="set relay.run_as")
        return
    user = find_user(config.relay.run_as)
    become(user)
    _see_that_python_can_go_on(user)
    files = Store(config.store.url).files()
    spill = config.store.spill
    folders = {config.store.log_key.parent, *(file.parent for file in files)}
    folders.add(spill if spill.is_dir() else spill.parent)
    check_writable([*folders, *files], user)
    hidden = unreadable(files_of(config))
    if hidden and reads_again:
        raise MaterialError(
            "\n".join(
                f"{path}: {user.name!r} (relay.run_as) may not read it, and processes that are "
                f"started again must; chown {user.name} it, or set relay.processes = 1"
                for path in hidden
            )
        )
    if hidden:
        log.warning("unreadable_at_reload", files=[str(path) for path in hidden], user=user.name)


def _see_that_python_can_go_on(user: User) -> None:
    hidden = unreadable(_CODE)
    if hidden:
        raise PrivilegeError(
            f"{hidden[0]}: {user.name!r} (relay.run_as) may not read it; "
            "install Career Relay where every user may, such as /opt"
        )
