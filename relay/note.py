"""The note: the words and the link we add to a letter, from Jinja2 templates.

Templates lie in `templates/note/<language>/`: `note.txt.j2` and `note.html.j2`, or the same under
a company's id (`aozora.txt.j2`) for that company's own words. An operator's folder comes before
ours. `ascii.*` in English is what remains for a part whose charset lacks the letters. HTML is
inline content (no blocks); where it stands decides the element around it. Every template is
rendered once with sample values and linted when loaded: a bad one stops the start, never a letter.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2

from relay.notelint import lint, lint_html
from relay.policy import Company

DEFAULT_LANGUAGE = "en"
_PLAIN = "ascii"
_STANDARD = "note"

# Of usual length, so that the length limits mean what they say: 43 characters are a token.
_SAMPLE_LINK = "https://r.example.jp/" + "a" * 43
_SAMPLE_COMPANY = Company(
    id="sample", name="株式会社みほん", domains=("example.jp",), contact="recruit@mihon.example.jp"
)


class TemplateError(Exception):
    """A template cannot be used; says which file and what is wrong with it."""

    def __init__(self, file: str, problems: list[str]) -> None:
        super().__init__(f"{file}: {'; '.join(problems)}")
        self.file = file
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Note:
    """Rendered words with their link: text lines with LF, and inline HTML."""

    text: str
    html: str
    link: str


@dataclass(frozen=True)
class Unrendered:
    """A wording that is rendered when asked for: a letter needs one or two of up to six."""

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
    """The loaded and linted templates of an installation."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
        )
        self._names = frozenset(self._environment.list_templates(extensions=["j2"]))
        # What stands around the link, by template and what is rendered of the company.
        self._around_link: dict[tuple[str, str, str], list[str]] = {}

    def check(self) -> None:
        """Render and lint every template; raise `TemplateError` for the first bad one."""
        stems = sorted({name.split(".")[0] for name in self._names})
        if f"{DEFAULT_LANGUAGE}/{_PLAIN}" not in stems:
            raise TemplateError(f"{DEFAULT_LANGUAGE}/{_PLAIN}.txt.j2", ["missing"])
        for stem in stems:
            self._check_pair(stem)

    def _check_pair(self, stem: str) -> None:
        for kind, check in (("txt", lint), ("html", lint_html)):
            name = f"{stem}.{kind}.j2"
            if name not in self._names:
                raise TemplateError(name, ["missing, its twin is there"])
            rendered = self.render(name, _SAMPLE_COMPANY, _SAMPLE_LINK)
            problems = check(rendered)
            if stem.endswith(f"/{_PLAIN}") and not rendered.isascii():
                problems.append("holds other characters than ASCII")
            if problems:
                raise TemplateError(name, problems)

    def notes(self, company: Company, language: str, link: str) -> Notes:
        """Return the note for one letter in all wordings; `TemplateError` without a contact."""
        if not company.contact:
            raise TemplateError(f"company {company.id}", ["has no contact"])
        spoken = language if f"{language}/{_STANDARD}.txt.j2" in self._names else DEFAULT_LANGUAGE
        stems = (
            f"{spoken}/{company.id}",
            f"{spoken}/{_STANDARD}",
            f"{DEFAULT_LANGUAGE}/{_PLAIN}",
        )
        return Notes(
            tuple(
                Unrendered(self, stem, company, link)
                for stem in stems
                if f"{stem}.txt.j2" in self._names
            )
        )

    def render(self, name: str, company: Company, link: str) -> str:
        """Return what a template makes of a company and a link; `TemplateError` if it cannot.

        For each company that is done once: lint wants the link once, and nothing else differs.
        """
        key = (name, company.name, company.contact)
        around = self._around_link.get(key)
        if around is None:
            around = self._render(name, company, _SAMPLE_LINK).split(_SAMPLE_LINK)
            other = _SAMPLE_LINK[:-1] + "b"
            if other.join(around) != self._render(name, company, other):
                around = []  # The template does more with the link than to show it.
            self._around_link[key] = around
        if len(around) != 2 or html.escape(link) != link:
            return self._render(name, company, link)
        return link.join(around)

    def _render(self, name: str, company: Company, link: str) -> str:
        try:
            template = self._environment.get_template(name)
            text = template.render(company=company.name, contact=company.contact, link=link)
        except jinja2.TemplateError as error:
            raise TemplateError(name, [error.message or type(error).__name__]) from error
        except UnicodeDecodeError as error:
            raise TemplateError(name, ["is not UTF-8"]) from error
        return text.strip("\n")


def load_templates(own_folder: Path | None = None) -> NoteTemplates:
    """Return the note templates, those in the operator's `own_folder` before ours, all linted."""
    folders = (builtin_folder(),) if own_folder is None else (own_folder, builtin_folder())
    templates = NoteTemplates(folders)
    templates.check()
    return templates


def builtin_folder() -> Path:
    """Return where our own note templates lie: inside the wheel, or beside `relay/`."""
    package = Path(__file__).resolve().parent
    inside = package / "templates" / "note"
    return inside if inside.is_dir() else package.parent / "templates" / "note"


def render(company: Company, language: str, link: str, templates: NoteTemplates) -> Note:
    """Return the note in its fullest wording."""
    fullest = templates.notes(company, language, link).wordings[0]
    return Note(fullest.text, fullest.html, link)
