"""Promise 8: what goes wrong is logged with its place, and without a word of anybody's mail."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from relay.cli.logs import configure_logs

PERSON = "結衣 <yui@mail.example.com>"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Log into memory, and put the loggers back as they were afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs(written)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def stumble(recipient: str) -> None:
    """Fail with the recipient in the frame, in the error and in its cause."""
    try:
        raise KeyError(recipient)
    except KeyError as error:
        raise ValueError(f"cannot read {recipient}") from error


def test_our_own_errors(stream: io.StringIO) -> None:
    """The types and places of an error and its cause are logged; values and texts are not."""
    try:
        stumble(PERSON)
    except ValueError:
        structlog.get_logger("relay").exception("judge_failed", incident="1f2e3d4c")
    (line,) = stream.getvalue().splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["incident"]) == ("judge_failed", "1f2e3d4c")
    outer, cause = logged["exception"]
    assert (outer["type"], cause["type"]) == ("ValueError", "KeyError")
    assert outer["frames"][-1].startswith("test_logs.py:")
    assert outer["frames"][-1].endswith(" stumble")
    assert "yui" not in line
    assert "結衣" not in line


def test_errors_of_the_libraries(stream: io.StringIO) -> None:
    """What the standard library's loggers write is treated the same."""
    try:
        stumble(PERSON)
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["type"] == "ValueError"
    assert "yui" not in line


@pytest.mark.usefixtures("stream")
def test_a_reader_that_stops_is_not_waited_for() -> None:
    """Lines that a full pipe does not take are dropped, and counted in the next that it takes."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        configure_logs(stream)
        for number in range(5000):
            structlog.get_logger().warning("line", number=number)
        reader.read1(256 * 1024)
        structlog.get_logger().warning("line", number=5000)
        counted, last = reader.read1(256 * 1024).splitlines()[-2:]
    assert json.loads(counted)["event"] == "log_lines_lost"
    assert json.loads(counted)["count"] > 1000
    assert json.loads(last)["number"] == 5000
