"""The store: one database that holds inbox, logs, ledger and salts, and its transactions.

Promises: a transaction of `write()` that ended without an exception is on disk (SQLite: WAL with
`synchronous=FULL`); there is one writer at a time, first come first served among the threads of a
process and by SQLite's lock among processes; every failure of the database is a `StoreError`, and
the next transaction tries afresh, so a store that comes back is used again without a restart.

Opening is lazy: `Store(url)` touches nothing, the first transaction creates and migrates.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

# A transaction, as the other modules name it; only the store_* modules look inside.
Transaction = Connection

# The schema this code works with: the newest revision in ledger/migrations/versions. Kept here so
# that opening an up-to-date store does not have to load Alembic.
SCHEMA_REVISION: Final = "0003"

# How long SQLite waits for another process's transaction. Under the inbox's deadline, so that a
# caller hears "locked" and not merely "timeout".
BUSY_TIMEOUT_MS: Final = 1500

# Connections a process may have open: writer, applier, checkpointer and a few readers.
POOL_SIZE_MAX: Final = 8
POOL_TIMEOUT_SECONDS: Final = 2.0


# What comes out of the driver when a database fails. The last of them when it quotes a damaged
# schema in its own message.
_FAILURES: Final = (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError)


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
        try:
            parsed = make_url(url)
        except ArgumentError:
            # The text may hold a password, so it is not repeated.
            raise StoreError("store URL", "not a database URL") from None
        if parsed.get_backend_name() != "sqlite":
            raise StoreError(_where(parsed), "only sqlite:/// URLs are supported")
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError(_where(parsed), "a file name is needed: events must outlive us")
        self.path: Final = Path(parsed.database)
        self.where: Final = _where(parsed)
        self._may_create = may_create
        self._gate = Turnstile()
        self._prepare_lock = threading.Lock()
        # Both written under `_prepare_lock`: the file we work with, and whether it has its tables.
        self._identity: tuple[int, int] | None = None
        self._prepared = False
        self._engine = create_engine(
            parsed,
            pool_size=POOL_SIZE_MAX,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
        )
        self._writer = self._engine.execution_options(careerrelay_begin="BEGIN IMMEDIATE")
        self._alone = self._engine.execution_options(careerrelay_begin="")
        event.listen(self._engine, "connect", self._on_connect)
        event.listen(self._engine, "begin", _on_begin)

    def prepare(self) -> None:
        """Create the database where it is missing and bring its tables up to date."""
        with self._prepare_lock:
            if self._prepared:
                return
            try:
                if self._may_create:
                    self._create_file()
                found = os.stat(self.path)
                self._identity = (found.st_dev, found.st_ino)
                self._migrate()
            except OSError as error:
                raise StoreError(self.where, error.strerror or str(error)) from error
            except _FAILURES as error:
                raise StoreError(self.where, _reason(error)) from error
            self._prepared = True

    @contextmanager
    def write(self) -> Generator[Transaction]:
        """Run the block as the only writer; it is on disk when the block has ended.

        A crash inside the block or during the commit leaves the state before it, or, when the
        commit record was already complete, the state after it; nothing between.
        """
        with self._gate, self._connection(self._writer) as connection, connection.begin():
            yield connection

    def write_at_once(self, statement: str, values: Sequence[object]) -> int:
        """Run one statement as a transaction of its own; return how many rows it has changed.

        Each call into the driver lets other threads run and then waits for them: in here are two,
        where `write()` has six.
        """
        with self._gate, self._connection(self._alone) as connection:
            return connection.exec_driver_sql(statement, tuple(values)).rowcount

    @contextmanager
    def read(self) -> Generator[Transaction]:
        """Run the block on one snapshot of the store."""
        with self._connection(self._engine) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the connections. The store opens again when it is used again."""
        self._engine.dispose()

    @contextmanager
    def _connection(self, engine: Engine) -> Generator[Connection]:
        self._forget_replaced_file()
        self.prepare()
        try:
            with engine.connect() as connection:
                yield connection
        except IntegrityError as error:
            raise RepeatedKey(_reason(error)) from error
        except _FAILURES as error:
            # A connection that failed is not trusted with the next transaction.
            self._engine.dispose()
            raise StoreError(self.where, _reason(error)) from error

    def _forget_replaced_file(self) -> None:
        """Drop connections to a file that is no longer at the path: what they write is lost."""
        try:
            found = os.stat(self.path)
        except OSError:
            identity = None
        else:
            identity = (found.st_dev, found.st_ino)
        if self._prepared and identity != self._identity:
            with self._prepare_lock:
                self._prepared = False
            self._engine.dispose()

    def _create_file(self) -> None:
        # Never a plain open: closing any descriptor of an SQLite file drops the locks that this
        # process holds on it (POSIX fcntl). SQLite gives -wal and -shm the same mode.
        # A crash after the last line leaves an empty file, which is a valid empty database.
        if self.path.exists():
            return
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Another process may be making the file, and using it a moment later.
            fcntl.flock(directory, fcntl.LOCK_EX)
            if not self.path.exists():
                # Left by a file that was deleted: to the next one they are damage.
                for suffix in ("-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        finally:
            os.close(directory)

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            found = _revision(connection)
            if found == SCHEMA_REVISION:
                return
            if not self._may_create:
                what = f"has schema {found}, not {SCHEMA_REVISION}" if found else "holds no tables"
                raise StoreError(self.where, what)
            _enter_wal(connection)
        # Two processes may arrive here; the second waits in BEGIN IMMEDIATE and finds it done.
        with self._writer.connect() as connection, connection.begin():
            found = _revision(connection)
            if found == SCHEMA_REVISION:
                return
            from ledger import store_migrate  # Alembic takes 0.2 s to load and is rarely needed.

            store_migrate.upgrade(connection, self.where)

    def _on_connect(self, connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        # We send BEGIN ourselves: the driver's own transactions begin deferred.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")


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


def integrity_problem(transaction: Transaction) -> str | None:
    """Return the first thing that is wrong with the file itself, its indexes included."""
    found = str(transaction.execute(text("PRAGMA integrity_check(1)")).scalar())
    return None if found == "ok" else found


def as_bytes(value: object) -> bytes:
    """Return a stored value as bytes: SQLite takes text and numbers into a BLOB column, too."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def _on_begin(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    if begin := str(options.get("careerrelay_begin", "BEGIN")):
        connection.exec_driver_sql(begin)


def _revision(connection: Connection) -> str | None:
    """Return the schema revision of the database, None when it has no tables yet."""
    name = text("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
    if connection.execute(name).first() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _enter_wal(connection: Connection) -> None:
    """Switch the file to write-ahead logging, which is kept in the file."""
    raw = cast("sqlite3.Connection", connection.connection.driver_connection)
    connection.rollback()
    # SQLite does not wait for the lock here, so another process opening the file at the same
    # moment is answered "locked" at once.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _where(url: URL) -> str:
    return (
        f"{url.drivername}:///{url.database or ''}"
        if not url.host
        else f"{url.drivername}://{url.host}"
    )


def _reason(error: Exception) -> str:
    """Return what the database said, without statement and parameters."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode(errors="replace")
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
