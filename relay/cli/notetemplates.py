"""`careerrelay letters lint` and `preview`: the templates of the line, before they are used.

Both take what the configuration uses, or a folder that is about to be installed: that needs no
configuration, and then any company may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    printable,
    read_config,
    read_config_if_any,
    unknown_company,
)
from relay.cli.samples import preview_letter
from relay.company import Company
from relay.inject import Mark, NotInjected, inject
from relay.lexicons import load_lexicons, stages_of
from relay.mimemap import map_message
from relay.note import SAMPLE_COMPANY, CheckedTemplates, Notes, NoteTemplates, check_templates
from relay.notefiles import DEFAULT_LANGUAGE, LANGUAGES, PLAIN, FolderError

# As long as a token, and none: "-" is in no token, so such a link leads to the front page.
SAMPLE_TOKEN = "sample-link-only-for-preview-not-registered"  # noqa: S105 (nobody's secret)
SAMPLE_BASE_URL = "https://r.example.jp/"
_SAMPLE_MARK = Mark("samplesamplesamp", "samplesamplesamplesamplesa")

FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR",
        help="A folder of templates that is not in use yet.",
        show_default="what the configuration uses",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="The folder for the letters; made if new.")]
CompanyOption = Annotated[str | None, typer.Option("--company", help="The id of one company.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite letters that are there.")]


def lint(
    folder: FolderArgument = None, json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Check the templates of the line, as every start does; exit 1 when one cannot be used."""
    found = _read(folder, config)
    files = found.checked.files
    if folder is not None:
        files = tuple(file for file in files if file.path.is_relative_to(folder))
        if not files:
            fail(f"{folder}: there is no template in it", FOUND_WRONG)
    for file in files:
        if json:
            print_json({"file": printable(str(file.path)), "problems": file.problems})
            continue
        for problem in file.problems or ("ok",):
            typer.echo(printable(f"{file.path}: {problem}"))
    if any(file.problems for file in files):
        raise typer.Exit(FOUND_WRONG)


def preview(
    out: OutOption,
    folder: FolderArgument = None,
    company: CompanyOption = None,
    force: ForceOption = False,
    config: ConfigOption = None,
) -> None:
    """Write a letter for each template that would be used, with the line in its place."""
    found = _read(folder, config)
    companies = tuple(one for one in found.companies if company in (None, one.id))
    if company is not None and not companies:
        fail(unknown_company(company, found.companies))
    if found.checked.complaint:
        fail(found.checked.complaint, FOUND_WRONG)
    letters = [
        letter for one in companies for letter in _letters(found.checked.templates, one, found)
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = [out / letter.name for letter in letters if (out / letter.name).exists()]
        if taken and not force:
            fail(f"{taken[0]}: is there already; name another folder, or use --force")
        for letter in letters:
            (out / letter.name).write_bytes(letter.message)
            typer.echo(printable(f"{out / letter.name}: {letter.template}"))
    except FileExistsError:
        fail(f"{out}: is not a folder")
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")


@dataclass(frozen=True, slots=True)
class _Found:
    """The templates, and for whom and what they are."""

    checked: CheckedTemplates
    companies: tuple[Company, ...]
    stages: tuple[str, ...]
    base_url: str


@dataclass(frozen=True, slots=True)
class _Letter:
    name: str
    template: str
    message: bytes


def _read(folder: Path | None, config: Path | None) -> _Found:
    """Return the templates of the configuration, or those in `folder` before ours.

    Without a configuration they are for a sample company, also under each name that files have.
    """
    settings = read_config(config) if folder is None else read_config_if_any(config)
    stages = stages_of(load_lexicons(with_wording=False))
    companies = None if settings is None else settings.companies
    own = folder if settings is None or folder is not None else settings.note.templates
    try:
        checked = check_templates(own, companies, stages)
    except FolderError as error:
        fail(str(error) if folder is not None else f"[note] templates: {error}")
    if settings is not None:
        return _Found(checked, settings.companies, stages, settings.link.base_url)
    meant = {SAMPLE_COMPANY.id, *checked.templates.owners}
    samples = tuple(replace(SAMPLE_COMPANY, id=each) for each in sorted(meant))
    return _Found(checked, samples, stages, SAMPLE_BASE_URL)


def _letters(templates: NoteTemplates, company: Company, found: _Found) -> Iterator[_Letter]:
    """Yield a letter for each template that letters of a company would be given."""
    link = found.base_url + SAMPLE_TOKEN
    for language in LANGUAGES:
        known: set[str] = set()
        for stage in ("", *found.stages):
            template = templates.stems(company, language, stage)[0]
            if template not in known:
                known.add(template)
                notes = templates.notes(company, language, link, stage)
                name = ".".join(filter(None, (company.id, language, stage)))
                yield _Letter(f"{name}.eml", template, _with_note(company, language, notes))
    plain = Notes(templates.notes(company, DEFAULT_LANGUAGE, link).wordings[-1:])
    yield _Letter(
        f"{company.id}.{DEFAULT_LANGUAGE}.{PLAIN}.eml",
        f"{DEFAULT_LANGUAGE}/{PLAIN}",
        _with_note(company, DEFAULT_LANGUAGE, plain),
    )


def _with_note(company: Company, language: str, notes: Notes) -> bytes:
    try:
        return inject(map_message(preview_letter(company, language)), notes, _SAMPLE_MARK).message
    except NotInjected as error:
        fail(f"company {company.id}: the sample letter cannot carry the line: {error.reason}")
