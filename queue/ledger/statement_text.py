"""A statement as text for machines: CSV for spreadsheets, beancount for accountants.

Like the JSON they follow from the log alone, the same bytes every time. Pure.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Final

from ledger.accounts import Account, Unit
from ledger.events import format_time
from ledger.statement import (
    HOLDERS,
    MOVEMENTS,
    TOKYO,
    Line,
    Statement,
    digest_of,
    encode_json,
    on,
)

CSV_HEADER: Final = ("company", "month", "status", "unit", "part", "item", "value")

# Where units come from and go to, in a book-keeper's terms. The signs are those of our accounts.
_ROOTS: Final = {
    Account.CANDIDATES: "Income:Candidates",
    Account.SERVICE: "Income:Service",
    Account.REDEEMED: "Expenses:Redeemed",
    Account.USED: "Expenses:Used",
    Account.VOIDED: "Expenses:Voided",
    Account.EXPIRED: "Expenses:Expired",
    Account.HELD: "Assets:Held",
    Account.OPEN: "Assets:Open",
    Account.AVAILABLE: "Assets:Available",
    Account.RESERVED: "Assets:Reserved",
}
_OPENING: Final = "Equity:Opening-Balances"


def render_csv(statement: Statement) -> bytes:
    """Return the statement as RFC 4180 text in UTF-8: one count a row."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_HEADER)
    status = "issued" if statement.is_issued else "provisional"
    head = (statement.company, str(statement.month), status)
    for unit in Unit:
        for part, balances in (("opening", statement.opening), ("closing", statement.closing)):
            for account in HOLDERS[unit]:
                writer.writerow((*head, unit, part, account, on(balances, account, unit)))
            if part == "opening":
                for name, kind in MOVEMENTS[unit].items():
                    writer.writerow((*head, unit, "movement", name, statement.moved(kind, unit)))
    writer.writerow((*head, "LOG", "range", "first", statement.first))
    writer.writerow((*head, "LOG", "range", "size", statement.size))
    # In hexadecimal: a spreadsheet takes base64 that begins with a plus sign for a formula.
    writer.writerow((*head, "LOG", "proof", "root_hex", statement.root.hex()))
    if statement.is_issued:
        digest = digest_of(encode_json(statement))
        writer.writerow((*head, "LOG", "proof", "json_sha256", digest))
    for policy in statement.policies:
        writer.writerow((*head, "POLICY", "in_force", "id", policy.id))
    return out.getvalue().encode()


def render_beancount(statement: Statement) -> bytes:
    """Return the month as a beancount ledger that stands alone.

    Opening balances, one transaction per transfer with its event's id, and an assertion of every
    closing balance. A transaction is dated within the month; `time` says when the event was.
    """
    start = statement.month.start.date()
    after = statement.month.end.date()
    status = "issued" if statement.is_issued else "provisional"
    lines = [
        f'option "title" "{statement.company} {statement.month} ({status})"',
        'option "operating_currency" "REFERRAL"',
        'option "operating_currency" "SLOT"',
        "",
        f"{start} commodity REFERRAL",
        f"{start} commodity SLOT",
        "",
        f"{start} open {_OPENING}",
    ]
    for account, units in _units().items():
        lines.append(f"{start} open {_ROOTS[account]} {','.join(units)}")
    lines += ["", *_opening(statement, start)]
    for line in statement.lines:
        lines += _transaction(line, start, after)
    for account, units in _units().items():
        for unit in units:
            amount = on(statement.closing, account, Unit(unit))
            lines.append(f"{after} balance {_ROOTS[account]} {amount} {unit}")
    lines += ["", *_events(statement, after)]
    return ("\n".join(lines) + "\n").encode()


def _units() -> dict[Account, list[str]]:
    """Return the accounts in their order, each with the units that it can hold."""
    sources = {Account.CANDIDATES: [str(Unit.REFERRAL)], Account.SERVICE: [str(Unit.SLOT)]}
    held = {account: [str(unit)] for unit, accounts in HOLDERS.items() for account in accounts}
    return {**sources, **held}


def _opening(statement: Statement, start: date) -> list[str]:
    lines = [f'{start} * "Opening balances"', f"  first: {statement.first}"]
    for (account, unit), amount in sorted(statement.opening.items()):
        lines.append(f"  {_ROOTS[account]}  {amount} {unit}")
    sums = {
        unit: sum(amount for (_, each), amount in statement.opening.items() if each is unit)
        for unit in Unit
    }
    # Whole books sum to zero, so nothing is left for the other side but to be named.
    lines += [f"  {_OPENING}  {-amount} {unit}" for unit, amount in sums.items()]
    return [*lines, ""]


def _transaction(line: Line, start: date, after: date) -> list[str]:
    # Reported late, an event is older than its month; booked it is within it.
    day = min(max(line.time.astimezone(TOKYO).date(), start), after - timedelta(days=1))
    return [
        f'{day} * "{line.rule}"',
        f'  event: "{line.event_id}"',
        f'  time: "{format_time(line.time)}"',
        f'  policy: "{line.policy}"',
        *(f"  {_ROOTS[leg.account]}  {leg.amount} {leg.unit}" for leg in line.postings),
        "",
    ]


def _events(statement: Statement, after: date) -> list[str]:
    """Return what the statement rests on, as beancount's events of the closing day."""
    facts = {
        "log-range": f"{statement.first}-{statement.size}",
        "log-root": statement.root.hex(),
        "policy": " ".join(policy.id for policy in statement.policies),
    }
    if statement.is_issued:
        facts["statement-sha256"] = digest_of(encode_json(statement))
    return [f'{after} event "{name}" "{value}"' for name, value in facts.items()]
