"""What the databases do differently: SQLite, one file on this machine, and PostgreSQL.

A backend opens connections for two uses: `reader` sees one snapshot, `writer` is the only one of
its kind while its transaction lasts. Rows that are only added go past both, on a connection of the
driver. What was committed is kept through a loss of power.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, cast

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from ledger.store_additions import Addition, Statement, for_postgres, for_sqlite

# How long a writer waits for another process's transaction. Under the inbox's deadline, so that a
# caller hears "locked" and not merely "timeout".
BUSY_TIMEOUT_MS: Final = 1500

# Connections a process may have open: writer, applier, checkpointer and a few readers.
POOL_SIZE_MAX: Final = 8
POOL_TIMEOUT_SECONDS: Final = 2.0
# Of them who only add: the inbox's writer, its keeper, and whoever has jobs.
ADDERS_MAX: Final = 4

# A server that is gone is known as such within these; behind them the events go to the spill file.
CONNECT_TIMEOUT_SECONDS: Final = 2
SILENT_MAX_MS: Final = 5_000

# The lock of the one writer, "cr-log" in bytes: nobody else's number by accident.
SEQUENCER_LOCK: Final = int.from_bytes(b"cr-log")

_BEGIN_WRITING: Final = "BEGIN IMMEDIATE"

# SQLite's, beside the file itself.
_BESIDE: Final = ("-wal", "-shm")


class Backend(Protocol):
    """One kind of database."""

    reader: Engine
    writer: Engine
    where: str  # Without credentials.
    has_tables: str  # A statement that has a row when the database is in use.
    one_writer: bool  # Whether inserting waits for the writer, and had better queue up for it.

    def exists(self) -> bool:
        """Tell whether there is a database, as far as that is seen without asking it."""
        ...

    def files(self) -> tuple[Path, ...]:
        """Return the files of this machine that it lives in."""
        ...

    def create(self) -> None:
        """Make the database where it is missing; raises `OSError`."""
        ...

    def is_replaced(self) -> bool:
        """Tell whether this is no longer the database that was opened; what is written is lost."""
        ...

    def opened(self) -> None:
        """Remember which database this is; raises `OSError` when there is none."""
        ...

    def before_tables(self, connection: Connection) -> None:
        """Do what must be done outside of a transaction before tables are made."""
        ...

    def problem(self, connection: Connection) -> str | None:
        """Return the first thing that is wrong with the storage itself."""
        ...

    def add(self, additions: Sequence[Addition]) -> int:
        """Add the rows, all or none, on a connection of the driver; it is a transaction by itself.

        Returns how many of the first addition were new. Each call into the driver lets other
        threads run and then waits for them, so there are as few as can be.
        """
        ...

    def statements(self, additions: Sequence[Addition]) -> list[Statement]:
        """Return the statements that add the rows, for a transaction of the caller's."""
        ...

    def dispose(self) -> None:
        """Close the connections that are not in use; the others are not used again."""
        ...


class SqliteFile:
    """A file; all processes that use it are on this machine."""

    def __init__(self, url: URL) -> None:
        self.has_tables = "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
        self.one_writer = True
        self.path: Final = Path(url.database or "")
        self.where = f"{url.drivername}:///{url.database or ''}"
        self._identity: tuple[int, int] | None = None
        self.reader: Engine = create_engine(
            url, pool_size=POOL_SIZE_MAX, max_overflow=0, pool_timeout=POOL_TIMEOUT_SECONDS
        )
        self.writer: Engine = self.reader.execution_options(careerrelay_begin=_BEGIN_WRITING)
        event.listen(self.reader, "connect", self._on_connect)
        event.listen(self.reader, "begin", self._on_begin)

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self.path.exists()

    def files(self) -> tuple[Path, ...]:
        """Return the file and those that SQLite puts beside it."""
        return (self.path, *(Path(f"{self.path}{end}") for end in _BESIDE))

    def create(self) -> None:
        """Make an empty file, readable by its owner alone.

        Never a plain open: closing any descriptor of an SQLite file drops the locks that this
        process holds on it (POSIX fcntl). SQLite gives -wal and -shm the same mode. A crash after
        the last line leaves an empty file, which is a valid empty database.
        """
        if self.path.exists():
            return
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Another process may be making the file, and using it a moment later.
            fcntl.flock(directory, fcntl.LOCK_EX)
            if not self.path.exists():
                # Left by a file that was deleted: to the next one they are damage.
                for beside in self.files()[1:]:
                    beside.unlink(missing_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        finally:
            os.close(directory)

    def is_replaced(self) -> bool:
        """Tell whether another file, or none, is at the path by now."""
        try:
            return _identity(self.path) != self._identity
        except OSError:
            return True

    def opened(self) -> None:
        """Remember the file."""
        self._identity = _identity(self.path)

    def before_tables(self, connection: Connection) -> None:
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

    def problem(self, connection: Connection) -> str | None:
        """Return what SQLite finds wrong with the file, its indexes included."""
        found = str(connection.execute(text("PRAGMA integrity_check(1)")).scalar())
        return None if found == "ok" else found

    def add(self, additions: Sequence[Addition]) -> int:
        """Add the rows; one statement is a transaction by itself."""
        with _lent_by(self.reader) as connection:
            if len(additions) > 1:
                connection.execute(_BEGIN_WRITING)
            counts: list[int] = [
                connection.execute(*each).rowcount for each in self.statements(additions)
            ]
            connection.commit()
        return counts[0]

    def statements(self, additions: Sequence[Addition]) -> list[Statement]:
        """Return a statement for each table."""
        return [for_sqlite(each) for each in additions]

    def dispose(self) -> None:
        """Close the connections."""
        self.reader.dispose()

    def _on_connect(self, connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # We send BEGIN ourselves: the driver's own transactions begin deferred.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # What is deleted is overwritten: salts and click details must be gone.
        connection.execute("PRAGMA secure_delete=ON")

    def _on_begin(self, connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        connection.exec_driver_sql(str(options.get("careerrelay_begin", "BEGIN")))


# Those of the server or the role may be weaker. And before a table's first statistics a server
# finds the next entries of a log by sorting all that is left of it.
POSTGRES_SETTINGS: Final = (
    "synchronous_commit=on",
    f"lock_timeout={BUSY_TIMEOUT_MS}",
    "enable_bitmapscan=off",
)


class PostgresServer:
    """A database of a PostgreSQL server; processes on any number of machines use it.

    The writer holds an advisory lock for the length of its transaction: one sequencer, however
    many workers. It reads what was committed by then (READ COMMITTED), the reader one snapshot.
    Both ask a connection first whether its server is still there, which takes as long as adding
    some rows. Who adds does not ask, and tries twice.
    """

    def __init__(self, url: URL) -> None:
        self.has_tables = "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
        self.one_writer = False
        self.where = f"{url.drivername}://{url.host or ''}/{url.database or ''}"
        arguments = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": SILENT_MAX_MS,
            "keepalives_idle": SILENT_MAX_MS // 1000,
            "application_name": "careerrelay",
            "options": " ".join(f"-c {setting}" for setting in POSTGRES_SETTINGS),
        }
        engine = create_engine(
            url,
            pool_size=POOL_SIZE_MAX,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,  # A server that was restarted is met with a fresh connection.
            connect_args=arguments,
        )
        self._adder: Final = create_engine(
            url,
            pool_size=ADDERS_MAX,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_reset_on_return=None,  # Nothing is left open behind a statement of its own.
            connect_args={**arguments, "autocommit": True},
        )
        self.reader: Engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self.writer: Engine = engine.execution_options(
            isolation_level="READ COMMITTED", careerrelay_lock=True
        )
        event.listen(engine, "begin", self._on_begin)

    def exists(self) -> bool:
        """Return True: only asking the server would tell."""
        return True

    def files(self) -> tuple[Path, ...]:
        """Return nothing: the server may be anywhere."""
        return ()

    def create(self) -> None:
        """Do nothing: databases are made by the server's administrator."""

    def is_replaced(self) -> bool:
        """Return False: a connection to a dropped database fails by itself."""
        return False

    def opened(self) -> None:
        """Do nothing."""

    def before_tables(self, connection: Connection) -> None:
        """Do nothing."""

    def problem(self, connection: Connection) -> str | None:
        """Return nothing: a server checks its pages as it reads them (data checksums)."""
        return None

    def add(self, additions: Sequence[Addition]) -> int:
        """Add the rows by one statement, which is a transaction by itself.

        Where the connection turns out to be cut, once more on a fresh one. Rows that are on record
        by then may be these or another's: that is the failure it was.
        """
        (statement,) = self.statements(additions)
        with _lent_by(self._adder) as connection:
            try:
                return int(connection.execute(*statement).rowcount)
            except self._adder.dialect.loaded_dbapi.OperationalError as error:
                if not connection.closed:
                    raise
                cut = error
        self._adder.dispose()
        with _lent_by(self._adder) as connection:
            count = int(connection.execute(*statement).rowcount)
        if count < len(additions[0].rows):
            raise cut
        return count

    def statements(self, additions: Sequence[Addition]) -> list[Statement]:
        """Return one statement for all."""
        return [for_postgres(*additions)]

    def dispose(self) -> None:
        """Close the connections."""
        self.reader.dispose()
        self._adder.dispose()

    def _on_begin(self, connection: Connection) -> None:
        if connection.get_execution_options().get("careerrelay_lock"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SEQUENCER_LOCK})")


BACKENDS: Final[dict[str, type[SqliteFile] | type[PostgresServer]]] = {
    "sqlite": SqliteFile,
    "postgresql": PostgresServer,
}


@contextmanager
def _lent_by(engine: Engine) -> Generator[Any]:
    """Lend a connection of the driver's own."""
    pool = engine.pool
    connection = engine.raw_connection()
    try:
        yield connection.driver_connection
    except BaseException:
        connection.invalidate()  # With whatever it has begun.
        raise
    if engine.pool is pool:
        connection.close()
    else:  # Its pool was disposed of meanwhile, and would keep it open.
        connection.invalidate()


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
