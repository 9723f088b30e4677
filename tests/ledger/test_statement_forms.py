"""A statement as books, rows, pages and PDF: the same figures, the same bytes every time."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.pages import find_templates
from ledger.statement import Statement, digest_of, encode_json
from ledger.statement_pdf import render_pdf
from ledger.statement_store import read_statement
from ledger.statement_text import CSV_HEADER, render_beancount, render_csv
from ledger.statement_view import Language, render_html, view_of
from ledger.store import Store
from tests.ledger.parts import NOW, POLICIES, issue, letters_and_signups, signup, store_in
from tests.ledger.statement_world import APRIL, DAY, MAY, eventful, issued, take


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an eventful April."""
    return eventful(tmp_path)


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
