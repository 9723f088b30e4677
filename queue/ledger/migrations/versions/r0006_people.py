"""People who register, sealed, and whom we write to no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "person",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("link_id", sa.String, nullable=False),
        sa.Column("lookup", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("mails", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("confirmed_ms", sa.BigInteger),
        sa.Column("handed_ms", sa.BigInteger),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("person_lookup", "person", ["lookup"])
    op.create_index("person_state", "person", ["state", "confirmed_ms"])
    op.create_index("person_expires", "person", ["expires_ms"])
    op.create_table(
        "suppression",
        sa.Column("lookup", sa.LargeBinary, primary_key=True),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
    )
