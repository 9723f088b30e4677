"""Referrals are found by their hour: who else of a company registered in it."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the index."""
    op.create_index("referral_time", "referral", ["company", "time_ms"])
