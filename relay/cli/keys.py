"""`careerrelay keys`: list, add, activate and revoke the keys that sign links."""

from __future__ import annotations

from collections.abc import Callable

import typer
from rich.console import Console
from rich.table import Table

from relay.cli import personkeys
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    read_config,
)
from relay.cli.parts import make_dkim_keys, make_sealer
from relay.config import Config
from relay.dkimkeys import DkimKeyError
from signer.errors import KeyRingError
from signer.keyring import KeyRing
from signer.keyring_file import load_key_ring, save_key_ring

app = typer.Typer(help="The keys that sign links: next, active, verify-only, revoked.")
app.add_typer(personkeys.app, name="person")


@app.command("list")
def list_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the keys, oldest first; never their secrets."""
    ring = _load(read_config(config))
    if json:
        for key in ring.keys:
            print_json({"id": key.id, "state": key.state.value, "created": key.created.isoformat()})
        return
    table = Table("key", "state", "created")
    for key in ring.keys:
        table.add_row(key.id, key.state.value, key.created.isoformat(timespec="seconds"))
    Console().print(table)


@app.command()
def add(config: ConfigOption = None) -> None:
    """Add a key in state next. Copy the file to every machine before you activate it."""
    settings = read_config(config)
    ring = _change(settings, lambda ring: ring.with_new_key(now()))
    typer.echo(f"key {ring.keys[-1].id} is next")


@app.command()
def activate(key_id: str, config: ConfigOption = None) -> None:
    """Let a key sign new links; the one before it keeps verifying old letters."""
    _change(read_config(config), lambda ring: ring.with_activated(key_id, now()))
    typer.echo(f"key {key_id} is active; restart the relay to use it")


@app.command()
def revoke(key_id: str, config: ConfigOption = None) -> None:
    """Refuse every link of a key, for good. Old letters with it lead to the front page."""
    _change(read_config(config), lambda ring: ring.with_revoked(key_id, now()))
    typer.echo(f"key {key_id} is revoked; restart relay and intake to refuse it")


@app.command("dkim")
def dkim_records(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the TXT records to publish for the keys of [[dkim]] and [arc]."""
    settings = read_config(config)
    try:
        sealer = make_sealer(settings)
        keys = [*make_dkim_keys(settings), *([sealer.key] if sealer else [])]
    except DkimKeyError as error:
        fail(str(error))
    if not keys:
        fail("no [[dkim]] and no [arc] in the configuration: there is nothing to publish")
    for key in keys:
        if json:
            print_json({"name": key.record_name, "type": "TXT", "value": key.record})
        else:
            # A string of a TXT record holds 255 octets (RFC 1035 §3.3); zone files join them.
            parts = [key.record[at : at + 250] for at in range(0, len(key.record), 250)]
            strings = " ".join(f'"{part}"' for part in parts)
            typer.echo(f"{key.record_name}. IN TXT ( {strings} )")


def _load(config: Config) -> KeyRing:
    try:
        return load_key_ring(config.link.key_ring)
    except KeyRingError as error:
        fail(str(error))


def _change(config: Config, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    ring = _load(config)
    try:
        changed = change(ring)
        save_key_ring(config.link.key_ring, changed, replace=True)
    except KeyRingError as error:
        fail(str(error), FOUND_WRONG)
    return changed
