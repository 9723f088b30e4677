"""The first tables: inbox, logs, ledger, salts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _inbox()
    _logs()
    _ledger()
    op.create_table(
        "subject_salt",
        sa.Column("lookup", sa.LargeBinary, primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False, unique=True),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("seq", _row_id, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_ms", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.String),
        sa.Column("reasons", sa.String),
        sa.Column("open", sa.BigInteger),
        sa.Column("slots_available", sa.BigInteger),
    )
    pending = sa.text("decision IS NULL")
    op.create_index(
        "inbox_pending", "inbox", ["seq"], sqlite_where=pending, postgresql_where=pending
    )


def _logs() -> None:
    op.create_table(
        "entry",
        sa.Column("log", sa.String, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String, nullable=False, unique=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "node",
        sa.Column("log", sa.String, primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoint",
        sa.Column("log", sa.String, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
    )


def _ledger() -> None:
    op.create_table(
        "transfer",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
    )
    op.create_table(
        "posting",
        sa.Column("transfer_key", sa.String, sa.ForeignKey("transfer.key"), primary_key=True),
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("unit", sa.String, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "balance",
        sa.Column("company", sa.String, primary_key=True),
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("unit", sa.String, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "referral",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("link_id", sa.String, nullable=False),
        sa.Column("person_ref", sa.String, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("referral_link", "referral", ["company", "link_id"])
    op.create_index("referral_person", "referral", ["company", "person_ref"])
