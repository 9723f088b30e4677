"""What the audit finds in a store of the ledger's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ledger.audit import Finding, verify
from ledger.store import Store
from ledger.witness import Witness
from tests.ledger.parts import INSTALLATION, KEY, POLICIES


def findings(
    store: Store, folder: Path, witnesses: Mapping[str, Sequence[Witness]] | None = None
) -> dict[str, Finding]:
    """Return what is wrong, by log; there must be a log."""
    reports = verify(
        store,
        policies=POLICIES,
        public_key=KEY.public,
        installation=INSTALLATION,
        directory=folder,
        witnesses=witnesses or {},
    )
    assert reports
    return {report.log: report.finding for report in reports if report.finding}
