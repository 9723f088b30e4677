"""`careerrelay keys`: list, add, activate and revoke the keys that sign links.

Every change is put on record in the installation's log, from the times that stand in the ring: a
change whose record failed, or that came before there was a store, is on record after the next one.
"""

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
from relay.cli.keyevents import key_events, record_all
from relay.cli.keylinks import RELOAD, revoke_links, show_token
from relay.cli.parts import make_dkim_keys, make_sealer
from relay.config import Config
from relay.dkimkeys import DkimKeyError
from signer.errors import KeyRingError
from signer.keyring import Key, KeyRing
from signer.keyring_file import change_key_ring, load_key_ring

TIMES = ("created", "activated", "retired", "revoked")

app = typer.Typer(help="The keys that sign links: next, active, verify-only, revoked.")
app.add_typer(personkeys.app, name="person")
app.command("revoke-links")(revoke_links)
app.command("show-token")(show_token)


@app.command("list")
def list_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the keys, oldest first; never their secrets."""
    ring = _load(read_config(config))
    if json:
        for key in ring.keys:
            print_json({"id": key.id, "state": key.state.value, **_times(key)})
        return
    table = Table("key", "state", *TIMES)
    for key in ring.keys:
        table.add_row(key.id, key.state.value, *(text[:19] for text in _times(key).values()))
    Console().print(table)
    if ring.revoked_links:
        typer.echo(f"Links revoked singly: {len(ring.revoked_links)}")


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
    typer.echo(f"key {key_id} is active; {RELOAD}")


@app.command()
def revoke(key_id: str, config: ConfigOption = None) -> None:
    """Refuse every link of a key, for good. Old letters with it lead to the front page."""
    _change(read_config(config), lambda ring: ring.with_revoked(key_id, now()))
    typer.echo(f"key {key_id} is revoked; {RELOAD}")


@app.command("dkim")
def dkim_records(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the TXT records to publish for the keys that sign (dkim) and seal (arc) letters."""
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
    _load(config)  # A ring that cannot be used is wrong use; a step that cannot be done is not.
    try:
        changed = change_key_ring(config.link.key_ring, change)
    except KeyRingError as error:
        fail(str(error), FOUND_WRONG)
    record_all(config, key_events(changed), "the key ring was changed")
    return changed


def _times(key: Key) -> dict[str, str]:
    return {name: time.isoformat() if (time := getattr(key, name)) else "" for name in TIMES}
