"""The store: one database that holds inbox, logs, ledger and salts, and its transactions.

Promises: a transaction of `write()` that ended without an exception is on disk (SQLite: WAL with
`synchronous=FULL`; PostgreSQL: `synchronous_commit=on`); there is one writer at a time, first come
first served among the threads of a process and by the database's lock among processes; every
failure of the database is a `StoreError`, and the next transaction tries afresh, so a store that
comes back is used again without a restart.

Opening is lazy: `Store(url)` touches nothing, the first transaction creates and migrates.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from ledger.store_additions import Addition
from ledger.store_backends import BACKENDS, Backend, SqliteFile

# A transaction, as the other modules name it; only the store_* modules look inside.
Transaction = Connection

# The schema this code works with: the newest revision in ledger/migrations/versions. Kept here so
# that opening an up-to-date store does not have to load Alembic.
SCHEMA_REVISION: Final = "0007"

DRIVERS: Final = ("sqlite", "postgresql+psycopg")

# What comes out of SQLAlchemy when a database fails. The second when the driver quotes a damaged
# schema in its own message.
_FAILURES: Final = (SQLAlchemyError, UnicodeDecodeError)


class LedgerError(Exception):
    """Base of the errors of this package that are not about bad input."""


class StoreError(LedgerError):
    """The store cannot be opened, read or written now; `where` names it without credentials."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class RepeatedKey(LedgerError):
    """A row with this unique key exists: something was about to happen twice."""


class Store:
    """A database by URL. Thread-safe; not to be shared over a fork.

    Who only looks passes `may_create=False`: neither file nor tables are then made or changed.
    """

    def __init__(self, url: str, *, may_create: bool = True) -> None:
        self._backend: Final = _backend(url)
        self.where: Final = self._backend.where
        self._may_create = may_create
        driver = self._backend.reader.dialect.loaded_dbapi
        self._failures: Final = (*_FAILURES, driver.Error)
        self._repetitions: Final = (IntegrityError, driver.IntegrityError)
        self._gate = Turnstile()
        self._prepare_lock = threading.Lock()
        self._prepared = self._was_there = False  # Written under `_prepare_lock`.

    @property
    def path(self) -> Path:
        """The file; raises `StoreError` where the store is none."""
        if files := self.files():
            return files[0]
        raise StoreError(self.where, "is not a file")

    def files(self) -> tuple[Path, ...]:
        """Return the files it lives in: the database first; none for a server."""
        return self._backend.files()

    def exists(self) -> bool:
        """Tell whether there is a database, as far as that is seen without asking it."""
        return self._backend.exists()

    def prepare(self) -> None:
        """Create the database where it is missing and bring its tables up to date."""
        with self._prepare_lock:
            if self._prepared:
                return
            try:
                # A file that vanishes in use is away, like a server: begun anew it would hold no
                # opt-out and no letter, and nobody would notice.
                if self._may_create and not self._was_there:
                    self._backend.create()
                self._backend.opened()
                self._migrate()
            except OSError as error:
                raise StoreError(self.where, error.strerror or str(error)) from error
            except self._failures as error:
                raise StoreError(self.where, _reason(error)) from error
            self._prepared = self._was_there = True

    @contextmanager
    def write(self) -> Generator[Transaction]:
        """Run the block as the only writer; it is on disk when the block has ended.

        A crash inside the block or during the commit leaves the state before it, or, when the
        commit record was already complete, the state after it; nothing between.
        """
        with self._gate, self._connection(self._backend.writer) as connection, connection.begin():
            yield connection

    def add(self, *additions: Addition) -> int:
        """Add rows, all or none; return how many of the first addition were not there before.

        `StoreError` where they are not on record, or nobody knows: the same rows again are safe.
        Durable as `write()`, and need not be the only writer.
        """
        gate = self._gate if self._backend.one_writer else nullcontext()
        with gate, self._asking():
            return self._backend.add(additions)

    def add_in(self, transaction: Transaction, *additions: Addition) -> None:
        """Add rows in a transaction of `write()`."""
        for statement, values in self._backend.statements(additions):
            transaction.exec_driver_sql(statement, values)

    @contextmanager
    def read(self) -> Generator[Transaction]:
        """Run the block on one snapshot of the store."""
        with self._connection(self._backend.reader) as connection, connection.begin():
            yield connection

    def problem(self, transaction: Transaction) -> str | None:
        """Return the first thing that is wrong with the storage itself."""
        return self._backend.problem(transaction)

    def close(self) -> None:
        """Close the connections. The store opens again when it is used again."""
        self._backend.dispose()

    @contextmanager
    def _connection(self, engine: Engine) -> Generator[Connection]:
        with self._asking():
            pool = engine.pool
            with engine.connect() as connection:
                try:
                    yield connection
                finally:
                    if engine.pool is not pool:  # Disposed of meanwhile, it would keep it open.
                        connection.invalidate()

    @contextmanager
    def _asking(self) -> Generator[None]:
        """Open the database if it is not, and tell its errors as ours."""
        self._forget_replaced()
        self.prepare()
        try:
            yield
        except self._repetitions as error:
            raise RepeatedKey(_reason(error)) from error
        except self._failures as error:
            # A connection that failed is not trusted with the next transaction.
            self._backend.dispose()
            raise StoreError(self.where, _reason(error)) from error

    def _forget_replaced(self) -> None:
        """Drop connections to a database that is no longer the one: what they write is lost."""
        if self._prepared and self._backend.is_replaced():
            with self._prepare_lock:
                self._prepared = False
            self._backend.dispose()

    def _migrate(self) -> None:
        with self._backend.reader.connect() as connection:
            found = self._revision(connection)
            if found == SCHEMA_REVISION:
                return
            if not self._may_create:
                what = f"has schema {found}, not {SCHEMA_REVISION}" if found else "holds no tables"
                raise StoreError(self.where, what)
            self._backend.before_tables(connection)
        # Two processes may arrive here; the second waits to be the writer and finds it done.
        with self._backend.writer.connect() as connection, connection.begin():
            found = self._revision(connection)
            if found == SCHEMA_REVISION:
                return
            from ledger import store_migrate  # Alembic takes 0.2 s to load and is rarely needed.

            store_migrate.upgrade(connection, self.where)

    def _revision(self, connection: Connection) -> str | None:
        """Return the schema revision of the database, None when it has no tables yet."""
        if connection.execute(text(self._backend.has_tables)).first() is None:
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


class Turnstile:
    """A lock that lets threads in in the order they came.

    `threading.Lock` may let the applier in again and again while the inbox writer, which a mail is
    waiting for, stands at the door.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many threads stand at the door."""
        return len(self._waiting)

    def __enter__(self) -> None:
        turn = threading.Lock()
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # Until `__exit__` of the one before hands over; `_taken` stays true.

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def as_bytes(value: object) -> bytes:
    """Return a stored value as bytes: SQLite takes text and numbers into a BLOB column, too."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def _backend(url: str) -> Backend:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise StoreError("store URL", "not a database URL") from None
    kind = BACKENDS.get(parsed.get_backend_name())
    if kind is None or parsed.drivername not in DRIVERS:
        what = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
        raise StoreError(parsed.drivername, what)
    if kind is SqliteFile and (not parsed.database or parsed.database == ":memory:"):
        raise StoreError(parsed.drivername, "a file name is needed: events must outlive us")
    try:
        return kind(parsed)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(parsed.drivername, str(error)) from error


def _reason(error: Exception) -> str:
    """Return what the database said, without statement and parameters."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode(errors="replace")
    # PostgreSQL's second line may quote the values of a row.
    return str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
