"""The ledger's tables of what people have agreed to about numbers: waivers, closed periods, restatements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from slipway.ledger.models import SCHEMA, Base, identity, of_migration, written_at


class WaiverRow(Base):
    """A data owner's word that a cause of differences is accepted on some cells; or its withdrawal.

    measures, segments: empty means all. at_most: share of the measure's batch value on a day, as a decimal's
    text. withdraws: the waiver that this row ends; the other columns then repeat it.
    """

    __tablename__ = "waivers"
    __table_args__ = (Index(None, "migration"),)

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    kpi: Mapped[str]
    cause: Mapped[str]
    measures: Mapped[list[str]]
    first_day: Mapped[date]
    last_day: Mapped[date]
    segments: Mapped[dict[str, Any]]
    at_most: Mapped[str]
    expires_at: Mapped[datetime | None]
    withdraws: Mapped[int | None] = mapped_column(ForeignKey(f"{SCHEMA}.waivers.id"))
    parity_digest: Mapped[str]
    role: Mapped[str]
    by: Mapped[str]
    reason: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class PeriodCloseRow(Base):
    """A period whose numbers people have signed as final.

    digest: the evidence of its close run. last_word: the sign-off with which its quorum was whole.
    """

    __tablename__ = "period_closes"

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    period: Mapped[str]
    first_day: Mapped[date]
    last_day: Mapped[date]
    digest: Mapped[str] = mapped_column(Text, ForeignKey(f"{SCHEMA}.evidence.digest"))
    revision: Mapped[int]
    signed_by: Mapped[dict[str, Any]]
    last_word: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.sign_offs.id"), unique=True)
    by: Mapped[str]
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()


class RestatementRow(Base):
    """One value of a closed period that is no longer what was signed, and why.

    side: batch or stream. was, now: decimals as text, null where there was no row. digest: the evidence that
    found it.
    """

    __tablename__ = "restatements"
    __table_args__ = (
        CheckConstraint("side IN ('batch', 'stream')", name="side"),
        Index(None, "migration", "period"),
    )

    id: Mapped[int] = identity()
    migration: Mapped[str] = of_migration()
    period: Mapped[str]
    close_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.period_closes.id"))
    kpi: Mapped[str]
    cell: Mapped[dict[str, Any]]
    day: Mapped[date]
    measure: Mapped[str]
    side: Mapped[str]
    was: Mapped[str | None]
    now: Mapped[str | None]
    cause: Mapped[str]
    reason: Mapped[str]
    digest: Mapped[str] = mapped_column(Text, ForeignKey(f"{SCHEMA}.evidence.digest"))
    dag_run: Mapped[str]
    at: Mapped[datetime] = written_at()
