"""`careerrelay credits`: transfers, what is held, the decisions of two people, the rebuild."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger import store_holdings, store_inbox, store_ledger
from ledger.credits import Transfer
from ledger.events import Event, EventType, format_time
from ledger.holdings import REFERRAL_ACTIONS, slot_name
from ledger.policies import read_policies
from ledger.rebuild import rebuild_ledgers
from ledger.states import Action, Proposal, ReferralState, SlotState
from ledger.store import Store, Transaction
from relay.cli import slotcommands
from relay.cli.common import (
    FOUND_WRONG,
    CompanyArgument,
    ConfigOption,
    JsonOption,
    companies_of,
    fail,
    print_json,
    printable,
    read_config,
)
from relay.cli.decisions import ByOption, WhyOption, decide, opened, proposal_row, show
from relay.cli.record import credits_balance
from relay.cli.statementcommand import statement
from relay.config import Config

app = typer.Typer(help="What the companies have earned.", no_args_is_help=True)
app.command("balance")(credits_balance)
app.command()(statement)
app.add_typer(slotcommands.app, name="slot")

IdArgument = Annotated[
    str,
    typer.Argument(help="The referral's id, as `credits held` or `credits transfers` shows it."),
]


@app.command()
def transfers(
    company: CompanyArgument = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List what was moved, in the order of the log."""
    settings = read_config(config)
    console = Console()
    with opened(settings) as store, store.read() as transaction:
        for each in companies_of(settings, company):
            for seq, event, one in store_ledger.transfers_in_order(transaction, each):
                if as_json:
                    print_json(transfer_row(seq, event, one))
                else:
                    legs = ", ".join(f"{x.account} {x.amount:+} {x.unit}" for x in one.postings)
                    text = f"{each} {seq} {format_time(event.time)} {one.key}: {legs}"
                    console.print(Text(printable(text)), soft_wrap=True)


def transfer_row(seq: int, event: Event, one: Transfer) -> dict[str, object]:
    """Return the transfer under its stable names."""
    return {
        "company": one.company,
        "seq": seq,
        "time": format_time(event.time),
        "event_id": one.event_id,
        "rule": one.rule,
        "policy": one.policy,
        "postings": [
            {"account": str(x.account), "unit": str(x.unit), "amount": x.amount}
            for x in one.postings
        ],
    }


@app.command()
def held(
    company: CompanyArgument = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List what waits for a decision, with what was proposed."""
    settings = read_config(config)
    with opened(settings) as store, store.read() as transaction:
        rows = [
            row for each in companies_of(settings, company) for row in waiting(transaction, each)
        ]
    if as_json:
        for row in rows:
            print_json(row.row())
    else:
        print_held(rows, Console())


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a decision."""

    company: str
    id: str
    state: str
    since: datetime
    reasons: tuple[str, ...]
    due: datetime | None
    proposals: tuple[Proposal, ...]

    def row(self) -> dict[str, object]:
        """Return it under its stable names."""
        return {
            "company": self.company,
            "id": self.id,
            "state": self.state,
            "since": format_time(self.since),
            "reasons": list(self.reasons),
            "due": format_time(self.due) if self.due else None,
            "proposals": [proposal_row(one) for one in self.proposals],
        }


def waiting(transaction: Transaction, company: str) -> Iterator[Waiting]:
    """Yield what waits in a company: held referrals, then whatever else somebody proposed."""
    proposals = store_holdings.open_proposals(transaction, company)
    for one in store_holdings.referrals(transaction, company, ReferralState.HELD):
        outcome = store_inbox.outcome(transaction, one.event_id)
        yield Waiting(
            company=company,
            id=one.event_id.partition(":")[2],
            state=str(one.state),
            since=one.time,
            reasons=outcome.reasons if outcome else (),
            due=one.due,
            proposals=tuple(each for each in proposals if each.target == one.event_id),
        )
    for each in proposals:
        if state := _other_state(transaction, company, each):
            name = each.target.partition(":")[2] or each.target
            yield Waiting(company, name, state, each.time, (), None, (each,))


def _other_state(transaction: Transaction, company: str, proposal: Proposal) -> str | None:
    """Return the state of what a proposal is about; none where it is held, or past deciding."""
    if proposal.action is Action.VOID:
        for slot in store_holdings.slots(transaction, company):
            if slot_name(company, slot.number) == proposal.target:
                return str(slot.state) if slot.state is SlotState.AVAILABLE else None
        return None
    found = store_holdings.find_referral(transaction, proposal.target)
    if found is None or found.state is ReferralState.HELD:
        return None
    return str(found.state) if found.state in REFERRAL_ACTIONS[proposal.action] else None


def print_held(rows: Sequence[Waiting], console: Console) -> None:
    """Print a table of what waits."""
    if not rows:
        console.print("Nothing waits for a decision.")
        return
    table = Table("company", "id", "state", "since", "reasons", "proposed", box=None)
    for row in rows:
        said = "; ".join(f"{each.action} by {each.by}: {each.why}" for each in row.proposals)
        since, reasons = format_time(row.since), " ".join(row.reasons)
        cells = (row.company, row.id, row.state, since, reasons, said)
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    console.print(table)


@app.command()
def release(
    referral: IdArgument,
    by: ByOption,
    why: WhyOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a held referral count: the first person proposes, a second one confirms."""
    judge(Action.RELEASE, referral, by, why, read_config(config), as_json=as_json)


@app.command()
def reject(
    referral: IdArgument,
    by: ByOption,
    why: WhyOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a held referral back: the first person proposes, a second one confirms."""
    judge(Action.REJECT, referral, by, why, read_config(config), as_json=as_json)


@app.command()
def reverse(
    referral: IdArgument,
    by: ByOption,
    why: WhyOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back a referral that counts: the first person proposes, a second one confirms.

    A slot that was granted for it stays; the next referral fills the gap.
    """
    judge(Action.REVERSE, referral, by, why, read_config(config), as_json=as_json)


def judge(
    action: Action, referral: str, by: str, why: str, settings: Config, *, as_json: bool
) -> None:
    """Propose or confirm, and say which."""
    name = referral.partition(":")[2] or referral
    target = f"{EventType.SIGNUP_VERIFIED}:{name}"
    with opened(settings) as store:
        company = _company_of(store, target)
        if company is None:
            fail(f"{referral}: no such referral; `careerrelay credits held` lists what is held")
        done = decide(store, company, action, target, by=by, why=why)
        show(done, f"{action} {name}", as_json=as_json)


def _company_of(store: Store, target: str) -> str | None:
    with store.read() as transaction:
        found = store_holdings.find_referral(transaction, target)
    return found.company if found else None


@app.command()
def rebuild(
    company: Annotated[
        str | None, typer.Option("--company", help="A company's id; all when left out.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count everything again from the logs and compare it with what is kept."""
    settings = read_config(config)
    with opened(settings) as store:
        found = rebuild_ledgers(store, read_policies(), company)
    if company is not None and not found:
        fail(f"{company}: nothing is on record of this company")
    console = Console()
    for one in found:
        if as_json:
            print_json(
                {
                    "company": one.company,
                    "entries": one.entries,
                    "equal": one.difference is None,
                    "difference": one.difference,
                }
            )
        else:
            said = "equal" if one.difference is None else f"different: {one.difference}"
            text = f"{one.company}: {one.entries} entries: {said}"
            console.print(Text(printable(text)), soft_wrap=True)
    if any(one.difference for one in found):
        raise typer.Exit(FOUND_WRONG)
