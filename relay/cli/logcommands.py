"""`careerrelay log`: here `prove`, `verify-proof`, `checkpoint` and `verifier`, for an auditor.

The commands only read the store. `verify-proof` with `--key` and `verifier` need neither store nor
configuration.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ledger import recount, store_log, tiles, verifier
from ledger.checkpoint import (
    CheckpointError,
    LogKey,
    load_log_key,
    log_origin,
    open_checkpoint,
    verifier_key,
)
from ledger.events import INSTALLATION
from ledger.keyfiles import LOG_KEY, load_key
from ledger.proofs import ProofError, prove_consistency, prove_inclusion
from ledger.store import LedgerError, Transaction
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    printable,
    read_config,
)
from relay.cli.exports import log_export
from relay.cli.record import log_verify, open_store
from relay.config import Config

app = typer.Typer(help="The event logs.", no_args_is_help=True)
app.command("verify")(log_verify)
app.command("export")(log_export)

Answer = TypeVar("Answer")

LogOption = Annotated[
    str | None,
    typer.Option(
        "--log",
        help=f"The log: a company's id, or {INSTALLATION}.",
        show_default="the only company's",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write to this file.", show_default="stdout")
]


@app.command("prove")
def log_prove(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="SEQ|EVENT-ID",
            help="The entry: its place, from 0, or its event's id. With --consistency: OLD [NEW].",
        ),
    ],
    consistency: Annotated[
        bool,
        typer.Option("--consistency", help="Prove that the log of size NEW only appends to OLD."),
    ] = False,
    log: LogOption = None,
    output: OutputOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a proof that an entry is in the signed log, or that the log only grew."""
    settings = read_config(config)
    if len(what) > (2 if consistency else 1):
        fail("too many arguments: one entry, or with --consistency the sizes OLD and NEW")
    if consistency and not all(_is_number(each) for each in what):
        fail(f"--consistency takes sizes, not {printable(' '.join(what))}")
    name = _choose_log(settings, log)
    key = _load_key(settings)

    def prove(transaction: Transaction) -> bytes:
        if consistency:
            return prove_consistency(transaction, name, *map(int, what))
        place = store_log.place_of(transaction, name, what[0])
        if place is None and not _is_number(what[0]):
            raise ProofError(f"log {name}: no entry {printable(what[0])}")
        return prove_inclusion(transaction, name, int(what[0]) if place is None else place)

    proof = _read(settings, prove)
    try:
        # The tree was checked when the proof was made; here that it is our key that signed.
        note = proof.partition(b"\n\n")[2]
        open_checkpoint(note, log_origin(settings.store.installation, name), key.public)
    except CheckpointError as error:
        fail(f"log {name}: its newest checkpoint is damaged: {error}", FOUND_WRONG)
    _write(proof, output)


@app.command("verify-proof")
def log_verify_proof(
    file: Annotated[Path, typer.Argument(help="A .tlog-proof file.")],
    key: Annotated[
        str | None,
        typer.Option("--key", help="The verifier key.", show_default="this installation's"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof; with --key this needs no store, no configuration and no network."""
    try:
        data = verifier.read_file(str(file))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except verifier.Refused as error:
        fail(str(error), FOUND_WRONG)
    vkey = _own_key(data, config) if key is None else key
    try:
        trusted = verifier.read_key(vkey)
    except verifier.Refused as error:
        fail(f"--key: {error}")
    try:
        checkpoint, index, entry = verifier.check_proof(data, trusted)
    except verifier.Refused as error:
        fail(f"{file}: not verified: {printable(str(error))}", FOUND_WRONG)
    text = entry.decode(errors="replace")
    if as_json:
        row = {"origin": checkpoint.origin, "size": checkpoint.size, "seq": index, "entry": text}
        print_json({"verified": True, **row})
        return
    typer.echo(f"verified: entry {index} of {checkpoint.origin}, signed at {checkpoint.size}:")
    typer.echo(printable(text))


@app.command("checkpoint")
def log_checkpoint(
    log: LogOption = None,
    key: Annotated[
        bool,
        typer.Option("--key", help="The verifier key and the address of the log instead."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the newest checkpoint of a log, or what an auditor needs to check it."""
    settings = read_config(config)
    if key:
        if log is not None:
            _choose_log(settings, log)
        _print_keys(settings, log, as_json=as_json)
        return
    name = _choose_log(settings, log)
    newest = _read(settings, lambda transaction: store_log.newest_checkpoint(transaction, name))
    if newest is None:
        fail(f"log {name}: no checkpoint was signed yet", FOUND_WRONG)
    if as_json:
        row: dict[str, object] = {"log": name, "size": newest.size}
        print_json({**row, "checkpoint": newest.note.decode(errors="replace")})
    else:
        _write(newest.note, None)


@app.command("verifier")
def log_verifier(
    directory: Annotated[Path, typer.Argument(help="Where to put the files.")] = Path(),
) -> None:
    """Write verifier.py and recount.py, with which an auditor checks everything without us."""
    for module in (verifier, recount):
        source = Path(str(module.__file__))
        _write(source.read_bytes(), directory / source.name)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,18}", text))


def _choose_log(settings: Config, log: str | None) -> str:
    companies = [each.id for each in settings.companies]
    if log in (*companies, INSTALLATION):
        return str(log)
    if log is not None:
        fail(f"{log}: no such log; there are {', '.join([*companies, INSTALLATION])}")
    if len(companies) != 1:
        fail(f"--log: which one? There are {', '.join([*companies, INSTALLATION])}")
    return companies[0]


def _load_key(settings: Config) -> LogKey:
    try:
        return load_log_key(settings.store.log_key)
    except LedgerError as error:
        fail(str(error))


def _read(settings: Config, question: Callable[[Transaction], Answer]) -> Answer:
    """Return the answer of the store, or end the command."""
    store = open_store(settings.store.url)
    try:
        with store.read() as transaction:
            return question(transaction)
    except ProofError as error:
        fail(str(error))
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()


def _own_key(data: bytes, config: Path | None) -> str:
    """Return the verifier key of the log that a proof says it is of, if it can be one of ours."""
    settings = read_config(config)
    origin = data.partition(b"\n\n")[2].partition(b"\n")[0].decode(errors="replace")
    installation, _, log = origin.rpartition("/")
    companies = [each.id for each in settings.companies]
    if installation != settings.store.installation or log not in (*companies, INSTALLATION):
        fail(f"not a proof of a log of {settings.store.installation}", FOUND_WRONG)
    return verifier_key(origin, _load_key(settings).public)


def _print_keys(settings: Config, log: str | None, *, as_json: bool) -> None:
    key = _load_key(settings)
    seed = load_key(settings.store.log_key, LOG_KEY)
    logs = [log] if log else [*(each.id for each in settings.companies), INSTALLATION]
    for name in logs:
        vkey = verifier_key(log_origin(settings.store.installation, name), key.public)
        address = f"{settings.link.base_url}log/{tiles.log_address(seed, name)}/"
        if as_json:
            print_json({"log": name, "key": vkey, "address": address})
        else:
            typer.echo(f"{name}\n  key      {vkey}\n  address  {address}")


def _write(data: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        fail(f"{output}: {error.strerror}")
