"""What every test may rely on: the standard library's own `queue`, and a next hop of our own."""

from __future__ import annotations

import gc
import io
import logging
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay.cli.logs import configure_logs
from relay.timebox import TimeBox
from tests.relay.neighbours import Hop, hop
from tests.relay.running import Running, running

# A package named `queue` on the path would hide the module that dramatiq and others import; what
# fails then fails far away from the cause.
assert hasattr(queue, "SimpleQueue"), "queue/ must not hold an __init__.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: as the last they would keep one core, and us, busy.

    `--no-loadscope-reorder` leaves the order as it is here.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Take what was collected out of Python's garbage collection.

    A collection over thousands of tests takes more than a judgement may (`relay.timebox`).
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Give judgements in this process a minute: what is asserted is no matter of the processor.

    The first letter of a language takes many times as long as others, and so does each on a machine
    that is busy. Commands and services that tests start keep to their time box.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimeBox.__init__, "__defaults__", (60.0,))
        yield


@pytest.fixture
def next_hop() -> Iterator[Hop]:
    """Run a well-behaved next hop."""
    with hop() as running_hop:
        yield running_hop


@pytest.fixture
def relay(next_hop: Hop, tmp_path: Path) -> Iterator[Running]:
    """Run a relay in front of it."""
    with running(next_hop.port, tmp_path) as running_relay:
        yield running_relay


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log into memory, and put the loggers back as they were afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs(written)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
