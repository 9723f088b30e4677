"""`careerrelay keys person`: the keys that seal what people tell us when they register."""

from __future__ import annotations

import typer

from ledger.keyfiles import add_person_key, load_person_keys, load_subject_key
from ledger.people import People
from ledger.store import LedgerError
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    read_config,
)
from relay.cli.record import open_store

app = typer.Typer(help="The keys that seal people's data: the newest seals, all of them open.")


@app.command()
def add(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Add a key that seals from the next start on. Copy the file to every machine first."""
    path = read_config(config).store.person_keys
    try:
        count = add_person_key(path)
    except LedgerError as error:
        fail(str(error))
    if as_json:
        print_json({"keys": count})
        return
    typer.echo(f"{path} has {count} keys. Copy it to every machine and restart them all; then run")
    typer.echo("`careerrelay keys person rotate`, after which the lines before the last may go.")


@app.command()
def rotate(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Seal everything that is kept under the newest key. May be cut off and run again."""
    settings = read_config(config)
    try:
        keys = load_person_keys(settings.store.person_keys)
        subject_key = load_subject_key(settings.store.subject_key)
    except LedgerError as error:
        fail(str(error))
    store = open_store(settings.store.url)
    try:
        count = People(store, keys, subject_key, now).renew()
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    if as_json:
        print_json({"renewed": count})
    else:
        typer.echo(f"Sealed anew: {count}. Backups from before need the older keys.")
