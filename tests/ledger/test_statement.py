"""Statements: the same bytes from the log alone, whatever has happened since."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import shutil
import subprocess
import sys
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
from ledger.apply import Applier
from ledger.credits import Book
from ledger.events import (
    Event,
    EventError,
    EventType,
    installation_event,
    parse,
    parse_time,
)
from ledger.inbox import Inbox
from ledger.log import frontier_of, root
from ledger.operations import change_confirmed, change_proposed, slot_reserved, slot_used
from ledger.pages import find_templates
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
from ledger.statement_pdf import render_pdf
from ledger.statement_store import issue_due, read_statement
from ledger.statement_text import CSV_HEADER, render_beancount, render_csv
from ledger.statement_view import Language, render_html, view_of
from ledger.states import Action
from ledger.store import Store
from tests.ledger.parts import (
    NOW,
    POLICIES,
    SUBJECT_KEY,
    issue,
    letters_and_signups,
    signup,
    store_in,
)

APRIL, MAY, JUNE = Month(2026, 4), Month(2026, 5), Month(2026, 6)
DAY = timedelta(days=1)


def take(store: Store, events: Sequence[Event], at: datetime) -> None:
    """Submit the events at a time and apply them."""

    async def run() -> None:
        inbox = Inbox(store, subject_key=SUBJECT_KEY, clock=lambda: at, random_bytes=os.urandom)
        inbox.start()
        try:
            for event in events:
                await inbox.submit(event)
        finally:
            await asyncio.to_thread(inbox.close)

    asyncio.run(run())
    Applier(store, POLICIES, clock=lambda: at).apply_all()


def entries_of(store: Store) -> list[tuple[str, bytes]]:
    """Return the log as an auditor has it."""
    with store.read() as transaction:
        return [
            (row.event_id, row.body)
            for rows in store_log.entries(transaction, "aozora")
            for row in rows
        ]


def root_at(store: Store, size: int) -> bytes:
    """Return the root of the log's first entries."""
    with store.read() as transaction:
        return root(frontier_of(size, store_log.node_reader(transaction, "aozora")))


def everything() -> list[Event]:
    """Return a month in which all kinds of things happen."""
    until = NOW + 7 * DAY
    release, reject, reverse = (
        change_proposed("aozora", action, signup(n).id, NOW, by="sato", why="x", request=f"r{n}")
        for action, n in ((Action.RELEASE, 40), (Action.REJECT, 41), (Action.REVERSE, 3))
    )
    before = [
        *letters_and_signups(23),
        *(signup(n) for n in (40, 41, 42)),
        signup(43, of_link=3),
        release,
        reject,
        reverse,
    ]
    book = Book("aozora", POLICIES)
    for event in before:
        book.apply(event)
    return [
        *before,
        *(
            change_confirmed("aozora", book.holdings.proposals[each.id], NOW, by="suzuki", why="y")
            for each in (release, reject, reverse)
        ),
        slot_reserved("aozora", 1, NOW, reservation="a", until=until, by="sato"),
        slot_used("aozora", 1, NOW, reservation="a", by="sato", request="u"),
        slot_reserved("aozora", 2, NOW, reservation="b", until=until, by="sato"),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an eventful April."""
    made = store_in(tmp_path)
    take(made, everything(), NOW)
    return made


def issued(store: Store, now: datetime) -> list[str]:
    """Issue all that is due and return the ids."""
    ids: list[str] = []
    while due := issue_due(store, POLICIES, now):
        take(store, due, now)
        ids.extend(event.id for event in due)
    return ids


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


# ------------------------------------------------------------------------------ forms


def both(store: Store) -> list[Statement]:
    """Return April provisional, issued, and the May that follows it."""
    provisional = read_statement(store, "aozora", APRIL, POLICIES)
    issued(store, NOW + 40 * DAY)
    take(store, letters_and_signups(9, start=300), NOW + 41 * DAY)
    april = read_statement(store, "aozora", APRIL, POLICIES)
    return [provisional, april, read_statement(store, "aozora", MAY, POLICIES)]


def test_bean_check_accepts_the_books(store: Store, tmp_path: Path) -> None:
    """Beancount's own checker finds every transaction balanced and every closing balance right."""
    checker = Path(sys.executable).with_name("bean-check")
    assert checker.exists()
    for number, statement in enumerate(both(store)):
        path = tmp_path / f"{number}.beancount"
        content = render_beancount(statement)
        path.write_bytes(content)
        done = subprocess.run([checker, "--no-cache", path], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert content.count(b"\n  event: ") == len(statement.lines) > 0
        # And it would have noticed.
        wrong = content.replace(b"balance Assets:Open ", b"balance Assets:Open 1", 1)
        path.write_bytes(wrong)
        done = subprocess.run([checker, "--no-cache", path], capture_output=True, text=True)
        assert done.returncode == 1
    store.close()


def test_a_late_report_is_booked_within_the_month(tmp_path: Path) -> None:
    """Its transaction is of the month, and says when it happened."""
    store = store_in(tmp_path)
    take(store, [issue(1), signup(1, days=-40)], NOW)
    content = render_beancount(read_statement(store, "aozora", APRIL, POLICIES)).decode()
    assert '2026-04-01 * "referral.counted"' in content
    assert 'time: "2026-02-20T09:00:00.000Z"' in content
    store.close()


def test_csv_has_a_count_a_row(store: Store) -> None:
    """As RFC 4180 wants it, with the numbers of the JSON and nothing that a spreadsheet runs."""
    for statement in both(store):
        content = render_csv(statement).decode()
        assert content.count("\r\n") == content.count("\n")
        table = list(csv.reader(io.StringIO(content)))
        assert tuple(table[0]) == CSV_HEADER
        assert {len(row) for row in table} == {len(CSV_HEADER)}
        assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "@"))]
        found = {(row[3], row[4], row[5]): row[6] for row in table[1:]}
        whole = json.loads(encode_json(statement))
        for unit, name in (("REFERRAL", "referrals"), ("SLOT", "slots")):
            for part, key in (("opening",) * 2, ("closing",) * 2, ("movement", "movements")):
                for item, count in whole[name][key].items():
                    assert found[unit, part, item] == str(count)
        assert ("LOG", "proof", "json_sha256") in found or not statement.is_issued
    store.close()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_pages_are_the_same_bytes_every_time(store: Store, language: Language) -> None:
    """HTML and PDF hold no clock and no chance; what is provisional says so."""
    for statement in both(store):
        view = view_of(statement, language, "株式会社<あおぞら>")
        html = render_html(view, find_templates())
        assert html == render_html(view, find_templates())
        assert render_pdf(view) == render_pdf(view)
        page = html.decode()
        assert f'lang="{language}"' in page
        assert "&lt;あおぞら&gt;" in page
        assert ('class="warning"' in page) != statement.is_issued
        assert (digest_of(encode_json(statement)) in page) == statement.is_issued
    store.close()


needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="Debian's poppler-utils and poppler-data"
)


@needs_poppler
def test_the_pdf_says_what_the_page_says(store: Store, tmp_path: Path) -> None:
    """All words and numbers of the view are on the one page of the PDF, within its edges."""
    view = view_of(both(store)[1], "ja", "株式会社あおぞら")
    path = tmp_path / "a.pdf"
    path.write_bytes(render_pdf(view))
    done = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"],  # noqa: S607 (where the system has it)
        capture_output=True,
        text=True,
        check=True,
    )
    pages = done.stdout.split("\f")
    assert pages[1:] == [""]
    shown = "".join(pages[0].split())
    words = [view.title, view.company, view.month, view.status, view.note, view.proof]
    for section in view.sections:
        words.append(section.title)
        for table in (section.balances, section.movements):
            words.extend(cell for row in (table.headings, *table.rows) for cell in row)
    words.extend(cell for fact in view.facts for cell in fact)
    assert [word for word in words if "".join(word.split()) not in shown] == []
    store.close()


def test_long_names_stay_on_the_page(store: Store) -> None:
    """A company's name of two hundred characters makes a page, not an error."""
    statement = read_statement(store, "aozora", APRIL, POLICIES)
    for name in ("株式会社" * 50, "Aozora " * 30, "x" * 200):
        assert render_pdf(view_of(statement, "en", name)).startswith(b"%PDF-")
    store.close()


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
