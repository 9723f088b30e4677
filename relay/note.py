"""The note: the words and the link we add to a letter, from Jinja2 templates.

Which template a letter gets depends on its language, its company and the stage it is about;
`relay.notefiles` says how their files are called. An operator's folder comes before ours.

A template is words, the three values and `{% if %}`: nothing in it repeats or calls, so that each
comes to an end, and the link stands in it as it is. HTML is inline content (no blocks); where it
stands decides the element around it. All files are read at once, and every template is rendered
and linted for every company that may use it: a bad one stops the start, never a letter.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import jinja2
from jinja2 import nodes

from relay.company import Company
from relay.notefiles import (
    DEFAULT_LANGUAGE,
    PLAIN,
    STANDARD,
    FolderError,
    Names,
    TemplateFile,
    owner_of,
    read_folder,
    stem_of,
    stems_for,
)
from relay.notelint import lint, lint_html

# Of usual length, so that the length limits mean what they say: 43 characters are a token.
_SAMPLE_LINK = "https://r.example.jp/" + "a" * 43
SAMPLE_COMPANY = Company(
    id="sample", name="株式会社みほん", domains=("example.jp",), contact="recruit@mihon.example.jp"
)
_PLAIN_CONTACT = re.compile(r"[a-z0-9][a-z0-9._-]*@[a-z0-9.-]+\.[a-z]+", re.IGNORECASE | re.ASCII)
# A mistake that shows with many companies is told of a few.
COMPANIES_SHOWN_MAX = 3

_VALUES = ("company", "contact", "link")
_FILTERS = ("lower", "replace", "trim", "upper")
_OFFERED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Filter, nodes.Keyword),
)


class TemplateError(Exception):
    """Templates cannot be used; the text has a line for each mistake, with what to do about it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Rendered words with their link: text lines with LF, and inline HTML."""

    text: str
    html: str
    link: str


@dataclass(frozen=True)
class Unrendered:
    """A wording that is rendered when asked for: a letter needs one or two of up to ten."""

    templates: NoteTemplates
    stem: str
    company: Company
    link: str

    @cached_property
    def text(self) -> str:
        """Lines with LF between them; `TemplateError` if the template fails."""
        return self.templates.render(f"{self.stem}.txt.j2", self.company, self.link)

    @cached_property
    def html(self) -> str:
        """Inline HTML; `TemplateError` if the template fails."""
        return self.templates.render(f"{self.stem}.html.j2", self.company, self.link)


@dataclass(frozen=True, slots=True)
class Notes:
    """The same note in several wordings, the fullest first, pure ASCII last."""

    wordings: tuple[Note | Unrendered, ...]


class NoteTemplates:
    """The templates of an installation, by their names, like `ja/note.txt.j2`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.DictLoader(texts),
            autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,  # All of them: there is nowhere else to get them from.
        )
        self._names = frozenset(texts)
        # What stands around the link, by template and what is rendered of the company.
        self._around_link: dict[tuple[str, str, str], tuple[str, str]] = {}

    @property
    def owners(self) -> tuple[str, ...]:
        """The ids of all companies that have templates of their own, sorted."""
        return tuple(sorted({owner_of(name) for name in self._names} - {""}))

    def notes(self, company: Company, language: str, link: str, stage: str = "") -> Notes:
        """Return the note for one letter in all wordings; `TemplateError` without a contact."""
        if not company.contact:
            raise TemplateError(f"company {company.id} has no contact")
        return Notes(
            tuple(
                Unrendered(self, stem, company, link)
                for stem in self.stems(company, language, stage)
            )
        )

    def stems(self, company: Company, language: str, stage: str) -> tuple[str, ...]:
        """Return the templates there are for a letter, the one that says most about it first."""
        spoken = language if f"{language}/{STANDARD}.txt.j2" in self._names else DEFAULT_LANGUAGE
        stems = stems_for(spoken, company.id, stage)
        return tuple(stem for stem in stems if f"{stem}.txt.j2" in self._names)

    def render(self, name: str, company: Company, link: str) -> str:
        """Return what a template makes of a company and a link; `TemplateError` if it cannot.

        For each company that is done once: the link stands in it once, and nothing else differs.
        """
        key = (name, company.name, company.contact)
        around = self._around_link.get(key)
        if around is None:
            before, _, after = self.render_sample(name, company).partition(_SAMPLE_LINK)
            self._around_link[key] = around = before, after
        return (html.escape(link) if name.endswith(".html.j2") else link).join(around)

    def render_sample(self, name: str, company: Company) -> str:
        """Return what a template makes of a company and a link of the usual length."""
        try:
            template = self._environment.get_template(name)
            text = template.render(company=company.name, contact=company.contact, link=_SAMPLE_LINK)
        except (jinja2.TemplateError, TypeError, SyntaxError, RecursionError) as error:
            # A filter with the wrong arguments, say, or a hundred conditions in each other.
            raise TemplateError(f"cannot be rendered: {error}") from error
        return text.strip("\n")

    def mistakes_in(self, text: str) -> list[str]:
        """Return what a template may not hold, one thing a line."""
        try:
            return _mistakes_in(self._environment.parse(text))
        except jinja2.TemplateSyntaxError as error:
            return [f"line {error.lineno}: {error.message}"]
        except RecursionError:
            return ["parts in parts in parts: too deep to be read"]


def _mistakes_in(tree: nodes.Template) -> list[str]:
    shown = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    by_line: dict[int, str] = {}
    for node in tree.find_all(nodes.Node):
        problem = _mistake(node, is_shown=id(node) in shown)
        if problem:
            # The outermost comes first, and explains what is in it.
            by_line.setdefault(node.lineno, f"line {node.lineno}: {problem}")
    return list(by_line.values())


def _mistake(node: nodes.Node, *, is_shown: bool) -> str:
    """Return why a template may not hold this; nothing if it may."""
    if isinstance(node, nodes.Name) and node.name not in _VALUES:
        return f"{node.name!r} is not known here: the values are {', '.join(_VALUES)}"
    if isinstance(node, nodes.Name) and node.name == "link" and not is_shown:
        return "the link can only be shown as it is: write {{ link }}"
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        return f"no filter {node.name!r} is offered: there are {', '.join(_FILTERS)}"
    if not isinstance(node, _OFFERED):
        what = type(node).__name__.lower()
        return f"{what!r} is not offered: a template is words, values, {{% if %}} and filters"
    return ""


@dataclass(frozen=True, slots=True)
class CheckedTemplates:
    """The templates of an installation, and each file of them with what is wrong with it."""

    templates: NoteTemplates
    files: tuple[TemplateFile, ...]

    @property
    def complaint(self) -> str:
        """A line for each thing that is wrong, with the file; empty when all may be used."""
        return "\n".join(
            f"{file.path}: {problem}" for file in self.files for problem in file.problems
        )


def load_templates(
    own_folder: Path | None = None,
    companies: Iterable[Company] | None = None,
    stages: Iterable[str] = (),
) -> NoteTemplates:
    """Return the note templates, those in the operator's `own_folder` before ours, all checked.

    Raises `TemplateError` with every file that is wrong.
    """
    try:
        checked = check_templates(own_folder, companies, stages)
    except FolderError as error:
        raise TemplateError(f"[note] templates: {error}") from error
    if checked.complaint:
        raise TemplateError(checked.complaint)
    return checked.templates


def check_templates(
    own_folder: Path | None, companies: Iterable[Company] | None, stages: Iterable[str]
) -> CheckedTemplates:
    """Return the templates that are used, and what is wrong with each.

    Of ours those are used that `own_folder` has not. Without companies a template may be any
    company's. `FolderError`: it cannot be read.
    """
    known = None if companies is None else tuple(companies)
    names = Names(None if known is None else tuple(one.id for one in known), tuple(stages))
    own = {} if own_folder is None else read_folder(own_folder, names)
    ours = read_folder(builtin_folder(), Names((), ()))
    stems = {stem_of(name) for name in own}
    files = {**own, **{name: file for name, file in ours.items() if stem_of(name) not in stems}}
    texts = {name: file.text for name, file in files.items() if file.text is not None}
    templates = NoteTemplates(texts)
    by_id = {company.id: company for company in known or ()}
    checked: list[TemplateFile] = []
    for name, file in files.items():
        owner = owner_of(name)
        users = [by_id.get(owner, SAMPLE_COMPANY)] if owner else [SAMPLE_COMPANY, *by_id.values()]
        problems = _problems_of(templates, name, file.text, users) if file.text is not None else ()
        checked.append(replace(file, problems=(*file.problems, *problems)))
    return CheckedTemplates(templates, tuple(checked))


def _problems_of(
    templates: NoteTemplates, name: str, text: str, users: Iterable[Company]
) -> list[str]:
    """Return what is wrong with a template: what is written in it, or what any user gets of it."""
    mistakes = templates.mistakes_in(text)
    if mistakes:
        return mistakes
    problems: list[str] = []
    hit = 0
    for company in users:
        try:
            found = _lint(name, templates.render_sample(name, company), company)
        except TemplateError as error:
            return [str(error)]
        if company is SAMPLE_COMPANY and found:
            return found
        hit += bool(found)
        if hit <= COMPANIES_SHOWN_MAX:
            problems += (f"company {company.id}: {problem}" for problem in found)
    if hit > COMPANIES_SHOWN_MAX:
        problems.append(f"and so for {hit - COMPANIES_SHOWN_MAX} more companies")
    return problems


def _lint(name: str, rendered: str, company: Company) -> list[str]:
    # One plain address is as good as another of its length, and thousands of companies have one.
    if _PLAIN_CONTACT.fullmatch(company.contact):
        rendered = rendered.replace(company.contact, f"a@{'a' * (len(company.contact) - 4)}.a")
    problems = [*_lint_words(rendered, is_html=name.endswith(".html.j2"))]
    # A company's contact may hold others; then it has no such note, and its letters have the rest.
    if company is SAMPLE_COMPANY and stem_of(name).endswith(f"/{PLAIN}") and not rendered.isascii():
        problems.append("holds other characters than ASCII")
    return problems


@lru_cache(maxsize=256)
def _lint_words(rendered: str, *, is_html: bool) -> tuple[str, ...]:
    return tuple(lint_html(rendered) if is_html else lint(rendered))


def builtin_folder() -> Path:
    """Return where our own note templates lie: inside the wheel, or beside `relay/`."""
    package = Path(__file__).resolve().parent
    inside = package / "templates" / "note"
    return inside if inside.is_dir() else package.parent / "templates" / "note"
