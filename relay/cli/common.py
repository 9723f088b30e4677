"""What the commands share: where the configuration is, and how a mistake ends them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from relay.approved import ApprovedLetters
from relay.approvedfile import ApprovedFileError, load_approved
from relay.cli.parts import make_resigner
from relay.companylexicon import load_company_lexicons
from relay.config import FILE_NAME, Config, ConfigError, find_config, load_config
from relay.dkimkeys import DkimKeyError
from relay.entries import LexiconError
from relay.lexicons import load_lexicons, stages_of
from relay.note import TemplateError, load_templates
from relay.pipeline import Rules, make_rules
from signer.errors import KeyRingError
from signer.keyring_file import load_key_ring

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


def fail(text: str, code: int = WRONG_USE) -> NoReturn:
    """End the command with a text on stderr."""
    sys.stderr.write(text + "\n")
    raise typer.Exit(code)


def read_config(option: Path | None) -> Config:
    """Return the configuration, or end the command with every mistake in it."""
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


def read_rules(config: Config) -> Rules:
    """Return what decisions rest on, or end the command naming the file that is wrong."""
    try:
        lexicons = load_lexicons()
        return make_rules(
            config.companies,
            lexicons,
            load_templates(config.note.templates, config.companies, stages_of(lexicons)),
            load_key_ring(config.link.key_ring),
            config.link.base_url,
            ApprovedLetters(load_approved(config.relay.approved_letters)),
            load_company_lexicons(lexicons, config.company_lexicons),
            make_resigner(config),
        )
    except (KeyRingError, LexiconError, TemplateError, ApprovedFileError, DkimKeyError) as error:
        fail(str(error))


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
