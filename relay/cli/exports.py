"""`careerrelay log export`: a log as lines for a SIEM, a spreadsheet or an auditor.

Each export is on record in the installation's log, also one that broke off, as far as it came.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ledger import store_log
from ledger.export import Export, ExportError, ExportFile, Format
from ledger.store import LedgerError, Store
from relay.cli.common import FOUND_WRONG, ConfigOption, fail, now, read_config
from relay.cli.ownlog import new_event_id, record
from relay.cli.record import open_store

Write = Callable[[bytes], object]


def log_export(
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            help="The company's id, or _installation; may be left out where there is one log.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What the lines are.")] = Format.JSONL,
    start: Annotated[
        int | None, typer.Option("--from", min=0, help="The place of the first entry.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file; standard output if left out.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the file where it ended.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Export a log, one line an entry. The last line on stderr is `next` and what --from takes."""
    settings = read_config(config)
    if resume and (output is None or start is not None):
        fail("--resume goes with -o FILE and without --from")
    store = open_store(settings.store.url)
    try:
        export = _run(store, _choose(store, log), form, start or 0, output, is_resumed=resume)
    finally:
        store.close()
    sys.stderr.write(f"next {export.next}\n")


def _choose(store: Store, log: str | None) -> str:
    """Return the log that is meant, or end the command naming those there are."""
    try:
        with store.read() as transaction:
            names = store_log.names(transaction)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    if log is None and len(names) == 1:
        return names[0]
    if log not in names:
        what = f"{log}: no such log" if log else "expected --log"
        fail(f"{what}; there are {', '.join(names) or 'none yet'}")
    return log


def _run(
    store: Store, log: str, form: Format, start: int, output: Path | None, *, is_resumed: bool
) -> Export:
    """Export, put that on record, and return it; or end the command."""
    if output is None:
        return _finish(store, Export(store, log, form, start), None, is_begun=False)
    try:
        with ExportFile(output, may_exist=is_resumed) as file:
            is_begun = False
            if is_resumed:
                start, is_begun = file.next_place(store, log, form)
            return _finish(store, Export(store, log, form, start), file, is_begun=is_begun)
    except ExportError as error:
        fail(str(error))
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)


def _finish(store: Store, export: Export, file: ExportFile | None, *, is_begun: bool) -> Export:
    problem: Exception | None = None
    write = file.write if file else sys.stdout.buffer.write
    try:
        with _shown(export, write) as watched:
            export.run(watched, is_begun=is_begun)
        if file:
            file.sync()
        else:
            sys.stdout.buffer.flush()
    except (LedgerError, OSError) as error:
        problem = error
    if export.count:
        record(store, export.event(now(), new_event_id()), f"{export.count} entries went out")
    if isinstance(problem, BrokenPipeError):
        # What is left in the buffer cannot be written at the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail("whoever read the export went away before its end", FOUND_WRONG)
    if problem:
        fail(str(problem), FOUND_WRONG)
    return export


@contextmanager
def _shown(
    export: Export, write: Callable[[bytes], object]
) -> Generator[Callable[[bytes], object]]:
    """Give a writer that shows on a terminal how far the export has come."""
    console = Console(stderr=True)
    if not console.is_terminal or sys.stdout.isatty():
        yield write  # Between the lines themselves a bar would be noise.
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(export.log, total=None)

        def watched(data: bytes) -> None:
            write(data)
            progress.update(task, total=export.size - export.first, completed=export.count)

        yield watched
