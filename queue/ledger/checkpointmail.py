"""The daily mail to an auditor: the newest signed checkpoint of a log, and what to do with it.

A mailbox that is not ours is the witness: whoever keeps these mails can show that a log was
rewritten, however well. The checkpoint is in the text and as a file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from ledger import store_log
from ledger.checkpoint import log_origin, verifier_key
from ledger.jobs import JobFailed
from ledger.mailer import Attachment, Mailer
from ledger.store import Store
from ledger.store_jobs import JobRow

_TEXT = """\
これは記録「{origin}」の署名済みチェックポイントです（{day}）。このメールを保存してください。
後から記録が書き換えられたとき、このメールがその証拠になります。
確認方法: docs/audit.ja.md

This is the signed checkpoint of the log {origin} on {day}. Keep this mail: should the log ever be
rewritten, it is the evidence. How to check it: docs/audit.md

{note}
Verifier key (compare it with the one you were given; never trust the one in a mail):
{key}
"""

_log = logging.getLogger(__name__)


class CheckpointMails:
    """Runs the jobs that mail checkpoints."""

    def __init__(
        self,
        store: Store,
        mailer: Mailer,
        *,
        installation: str,
        public_key: bytes,
        auditors: Callable[[str], Sequence[str]],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._mailer = mailer
        self._installation = installation
        self._public_key = public_key
        self._auditors = auditors
        self._clock = clock

    def run(self, row: JobRow) -> None:
        """Mail the newest checkpoint of a log to its auditors; raises `JobFailed`."""
        log, day = str(row.payload["log"]), str(row.payload["day"])
        with self._store.read() as transaction:
            newest = store_log.newest_checkpoint(transaction, log)
        if newest is None:
            raise JobFailed(f"log {log} has no checkpoint", is_final=True)
        origin = log_origin(self._installation, log)
        text = _TEXT.format(
            origin=origin,
            day=day,
            note=newest.note.decode(),
            key=verifier_key(origin, self._public_key),
        )
        file = Attachment(f"checkpoint-{log}-{day}.txt", newest.note)
        subject = f"Checkpoint {origin} {day}: {newest.size}"
        failed: JobFailed | None = None
        for address in self._auditors(log):
            try:
                self._mailer.send(row.id, address, subject, text, self._clock(), attachment=file)
            except JobFailed as error:
                failed = error  # The others get theirs; a second one has the same Message-ID.
        if failed is not None:
            raise failed
        _log.info("checkpoint of %s mailed, size %d", log, newest.size)
