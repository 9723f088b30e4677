"""The command `careerrelay`: every command, put together from relay/cli."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from relay.cli import (
    creditcommands,
    exports,
    handovercommands,
    init,
    judge,
    keys,
    letters,
    logcommands,
    notetemplates,
    passwords,
    queuecommands,
    record,
    replay,
    splice,
)
from relay.cli.backup import backup
from relay.cli.demo import run
from relay.cli.erase import erase
from relay.cli.service import serve

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run)
app.command()(serve)
app.command("init")(init.init)
app.command("hash-password")(passwords.hash_password_command)
app.command()(judge.check)
app.command()(judge.evaluate)
app.command()(replay.replay)
app.command("inject")(splice.inject)
app.command("restore")(splice.restore)
letters.app.command()(notetemplates.lint)
letters.app.command()(notetemplates.preview)
app.command("backup")(backup)
app.command("erase")(erase)
record.log_app.command("export")(exports.log_export)
logcommands.add_to(record.log_app)
app.add_typer(letters.app, name="letters")
app.add_typer(keys.app, name="keys")
app.add_typer(record.log_app, name="log")
creditcommands.add_to(record.credits_app)
app.add_typer(record.credits_app, name="credits")
app.add_typer(queuecommands.app, name="queue")
app.add_typer(handovercommands.app, name="handover")


def show_version(wanted: bool) -> None:
    """Show the version and end."""
    if wanted:
        typer.echo(metadata.version("careerrelay"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Career Relay: one line in a rejection letter that helps the candidate."""


def main() -> None:
    """Run the command line."""
    app(prog_name="careerrelay")


if __name__ == "__main__":
    main()
