"""What was found and who vouched for it: evidence, reconciliations, sign-offs, requests, run origins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert

from slipway.domain.evidence import Digest, Verdict, canonical
from slipway.domain.restatements import Restatement
from slipway.ledger.closes import restatement_row, sign_off_row
from slipway.ledger.models import EvidenceRow, ReconciliationRow, RequestRow, RunOriginRow, SignOffRow
from slipway.ledger.session import LedgerSession
from slipway.ports import Actor, Reconciliation, SignOff


class Testimony(LedgerSession):
    """Append-only rows; the database refuses to change them."""

    def record_reconciliation(
        self,
        found: Reconciliation,
        document: Mapping[str, Any],
        by: Actor,
        restatements: Sequence[Restatement] = (),
    ) -> Reconciliation:
        """Append evidence, reconciliation and what it found restated in one transaction."""
        with self._transaction() as session:
            session.execute(
                insert(EvidenceRow)
                .values(
                    digest=found.digest,
                    migration=found.migration,
                    document=json.loads(canonical(document)),
                    by=by.name,
                    dag_run=by.dag_run,
                )
                .on_conflict_do_nothing()
            )
            row = ReconciliationRow(
                migration=found.migration,
                period=found.period,
                dbt_run=found.dbt_run,
                digest=found.digest,
                verdict=found.verdict,
                as_of=found.as_of,
                closed_through=found.closed_through,
                window_days=found.window_days,
                window_complete=found.window_complete,
                missing=list(found.missing),
                contract_digest=found.contract_digest,
                parity_digest=found.parity_digest,
                revision=found.revision,
                route_epoch=found.route_epoch,
                report=found.report,
                by=by.name,
                dag_run=by.dag_run,
            )
            session.add(row)
            session.add_all(restatement_row(found, one, by) for one in restatements)
            session.flush()
            return replace(found, id=row.id, at=row.at, by=row.by)

    def reconciliations(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the nights, newest first."""
        return self._reconciliations(migration, ReconciliationRow.period.is_(None), limit)

    def close_runs(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the close runs of all periods, newest first."""
        return self._reconciliations(migration, ReconciliationRow.period.is_not(None), limit)

    def _reconciliations(
        self, migration: str, kind: ColumnElement[bool], limit: int
    ) -> Sequence[Reconciliation]:
        with self._transaction() as session:
            rows = session.scalars(
                select(ReconciliationRow)
                .where(ReconciliationRow.migration == migration, kind)
                .order_by(ReconciliationRow.id.desc())
                .limit(limit)
            )
            return [_reconciliation(row) for row in rows]

    def evidence(self, digest: Digest) -> Mapping[str, Any] | None:
        """Return the document of a digest; None when the ledger has none."""
        with self._transaction() as session:
            row = session.get(EvidenceRow, digest)
            return row.document if row else None

    def sign(self, sign_off: SignOff) -> SignOff:
        """Append a sign-off and wake who waits for it; id and at are given by the ledger."""
        with self._transaction() as session:
            row = sign_off_row(sign_off)
            session.add(row)
            session.flush()
            return replace(sign_off, id=row.id, at=row.at)

    def sign_offs(self, migration: str, evidence: Digest | None = None) -> Sequence[SignOff]:
        """Return sign-offs, oldest first."""
        wanted = select(SignOffRow).where(SignOffRow.migration == migration).order_by(SignOffRow.id)
        if evidence is not None:
            wanted = wanted.where(SignOffRow.evidence == evidence)
        with self._transaction() as session:
            return [_sign_off(row) for row in session.scalars(wanted)]

    def request_cutover(self, migration: str, by: Actor, reason: str, evidence: Digest | None) -> None:
        """Record that somebody asked for a cutover on this evidence; the same run asks once."""
        with self._transaction() as session:
            session.execute(
                insert(RequestRow)
                .values(
                    migration=migration,
                    evidence=evidence,
                    reason=reason,
                    by=by.name,
                    authenticated=by.authenticated,
                    dag_run=by.dag_run,
                )
                .on_conflict_do_nothing()
            )

    def cutover_requests(self, migration: str, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """Return requests (by, authenticated, evidence, reason, dag_run, at), newest first."""
        with self._transaction() as session:
            rows = session.scalars(
                select(RequestRow)
                .where(RequestRow.migration == migration)
                .order_by(RequestRow.id.desc())
                .limit(limit)
            )
            return [
                {
                    "by": row.by,
                    "authenticated": row.authenticated,
                    "evidence": row.evidence,
                    "reason": row.reason,
                    "dag_run": row.dag_run,
                    "at": row.at,
                }
                for row in rows
            ]

    def note_origin(self, dag_id: str, run_id: str, user: str | None, triggered_by: str) -> None:
        """Record how a DAG run was started; the first record of a run stands."""
        with self._transaction() as session:
            session.execute(
                insert(RunOriginRow)
                .values(dag_id=dag_id, run_id=run_id, user_name=user, triggered_by=triggered_by)
                .on_conflict_do_nothing()
            )

    def origin(self, dag_id: str, run_id: str) -> tuple[str | None, str] | None:
        """Return (user, triggered_by) of a run; None when nobody recorded it."""
        with self._transaction() as session:
            row = session.get(RunOriginRow, (dag_id, run_id))
            return (row.user, row.triggered_by) if row else None


def _reconciliation(row: ReconciliationRow) -> Reconciliation:
    return Reconciliation(
        id=row.id,
        migration=row.migration,
        digest=Digest(row.digest),
        verdict=Verdict(row.verdict),
        as_of=row.as_of,
        closed_through=row.closed_through,
        window_days=row.window_days,
        window_complete=row.window_complete,
        missing=tuple(row.missing),
        contract_digest=Digest(row.contract_digest),
        parity_digest=Digest(row.parity_digest),
        revision=row.revision,
        route_epoch=row.route_epoch,
        report=row.report,
        at=row.at,
        period=row.period,
        dbt_run=row.dbt_run or "",
        by=row.by,
    )


def _sign_off(row: SignOffRow) -> SignOff:
    return SignOff(
        id=row.id,
        migration=row.migration,
        role=row.role,
        user=row.user,
        decision=row.decision,
        evidence=Digest(row.evidence),
        contract_digest=Digest(row.contract_digest),
        route_epoch=row.route_epoch,
        comment=row.comment,
        at=row.at,
    )
