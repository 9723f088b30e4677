"""`careerrelay credits statement`: a company's month, for accountants and auditors."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ledger.events import EventError
from ledger.fold import FoldError
from ledger.pages import find_templates
from ledger.policies import read_policies
from ledger.statement import Month, Statement, StatementError, encode_json, parse_month
from ledger.statement_store import read_statement
from ledger.statement_text import render_beancount, render_csv
from ledger.statement_view import render_html, view_of
from relay.cli.common import FOUND_WRONG, ConfigOption, fail, read_config
from relay.cli.decisions import opened


class Format(StrEnum):
    """What a statement can be written as."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"
    BEANCOUNT = "beancount"


class Language(StrEnum):
    """Of the pages that people read."""

    JA = "ja"
    EN = "en"


def statement(
    company: Annotated[str, typer.Argument(help="A company's id.")],
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="A month, in Japan.")],
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.JSON,
    language: Annotated[Language, typer.Option(help="Of HTML and PDF.")] = Language.JA,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file; else standard output.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a company's statement of a month; one not issued yet says that it is provisional."""
    settings = read_config(config)
    names = {each.id: each.name for each in settings.companies}
    if company not in names:
        fail(f"{company}: no such company; there are {', '.join(names)}")
    if form is Format.PDF and output is None and sys.stdout.isatty():
        fail("a PDF is no text: name a file with -o")
    try:
        asked = parse_month(month)
    except StatementError as error:
        fail(str(error))
    with opened(settings) as store:
        try:
            found = read_statement(store, company, asked, read_policies())
        except (EventError, FoldError) as error:
            fail(f"log {company}: {error}; see `careerrelay log verify`", FOUND_WRONG)
    write(render(found, form, language, names[company]), output, asked)


def render(found: Statement, form: Format, language: Language, name: str) -> bytes:
    """Return the bytes of the statement in this form."""
    match form:
        case Format.JSON:
            return encode_json(found)
        case Format.CSV:
            return render_csv(found)
        case Format.BEANCOUNT:
            return render_beancount(found)
        case Format.HTML:
            return render_html(view_of(found, language.value, name), find_templates())
        case Format.PDF:
            # Half a second that no other command is to wait for.
            from ledger.statement_pdf import render_pdf

            return render_pdf(view_of(found, language.value, name))


def write(content: bytes, output: Path | None, month: Month) -> None:
    """Write to the file or to standard output."""
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        fail(f"{output}: the statement of {month} cannot be written: {error.strerror}", FOUND_WRONG)
