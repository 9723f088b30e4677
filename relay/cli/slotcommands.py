"""`careerrelay credits slot`: what becomes of a company's free placements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger import store_holdings
from ledger.events import format_time
from ledger.holdings import RESERVATION_MAX, slot_name, slot_number
from ledger.operations import slot_released, slot_reserved, slot_used
from ledger.states import Action, Slot, SlotState
from ledger.store import Store
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
from relay.cli.decisions import (
    ByOption,
    WhyOption,
    bring_about,
    check_words,
    decide,
    opened,
    show,
)
from relay.cli.ownlog import new_event_id

# Two weeks are what an offer and its answer usually take.
RESERVED_DAYS = 14

app = typer.Typer(help="Placements free of fees: list, reserve, use.", no_args_is_help=True)

SlotArgument = Annotated[str, typer.Argument(metavar="SLOT", help="A slot, as in aozora/1.")]


@app.command("list")
def slot_list(
    company: CompanyArgument = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List slots and where each is."""
    settings = read_config(config)
    names = companies_of(settings, company)
    with opened(settings) as store:
        rows = [slot_row(each, slot) for each in names for slot in slots_of(store, each)]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_slots(rows, Console())


@app.command("reserve")
def slot_reserve(
    slot: Annotated[
        str,
        typer.Argument(
            metavar="SLOT|COMPANY",
            help="A slot, as in aozora/1, or a company: then the available one that expires first.",
        ),
    ],
    by: ByOption,
    days: Annotated[
        int, typer.Option(help="After so many days it is available again by itself.")
    ] = RESERVED_DAYS,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a slot for a hire that is about to be made."""
    check_words(by)
    if not 1 <= days <= RESERVATION_MAX.days:
        fail(f"--days {days}: expected 1 to {RESERVATION_MAX.days}")
    with opened(read_config(config)) as store:
        name = slot if "/" in slot else first_available(store, slot)
        company, found = find_slot(store, name)
        time = now()
        event = slot_reserved(
            company,
            found.number,
            time,
            reservation=new_event_id(),
            until=time + timedelta(days=days),
            by=by,
        )
        until = event.data["until"]
        show(bring_about(store, event), f"{name} is reserved until {until}", as_json=as_json)


@app.command("use")
def slot_use(
    slot: SlotArgument, by: ByOption, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Use a reserved slot: the hire was made, free of fees."""
    check_words(by)
    with opened(read_config(config)) as store:
        company, found = find_slot(store, slot)
        event = slot_used(
            company,
            found.number,
            now(),
            reservation=found.reservation,
            by=by,
            request=new_event_id(),
        )
        show(bring_about(store, event), f"{slot} is used", as_json=as_json)


@app.command("release")
def slot_release(
    slot: SlotArgument,
    by: ByOption,
    why: WhyOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up a reservation: the slot is available again."""
    check_words(by, why)
    with opened(read_config(config)) as store:
        company, found = find_slot(store, slot)
        event = slot_released(
            company,
            found.number,
            now(),
            reservation=found.reservation,
            by=by,
            why=why,
            request=new_event_id(),
        )
        show(bring_about(store, event), f"{slot} is available again", as_json=as_json)


@app.command("void")
def slot_void(
    slot: SlotArgument,
    by: ByOption,
    why: WhyOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an available slot away: the first person proposes, a second one confirms."""
    with opened(read_config(config)) as store:
        company, _ = find_slot(store, slot)
        done = decide(store, company, Action.VOID, slot, by=by, why=why)
        show(done, f"void {slot}", as_json=as_json)


def slots_of(store: Store, company: str) -> list[Slot]:
    """Return a company's slots; raises `DamagedRow`."""
    with store.read() as transaction:
        return store_holdings.slots(transaction, company)


def find_slot(store: Store, name: str) -> tuple[str, Slot]:
    """Return the company and the slot of this name, or end the command."""
    company = name.partition("/")[0]
    number = slot_number(company, name)
    for slot in slots_of(store, company):
        if slot.number == number:
            return company, slot
    fail(f"{name}: no such slot; `careerrelay credits slot list` shows those there are")


def first_available(store: Store, company: str) -> str:
    """Return the name of the available slot that expires first, or end the command."""
    found = [slot for slot in slots_of(store, company) if slot.state is SlotState.AVAILABLE]
    if not found:
        fail(f"{company}: no slot is available", FOUND_WRONG)
    last = datetime.max.replace(tzinfo=UTC)
    best = min(found, key=lambda slot: (slot.expires or last, slot.number))
    return slot_name(company, best.number)


def slot_row(company: str, slot: Slot) -> dict[str, str | None]:
    """Return the slot under its stable names."""

    def text(time: datetime | None) -> str | None:
        return format_time(time) if time else None

    return {
        "company": company,
        "slot": slot_name(company, slot.number),
        "state": str(slot.state),
        "granted": text(slot.granted),
        "expires": text(slot.expires),
        "noticed": text(slot.noticed),
        "reservation": slot.reservation if slot.state is SlotState.RESERVED else None,
        "until": text(slot.until),
    }


def print_slots(rows: Sequence[dict[str, str | None]], console: Console) -> None:
    """Print a table of the slots."""
    if not rows:
        console.print("No slot was granted yet.")
        return
    table = Table(box=None)
    table.add_column("slot", no_wrap=True)  # Whole: it is copied into the next command.
    for column in ("state", "granted", "expires", "reserved until"):
        table.add_column(column)
    for row in rows:
        cells = (row["slot"], row["state"], row["granted"], row["expires"], row["until"])
        table.add_row(*(Text(printable(cell or "")) for cell in cells))
    console.print(table)
