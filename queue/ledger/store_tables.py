"""The tables, as SQLAlchemy knows them; `ledger.migrations` makes them.

Who writes what: the inbox writer inserts into `inbox`, `click_detail` and `subject_salt`, an
erasure into `inbox`; the applier alone writes `entry`, `node`, `transfer`, `posting`, `balance`,
`referral`, `slot`, `proposal` and the outcome columns of `inbox`; the checkpointer inserts into
`checkpoint`; relays add to `letter_shape`; `person` and `suppression` belong to `ledger.people` and
`ledger.suppression`. Nothing that counts is ever deleted: rows of `subject_salt` are, by an
erasure, those of `click_detail`, `job` and `person` in time (`ledger.retention`), and shapes of
letters beyond their limit.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata: Final = MetaData()

# SQLite numbers rows by itself only where the column's type is exactly INTEGER.
_RowId: Final = BigInteger().with_variant(Integer, "sqlite")

# Every event that was taken. The row is the outbox: `decision` is NULL until it is applied, and
# `body` is emptied then, because the log entry holds the same bytes.
inbox: Final = Table(
    "inbox",
    metadata,
    Column("seq", _RowId, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("company", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_ms", BigInteger, nullable=False),
    Column("decision", String),
    Column("reasons", String),
    Column("open", BigInteger),
    Column("slots_available", BigInteger),
)
Index(
    "inbox_pending",
    inbox.c.seq,
    sqlite_where=inbox.c.decision.is_(None),
    postgresql_where=inbox.c.decision.is_(None),
)

# The logs. `body` is exactly what `leaf` is the hash of (RFC 6962 §2.1). The uniqueness of
# `event_id` is the last line of defence against applying an event twice.
entry: Final = Table(
    "entry",
    metadata,
    Column("log", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", String, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)

# The complete nodes of each log's tree from level 1 up; level 0 is `entry.leaf`.
node: Final = Table(
    "node",
    metadata,
    Column("log", String, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # The key is most of the row: storing it once halves the table.
)

checkpoint: Final = Table(
    "checkpoint",
    metadata,
    Column("log", String, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
)

# The ledger. `key` is the idempotency key.
transfer: Final = Table(
    "transfer",
    metadata,
    Column("key", String, primary_key=True),
    Column("company", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("policy", String, nullable=False),
)

posting: Final = Table(
    "posting",
    metadata,
    Column("transfer_key", String, ForeignKey("transfer.key"), primary_key=True),
    Column("account", String, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

# Sums over `posting`, kept so that the cost of a decision does not grow with the log.
balance: Final = Table(
    "balance",
    metadata,
    Column("company", String, primary_key=True),
    Column("account", String, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

# What each confirmed signup claimed: one referral per link, one per person and period. `state` is
# where it is now; `due_ms` when a hold is over by itself.
referral: Final = Table(
    "referral",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("company", String, nullable=False),
    Column("link_id", String, nullable=False),
    Column("person_ref", String, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("due_ms", BigInteger),
)
Index("referral_link", referral.c.company, referral.c.link_id)
Index("referral_person", referral.c.company, referral.c.person_ref)
Index("referral_time", referral.c.company, referral.c.time_ms)
Index(
    "referral_due",
    referral.c.due_ms,
    sqlite_where=referral.c.due_ms.is_not(None),
    postgresql_where=referral.c.due_ms.is_not(None),
)

# The slots, each under its number. `due_ms` is when time brings the next change about.
slot: Final = Table(
    "slot",
    metadata,
    Column("company", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("reservation", String, nullable=False),
    Column("until_ms", BigInteger),
    Column("noticed_ms", BigInteger),
    Column("due_ms", BigInteger),
)
Index(
    "slot_due",
    slot.c.due_ms,
    sqlite_where=slot.c.due_ms.is_not(None),
    postgresql_where=slot.c.due_ms.is_not(None),
)

# What one person proposed and a second one has to confirm; `confirmed` is 1 when that was done.
proposal: Final = Table(
    "proposal",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("company", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target", String, nullable=False),
    Column("operator", String, nullable=False),
    Column("why", String, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("confirmed", Integer, nullable=False),
)
Index("proposal_target", proposal.c.company, proposal.c.target)

# The salt behind a person's `h:` references. Erasing a person deletes the row.
subject_salt: Final = Table(
    "subject_salt",
    metadata,
    Column("lookup", LargeBinary, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    UniqueConstraint("salt"),
)

# What is to be done once besides applying events: mail, webhooks, statements. The row is the truth,
# the broker carries its id. `state` is `waiting`, `done`, `dead` or `dropped`.
job: Final = Table(
    "job",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("error", String, nullable=False),
)
Index("job_due", job.c.state, job.c.due_ms)

# How far readers of the logs have come, such as webhooks.
progress: Final = Table(
    "progress",
    metadata,
    Column("name", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# What was seen of a request for a link, for thirty days; the event has its class alone.
click_detail: Final = Table(
    "click_detail",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("detail", LargeBinary, nullable=False),
)
Index("click_detail_age", click_detail.c.received_ms)

# How often letters of one wording were seen, by a hash of it: what an admin may approve. No event,
# and worth no credit.
letter_shape: Final = Table(
    "letter_shape",
    metadata,
    Column("company", String, primary_key=True),
    Column("shape", String, primary_key=True),
    Column("language", String, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("rejections", BigInteger, nullable=False),
    Column("unsure", BigInteger, nullable=False),
    Column("first_day", String, nullable=False),
    Column("last_day", String, nullable=False),
)

# Who registers on our own page. `sealed` holds all that is personal, under keys that are not in the
# database; `lookup` is a keyed hash of the address, both empty once the person is erased. `state`
# is `received`, `confirmed`, `withdrawn`, `handed_over` or `erased`.
person: Final = Table(
    "person",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("company", String, nullable=False),
    Column("link_id", String, nullable=False),
    Column("lookup", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("mails", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("confirmed_ms", BigInteger),
    Column("handed_ms", BigInteger),
    Column("expires_ms", BigInteger, nullable=False),
)
Index("person_lookup", person.c.lookup)
Index("person_state", person.c.state, person.c.confirmed_ms)
Index("person_expires", person.c.expires_ms)

# Whom we write to no more: keyed hashes of addresses.
suppression: Final = Table(
    "suppression",
    metadata,
    Column("lookup", LargeBinary, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
)
