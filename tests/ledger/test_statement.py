"""Statements: the same bytes from the log alone, whatever has happened since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from ledger import store_log
from ledger.accounts import Account, Unit
from ledger.events import Event, EventError, EventType, installation_event, parse, parse_time
from ledger.statement import (
    TOKYO,
    Month,
    Statement,
    StatementError,
    chain,
    compile_statement,
    digest_of,
    encode_json,
    month_of,
    months_until,
    on,
    parse_month,
)
from ledger.statement_store import issue_due, read_statement
from ledger.store import Store
from tests.ledger.parts import NOW, POLICIES, issue, letters_and_signups, store_in
from tests.ledger.statement_world import (
    APRIL,
    DAY,
    JUNE,
    MAY,
    entries_of,
    eventful,
    issued,
    root_at,
    take,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an eventful April."""
    return eventful(tmp_path)


def test_a_month_says_what_moved(store: Store) -> None:
    """Each kind of movement is counted, and opening plus movements is closing."""
    found = json.loads(encode_json(read_statement(store, "aozora", APRIL, POLICIES)))
    assert found["status"] == "provisional"
    assert found["referrals"] == {
        "opening": {"held": 0, "open": 0, "redeemed": 0},
        "movements": {
            "counted": 23,
            "held": 3,
            "released": 1,
            "rejected": 1,
            "reversed": 1,
            "redeemed": 20,
        },
        "closing": {"held": 1, "open": 3, "redeemed": 20},
    }
    assert found["slots"]["movements"] == {
        "granted": 2,
        "reserved": 2,
        "used": 1,
        "released": 0,
        "voided": 0,
        "expired": 0,
    }
    closing = {"available": 0, "reserved": 1, "used": 1, "voided": 0, "expired": 0}
    assert found["slots"]["closing"] == closing
    assert [policy["id"] for policy in found["policies"]] == ["10-for-1@2026-01"]
    store.close()


def test_an_issued_statement_is_the_same_for_ever(store: Store) -> None:
    """Whatever comes later, whenever it is made: the bytes that the digest in the log is of."""
    assert issued(store, datetime(2026, 4, 30, 14, 59, tzinfo=UTC)) == []
    midnight = datetime(2026, 4, 30, 15, 0, tzinfo=UTC)
    assert issued(store, midnight) == ["statement.issued:aozora/2026-04"]
    first = encode_json(read_statement(store, "aozora", APRIL, POLICIES))
    event = parse(dict(entries_of(store))["statement.issued:aozora/2026-04"])
    assert event.data["digest"] == digest_of(first)
    assert json.loads(first)["status"] == "issued"
    take(store, letters_and_signups(9, start=100), midnight + DAY)
    assert encode_json(read_statement(store, "aozora", APRIL, POLICIES)) == first
    assert issued(store, midnight + 31 * DAY) == ["statement.issued:aozora/2026-05"]
    assert encode_json(read_statement(store, "aozora", APRIL, POLICIES)) == first
    store.close()


def test_the_log_alone_gives_it(store: Store) -> None:
    """Without a store, from the entries and what `statement.issued` says."""
    issued(store, NOW + 40 * DAY)
    kept = encode_json(read_statement(store, "aozora", APRIL, POLICIES))
    entries = entries_of(store)
    (one,) = chain(
        (index, parse(body))
        for index, (name, body) in enumerate(entries)
        if name.startswith("statement.issued:")
    )
    made = compile_statement(
        "aozora",
        one.month,
        entries,
        POLICIES,
        first=one.first,
        size=one.size,
        root=root_at(store, one.size),
        is_issued=True,
    )
    assert encode_json(made) == kept
    assert digest_of(encode_json(made)) == one.digest
    assert made.root == one.root
    store.close()


def test_each_statement_begins_where_the_one_before_ended(store: Store) -> None:
    """Closing is opening; months that were missed are caught up with, each with what came in it."""
    take(store, letters_and_signups(2, start=200), datetime(2026, 5, 10, tzinfo=UTC))
    take(store, letters_and_signups(1, start=210), datetime(2026, 6, 10, tzinfo=UTC))
    names = issued(store, datetime(2026, 7, 2, tzinfo=UTC))
    assert names == [f"statement.issued:aozora/2026-0{month}" for month in (4, 5, 6)]
    april, may, june = (read_statement(store, "aozora", m, POLICIES) for m in (APRIL, MAY, JUNE))
    assert (may.first, june.first) == (april.size, may.size)
    assert (may.opening, june.opening) == (april.closing, may.closing)
    counted = [each.moved(EventType.REFERRAL_COUNTED, Unit.REFERRAL) for each in (april, may, june)]
    assert counted == [23, 2, 1]
    july = read_statement(store, "aozora", Month(2026, 7), POLICIES)
    assert not july.is_issued
    assert july.opening == june.closing
    store.close()


def test_a_month_without_entries_is_issued_all_the_same(store: Store) -> None:
    """Nothing moved is a statement, too."""
    issued(store, datetime(2026, 6, 2, tzinfo=UTC))
    may = read_statement(store, "aozora", MAY, POLICIES)
    assert may.is_issued
    assert may.first == may.size
    assert may.lines == ()
    assert may.opening == may.closing
    assert on(may.closing, Account.OPEN, Unit.REFERRAL) == 3
    store.close()


def test_a_month_ends_at_midnight_in_japan(tmp_path: Path) -> None:
    """What came in a second before is of the month, a second after is not."""
    store = store_in(tmp_path)
    midnight = datetime(2026, 5, 1, tzinfo=TOKYO)
    take(store, letters_and_signups(1), midnight - timedelta(seconds=1))
    take(store, letters_and_signups(1, start=1), midnight)
    issued(store, midnight + DAY)
    assert read_statement(store, "aozora", APRIL, POLICIES).size == 3
    assert month_of(midnight) == MAY
    assert month_of(midnight - timedelta(seconds=1)) == APRIL
    store.close()


def test_a_changed_log_is_not_what_was_issued(store: Store) -> None:
    """A statement is refused when the tree under it, or what follows from the log, is another."""
    issued(store, NOW + 40 * DAY)
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 0"))
        transaction.execute(text("DELETE FROM node"))
    with pytest.raises(store_log.DamagedLog):
        read_statement(store, "aozora", APRIL, POLICIES)
    store.close()


def test_another_rule_is_not_what_was_issued(store: Store) -> None:
    """With other policy data the digest does not fit, and that is said."""
    issued(store, NOW + 40 * DAY)
    other = (replace(POLICIES[0], text="Something else."),)
    with pytest.raises(StatementError, match="not what was issued"):
        read_statement(store, "aozora", APRIL, other)
    store.close()


def test_another_tree_is_not_what_was_issued(store: Store) -> None:
    """Where the root at the statement's end is another, the entries are others."""
    (event,) = issue_due(store, POLICIES, NOW + 40 * DAY)
    take(store, [changed(event, root="A" * 43 + "=")], NOW + 40 * DAY)
    with pytest.raises(StatementError, match="entries are not those"):
        read_statement(store, "aozora", APRIL, POLICIES)
    store.close()


def test_a_month_to_come_leaves_those_between_their_own(store: Store) -> None:
    """Asked for May while April is not issued, what came in in April is not part of it."""
    take(store, letters_and_signups(2, start=200), datetime(2026, 5, 10, tzinfo=UTC))
    may = read_statement(store, "aozora", MAY, POLICIES)
    assert may.moved(EventType.REFERRAL_COUNTED, Unit.REFERRAL) == 2
    assert on(may.opening, Account.OPEN, Unit.REFERRAL) == 3
    assert not may.is_issued
    store.close()


def test_the_installation_gets_no_statement(store: Store) -> None:
    """Its log earns nothing; and a damaged event of a statement is as if it were not there."""
    event = installation_event(
        EventType.KEY_ADDED, NOW, event_id="k1", subject="key:a", data={"key": "a"}
    )
    take(store, [event], NOW)
    assert issued(store, NOW + 40 * DAY) == ["statement.issued:aozora/2026-04"]
    with store.write() as transaction:
        transaction.execute(
            text("UPDATE entry SET body = x'00' WHERE event_id LIKE 'statement.issued:%'")
        )
    assert not read_statement(store, "aozora", APRIL, POLICIES).is_issued
    store.close()


@pytest.mark.parametrize(
    ("month", "said"), [(Month(2026, 3), "the next is 2026-04"), (APRIL, "")], ids=str
)
def test_there_are_months_without_a_statement(store: Store, month: Month, said: str) -> None:
    """Before a log began there is none; a company without entries has none at all."""
    if said:
        with pytest.raises(StatementError, match=said):
            read_statement(store, "aozora", month, POLICIES)
    with pytest.raises(StatementError, match="no entries"):
        read_statement(store, "akane", month, POLICIES)
    store.close()


def test_a_damaged_company_stops_no_other(store: Store) -> None:
    """Its statement is not issued; those of others are."""
    take(store, [issue(900, "midori")], NOW)
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET body = x'00' WHERE log = 'aozora' AND seq = 3"))
    due = issue_due(store, POLICIES, NOW + 40 * DAY)
    assert [event.id for event in due] == ["statement.issued:midori/2026-04"]
    store.close()


def changed(event: Event, **data: str | int) -> Event:
    """Return the event with other data."""
    return Event(
        event.id, event.type, event.company, event.time, event.subject, {**event.data, **data}
    )


def test_a_statement_out_of_line_fixes_nothing(store: Store) -> None:
    """An event that leaves out entries, or claims ones to come, stands on record and is no one's
    statement; the months after it go on from where the last good one ended.
    """
    (event,) = issue_due(store, POLICIES, NOW + 40 * DAY)
    take(store, [changed(event, first=5)], NOW + 40 * DAY)
    assert issued(store, NOW + 80 * DAY) == ["statement.issued:aozora/2026-05"]
    may = read_statement(store, "aozora", MAY, POLICIES)
    assert may.first == 0
    assert may.moved(EventType.REFERRAL_COUNTED, Unit.REFERRAL) == 23
    with pytest.raises(StatementError, match="no statement of 2026-04"):
        read_statement(store, "aozora", APRIL, POLICIES)
    for data in (
        {"size": 10**6},
        {"size": -1},
        {"month": "2026-05"},
        {"month": 4},
        {"root": "AAAA"},
        {"root": "é"},
        {"digest": 7},
        {"first": "0"},
    ):
        assert chain([(10**5, changed(event, **data))]) == []
    assert len(chain([(10**5, event)])) == 1
    later = changed(event, first=event.data["size"])
    assert len(chain([(10**5, event), (10**5 + 1, later)])) == 1
    store.close()


@given(st.dates(datetime(2026, 1, 1).date(), datetime(2099, 11, 30).date()))
def test_months_follow_one_another(day: object) -> None:
    """Each moment is in one month, which ends where the next begins."""
    month = parse_month(str(day)[:7])
    assert month.next().start == month.end
    assert month_of(month.start) == month
    assert month_of(month.end - timedelta(milliseconds=1)) == month
    assert months_until(month, month.next()) == [month, month.next()]
    assert months_until(month.next(), month) == []


@pytest.mark.parametrize(
    "wrong", ["", "2026", "2026-13", "2026-1", "2025-12", "2100-01", "２026-01"]
)
def test_months_are_written_in_one_way(wrong: str) -> None:
    """Whatever is no month of statements is an error that says what is."""
    with pytest.raises(StatementError, match="2026-01 to 2099-12"):
        parse_month(wrong)


def test_a_log_that_is_too_short_gives_no_statement(store: Store) -> None:
    """What the range covers must be there, and be events."""
    entries = entries_of(store)

    def compiled(rows: Sequence[tuple[str, bytes]]) -> Statement:
        size = len(entries)
        return compile_statement(
            "aozora", APRIL, rows, POLICIES, first=0, size=size, root=bytes(32), is_issued=True
        )

    with pytest.raises(StatementError, match="the statement is about"):
        compiled(entries[:-1])
    with pytest.raises((EventError, ValueError)):
        compiled([("x", b"nonsense"), *entries])
    assert compiled(entries).lines[0].time == parse_time("2026-04-01T09:00:00.000Z")
    store.close()
