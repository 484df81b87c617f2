"""Periods that people have signed as final, and what was restated since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from slipway.domain.evidence import Digest
from slipway.domain.periods import Period
from slipway.domain.restatements import PeriodClose, Reason, Restatement
from slipway.ledger.agreement_models import PeriodCloseRow, RestatementRow
from slipway.ledger.models import SignOffRow
from slipway.ledger.session import LedgerSession
from slipway.ports import Actor, Reconciliation, SignOff


class Closes(LedgerSession):
    """Append-only rows; a period that is closed again gets another row."""

    def sign_close(self, sign_off: SignOff, close: PeriodClose | None) -> SignOff:
        """Append a word on a close run and, when it makes the quorum whole, the close, in one transaction."""
        with self._transaction() as session:
            word = sign_off_row(sign_off)
            session.add(word)
            session.flush()
            if close is not None:
                session.add(
                    PeriodCloseRow(
                        migration=close.migration,
                        period=close.period.name,
                        first_day=close.period.first,
                        last_day=close.period.last,
                        digest=close.digest,
                        revision=close.revision,
                        signed_by={role: list(users) for role, users in close.signed_by.items()},
                        last_word=word.id,
                        by=close.by,
                        dag_run="",
                    )
                )
                session.flush()
            return replace(sign_off, id=word.id, at=word.at)

    def closes(self, migration: str) -> Sequence[PeriodClose]:
        """Return every close ever signed, oldest first."""
        wanted = select(PeriodCloseRow).where(PeriodCloseRow.migration == migration)
        before: dict[str, int] = {}
        found = []
        with self._transaction() as session:
            for row in session.scalars(wanted.order_by(PeriodCloseRow.id)):
                found.append(_close(row, before.get(row.period)))
                before[row.period] = row.id
        return found

    def restatements(self, migration: str) -> Sequence[Restatement]:
        """Return every restatement of every close, oldest first."""
        wanted = (
            select(RestatementRow, PeriodCloseRow.digest)
            .join(PeriodCloseRow, PeriodCloseRow.id == RestatementRow.close_id)
            .where(RestatementRow.migration == migration)
            .order_by(RestatementRow.id)
        )
        with self._transaction() as session:
            return [_restatement(row, Digest(closed)) for row, closed in session.execute(wanted)]


def sign_off_row(sign_off: SignOff) -> SignOffRow:
    """Return the row of a person's word, without id and instant."""
    return SignOffRow(
        migration=sign_off.migration,
        role=sign_off.role,
        user=sign_off.user,
        decision=sign_off.decision,
        evidence=sign_off.evidence,
        contract_digest=sign_off.contract_digest,
        route_epoch=sign_off.route_epoch,
        comment=sign_off.comment,
    )


def restatement_row(found: Reconciliation, one: Restatement, by: Actor) -> RestatementRow:
    """Return the row of what a reconciliation found restated, without id and instant."""
    return RestatementRow(
        migration=found.migration,
        period=one.period,
        close_id=one.close,
        kpi=one.kpi,
        cell=dict(one.cell),
        day=one.day,
        measure=one.measure,
        side=one.side,
        was=one.was,
        now=one.now,
        cause=one.cause,
        reason=one.reason,
        digest=found.digest,
        dag_run=by.dag_run,
    )


def _close(row: PeriodCloseRow, supersedes: int | None) -> PeriodClose:
    return PeriodClose(
        id=row.id,
        migration=row.migration,
        period=Period(row.first_day, row.last_day, row.period),
        digest=Digest(row.digest),
        revision=row.revision,
        signed_by={role: tuple(users) for role, users in row.signed_by.items()},
        by=row.by,
        at=row.at,
        last_word=row.last_word,
        supersedes=supersedes,
    )


def _restatement(row: RestatementRow, closed: Digest) -> Restatement:
    return Restatement(
        close=row.close_id,
        period=row.period,
        closed_digest=closed,
        kpi=row.kpi,
        cell=row.cell,
        day=row.day,
        measure=row.measure,
        side=row.side,
        was=row.was,
        now=row.now,
        cause=Reason(row.cause),
        reason=row.reason,
        id=row.id,
        digest=Digest(row.digest),
        at=row.at,
    )
