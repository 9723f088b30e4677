"""`careerrelay letters`: approve a company's own letters, and show which ones recur.

An approved letter is known by its fingerprint from then on; no word of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ledger.store import LedgerError, Store
from ledger.store_shapes import ShapeRow, read_shapes
from relay.approved import SENTENCES_MAX, ApprovedLetter, find_forbidding
from relay.approvedfile import (
    LABEL_SIZE_MAX_CHARS,
    ApprovedFileError,
    change_approved,
    load_approved,
)
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    read_config,
    unknown_company,
)
from relay.cli.letterfile import envelope_from_header, read_letter_file
from relay.cli.notetemplates import lint, preview
from relay.cli.rulefiles import read_rules
from relay.company import Company
from relay.config import Config
from relay.fingerprint import fingerprint_of
from relay.letter import read_letter, read_names
from relay.masking import bare
from relay.mimemap import MapError, map_message
from relay.pipeline import Rules, find_company, judge_letter
from relay.sentences import TEXT_SIZE_MAX_CHARS
from relay.verdict import Verdict

# With less in it, a letter in which the words find no decision may be any letter. A character of
# Japanese says what three of Latin letters do.
UNDECIDED_SIZE_MIN_OCTETS = 60
# What is seen less often is no template.
RECURRING_MIN = 2

app = typer.Typer(help="Letters that you approve, and the templates of the line.")
app.command()(lint)
app.command()(preview)

LetterFiles = Annotated[list[Path], typer.Argument(help="Letters as files (.eml).", dir_okay=False)]
CompanyOption = Annotated[str | None, typer.Option("--company", help="The id of one company.")]
LabelOption = Annotated[str, typer.Option("--label", help="Your own name for the letter.")]
Shapes = Annotated[list[str], typer.Argument(help="As `careerrelay letters list` shows them.")]


class _Refused(Exception):
    """A letter cannot be approved; the text says why."""


@app.command()
def approve(
    files: LetterFiles,
    company: CompanyOption = None,
    label: LabelOption = "",
    config: ConfigOption = None,
) -> None:
    """Approve letters: those of the same wording are taken for rejections of this company."""
    settings = read_config(config)
    rules = read_rules(settings)
    owner = _company(rules, company) if company is not None else None
    if len(label) > LABEL_SIZE_MAX_CHARS or not label.isprintable():
        fail(f"--label: expected up to {LABEL_SIZE_MAX_CHARS} characters on one line")
    approved: list[ApprovedLetter] = []
    told: list[str] = []
    refused: list[str] = []
    for file, message in [(file, read_letter_file(file)) for file in files]:
        try:
            letter, verdict = _read(message, rules, owner)
        except _Refused as error:
            refused.append(f"{file}: not approved: {error}")
            continue
        approved.append(replace(letter, label=label))
        told.append(
            f"{file}: {verdict.kind.value} ({verdict.score:.2f}), "
            f"shape {letter.fingerprint.shape}, approved for {letter.company}"
        )
    if approved:
        _change(settings, lambda known: _with(known, approved))
        typer.echo("\n".join(told))
        typer.echo("A running relay uses it after SIGHUP or a restart.")
    if refused:
        fail("\n".join(refused), FOUND_WRONG)


@app.command("list")
def list_letters(
    company: CompanyOption = None, json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show the approved letters, and the recurring ones that are not approved."""
    settings = read_config(config)
    if company is not None and company not in {known.id for known in settings.companies}:
        fail(unknown_company(company, settings.companies))
    letters = [one for one in _load(settings) if company in (None, one.company)]
    known = {(one.company, one.fingerprint.shape) for one in letters}
    seen = [row for row in _seen(settings, company) if (row.company, row.shape) not in known]
    if json:
        for letter in letters:
            print_json(
                {
                    "company": letter.company,
                    "shape": letter.fingerprint.shape,
                    "is_approved": True,
                    "language": letter.language,
                    "approved": letter.approved,
                    "label": letter.label,
                }
            )
        for row in seen:
            print_json(asdict(row) | {"is_approved": False})
        return
    _print_approved(letters)
    _print_seen(seen)


@app.command()
def remove(shapes: Shapes, company: CompanyOption = None, config: ConfigOption = None) -> None:
    """Take the approval back. Letters of these shapes are judged by their words again."""
    settings = read_config(config)
    if company is not None and company not in {known.id for known in settings.companies}:
        fail(unknown_company(company, settings.companies))
    wanted = set(shapes)
    gone: set[str] = set()

    def without(known: tuple[ApprovedLetter, ...]) -> list[ApprovedLetter]:
        kept: list[ApprovedLetter] = []
        for letter in known:
            if letter.fingerprint.shape in wanted and company in (None, letter.company):
                gone.add(letter.fingerprint.shape)
            else:
                kept.append(letter)
        return kept

    _change(settings, without)
    for shape in sorted(gone):
        typer.echo(f"{shape} is no longer approved")
    if gone:
        typer.echo("A running relay goes by it after SIGHUP or a restart.")
    missing = sorted(wanted - gone)
    if missing:
        fail(f"not approved: {', '.join(missing)}; see `careerrelay letters list`", FOUND_WRONG)


def _read(message: bytes, rules: Rules, owner: Company | None) -> tuple[ApprovedLetter, Verdict]:
    """Return the letter in a message as one that is approved; raises `_Refused`."""
    try:
        message_map = map_message(message)
    except MapError as error:
        raise _Refused(f"it cannot be read ({error.reason})") from error
    envelope = envelope_from_header(message_map)
    company = owner or find_company(message, envelope, rules)
    if company is None:
        raise _Refused(
            "its sender has the domain of no [[company]]; say whose it is with --company"
        )
    letter = read_letter(message_map, envelope)
    verdict = judge_letter(letter, company, rules)
    fingerprint = fingerprint_of(letter.subject, letter.text, verdict, read_names(message_map))
    if not fingerprint.sentences:
        raise _Refused("no text of its own can be read in it")
    if len(fingerprint.sentences) > SENTENCES_MAX or len(letter.text) > TEXT_SIZE_MAX_CHARS:
        raise _Refused("it is too long for a letter to an applicant")
    own = rules.own.get(company.id)
    lexicons = rules.lexicons if own is None else own.lexicons
    forbidding = find_forbidding(letter, verdict, lexicons)
    if forbidding is not None:
        raise _Refused(f'it says "{forbidding.text}" ({forbidding.name})')
    decided = any(item.name.startswith("decision.") for item in verdict.evidence)
    if not decided and len(bare(letter.text).encode()) < UNDECIDED_SIZE_MIN_OCTETS:
        raise _Refused(
            "it is too short, and its words decide nothing: others would be taken for it"
        )
    when = now().isoformat(timespec="seconds")
    return ApprovedLetter(company.id, fingerprint, verdict.language, when), verdict


def _with(known: Iterable[ApprovedLetter], new: list[ApprovedLetter]) -> list[ApprovedLetter]:
    """Return the letters with new ones in the place of those that were the same."""
    letters = {(one.company, one.fingerprint): one for one in known}
    letters.update({(one.company, one.fingerprint): one for one in new})
    return list(letters.values())


def _change(
    settings: Config,
    change: Callable[[tuple[ApprovedLetter, ...]], Iterable[ApprovedLetter]],
) -> None:
    try:
        change_approved(settings.relay.approved_letters, change)
    except ApprovedFileError as error:
        fail(str(error))


def _load(settings: Config) -> tuple[ApprovedLetter, ...]:
    try:
        return load_approved(settings.relay.approved_letters)
    except ApprovedFileError as error:
        fail(str(error))


def _seen(settings: Config, company: str | None) -> list[ShapeRow]:
    """Return the recurring shapes on record; none where no relay has made the store yet."""
    store = Store(settings.store.url, may_create=False)
    if not store.exists():
        return []
    try:
        with store.read() as transaction:
            rows = read_shapes(transaction, company)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    return [row for row in rows if row.seen >= RECURRING_MIN]


def _company(rules: Rules, company_id: str) -> Company:
    for company in rules.companies:
        if company.id == company_id:
            return company
    fail(unknown_company(company_id, rules.companies))


def _print_approved(letters: list[ApprovedLetter]) -> None:
    if not letters:
        typer.echo("No letter is approved.")
        return
    table = Table(title="Approved letters")
    for column in ("company", "shape", "language", "approved", "label"):
        table.add_column(column, overflow="fold")
    for one in letters:
        shape = one.fingerprint.shape
        table.add_row(one.company, shape, one.language, one.approved, escape(one.label))
    Console().print(table)


def _print_seen(rows: list[ShapeRow]) -> None:
    if not rows:
        typer.echo("No other letter has come more than once.")
        return
    typer.echo("Not approved:")
    for row in rows:
        typer.echo(
            f"{row.company}: shape {row.shape} ({row.language or 'unknown'}) was seen {row.seen} "
            f"times, {row.rejections} judged rejection, {row.unsure} unsure, "
            f"{row.first_day} to {row.last_day}"
        )
    typer.echo(
        "To approve one, save such a letter as a file and run `careerrelay letters approve FILE`; "
        "`careerrelay check FILE` shows its shape."
    )
