"""`careerrelay backup`: a checked copy of the store while the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledger.backup import (
    Backup,
    BackupError,
    back_up,
    checkpoints_path,
    manifest_path,
    save_checkpoints,
)
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
from relay.cli.ownlog import new_event_id, record
from relay.cli.record import open_store


def backup(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A new file; FILE.checkpoints and FILE.manifest go beside it."
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the store to FILE, check the copy, and put that on record."""
    settings = read_config(config)
    if not path.absolute().parent.is_dir():
        fail(f"{path.absolute().parent}: no such folder")
    for one in (path, checkpoints_path(path), manifest_path(path)):
        if one.exists():
            fail(f"{one} is there already; a backup overwrites nothing")
    store = open_store(settings.store.url)
    try:
        if not store.files():
            _explain_server(store, path)
        done = back_up(store, path, installation=settings.store.installation, now=now())
        record(store, done.event(now(), new_event_id()), f"{path} is written")
    except LedgerError as error:
        fail(f"no backup: {error}", FOUND_WRONG)
    finally:
        store.close()
    _show(done, as_json=as_json)


def _explain_server(store: Store, path: Path) -> None:
    """End the command: a server's data are copied by its own tools."""
    try:
        target = save_checkpoints(store, path)
    except BackupError as error:
        fail(f"no backup: {error}", FOUND_WRONG)
    fail(
        f"no backup: the store is on a PostgreSQL server. Copy it with\n"
        f"  pg_dump --format=custom --file={path} DATABASE\n"
        f"and keep {target} with it, which is written: the signed checkpoints of this moment. "
        "See docs/admin/backup.md.",
        FOUND_WRONG,
    )


def _show(done: Backup, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(done.path),
                "size_bytes": done.size_bytes,
                "sha256": done.sha256,
                "logs": len(done.logs),
                "entries": done.entries,
            }
        )
        return
    typer.echo(f"{done.path}: {len(done.logs)} logs, {done.entries} entries, checked.")
    typer.echo("The keys are not in it: keep copies of them elsewhere (docs/admin/backup.md).")
