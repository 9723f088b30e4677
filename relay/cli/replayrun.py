"""The run of a replay: every message of every file judged once and counted, resumable at each.

What is to be said, shown or kept meanwhile is the business of who called: it is given a row for
each letter worth one, and asked after each message whether to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.cli.common import printable
from relay.cli.replayjudge import Judge, digest_of
from relay.cli.replaystate import Progress, Seen
from relay.cli.replaysums import UNKNOWN, Finding, Place
from relay.mailstore import Form, Source, Stored, is_sent, read_source
from relay.verdict import Kind

NOT_SENT = "not_sent"
DUPLICATE = "duplicate"
READ = "read"


@dataclass(frozen=True, slots=True)
class Run:
    """How a replay is done. `go_on` hears how many bytes are behind it, and stops it by False."""

    judge: Judge
    sent_names: Set[str]
    size_max_bytes: int
    say: Callable[[dict[str, Any]], None]
    go_on: Callable[[int], bool]

    def through(self, sources: Iterable[Source], progress: Progress, seen: Seen) -> bool:
        """Count all that lies behind `progress`, which moves on; say whether the end was reached.

        Wherever it ends, by False, an exception or a kill, `progress` is that of whole messages.
        """
        for index, source in enumerate(source for source in sources if not source.is_other):
            if index < progress.source:
                continue
            if source.form is not None and not self._through_file(source, progress, seen):
                return False
            if source.form is None:
                self._count_file(source, str(source.fault), progress)
            progress.source, progress.offset, progress.number = index + 1, 0, 1
            progress.done_bytes += source.size_bytes if source.form else 0
        return True

    def _through_file(self, source: Source, progress: Progress, seen: Seen) -> bool:
        fault = ""
        for stored in read_source(
            source, self.size_max_bytes, offset=progress.offset, number=progress.number
        ):
            if not stored.number:
                fault = str(stored.fault)
                continue
            self._count(stored, source, progress, seen)
            progress.offset, progress.number = stored.end, stored.number + 1
            if not self.go_on(progress.done_bytes + stored.end):
                return False
        self._count_file(source, fault or READ, progress)
        return True

    def _count_file(self, source: Source, outcome: str, progress: Progress) -> None:
        progress.sums.files[outcome] += 1
        if outcome != READ:
            self._count_damage(outcome, Place(shown_path(source.path), 0, 0), progress)

    def _count(self, stored: Stored, source: Source, progress: Progress, seen: Seen) -> None:
        sums = progress.sums
        is_mbox = source.form is Form.MBOX
        place = Place(shown_path(stored.path), stored.number, stored.offset, is_mbox)
        if stored.fault is not None:
            sums.not_judged[stored.fault] += 1
            self._count_damage(stored.fault, place, progress)
        elif not is_sent(stored.message, self.sent_names):
            sums.not_judged[NOT_SENT] += 1
        elif not seen.is_new(digest_of(stored.message)):
            sums.not_judged[DUPLICATE] += 1
        else:
            finding = self.judge.find(stored.message)
            sums.add(finding, place)
            if finding.is_damaged:
                self.say({"type": "damaged", **place.row(), "reason": finding.reason.value})
            elif finding.kind is not Kind.OTHER or finding.is_approved:
                self.say(_row(finding, place))

    def _count_damage(self, reason: str, place: Place, progress: Progress) -> None:
        progress.sums.add_damage(reason, place)
        self.say({"type": "damaged", **place.row(), "reason": str(reason)})


def _row(finding: Finding, place: Place) -> dict[str, Any]:
    """Return the row of `--json` for a rejection or an unsure letter."""
    return {
        "type": "letter",
        **place.row(),
        "month": _known(finding.month),
        "verdict": finding.kind.value,
        "score": finding.score,
        "decision": finding.action.value,
        "reason": finding.reason.value,
        "language": _known(finding.language),
        "stage": _known(finding.stage),
        "position": _known(finding.position),
        "evidence": finding.evidence,
        "shape": finding.shape or None,
    }


def _known(code: str) -> str | None:
    return None if code == UNKNOWN else code


def shown_path(path: Path) -> str:
    """Return a path as text that can be printed: names of files may hold any byte."""
    return printable(str(path))
