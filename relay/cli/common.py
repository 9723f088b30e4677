"""What the commands share: where the configuration is, and how a mistake ends them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from relay.company import Company
    from relay.config import Config

FILE_NAME = "careerrelay.toml"

# DESIGN section 9.
FOUND_WRONG = 1
WRONG_USE = 2

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The configuration file; also CAREERRELAY_CONFIG.",
        show_default="careerrelay.toml here",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
CompanyArgument = Annotated[
    str | None, typer.Argument(help="A company's id; all companies when left out.")
]


def fail(text: str, code: int = WRONG_USE) -> NoReturn:
    """End the command with a text on stderr."""
    sys.stderr.write(text + "\n")
    raise typer.Exit(code)


def find_config(option: Path | None) -> Path:
    """Return the file to read: the option, `CAREERRELAY_CONFIG`, or the one here."""
    return option or Path(os.environ.get("CAREERRELAY_CONFIG", FILE_NAME))


def read_config(option: Path | None) -> Config:
    """Return the configuration, or end the command with every mistake in it."""
    # Takes long to load, and `check` does without: not at the top.
    from relay.config import ConfigError, load_config

    try:
        return load_config(find_config(option))
    except ConfigError as error:
        fail(str(error))


def read_config_if_any(option: Path | None) -> Config | None:
    """Return the configuration; none at the default place is no mistake, a wrong one is."""
    path = find_config(option)
    if option is None and path == Path(FILE_NAME) and not path.exists():
        return None
    return read_config(option)


def unknown_company(company_id: str, companies: Iterable[Company]) -> str:
    """Return what is said of a company that the configuration has not."""
    known = ", ".join(company.id for company in companies) or "none"
    return f"--company {company_id}: no [[company]] has this id; there are: {known}"


def companies_of(config: Config, company: str | None) -> list[str]:
    """Return the id of the company asked for, or of all, or end the command for an unknown one."""
    names = [each.id for each in config.companies]
    if company is None:
        return names
    if company not in names:
        fail(f"{company}: no such company; there are {', '.join(names)}")
    return [company]


def print_json(row: object) -> None:
    """Print one object on a line of its own."""
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def now() -> datetime:
    """Return the time, as every part that is given a clock gets it."""
    return datetime.now(UTC)


# Spaces, and what joins two emoji to one.
_HARMLESS = frozenset("\t\xa0\u3000\u2009\u200d")


def printable(text: str) -> str:
    """Return text of a mail or a damaged store so that it steers no terminal and no table."""
    return "".join(
        char if char.isprintable() or char in _HARMLESS else char.encode("unicode_escape").decode()
        for char in text
    )
