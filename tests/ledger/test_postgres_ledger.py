"""The ledger's lives on PostgreSQL: decisions, slots, the steward and statements."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta

import pytest

from ledger import store_holdings, store_ledger
from ledger.apply import Applier
from ledger.credits import Account, Unit, nonzero
from ledger.policy import parse_policies
from ledger.rebuild import rebuild_ledgers
from ledger.statement import Month, digest_of, encode_json
from ledger.statement_store import issue_due, read_statement
from ledger.states import SlotState
from ledger.steward import Steward
from ledger.store import Store
from tests.ledger.parts import (
    NOW,
    POLICIES,
    applier_on,
    clock,
    letters_and_signups,
    store_in,
    submit,
)
from tests.ledger.test_idempotency import happenings
from tests.ledger.test_policy import policies_text
from tests.services import postgres_database

pytestmark = pytest.mark.services

DAY = timedelta(days=1)


@pytest.fixture
def store() -> Generator[Store]:
    """Return a store in an empty database."""
    with postgres_database() as url:
        opened = Store(url)
        yield opened
        opened.close()


def test_both_databases_come_to_the_same(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Proposals, confirmations, refusals, reservations: balances, rows and statement alike."""
    other = store_in(tmp_path_factory.mktemp("sqlite"))
    found: list[object] = []
    for one in (store, other):
        submit(one, happenings())
        applier_on(one).apply_all()
        assert [each.difference for each in rebuild_ledgers(one, POLICIES)] == [None]
        with one.read() as transaction:
            transfers = [
                (seq, made)
                for seq, _, made in store_ledger.transfers_in_order(transaction, "aozora")
            ]
            found.append(
                (
                    nonzero(store_ledger.balances(transaction, "aozora")),
                    store_holdings.referrals(transaction, "aozora"),
                    store_holdings.slots(transaction, "aozora"),
                    store_holdings.open_proposals(transaction, "aozora"),
                    transfers,
                )
            )
        (event,) = issue_due(one, POLICIES, NOW + 40 * DAY)
        submit(one, [event])
        applier_on(one).apply_all()
        statement = encode_json(read_statement(one, "aozora", Month(2026, 4), POLICIES))
        assert digest_of(statement) == event.data["digest"]
        found.append(statement)
    assert found[:2] == found[2:]
    other.close()


def test_time_makes_due(store: Store) -> None:
    """A hold ends, a slot is noticed and expires."""
    policies = parse_policies(policies_text(threshold="1", hold_days="14", slot_lifetime_days="90"))
    submit(store, letters_and_signups(2))
    applier = Applier(store, policies, clock=clock)
    applier.apply_all()
    kinds: list[str] = []
    for day in (14, 74, 104):
        due = Steward(store).due(NOW + day * DAY)
        kinds.extend(event.type for event in due)
        submit(store, due)
        applier.apply_all()
    wanted = ("referral.released", "slot.expiry_noticed", "slot.expired")
    assert kinds == [kind for kind in wanted for _ in range(2)]
    with store.read() as transaction:
        slots = store_holdings.slots(transaction, "aozora")
        balances = store_ledger.balances(transaction, "aozora")
    assert {slot.state for slot in slots} == {SlotState.EXPIRED}
    assert balances[Account.EXPIRED, Unit.SLOT] == 2
    assert [each.difference for each in rebuild_ledgers(store, policies)] == [None]
