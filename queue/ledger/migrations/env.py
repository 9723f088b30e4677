"""Run by Alembic: migrate on the connection, and in the transaction, that the caller opened."""

from __future__ import annotations

from alembic import context

from ledger.store_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
