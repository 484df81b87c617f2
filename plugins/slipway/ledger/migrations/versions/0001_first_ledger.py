"""The first ledger: states, evidence, sign-offs, the switch journal, and what guards them.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    "transitions",
    "evidence",
    "reconciliations",
    "sign_offs",
    "switches",
    "cutover_requests",
    "run_origins",
)

_REFUSE = """
CREATE FUNCTION slipway.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'slipway.' || TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused',
        HINT = 'write a new row that says what is right now';
END
$$
"""

_TELL = """
CREATE FUNCTION slipway.tell_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('slipway_sign_off', NEW.migration);
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Create tables, then the triggers that make history immutable and wake who waits for a signature."""
    _tables()
    op.execute(_REFUSE)
    op.execute(_TELL)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON slipway.{table} "
            "FOR EACH ROW EXECUTE FUNCTION slipway.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON slipway.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION slipway.refuse_change()"
        )
    for table in ("sign_offs", "reconciliations"):
        op.execute(
            f"CREATE TRIGGER tell_waiting AFTER INSERT ON slipway.{table} "
            "FOR EACH ROW EXECUTE FUNCTION slipway.tell_waiting()"
        )


def _tables() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("incidents_migration_idx"), "incidents", ["migration"], unique=False, schema="slipway"
    )
    op.create_table(
        "migrations",
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("cluster_id", sa.Text(), nullable=True),
        sa.Column("contract_digest", sa.Text(), nullable=True),
        sa.Column("parity_digest", sa.Text(), nullable=True),
        sa.Column(
            "blocked_by",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("migration", name=op.f("migrations_pk")),
        schema="slipway",
    )
    op.create_table(
        "run_origins",
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=True),
        sa.Column("triggered_by", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("dag_id", "run_id", name=op.f("run_origins_pk")),
        schema="slipway",
    )
    op.create_table(
        "amendments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("late_snapshot", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("amendments_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("amendments_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("amendments_migration_idx"),
        "amendments",
        ["migration", "revision"],
        unique=False,
        schema="slipway",
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("revision_digest", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("writer_role", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("savepoint", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("attempts_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("attempts_pk")),
        sa.UniqueConstraint("job_id", name=op.f("attempts_job_id_key")),
        sa.UniqueConstraint("migration", "kind", "revision", "attempt", name=op.f("attempts_migration_key")),
        schema="slipway",
    )
    op.create_table(
        "cutover_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("cutover_requests_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("cutover_requests_pk")),
        sa.UniqueConstraint("migration", "dag_run", name=op.f("cutover_requests_migration_key")),
        schema="slipway",
    )
    op.create_table(
        "evidence",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("evidence_migration_fk")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("evidence_pk")),
        schema="slipway",
    )
    op.create_table(
        "maintenance",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("done", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("maintenance_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("maintenance_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("maintenance_migration_idx"), "maintenance", ["migration"], unique=False, schema="slipway"
    )
    op.create_table(
        "revisions",
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("revisions_migration_fk")
        ),
        sa.PrimaryKeyConstraint("migration", "revision", name=op.f("revisions_pk")),
        schema="slipway",
    )
    op.create_table(
        "switches",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("kpi", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("switches_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("switches_pk")),
        schema="slipway",
    )
    op.create_index(op.f("switches_migration_idx"), "switches", ["migration"], unique=False, schema="slipway")
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blocked_by", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("transitions_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("transitions_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("transitions_migration_idx"), "transitions", ["migration"], unique=False, schema="slipway"
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_through", sa.Date(), nullable=True),
        sa.Column("window_days", sa.BigInteger(), nullable=False),
        sa.Column("window_complete", sa.Boolean(), nullable=False),
        sa.Column("missing", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("contract_digest", sa.Text(), nullable=False),
        sa.Column("parity_digest", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("route_epoch", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("dag_run", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["slipway.evidence.digest"], name=op.f("reconciliations_digest_fk")
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("reconciliations_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("reconciliations_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("reconciliations_migration_idx"),
        "reconciliations",
        ["migration"],
        unique=False,
        schema="slipway",
    )
    op.create_table(
        "sign_offs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("contract_digest", sa.Text(), nullable=False),
        sa.Column("route_epoch", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("decision IN ('approve', 'reject', 'withdraw')", name=op.f("sign_offs_decision")),
        sa.ForeignKeyConstraint(
            ["evidence"], ["slipway.evidence.digest"], name=op.f("sign_offs_evidence_fk")
        ),
        sa.ForeignKeyConstraint(
            ["migration"], ["slipway.migrations.migration"], name=op.f("sign_offs_migration_fk")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_offs_pk")),
        schema="slipway",
    )
    op.create_index(
        op.f("sign_offs_migration_idx"),
        "sign_offs",
        ["migration", "evidence"],
        unique=False,
        schema="slipway",
    )
