"""The auditor's second count of a log and the ledger's own book of it, side by side."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta

from ledger import recount
from ledger.credits import Account, Book, Decision, Policy, Unit
from ledger.events import Event, encode
from ledger.policy import HOLDS
from ledger.recount import Story
from tests.ledger.parts import NOW

# A rule with everything in it, for both.
FULL = Policy(
    id="2-for-1@2026-01",
    valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    threshold=2,
    grant=1,
    per_link=1,
    person_days=30,
    hold_days=3,
    slot_lifetime_days=60,
    text="",
    expiry_notice_days=20,
)
QUICK = dataclasses.replace(
    FULL, id="2-for-2@2026-05", valid_from=NOW + timedelta(days=40), hold_days=0, grant=2
)
HOLDING = dataclasses.replace(
    QUICK,
    id="2-for-1@2026-06",
    valid_from=NOW + timedelta(days=60),
    grant=1,
    holds=HOLDS,
    burst_per_hour=2,
)


def rules_of(*policies: Policy) -> tuple[recount.Rule, ...]:
    """Return the policies as the auditor's file writes them."""
    return tuple(
        recount.Rule(
            each.id,
            each.valid_from.replace(tzinfo=None),
            each.threshold,
            each.grant,
            each.per_link,
            each.person_days,
            each.hold_days,
            each.slot_lifetime_days,
            each.expiry_notice_days,
            frozenset(each.holds),
            each.burst_per_hour,
        )
        for each in policies
    )


def log_of(book: Book, events: list[Event]) -> tuple[list[bytes], int]:
    """Return the entries that the events become, and how many changes were refused."""
    entries: list[bytes] = []
    refused = 0
    for event in events:
        ruling = book.apply(event)
        refused += ruling.decision is Decision.REFUSED
        entries.extend(encode(each) for each in (event, *ruling.derived))
    return entries, refused


def told(entries: list[bytes]) -> Story:
    """Return what the auditor makes of the entries."""
    story = Story()
    for entry in entries:
        story.feed(entry)
    story.end()
    return story


def assert_equal(story: Story, book: Book, refused: int) -> None:
    """Compare all sums of both."""

    def on(account: Account, unit: Unit) -> int:
        return book.balance(account, unit)

    states = Counter(each.state for each in story.referrals.values())
    slots = Counter(each.state for each in story.slots.values())
    assert story.open == on(Account.OPEN, Unit.REFERRAL)
    assert states["held"] == on(Account.HELD, Unit.REFERRAL)
    assert states["open"] == story.open + on(Account.REDEEMED, Unit.REFERRAL)
    assert len(story.slots) == -on(Account.SERVICE, Unit.SLOT)
    for state in ("available", "reserved", "used", "voided", "expired"):
        assert slots[state] == on(Account(state), Unit.SLOT)
    assert story.not_made == refused
