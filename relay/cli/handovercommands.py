"""`careerrelay handover`: who waits for the placement service, and all of them as a sealed file."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ledger.handoverfile import CERTIFICATE_MAX_BYTES, Export, export_people, load_recipient
from ledger.holdings import is_operator
from ledger.keyfiles import load_person_keys, load_subject_key
from ledger.people import People
from ledger.store import LedgerError, Store
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    read_config,
)
from relay.cli.decisions import ByOption
from relay.cli.record import open_store
from relay.config import Config

app = typer.Typer(help="Confirmed registrations, for the placement service.", no_args_is_help=True)


@contextmanager
def _opened(settings: Config) -> Generator[People]:
    """Open the people of the store; an error of theirs ends the command."""
    try:
        keys = load_person_keys(settings.store.person_keys)
        subject_key = load_subject_key(settings.store.subject_key)
    except LedgerError as error:
        fail(str(error))
    store: Store = open_store(settings.store.url)
    try:
        kept = timedelta(days=settings.handover.keep_days)
        yield People(store, keys, subject_key, now, handed_over_kept=kept)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how many registrations there are in each state."""
    settings = read_config(config)
    with _opened(settings) as people:
        states = people.states()
    if as_json:
        print_json({"by": settings.handover.by, "states": states})
        return
    typer.echo(f"handed over by: {settings.handover.by}")
    for state, count in sorted(states.items()):
        typer.echo(f"{state}: {count}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write; nothing may be there.")],
    to: Annotated[Path, typer.Option("--to", help="The recipient's certificate, in PEM.")],
    by: ByOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all who wait into a file that only the recipient can open, and hand them over by it."""
    settings = read_config(config)
    if settings.handover.by in ("webhook", "mail"):
        fail(f'[handover] by is "{settings.handover.by}": they would be handed over twice')
    try:
        with to.open("rb") as source:
            recipient = load_recipient(source.read(CERTIFICATE_MAX_BYTES + 1), now())
    except OSError as error:
        fail(f"{to}: {error.strerror}")
    except LedgerError as error:
        fail(f"{to}: {error}")
    if not is_operator(by):
        fail("--by: expected 1 to 32 of a-z, 0-9 and . _ -")
    if os.path.lexists(file):
        fail(f"{file} is there already")
    with _opened(settings) as people:
        made = export_people(people, recipient, now(), by)
        if made.registrations or made.erased:
            _write(file, made)
        # A crash before this leaves a file whose registrations stand in the next one as well.
        for person_id in made.registrations:
            people.mark_handed_over(person_id)
    counts = {"registrations": len(made.registrations), "erased": len(made.erased)}
    if as_json:
        print_json({"file": str(file) if sum(counts.values()) else None, **counts})
    elif not sum(counts.values()):
        typer.echo("Nobody waits; nothing was written.")
    else:
        typer.echo(f"Wrote {file}: {counts['registrations']} handed over,")
        typer.echo(f"{counts['erased']} to be deleted by the placement service.")


def _write(file: Path, made: Export) -> None:
    """Put the file on disk, whole or not at all."""
    half = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(made.content)
            target.flush()
            os.fsync(target.fileno())
        os.link(half, file)  # Unlike a rename it overwrites nothing.
        half.unlink()
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        fail(f"{file}: {error.strerror}; nobody was handed over", FOUND_WRONG)
