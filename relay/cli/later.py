"""A command whose module is imported when it is called: `--help` and each command start fast.

Importing every command takes a second, most of it for what the command at hand does not use.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class Later(TyperCommand):
    """Stands for the command at `place` ("module:name") in the list of commands.

    `summary` is what the list says of it: the first line of the command's own help.
    """

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, short_help=summary, callback=None)
        self.place = place

    def load(self) -> Any:
        """Return the command itself: of an app its group, of a function a command."""
        module, _, attribute = self.place.partition(":")
        # What is imported stays: to look for garbage in it, again and again, takes a fifth of a
        # start.
        gc.disable()
        found = getattr(import_module(module), attribute)
        gc.freeze()
        gc.enable()
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(found)
        return typer.main.get_command(alone)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Hand over to the command itself."""
        return self.load().make_context(info_name, args, parent=parent, **extra)
