"""Lives in which something of ours fails: judgement, store, log, threads, or the time to stop."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from relay import deliver
from relay.cli.logs import configure_logs
from tests.ledger.test_inbox import disk_full
from tests.relay.lives_client import up_to, while_threads_are_busy, with_message
from tests.relay.lives_stage import Stage
from tests.relay.lives_way import SHORT_SECONDS, Held, Way
from tests.relay.neighbours import Hop
from tests.relay.running import NOW, rules

IN_THREAD = (deliver, "JUDGE_IN_LOOP_MAX_BYTES", 0)  # As letters over 32 KiB are.


def _broken_rules(_hop: Hop) -> Mapping[str, Any]:
    return {"with_rules": replace(rules(), lexicons=cast("Any", None))}


def _clock_stops(_hop: Hop) -> Mapping[str, Any]:
    moments = iter([NOW])  # For the link; there is none for what became of it.
    return {"now": lambda: next(moments)}


def _clock_is_wrong(_hop: Hop) -> Mapping[str, Any]:
    return {"now": lambda: datetime(1, 1, 1, tzinfo=UTC)}


def _threads_are_gone(stage: Stage) -> None:
    with while_threads_are_busy(stage):
        stage.send()


def _send(stage: Stage) -> None:
    stage.send()


def _store_is_no_file(stage: Stage) -> None:
    (stage.folder / "careerrelay.db").mkdir()
    stage.send()


def _store_is_locked(stage: Stage) -> None:
    other = sqlite3.connect(stage.folder / "careerrelay.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        stage.send()
    finally:
        other.close()


def _disk_is_full(stage: Stage) -> None:
    with disk_full():
        stage.send()


def _log_is_full(stage: Stage) -> None:
    full = Path("/dev/full").open("w")
    configure_logs(full)
    stage.is_log_lost = True
    try:
        stage.send()
    finally:
        with contextlib.suppress(OSError):  # It cannot write what it still holds.
            full.close()


def _threads_are_busy(stage: Stage) -> None:
    with while_threads_are_busy(stage):
        caller = with_message(stage)
        stage.wait_until(lambda: bool(stage.relay.relay.shared.deliveries))
    caller.hear_verdict()


def _stop(stage: Stage, grace_seconds: float | None = None) -> threading.Thread:
    """Ask the relay to stop, and return when it lets nobody in."""
    relay = stage.relay.relay
    asked = threading.Thread(target=lambda: stage.relay.call(relay.close(grace_seconds)))
    asked.start()
    stage.wait_until(lambda: not relay.is_listening)
    return asked


def _stopped_beyond_its_grace(stage: Stage) -> None:
    held = Held(stage.hop, "end", b"250 2.0.0 kept")
    caller = with_message(stage)
    held.wait()
    _stop(stage, SHORT_SECONDS).join()
    caller.hear_the_end()
    held.release()


def _stopped_while_the_client_hangs(stage: Stage) -> None:
    caller = up_to(stage, "in the message")
    _stop(stage, SHORT_SECONDS).join()
    caller.hear_the_end()


LIVES: dict[str, tuple[Way, ...]] = {
    "judging-fails": (
        Way("in the loop", _send, options=_broken_rules),
        Way("in a thread", _send, (IN_THREAD,), _broken_rules),
    ),
    "judging-takes-too-long": (
        Way("at once", _send, (IN_THREAD, (deliver, "JUDGE_SECONDS", 0.0))),
    ),
    "store-away": (Way("is no file", _store_is_no_file, is_of_links=True),),
    "store-slow": (Way("is locked", _store_is_locked, is_of_links=True),),
    "store-full": (Way("its disk is full", _disk_is_full, is_of_links=True),),
    "threads-gone": (
        Way(
            "large",
            _threads_are_gone,
            (IN_THREAD, (deliver, "JUDGE_SECONDS", SHORT_SECONDS)),
        ),
    ),
    "recording-fails": (Way("a clock far off", _send, (), _clock_is_wrong, is_of_links=True),),
    "accounting-fails": (Way("no clock", _send, (), _clock_stops, is_of_links=True),),
    "log-full": (Way("/dev/full", _log_is_full),),
    "threads-busy": (
        Way("small", _threads_are_busy),
        Way("large", _threads_are_busy, (IN_THREAD,)),
    ),
    "stopped-beyond-the-grace": (
        Way("the next hop decides", _stopped_beyond_its_grace, is_the_last=True),
    ),
    "stopped-while-the-client-hangs": (
        Way("in the message", _stopped_while_the_client_hangs, is_the_last=True),
    ),
}
