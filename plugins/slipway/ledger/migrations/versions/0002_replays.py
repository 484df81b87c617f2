"""Replays of dead letters: what was chosen, what was sent, by whom and why.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "replays",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("dead_letters", sa.Text(), nullable=False),
        sa.Column("letters", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("sent", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("since", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("edited", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("replays_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("replays_pk")),
        schema="slipway",
    )
    op.create_index(op.f("replays_migration_idx"), "replays", ["migration"], unique=False, schema="slipway")
