"""How far readers of the logs have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "progress",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
