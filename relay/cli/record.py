"""`careerrelay log` and `careerrelay credits`: what is on record, and whether it holds.

The commands only read. They may run beside the processes that write.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger import store_ledger
from ledger.audit import Damage, LogReport, verify
from ledger.checkpoint import load_log_key
from ledger.credits import Account, Balances, Policy, Unit, policy_at
from ledger.policies import read_policies
from ledger.store import LedgerError, Store
from ledger.witness import Witness, read_witnesses
from relay.cli.common import (
    FOUND_WRONG,
    CompanyArgument,
    ConfigOption,
    JsonOption,
    companies_of,
    fail,
    now,
    print_json,
    printable,
    read_config,
)
from relay.config import Config

# Of a root hash on a terminal: enough to compare by eye, and the JSON has all of it.
ROOT_SHOWN_CHARACTERS = 16

# What an older copy of the store, put in place of it, looks like.
_OLD_COPY = frozenset({Damage.MISSING, Damage.ROOT, Damage.CHECKPOINT})


def log_verify(
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            help="A checkpoint that was kept outside, or a mail with some; may be repeated.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that the event logs are what was signed, and the credits what the logs say."""
    settings = read_config(config)
    try:
        witnesses = read_witnesses(
            against or (),
            installation=settings.store.installation,
            public_key=load_log_key(settings.store.log_key).public,
        )
    except LedgerError as error:
        fail(str(error))
    store = open_store(settings.store.url)
    try:
        reports = audit_logs(store, settings, witnesses)
    except LedgerError as error:
        # The file is there and cannot be read as a whole: that is a finding, not wrong use.
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    if as_json:
        for report in reports:
            print_json(report_row(report))
    else:
        print_reports(reports, Console())
    if any(report.finding for report in reports):
        raise typer.Exit(FOUND_WRONG)


def credits_balance(
    company: CompanyArgument = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show what each company has earned: referrals on the way to a slot, and slots."""
    settings = read_config(config)
    companies = companies_of(settings, company)
    policy = policy_at(read_policies(), now())
    store = open_store(settings.store.url)
    try:
        with store.read() as transaction:
            rows = [
                balance_row(each, store_ledger.balances(transaction, each), policy)
                for each in companies
            ]
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_balances(rows, Console())


def open_store(url: str) -> Store:
    """Return the store, or end the command: one that is not there is not made by looking at it."""
    try:
        store = Store(url, may_create=False)
    except LedgerError as error:
        fail(str(error))
    if not store.exists():
        fail(f"{store.where}: there is no store yet; it is made when the service starts")
    return store


def audit_logs(
    store: Store, config: Config, witnesses: Mapping[str, Sequence[Witness]] | None = None
) -> list[LogReport]:
    """Return the audit of every log; raises `LedgerError`."""
    return verify(
        store,
        policies=read_policies(),
        public_key=load_log_key(config.store.log_key).public,
        installation=config.store.installation,
        directory=config.store.log_key.parent,
        witnesses=witnesses or {},
    )


def verify_logs(store: Store, config: Config) -> bool:
    """Tell whether all logs and the ledger hold."""
    return not any(report.finding for report in audit_logs(store, config))


@dataclass(frozen=True, slots=True)
class Balance:
    """What a company has earned: referrals that counted, whether redeemed or not, and slots."""

    referrals: int
    slots: int


def balance_of(store: Store, company: str) -> Balance:
    """Return what a company has earned."""
    with store.read() as transaction:
        found = store_ledger.balances(transaction, company)
    row = balance_row(company, found, policy_at(read_policies(), now()))
    return Balance(int(row["open"]) + int(row["redeemed"]), int(row["slots_available"]))


def report_row(report: LogReport) -> dict[str, object]:
    """Return the report under its stable names."""
    finding = report.finding
    return {
        "log": report.log,
        "entries": report.entries,
        "root": base64.b64encode(report.root).decode(),
        "checkpoint_size": report.checkpoint_size,
        "verified": finding is None,
        "damage": finding.kind if finding else None,
        "seq": finding.seq if finding else None,
        "event_id": finding.event_id if finding else None,
        "detail": finding.detail if finding else None,
    }


def print_reports(reports: Sequence[LogReport], console: Console) -> None:
    """Print a table of the logs, and below it what is wrong."""
    if not reports:
        console.print("No event has been recorded yet.")
        return
    table = Table("log", box=None, pad_edge=False)
    table.add_column("entries", justify="right")
    table.add_column("signed", justify="right")
    table.add_column("root")
    table.add_column("")
    for report in reports:
        shown = base64.b64encode(report.root).decode()[:ROOT_SHOWN_CHARACTERS] + "…"
        mark = "[red]DAMAGED[/red]" if report.finding else "[green]verified[/green]"
        log = Text(printable(report.log))
        table.add_row(log, f"{report.entries}", f"{report.checkpoint_size}", shown, mark)
    console.print(table)
    for report in reports:
        if finding := report.finding:
            place = "" if finding.seq is None else f", entry {finding.seq}"
            name = f" ({finding.event_id})" if finding.event_id else ""
            text = f"{report.log}{place}{name}: {finding.kind}: {finding.detail}"
            console.print(Text(printable(text)), soft_wrap=True)
    if any(one.finding and one.finding.kind in _OLD_COPY for one in reports):
        console.print("After a restored backup, see docs/admin/backup.md.")


def balance_row(company: str, balances: Balances, policy: Policy) -> dict[str, str | int]:
    """Return a company's balances under their stable names."""

    def on(account: Account, unit: Unit) -> int:
        return balances.get((account, unit), 0)

    is_open = on(Account.OPEN, Unit.REFERRAL)
    return {
        "company": company,
        "open": is_open,
        "held": on(Account.HELD, Unit.REFERRAL),
        "redeemed": on(Account.REDEEMED, Unit.REFERRAL),
        "slots_granted": -on(Account.SERVICE, Unit.SLOT),
        "slots_available": on(Account.AVAILABLE, Unit.SLOT),
        "slots_reserved": on(Account.RESERVED, Unit.SLOT),
        "slots_used": on(Account.USED, Unit.SLOT),
        "slots_voided": on(Account.VOIDED, Unit.SLOT),
        "slots_expired": on(Account.EXPIRED, Unit.SLOT),
        "to_next_slot": policy.threshold - is_open,
        "policy": policy.id,
    }


def print_balances(rows: Sequence[dict[str, str | int]], console: Console) -> None:
    """Print a table of the companies."""
    table = Table("company", box=None, pad_edge=False)
    shown = {
        "open": "open referrals",
        "held": "held",
        "to_next_slot": "to next slot",
        "slots_available": "slots available",
        "slots_used": "slots used",
    }
    for title in shown.values():
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(str(row["company"]), *(str(row[name]) for name in shown))
    console.print(table)
    if rows:
        console.print(f"policy {rows[0]['policy']}", highlight=False)
