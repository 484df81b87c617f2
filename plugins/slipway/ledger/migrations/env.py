"""Run by Alembic; `slipway.ledger.upgrade` hands over an open connection, there is no other way in."""

from __future__ import annotations

from alembic import context

from slipway.ledger import agreement_models  # noqa: F401  the tables register themselves
from slipway.ledger.models import SCHEMA, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="alembic_version",
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
