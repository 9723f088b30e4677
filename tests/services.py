"""The servers that tests talk to, as they run on the machine: PostgreSQL, Redis, RabbitMQ.

In CI a server that is missing fails the test; elsewhere the test is skipped and says why. Each test
has a database, or queues, of its own.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import psycopg
import pytest
from psycopg import sql

POSTGRES: Final = os.environ.get("TEST_POSTGRES", "root@127.0.0.1:5432")
REDIS: Final = os.environ.get("TEST_REDIS", "redis://127.0.0.1:6379/9")
RABBITMQ: Final = os.environ.get("TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/")

CONNECT_SECONDS: Final = 5.0


def needed(what: str, host: str, port: int) -> None:
    """Go on where the server answers; skip, or in CI fail, where it does not."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        reason = f"no {what} at {host}:{port}: {error.strerror or error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def postgres_database() -> Generator[str]:
    """Make a database and yield the URL of a store in it."""
    host, _, port = POSTGRES.rpartition("@")[2].partition(":")
    needed("PostgreSQL", host, int(port or 5432))
    name = f"careerrelay_test_{secrets.token_hex(6)}"
    with psycopg.connect(f"postgresql://{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"postgresql+psycopg://{POSTGRES}/{name}"
    finally:
        with psycopg.connect(f"postgresql://{POSTGRES}/postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
