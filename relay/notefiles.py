"""The files of note templates: what they may be called, and reading a folder of them.

    ja/note.txt.j2              every letter in this language
    ja/note@final.txt.j2        the letters of this stage, a code of the lexicons
    ja/aozora.txt.j2            this company's letters
    ja/aozora@final.txt.j2      this company's letters of this stage
    en/ascii.txt.j2             a part whose charset lacks the letters of all others

Each has a twin in HTML (`.html.j2`), in the same folder. `@` stands in no company id, so a company
may be called like a stage. A file that no letter would ever ask for is a slip of the pen: it gets a
problem that says what it could be called. Hidden files and editors' copies (`~`) are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

LANGUAGES = ("ja", "en")
DEFAULT_LANGUAGE = "en"
STANDARD = "note"
PLAIN = "ascii"
KINDS = ("txt", "html")
# Forty times what a note may have: more is another file.
FILE_MAX_BYTES = 16 * 1024
# In an error; thousands of companies would hide what it says.
NAMES_SHOWN_MAX = 10

_FORM = re.compile(r"([a-z0-9][a-z0-9-]{0,31})(?:@([a-z0-9-]+))?\.(?:txt|html)\.j2")


class FolderError(Exception):
    """A folder of templates cannot be read; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Names:
    """What templates may be called after: the companies (`None`: any) and stages there are."""

    companies: tuple[str, ...] | None
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file, what is in it (`None`: it cannot be used), and what is wrong with it."""

    path: Path
    text: str | None
    problems: tuple[str, ...] = ()


def stem_of(name: str) -> str:
    """Return `ja/note` for `ja/note.txt.j2`: what the twins have in common."""
    return name.partition(".")[0]


def owner_of(name: str) -> str:
    """Return the id of the company whose template it is, nothing for one that all may use."""
    words = stem_of(name).partition("/")[2].partition("@")[0]
    return "" if words in (STANDARD, PLAIN) else words


def stems_for(language: str, company: str, stage: str) -> tuple[str, ...]:
    """Return the templates that a letter may be given, in the order in which they are wanted."""
    # A company that is called like a template of all has none of its own.
    owners = (STANDARD,) if company in (STANDARD, PLAIN) else (company, STANDARD)
    ends = (f"@{stage}", "") if stage else ("",)
    wanted = (f"{language}/{owner}{end}" for owner in owners for end in ends)
    return (*wanted, f"{DEFAULT_LANGUAGE}/{PLAIN}")


def read_folder(folder: Path, names: Names) -> dict[str, TemplateFile]:
    """Return the files of a folder by their names in it, each with what is wrong before any use."""
    files: dict[str, TemplateFile] = {}
    for path in _entries(folder):
        if path.name not in LANGUAGES:
            files[path.name] = TemplateFile(path, None, (_misplaced(path),))
            continue
        files.update((f"{path.name}/{one.name}", _read(one, names)) for one in _entries(path))
    for name, file in files.items():
        twin = _twin_of(name)
        if not file.problems and twin not in files:
            problem = f"its twin {twin} is missing: a letter may need both, write it as well"
            files[name] = TemplateFile(file.path, file.text, (problem,))
    return files


def _entries(folder: Path) -> Iterator[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise FolderError(f"{folder}: {error.strerror}: expected a folder of templates") from error
    return (path for path in found if not path.name.startswith(".") and path.name[-1] != "~")


def _misplaced(path: Path) -> str:
    if path.is_dir():
        return f"{path.name!r} is no language: there are {_listed(LANGUAGES)}"
    return f"belongs in the folder of its language: {_listed(LANGUAGES)}"


def _twin_of(name: str) -> str:
    stem, _, rest = name.partition(".")
    return f"{stem}.{'html' if rest.startswith('txt') else 'txt'}.j2"


def _read(path: Path, names: Names) -> TemplateFile:
    problem = _name_problem(path.name, path.parent.name, names)
    if not problem and path.exists() and not path.is_file():
        problem = "is not a file"
    if problem:
        return TemplateFile(path, None, (problem,))
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_MAX_BYTES + 1)
        if len(octets) > FILE_MAX_BYTES:
            return TemplateFile(path, None, (f"larger than {FILE_MAX_BYTES} bytes",))
        # Editors on Windows begin UTF-8 with a mark.
        return TemplateFile(path, octets.decode("utf-8-sig"))
    except OSError as error:
        return TemplateFile(path, None, (error.strerror or type(error).__name__,))
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8: save the file as UTF-8"
        return TemplateFile(path, None, (problem,))


def _name_problem(name: str, language: str, names: Names) -> str:
    """Return why no letter would ever ask for a file of this name; nothing if one may."""
    form = _FORM.fullmatch(name)
    if form is None:
        return (
            f"is not called like a template: expected {STANDARD}.txt.j2, {STANDARD}@STAGE.txt.j2, "
            "COMPANY.txt.j2 or COMPANY@STAGE.txt.j2, or the same with .html.j2"
        )
    owner, stage = form[1], form[2] or ""
    if owner == PLAIN and (language != DEFAULT_LANGUAGE or stage):
        return f"is never used: {PLAIN} is for {DEFAULT_LANGUAGE} and every stage"
    companies = names.companies
    if companies is not None and owner not in (STANDARD, PLAIN, *companies):
        return (
            f"no [[company]] has the id {owner!r}: there are {_listed(companies, near=owner)}, "
            f"and {STANDARD} for all"
        )
    if stage and stage not in names.stages:
        return f"{stage!r} is no stage: there are {_listed(names.stages)}"
    return ""


def _listed(names: tuple[str, ...], near: str = "") -> str:
    if len(names) <= NAMES_SHOWN_MAX:
        return ", ".join(names) or "none"
    close = get_close_matches(near, names) or names[:NAMES_SHOWN_MAX]
    return f"{', '.join(close)} and others"
