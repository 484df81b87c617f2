"""What people have accepted: waivers and their withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import select

from slipway.domain.evidence import Cause, Digest
from slipway.domain.waivers import Waiver, Withdrawal
from slipway.errors import Permanent
from slipway.ledger.agreement_models import WaiverRow
from slipway.ledger.session import LedgerSession
from slipway.ports import Actor


class Agreements(LedgerSession):
    """Append-only rows; a withdrawal is a row of its own."""

    def waive(self, waiver: Waiver) -> Waiver:
        """Append a waiver; id and at are given by the ledger."""
        with self._transaction() as session:
            row = _row(waiver)
            session.add(row)
            session.flush()
            return replace(waiver, id=row.id, at=row.at)

    def withdraw_waiver(self, waiver_id: int, by: Actor, reason: str) -> Waiver:
        """Append the end of a waiver; Permanent when there is none of that id, or it has ended already."""
        with self._transaction() as session:
            # The row is locked, so that of two people who withdraw at once one is told that the other did.
            row = session.get(WaiverRow, waiver_id, with_for_update=True)
            if row is None or row.withdraws is not None:
                raise Permanent(f"the ledger has no waiver {waiver_id}")
            seen = session.scalars(select(WaiverRow).where(WaiverRow.withdraws == waiver_id)).first()
            if seen is not None:
                raise Permanent(f"waiver {waiver_id} was withdrawn already, by {seen.by}: {seen.reason}")
            ending = _row(_waiver(row))
            ending.withdraws, ending.by, ending.dag_run, ending.reason = row.id, by.name, by.dag_run, reason
            session.add(ending)
            session.flush()
            return replace(_waiver(row), withdrawn=Withdrawal(ending.by, ending.reason, ending.at))

    def waivers(self, migration: str) -> Sequence[Waiver]:
        """Return every waiver ever given, oldest first, with its withdrawal."""
        wanted = select(WaiverRow).where(WaiverRow.migration == migration).order_by(WaiverRow.id)
        with self._transaction() as session:
            rows = session.scalars(wanted).all()
            ends = {row.withdraws: Withdrawal(row.by, row.reason, row.at) for row in rows if row.withdraws}
            return [
                replace(_waiver(row), withdrawn=ends.get(row.id)) for row in rows if row.withdraws is None
            ]


def _row(waiver: Waiver) -> WaiverRow:
    return WaiverRow(
        migration=waiver.migration,
        kpi=waiver.kpi,
        cause=waiver.cause,
        measures=list(waiver.measures),
        first_day=waiver.first_day,
        last_day=waiver.last_day,
        segments={column: list(values) for column, values in waiver.segments.items()},
        at_most=format(waiver.at_most, "f"),
        expires_at=waiver.expires_at,
        parity_digest=waiver.parity_digest,
        role=waiver.role,
        by=waiver.by,
        reason=waiver.reason,
        dag_run=waiver.dag_run,
    )


def _waiver(row: WaiverRow) -> Waiver:
    return Waiver(
        id=row.id,
        migration=row.migration,
        kpi=row.kpi,
        cause=Cause(row.cause),
        measures=tuple(row.measures),
        first_day=row.first_day,
        last_day=row.last_day,
        segments={column: tuple(values) for column, values in row.segments.items()},
        at_most=Decimal(row.at_most),
        expires_at=row.expires_at,
        parity_digest=Digest(row.parity_digest),
        role=row.role,
        by=row.by,
        reason=row.reason,
        at=row.at,
        dag_run=row.dag_run,
    )
