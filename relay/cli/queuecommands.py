"""`careerrelay queue`: how the queue stands, and what failed for good.

What a person does here is an event in the installation's log, with a name and a reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger import deadletters
from ledger.deadletters import NotDead
from ledger.store import LedgerError, Store
from ledger.store_jobs import DeadRow
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    printable,
    read_config,
)
from relay.cli.decisions import ByOption, WhyOption, check_words
from relay.cli.record import open_store

app = typer.Typer(help="Events and jobs that wait.", no_args_is_help=True)
dead = typer.Typer(help="What failed for good and waits for a person.", no_args_is_help=True)
app.add_typer(dead, name="dead")

REQUEST_BYTES = 8

Id = Annotated[str, typer.Argument(help="The id, as `queue dead list` shows it.")]


@app.command("status")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how many events and jobs wait, for how long, and how many failed for good."""
    store = _store(config)
    try:
        state = deadletters.queue_state(store, now())
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    row = {
        "pending": state.pending,
        "oldest_seconds": round(state.oldest_seconds, 1),
        "jobs_waiting": state.jobs_waiting,
        "jobs_due": state.jobs_due,
        "dead": state.dead,
    }
    if as_json:
        print_json(row)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    names = {
        "pending": "events waiting to be applied",
        "oldest_seconds": "the oldest waits, in seconds",
        "jobs_waiting": "jobs waiting",
        "jobs_due": "of these due now",
        "dead": "failed for good",
    }
    for name, words in names.items():
        table.add_row(words, f"{row[name]}")
    Console().print(table)
    if state.dead:
        Console().print("`careerrelay queue dead list` shows them.", highlight=False)


@dead.command("list")
def dead_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what failed for good, the oldest first."""
    store = _store(config)
    try:
        rows = deadletters.dead_letters(store)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    if as_json:
        for row in rows:
            print_json(_row(row))
        return
    if not rows:
        Console().print("Nothing has failed for good.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)  # Whole: it is copied into the next command.
    table.add_column("kind")
    table.add_column("since")
    table.add_column("failures", justify="right")
    table.add_column("last error")
    for row in rows:
        shown = (printable(text) for text in (row.id, row.kind, _time(row.since_ms)))
        table.add_row(*map(Text, shown), f"{row.failures}", Text(printable(row.error)))
    Console().print(table)


@dead.command("show")
def dead_show(job_id: Id, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one in full: an event's bytes, a job's fields; what is sealed stays sealed."""
    store = _store(config)
    try:
        row, job, body = deadletters.find(store, job_id)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    payload: dict[str, object] = {}
    if job is not None:
        sealed = "(sealed)"
        payload = {k: sealed if k == "sealed" else v for k, v in job.payload.items()}
    whole = {**_row(row), "payload": payload, "event": body.decode(errors="backslashreplace")}
    if as_json:
        print_json(whole)
        return
    for name, value in whole.items():
        typer.echo(f"{name}: {printable(str(value))}")


@dead.command("retry")
def dead_retry(job_id: Id, by: ByOption, why: WhyOption, config: ConfigOption = None) -> None:
    """Have it tried again now, from the beginning."""
    _decide(deadletters.retry, job_id, by, why, config)
    typer.echo(f"{printable(job_id)} is tried again; {by} is on record.")


@dead.command("drop")
def dead_drop(job_id: Id, by: ByOption, why: WhyOption, config: ConfigOption = None) -> None:
    """Give it up for good; its row stays."""
    _decide(deadletters.drop, job_id, by, why, config)
    typer.echo(f"{printable(job_id)} is given up; {by} is on record.")


def _decide(do: Callable[..., None], job_id: str, by: str, why: str, config: ConfigOption) -> None:
    check_words(by, why)
    store = _store(config)
    try:
        do(store, job_id, by=by, why=why, request=secrets.token_hex(REQUEST_BYTES), now=now())
    except NotDead as error:
        fail(str(error), FOUND_WRONG)
    except (LedgerError, ValueError) as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()


def _store(config: ConfigOption) -> Store:
    return open_store(read_config(config).store.url)


def _row(row: DeadRow) -> dict[str, object]:
    return {
        "id": row.id,
        "kind": row.kind,
        "since": _time(row.since_ms),
        "failures": row.failures,
        "error": row.error,
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
