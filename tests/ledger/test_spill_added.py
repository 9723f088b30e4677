"""The spill file while it is taken in and added to at once, as at the end of every outage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.spill import Record, Spill
from tests.ledger.test_spill import record


def test_what_comes_while_it_is_taken_in_takes_nothing_away(tmp_path: Path) -> None:
    """Records that are added between two batches leave those before them where they are."""
    spill = Spill(tmp_path)
    for number in range(2_000):
        spill.append(record(number))
    found: list[Record] = []

    def take(records: Sequence[Record]) -> None:
        if len(found) < 1_000:
            spill.append(record(2_000 + len(found)))
        found.extend(records)

    spill.drain(take)
    more = [one.received_ms for one in found if one.received_ms >= 2_000]
    assert len(more) >= 4
    assert found == [record(number) for number in [*range(2_000), *more]]
    assert spill.is_empty
    spill.close()
