"""The ledger's tables, schema `slipway`. Every row says who, when and from which DAG run."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "slipway"
APPEND_ONLY = (
    "transitions",
    "evidence",
    "reconciliations",
    "sign_offs",
    "switches",
    "cutover_requests",
    "run_origins",
    "waivers",
    "period_closes",
    "restatements",
)
"""Tables whose rows a trigger protects against UPDATE, DELETE and TRUNCATE."""

SIGN_OFF_CHANNEL = "slipway_sign_off"
"""Postgres notification channel: sends the migration's name after each sign-off and reconciliation."""


class Base(DeclarativeBase):
    """All tables of the ledger."""

    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "pk": "%(table_name)s_pk",
            "fk": "%(table_name)s_%(column_0_name)s_fk",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
            "ix": "%(table_name)s_%(column_0_name)s_idx",
        },
    )
    type_annotation_map = {  # noqa: RUF012
        str: Text(),
        int: BigInteger(),
        bool: Boolean(),
        datetime: DateTime(timezone=True),
        date: Date(),
        dict[str, Any]: JSONB(),
        list[dict[str, Any]]: JSONB(),
        list[str]: ARRAY(Text()),
        list[date]: ARRAY(Date()),
    }


def identity() -> Mapped[int]:
    """Return the column that numbers a table's rows."""
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def written_at() -> Mapped[datetime]:
    """Return the column that says when the database wrote a row, UTC."""
    return mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))


def of_migration() -> Mapped[str]:
    """Return the column that names the migration a row is about."""
    return mapped_column(Text, ForeignKey(f"{SCHEMA}.migrations.migration"))


class MigrationRow(Base):
    """Where a migration stands. version: raised by every change; a writer names the one it saw."""

    __tablename__ = "migrations"

    migration: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    revision: Mapped[int | None]
    cluster_id: Mapped[str | None]
    topic_id: Mapped[str | None]
    contract_digest: Mapped[str | None]
    parity_digest: Mapped[str | None]
    blocked_by: Mapped[list[dict[str, Any]]] = mapped_column(server_default=text("'[]'::jsonb"))
    version: Mapped[int] = mapped_column()
    changed_at: Mapped[datetime] = written_at()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TransitionRow(Base):
    """One move on the rail."""

    __tablename__ = "transitions"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    from_state: Mapped[str]
    to_state: Mapped[str]
    reason: Mapped[str]
    blocked_by: Mapped[list[dict[str, Any]]]
    by: Mapped[str]
    authenticated: Mapped[bool]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class RevisionRow(Base):
    """What gives a revision's rows their meaning."""

    __tablename__ = "revisions"

    migration: Mapped[str] = mapped_column(
        Text, ForeignKey(f"{SCHEMA}.migrations.migration"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class AttemptRow(Base):
    """One submission of a job."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("migration", "kind", "revision", "attempt"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    kind: Mapped[str]
    revision: Mapped[int]
    attempt: Mapped[int]
    revision_digest: Mapped[str]
    job_id: Mapped[str] = mapped_column(unique=True)
    writer_role: Mapped[str | None]
    state: Mapped[str]
    savepoint: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    at: Mapped[datetime] = written_at()


class EvidenceRow(Base):
    """A document under its digest."""

    __tablename__ = "evidence"

    digest: Mapped[str] = mapped_column(primary_key=True)
    migration: Mapped[str] = of_migration()
    document: Mapped[dict[str, Any]]
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class ReconciliationRow(Base):
    """One reconciliation; the newest night supersedes the others, two may carry the same digest.

    period: what a close run was about, such as 2013-02; null for a night. dbt_run: that had built the batch
    side; null in rows of older versions.
    """

    __tablename__ = "reconciliations"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    period: Mapped[str | None]
    dbt_run: Mapped[str | None]
    digest: Mapped[str] = mapped_column(Text, ForeignKey(f"{SCHEMA}.evidence.digest"))
    verdict: Mapped[str]
    as_of: Mapped[datetime]
    closed_through: Mapped[date | None]
    window_days: Mapped[int]
    window_complete: Mapped[bool]
    missing: Mapped[list[str]]
    contract_digest: Mapped[str]
    parity_digest: Mapped[str]
    revision: Mapped[int]
    route_epoch: Mapped[int]
    report: Mapped[str]
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class SignOffRow(Base):
    """A person's word."""

    __tablename__ = "sign_offs"
    __table_args__ = (
        CheckConstraint("decision IN ('approve', 'reject', 'withdraw')", name="decision"),
        Index(None, "migration", "evidence"),
    )

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    role: Mapped[str]
    user: Mapped[str] = mapped_column("user_name")
    decision: Mapped[str]
    evidence: Mapped[str] = mapped_column(Text, ForeignKey(f"{SCHEMA}.evidence.digest"))
    contract_digest: Mapped[str]
    route_epoch: Mapped[int]
    comment: Mapped[str]
    at: Mapped[datetime] = written_at()


class SwitchLogRow(Base):
    """The ledger's copy of serving.switch_log; id is the warehouse's."""

    __tablename__ = "switches"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    migration: Mapped[str] = of_migration()
    kpi: Mapped[str]
    epoch: Mapped[int]
    action: Mapped[str]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    evidence: Mapped[str | None]
    by: Mapped[str]
    reason: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime]


class AmendmentRow(Base):
    """A decision to let late rows of closed days count."""

    __tablename__ = "amendments"
    __table_args__ = (Index(None, "migration", "revision"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    revision: Mapped[int]
    days: Mapped[list[date]]
    late_snapshot: Mapped[int]
    rows: Mapped[int]
    by: Mapped[str]
    reason: Mapped[str]
    state: Mapped[str]
    closed_at: Mapped[datetime | None]
    at: Mapped[datetime] = written_at()


class IncidentRow(Base):
    """Something that somebody should know."""

    __tablename__ = "incidents"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str]
    severity: Mapped[str]
    what: Mapped[str]
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class MaintenanceRow(Base):
    """What one maintenance of one table did."""

    __tablename__ = "maintenance"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    done: Mapped[dict[str, Any]]
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class RequestRow(Base):
    """Somebody asked for a cutover."""

    __tablename__ = "cutover_requests"
    __table_args__ = (UniqueConstraint("migration", "dag_run"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    evidence: Mapped[str | None]
    reason: Mapped[str]
    by: Mapped[str]
    authenticated: Mapped[bool]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class ReplayRow(Base):
    """Dead letters that somebody sent to the raw topic again."""

    __tablename__ = "replays"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    dead_letters: Mapped[str]
    letters: Mapped[list[str]]
    sent: Mapped[list[str]]
    since: Mapped[dict[str, Any]]
    edited: Mapped[bool]
    state: Mapped[str]
    by: Mapped[str]
    authenticated: Mapped[bool]
    reason: Mapped[str]
    dag_run: Mapped[str]
    closed_at: Mapped[datetime | None]
    at: Mapped[datetime] = written_at()


class RunOriginRow(Base):
    """How a DAG run was started, seen by the scheduler."""

    __tablename__ = "run_origins"

    dag_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str | None] = mapped_column("user_name")
    triggered_by: Mapped[str]
    at: Mapped[datetime] = written_at()
