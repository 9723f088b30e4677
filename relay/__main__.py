"""The command `careerrelay`: the list of its commands, each of which is in relay/cli."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from relay.cli.later import Later

# Name, place, and what `careerrelay --help` says, without importing it.
COMMANDS = (
    (
        "run",
        "relay.cli.demo:run",
        "Run everything on this machine, with sample letters and an outside world to look at.",
    ),
    (
        "serve",
        "relay.cli.service:serve",
        "Run the relay, the intake and the worker against your own next hop, until Ctrl-C.",
    ),
    (
        "init",
        "relay.cli.init:init",
        "Write a commented configuration and the keys beside it. Touches nothing that exists.",
    ),
    (
        "hash-password",
        "relay.cli.passwords:hash_password_command",
        "Write the hash of a user's password: of the one typed, or of the first line of stdin.",
    ),
    (
        "check",
        "relay.cli.judge:check",
        "Explain the verdict on letters: evidence, decision and reason.",
    ),
    (
        "evaluate",
        "relay.cli.judge:evaluate",
        "Measure precision and recall on letters whose answer is known.",
    ),
    (
        "replay",
        "relay.cli.replay:replay",
        "Judge mail that was sent, and say what it would have been worth. Nothing is changed.",
    ),
    (
        "inject",
        "relay.cli.splice:inject",
        "Write the changed letter to stdout; exit 1 with the reason on stderr when it passes.",
    ),
    (
        "restore",
        "relay.cli.splice:restore",
        "Write the original bytes of a letter we changed; exit 1 with the reason if it is not "
        "ours.",
    ),
    (
        "backup",
        "relay.cli.backup:backup",
        "Copy the store to FILE, check the copy, and put that on record.",
    ),
    (
        "erase",
        "relay.cli.erase:erase",
        "Erase a person: no reference in any log can be connected to them again.",
    ),
    (
        "letters",
        "relay.cli.letters:app",
        "Letters that you approve, and the templates of the line.",
    ),
    (
        "keys",
        "relay.cli.keys:app",
        "The keys that sign links: next, active, verify-only, revoked.",
    ),
    ("log", "relay.cli.logcommands:app", "The event logs."),
    ("credits", "relay.cli.creditcommands:app", "What the companies have earned."),
    ("queue", "relay.cli.queuecommands:app", "Events and jobs that wait."),
    (
        "handover",
        "relay.cli.handovercommands:app",
        "Confirmed registrations, for the placement service.",
    ),
)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = [Later(*each) for each in COMMANDS]
        super().__init__(**settings)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def show_version(wanted: bool) -> None:
    """Show the version and end."""
    if wanted:
        from importlib import metadata  # Takes as long as all the rest; used here alone.

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
