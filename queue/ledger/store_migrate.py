"""Bring the tables of a database up to date (Alembic), also from an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from ledger.store import SCHEMA_REVISION, StoreError

SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, where: str) -> None:
    """Run the missing migrations inside the caller's transaction: all of them or none."""
    try:
        command.upgrade(configuration(connection), SCHEMA_REVISION)
    except CommandError as error:
        # The revision in the database is unknown here: a newer version made it.
        raise StoreError(where, f"the schema is not one of this version: {error}") from error


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration without any ini file."""
    config = Config()
    # The option goes through an ini interpolation, where a per cent sign is special.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
