"""Whom we write to no more, and whose letters get no line: keyed hashes of addresses in memory.

The list is read anew every minute, so that a letter never waits for the store. While the store is
away the last one read holds. Whoever holds a copy of the database cannot tell whose hashes these
are without the subject key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ledger import store_people
from ledger.mailaddress import lookup
from ledger.people import SUPPRESSION
from ledger.store import Store

# How often the composition root has `refresh` called.
REFRESH_SECONDS: Final = 60.0


class Suppression:
    """The list; thread-safe. `refresh`, `add` and `take_back` block, and raise `LedgerError`."""

    def __init__(self, store: Store, subject_key: bytes, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._key = subject_key
        self._clock = clock
        # Replaced as a whole.
        self._hashes: frozenset[bytes] = frozenset()

    def is_suppressed(self, address: str) -> bool:
        """Tell whether an address is on the list as it was last read; never blocks."""
        return bool(self._hashes) and self.is_listed(self.hash_of(address))

    def is_listed(self, hashed: bytes) -> bool:
        """Tell the same of a hash."""
        return hashed in self._hashes

    def hash_of(self, address: str) -> bytes:
        """Return the hash under which an address is on the list."""
        return lookup(self._key, SUPPRESSION, address)

    def refresh(self) -> None:
        """Read the list."""
        with self._store.read() as transaction:
            self._hashes = store_people.suppressed(transaction)

    def add(self, hashed: bytes) -> None:
        """Put an address on the list, for every process within a minute."""
        with self._store.write() as transaction:
            store_people.suppress(transaction, hashed, int(self._clock().timestamp() * 1000))
        self._hashes |= {hashed}

    def take_back(self, hashed: bytes) -> None:
        """Take an address off the list."""
        with self._store.write() as transaction:
            store_people.allow(transaction, hashed)
        self._hashes -= {hashed}
