"""`careerrelay erase`: a person's references become nobody's."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ledger.erase import Erasure, erase_person
from ledger.events import INSTALLATION
from ledger.keyfiles import load_subject_key
from ledger.people import erase_address
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
from relay.cli.record import open_store

# The longest mail address has 254 characters; a registration service may have longer names.
PERSON_MAX_BYTES = 4096


def erase(
    person: Annotated[
        str,
        typer.Argument(
            help="What identified the person to us, exactly; - reads it from standard input, so "
            "that it stands in no history of commands."
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: no reference in any log can be connected to them again."""
    settings = read_config(config)
    if person == "-":
        person = _read_person()
    if not person:
        fail("expected what identified the person, as PERSON or, with -, on standard input")
    try:
        key = load_subject_key(settings.store.subject_key)
    except LedgerError as error:
        fail(str(error))
    store = open_store(settings.store.url)
    try:
        done = _erase(store, key, person)
    except LedgerError as error:
        fail(f"nothing was erased: {error}", FOUND_WRONG)
    finally:
        store.close()
    if as_json:
        print_json(
            {
                "erased": done.was_known,
                "logs": list(done.logs),
                "clicks": done.clicks,
                "scrubbed": done.is_scrubbed,
            }
        )
    elif not done.was_known:
        typer.echo("Nothing is kept under this identifier: never seen, or erased before.")
    else:
        companies = [log for log in done.logs if log != INSTALLATION]
        typer.echo(
            f"Erased. On record in the installation's log and {len(companies)} of companies"
            f"{': ' if companies else ''}{', '.join(companies)}. "
            f"Clicks whose details are gone: {done.clicks}."
        )
    if not done.is_scrubbed:
        typer.echo("Somebody reads the store: its -wal file is cleaned by tomorrow.", err=True)


def _erase(store: Store, key: bytes, person: str) -> Erasure:
    """Erase whom a registration service named so, and who registered here with this address."""
    named = erase_person(store, subject_key=key, person=person, now=now())
    if "@" not in person:
        return named
    own = erase_address(store, key, person, now())
    return Erasure(
        named.was_known or own.was_known,
        tuple(sorted({*named.logs, *own.logs})),
        named.clicks + own.clicks,
        named.is_scrubbed and own.is_scrubbed,
    )


def _read_person() -> str:
    """Return the first line of standard input without its line end."""
    line = sys.stdin.buffer.readline(PERSON_MAX_BYTES + 1)
    if len(line) > PERSON_MAX_BYTES:
        fail(f"expected at most {PERSON_MAX_BYTES} bytes on standard input")
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        fail("expected UTF-8 on standard input")
