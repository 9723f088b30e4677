"""PostgreSQL's connections of those who only add: in doubt, and gone when the store is closed."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Generator
from contextlib import closing
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import cast

import psycopg
import pytest
from sqlalchemy import make_url, text

from ledger import store_inbox
from ledger.inbox_jobs import row_of
from ledger.store import Store, StoreError
from tests.ledger.parts import issue
from tests.serverthread import answering
from tests.services import postgres_database

pytestmark = pytest.mark.services

SERVER_MAX_SECONDS = 10.0


class Cable(ThreadingTCPServer):
    """Stands between clients and the server, and loses the next answer on demand."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.behind = (host, port)
        self.loses_next = False


class _Connection(BaseRequestHandler):
    def handle(self) -> None:
        """Carry what comes to the other side, until one of them has ended."""
        cable = cast("Cable", self.server)
        with socket.create_connection(cable.behind) as server:
            other = {self.request: server, server: self.request}
            while True:
                for source in select.select(list(other), [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is server and cable.loses_next:
                        cable.loses_next = False
                        return
                    other[source].sendall(data)


@pytest.fixture
def url() -> Generator[str]:
    """Return the URL of an empty database."""
    with postgres_database() as found:
        yield found


def connections(url: str) -> int:
    """Return how many connections to the database there are, but for the one that asks."""
    plain = make_url(url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False)) as asking:
        found = asking.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchone()
    assert found
    return int(found[0])


def wait_for_no_connection(url: str) -> None:
    """Return when the server has noticed, in a moment, that all connections are closed."""
    limit = time.monotonic() + SERVER_MAX_SECONDS
    while connections(url):
        assert time.monotonic() < limit


def add(store: Store, *numbers: int) -> int:
    """Add events of these numbers; return how many were new."""
    return store_inbox.insert_rows(store, [row_of(issue(each), 1_000, b"") for each in numbers])


def taken(store: Store) -> list[str]:
    """Return the ids of what was taken, in its order."""
    with store.read() as transaction:
        return [row.id for row in store_inbox.pending(transaction, 1_000, 10_000)]


def test_whether_rows_are_on_record_is_not_guessed(url: str) -> None:
    """An answer is lost after the commit: that is a failure, and the same rows again are none."""
    found = make_url(url)
    cable = Cable(found.host or "127.0.0.1", found.port or 5432)
    through = found.set(host="127.0.0.1", port=cable.server_address[1])
    with answering(cable), closing(Store(through.render_as_string(hide_password=False))) as store:
        assert add(store, 1) == 1
        cable.loses_next = True
        with pytest.raises(StoreError):
            add(store, 2, 3)
        assert add(store, 2, 3) == 0
        assert taken(store) == [issue(number).id for number in (1, 2, 3)]


def test_no_connection_outlives_the_store(url: str) -> None:
    """Not even one that was adding while the store was closed."""
    store, other = Store(url), Store(url)
    assert add(store, 1) == 1
    adding = threading.Thread(target=add, args=(store, 2))
    with other.write() as transaction:
        transaction.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
        adding.start()
        # Of this database: other tests wait for locks, too.
        waiting = text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'inbox'::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        while not transaction.execute(waiting).scalar_one():
            assert adding.is_alive()
        store.close()
    adding.join()
    assert len(taken(other)) == 2
    other.close()
    wait_for_no_connection(url)


def test_no_transaction_outlives_the_store(url: str) -> None:
    """Not even one that was under way while the store was closed; it ends as if it were not."""
    store = Store(url)
    with store.write() as transaction:
        transaction.execute(text("INSERT INTO subject_salt VALUES ('a'::bytea, 'b'::bytea)"))
        store.close()
    with store.read() as transaction:
        assert transaction.execute(text("SELECT count(*) FROM subject_salt")).scalar_one() == 1
    store.close()
    wait_for_no_connection(url)
