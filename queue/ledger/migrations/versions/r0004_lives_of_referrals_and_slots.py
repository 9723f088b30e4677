"""Where each referral and slot is, and what was proposed; rows that are there get their state."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_inbox = sa.table("inbox", sa.column("id", sa.String), sa.column("decision", sa.String))
_referral = sa.table("referral", sa.column("event_id", sa.String), sa.column("state", sa.String))
_entry = sa.table("entry", sa.column("event_id", sa.String), sa.column("body", sa.LargeBinary))
_transfer = sa.table(
    "transfer",
    sa.column("company", sa.String),
    sa.column("event_id", sa.String),
    sa.column("rule", sa.String),
)


def upgrade() -> None:
    """Make the tables and columns and fill them for what was kept before."""
    _referrals()
    _slots()
    op.create_table(
        "proposal",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("operator", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.Integer, nullable=False),
    )
    op.create_index("proposal_target", "proposal", ["company", "target"])


def _referrals() -> None:
    # Referrals were counted or held, and no command could change that; no policy held by time.
    op.add_column(
        "referral", sa.Column("state", sa.String, nullable=False, server_default="counted")
    )
    op.add_column("referral", sa.Column("due_ms", sa.BigInteger))
    held = sa.select(_inbox.c.id).where(_inbox.c.decision == "held")
    op.execute(sa.update(_referral).where(_referral.c.event_id.in_(held)).values(state="held"))
    due = sa.text("due_ms IS NOT NULL")
    op.create_index("referral_due", "referral", ["due_ms"], sqlite_where=due, postgresql_where=due)


def _slots() -> None:
    slot = op.create_table(
        "slot",
        sa.Column("company", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("granted_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
        sa.Column("reservation", sa.String, nullable=False),
        sa.Column("until_ms", sa.BigInteger),
        sa.Column("noticed_ms", sa.BigInteger),
        sa.Column("due_ms", sa.BigInteger),
    )
    due = sa.text("due_ms IS NOT NULL")
    op.create_index("slot_due", "slot", ["due_ms"], sqlite_where=due, postgresql_where=due)
    granted = (
        sa.select(_transfer.c.company, _entry.c.event_id, _entry.c.body)
        .join(_entry, _entry.c.event_id == _transfer.c.event_id)
        .where(_transfer.c.rule == "slot.granted")
    )
    for company, event_id, body in op.get_bind().execute(granted).all():
        rows = _slot_rows(company, event_id, body)
        if rows:
            op.bulk_insert(slot, rows)


def _slot_rows(company: str, event_id: str, body: bytes) -> list[dict[str, object]]:
    """Return the slots of one grant; none when the entry is damaged, which the audit names."""
    try:
        event = json.loads(body)
        first, slots = int(event_id.rpartition("/")[2]), int(event["data"]["slots"])
        time = datetime.fromisoformat(event["time"])
        granted_ms = (time - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, KeyError):
        return []
    # No policy before this revision let slots expire.
    return [
        {
            "company": company,
            "number": number,
            "state": "available",
            "granted_ms": granted_ms,
            "expires_ms": None,
            "reservation": "",
            "until_ms": None,
            "noticed_ms": None,
            "due_ms": None,
        }
        for number in range(first, first + slots)
    ]
