"""What people agree to about numbers: waivers, closed periods, restatements; and which topic was ingested.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("waivers", "period_closes", "restatements")


def upgrade() -> None:
    """Create the tables, none of whose rows is ever changed, and three columns."""
    op.add_column("migrations", sa.Column("topic_id", sa.Text(), nullable=True), schema="slipway")
    op.add_column("reconciliations", sa.Column("period", sa.Text(), nullable=True), schema="slipway")
    op.add_column("reconciliations", sa.Column("dbt_run", sa.Text(), nullable=True), schema="slipway")
    _waivers()
    _period_closes()
    _restatements()
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON slipway.{table} "
            "FOR EACH ROW EXECUTE FUNCTION slipway.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON slipway.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION slipway.refuse_change()"
        )


def _reference(column: str, target: str, name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"slipway.{target}"], name=op.f(name))


def _waivers() -> None:
    op.create_table(
        "waivers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("kpi", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("measures", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at_most", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdraws", sa.BigInteger(), nullable=True),
        sa.Column("parity_digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("waivers_migration_fk")
        ),
        _reference("withdraws", "waivers.id", "waivers_withdraws_fk"),
        sa.PrimaryKeyConstraint("id", name=op.f("waivers_pk")),
        schema="slipway",
    )
    op.create_index(op.f("waivers_migration_idx"), "waivers", ["migration"], unique=False, schema="slipway")


def _period_closes() -> None:
    op.create_table(
        "period_closes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("signed_by", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("last_word", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("period_closes_migration_fk")
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["slipway.evidence.digest"], name=op.f("period_closes_digest_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("period_closes_pk")),
        _reference("last_word", "sign_offs.id", "period_closes_last_word_fk"),
        sa.UniqueConstraint("last_word", name=op.f("period_closes_last_word_key")),
        schema="slipway",
    )


def _restatements() -> None:
    op.create_table(
        "restatements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("close_id", sa.BigInteger(), nullable=False),
        sa.Column("kpi", sa.Text(), nullable=False),
        sa.Column("cell", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("was", sa.Text(), nullable=True),
        sa.Column("now", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("side IN ('batch', 'stream')", name=op.f("restatements_side")),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("restatements_migration_fk")
        ),
        sa.ForeignKeyConstraint(
            ["close_id"], ["slipway.period_closes.id"], name=op.f("restatements_close_id_fk")
        ),
        _reference("digest", "evidence.digest", "restatements_digest_fk"),
        sa.PrimaryKeyConstraint("id", name=op.f("restatements_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("restatements_migration_idx"),
        "restatements",
        ["migration", "period"],
        unique=False,
        schema="slipway",
    )
