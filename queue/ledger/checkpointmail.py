"""The daily mail to an auditor: the newest signed checkpoint of a log, and what to do with it.

A mailbox that is not ours is the witness: whoever keeps these mails can show that a log was
rewritten, however well. The checkpoint is in the text and as a file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

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

DIGEST_CHARS: Final = 16

_log: Final = logging.getLogger(__name__)


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
        """Mail the newest checkpoint of a log to one auditor; raises `JobFailed`."""
        log, day = str(row.payload["log"]), str(row.payload["day"])
        wanted = str(row.payload["auditor"])
        found = [one for one in self._auditors(log) if digest_of(one) == wanted]
        if not found:
            raise JobFailed("this auditor is not configured any more", is_final=True)
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
        self._mailer.send(row.id, found[0], subject, text, self._clock(), attachment=file)
        _log.info("checkpoint of %s mailed, size %d", log, newest.size)


def digest_of(address: str) -> str:
    """Return the name of an auditor in jobs: a digest of the address."""
    return hashlib.sha256(address.encode()).hexdigest()[:DIGEST_CHARS]
