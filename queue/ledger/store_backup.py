"""Copying an SQLite store while it is used, to a file that is one again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ledger.store import Store, StoreError

# How long a lock of another process is waited for, at the copy's beginning alone: from then on it
# reads one snapshot, and writers are not kept waiting.
WAIT_SECONDS: Final = 10.0


def copy_file(store: Store, target: Path) -> None:
    """Write a copy of the store, of one moment, into the empty file `target`, onto the disk.

    Free pages are left out, and with them whatever deleted bytes might be in them. Raises
    `StoreError`.
    """
    try:
        with closing(sqlite3.connect(store.path, timeout=WAIT_SECONDS)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        with closing(sqlite3.connect(target)) as connection:
            # As the store itself has it: opening one that is up to date does not change this.
            connection.execute("PRAGMA journal_mode=WAL")
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except sqlite3.Error as error:
        raise StoreError(store.where, str(error)) from error
    except OSError as error:
        raise StoreError(str(target), error.strerror or str(error)) from error
