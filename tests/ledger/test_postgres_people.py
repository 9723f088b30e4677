"""People on PostgreSQL: the same steps as on a file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger.people import People, PersonGone
from ledger.retention import purge
from ledger.store import Store
from ledger.suppression import Suppression
from tests.ledger.parts import NOW, SUBJECT_KEY
from tests.ledger.test_people import FIRST, HANAKO, SECOND, World
from tests.services import postgres_database

pytestmark = pytest.mark.services


def test_the_life_of_a_registration() -> None:
    """Received, sent again, confirmed, handed over, sealed anew, erased, purged."""
    with postgres_database() as url:
        store = Store(url)
        world = World(store)
        people = world.people()
        first, second = world.register(), world.register()
        assert [world.confirm(first), world.confirm(first)] == [True, False]
        with pytest.raises(PersonGone):
            world.confirm(second)
        (row,) = people.waiting_for_handover()
        assert people.open(row.id, "hand_over", "adviser").person == HANAKO
        assert people.mark_handed_over(first)
        assert People(store, (FIRST, SECOND), SUBJECT_KEY, lambda: NOW).renew() == 1
        both = People(store, (FIRST, SECOND), SUBJECT_KEY, lambda: NOW)
        assert both.erase(first, "person")
        assert people.states() == {"erased": 1, "withdrawn": 1}
        assert [row.id for row in people.recalled_since(NOW)] == [first]
        assert purge(store, NOW + timedelta(days=31))["person"] == 2
        store.close()


def test_the_list_of_those_who_want_no_mail() -> None:
    """Put on it twice, read by another process, taken off."""
    with postgres_database() as url:
        store = Store(url)
        mine, other = (Suppression(store, SUBJECT_KEY, lambda: NOW) for _ in range(2))
        hashed = mine.hash_of(HANAKO.address)
        mine.add(hashed)
        mine.add(hashed)
        assert not other.is_suppressed(HANAKO.address)
        other.refresh()
        assert other.is_suppressed("HANAKO@Mail.example")
        mine.take_back(hashed)
        other.refresh()
        assert not other.is_suppressed(HANAKO.address)
        store.close()
