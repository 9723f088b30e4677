"""What the intake counts, and who hears of it."""

from __future__ import annotations

import asyncio

from ledger.intakecounts import Counts, Kept, What


def test_who_hears_is_told_all_of_a_turn_and_again_after_a_failure() -> None:
    """Many counts of one turn are told together; a bug in the hearer does not end the counting."""
    heard: list[tuple[str, str, int]] = []
    failures: list[object] = []

    def hear(what: str, how: str, count: int) -> None:
        if how == Kept.LOST:
            raise RuntimeError
        heard.append((what, how, count))

    counts = Counts(hear)

    async def count() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        for kept in (Kept.STORE, Kept.STORE, Kept.LOST, Kept.STORE):
            counts.add(What.RECORDS, kept)
        await asyncio.sleep(0)
        counts.add(What.RECORDS, Kept.SPILL)
        await asyncio.sleep(0)

    asyncio.run(count())
    assert heard == [(What.RECORDS, Kept.STORE, 3), (What.RECORDS, Kept.SPILL, 1)]
    assert len(failures) == 1
    assert [counts[What.RECORDS, kept] for kept in Kept] == [3, 1, 0, 1]
