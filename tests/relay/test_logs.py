"""Promise 8: what goes wrong is logged with its place, and without a word of anybody's mail."""

from __future__ import annotations

import io
import json
import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from relay.cli.logs import configure_logs

PERSON = "結衣 <yui@mail.example.com>"


def stumble(recipient: str) -> None:
    """Fail with the recipient in the frame, in the error and in its cause."""
    try:
        raise KeyError(recipient)
    except KeyError as error:
        raise ValueError(f"cannot read {recipient}") from error


def test_our_own_errors(log: io.StringIO) -> None:
    """The types and places of an error and its cause are logged; values and texts are not."""
    try:
        stumble(PERSON)
    except ValueError:
        structlog.get_logger("relay").exception("judge_failed", incident="1f2e3d4c")
    (line,) = log.getvalue().splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["incident"]) == ("judge_failed", "1f2e3d4c")
    outer, cause = logged["exception"]
    assert (outer["type"], cause["type"]) == ("ValueError", "KeyError")
    assert outer["frames"][-1].startswith("test_logs.py:")
    assert outer["frames"][-1].endswith(" stumble")
    assert "yui" not in line
    assert "結衣" not in line


def test_errors_of_the_libraries(log: io.StringIO) -> None:
    """What the standard library's loggers write is treated the same."""
    try:
        stumble(PERSON)
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    (line,) = log.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["type"] == "ValueError"
    assert "yui" not in line


@pytest.mark.usefixtures("log")
def test_threads_log_into_one_pipe() -> None:
    """Lines of several threads, and of other libraries, all come out, each in one piece."""
    reading, writing = os.pipe()

    def work(number: int) -> None:
        for _ in range(25):
            structlog.get_logger().warning("ours", number=number)
            logging.getLogger("other").warning("theirs")

    with os.fdopen(reading, "rb") as reader:
        with os.fdopen(writing, "w") as stream, ThreadPoolExecutor(4) as threads:
            configure_logs(stream)
            list(threads.map(work, range(4)))
        lines = [json.loads(line) for line in reader]
    assert Counter(line["event"] for line in lines) == {"ours": 100, "theirs": 100}


@pytest.mark.usefixtures("log")
def test_a_long_line_is_not_waited_for() -> None:
    """A line longer than the pipe is broken off, and the next that is taken stands by itself."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        configure_logs(stream)
        structlog.get_logger().warning("long", text="x" * 1_000_000)
        reader.read1(1_000_000)
        structlog.get_logger().warning("line")
        rest = reader.read1(1_000_000).splitlines()
    assert [json.loads(line)["event"] for line in rest[-2:]] == ["log_lines_lost", "line"]


@pytest.mark.usefixtures("log")
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
