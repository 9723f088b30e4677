"""Logging: one JSON object a line, on stderr or into a file; the standard library's goes along."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

# Libraries that log addresses, requests or bodies at their lower levels.
QUIET_LIBRARIES = (
    "mail.log",
    "mail.debug",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
)


def configure_logs(stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (default: stderr), as JSON."""
    target = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.dict_tracebacks,
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
                structlog.processors.dict_tracebacks,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
