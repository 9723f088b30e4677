"""How often letters of one wording were seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "letter_shape",
        sa.Column("company", sa.String, primary_key=True),
        sa.Column("shape", sa.String, primary_key=True),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("rejections", sa.BigInteger, nullable=False),
        sa.Column("unsure", sa.BigInteger, nullable=False),
        sa.Column("first_day", sa.String, nullable=False),
        sa.Column("last_day", sa.String, nullable=False),
    )
