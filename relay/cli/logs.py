"""Logging: one JSON object a line, on stderr or into a file; the standard library's goes along."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import stat
import sys
import threading
import traceback
from pathlib import Path
from typing import TextIO, cast

import structlog
from structlog.typing import ExcInfo

CAUSES_MAX = 8  # A chain of causes may be a ring.
PIECE_CHARS = select.PIPE_BUF // 4  # In UTF-8 no longer than what a ready pipe takes at once.
FRAMES_MAX = 32  # Our own calls are a dozen deep; more is a recursion.

# Libraries that log addresses, requests or bodies at their lower levels.
QUIET_LIBRARIES = (
    "mail.log",
    "mail.debug",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
)


def _describe(exc_info: ExcInfo) -> list[dict[str, object]]:
    """Return type and places of an exception and of what caused it, the outermost first.

    Promise 8: the values in its frames are letters, addresses and keys, and its text may quote
    them; where a text of ours is fit to be read, it is logged by name.
    """
    described: list[dict[str, object]] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(described) < CAUSES_MAX:
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
        ]
        described.append({"type": type(error).__name__, "frames": frames})
        error = error.__cause__ or error.__context__
    return described


# Made once: to make one takes as long as to write a line with it.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _encode(fields: structlog.typing.EventDict, **_options: object) -> str:
    return _ENCODER.encode(fields)


_TRACEBACKS = structlog.processors.ExceptionRenderer(_describe)


class _Lasting:
    """A stream that a full disk, a closed pipe or a reader that stops does not stop.

    Promise 1: an error while logging, or a wait, would be one of whatever was logged: of all mail.
    What is not taken at once is lost, and counted in front of the next line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._readiness = _readiness_of(stream)
        self._lost = 0
        # structlog and the standard library lock each for itself, and several threads log.
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write what can be written at once."""
        with self._lock:
            if self._lost:
                # A line that was broken off ends here; an empty one hurts nobody.
                text = f'\n{{"event": "log_lines_lost", "count": {self._lost}}}\n{text}'
            for start in range(0, len(text), PIECE_CHARS):
                if self._readiness is not None and not self._readiness.poll(0):
                    self._lost += 1
                    return
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write(text[start : start + PIECE_CHARS])
                    self._stream.flush()
            self._lost = 0

    def flush(self) -> None:
        """Do nothing: everything is flushed as it is written."""


def _readiness_of(stream: TextIO) -> select.poll | None:
    """Return what tells whether a pipe takes PIPE_BUF octets; nothing for a file, which does."""
    try:
        number = stream.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            return None
    except (OSError, ValueError):  # No file at all: a text in memory.
        return None
    readiness = select.poll()
    readiness.register(number, select.POLLOUT)
    return readiness


def _add_pid(process_id: int) -> structlog.typing.Processor:
    """Return what tells lines of several processes apart; looked up once, not for every line."""

    def add(
        _logger: object, _name: str, fields: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        fields["pid"] = process_id
        return fields

    return add


def configure_logs(stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (default: stderr), as JSON."""
    target = cast(TextIO, _Lasting(stream or sys.stderr))
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_pid(os.getpid()),
    ]
    renderer = structlog.processors.JSONRenderer(_encode)
    structlog.configure(
        processors=[
            *shared,
            _TRACEBACKS,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(target),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _TRACEBACKS,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
