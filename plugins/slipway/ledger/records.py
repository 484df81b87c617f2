"""What was done: attempts, amendments, incidents, maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import func, select

from slipway.domain.evidence import Digest
from slipway.errors import Permanent
from slipway.ledger.models import AmendmentRow, AttemptRow, IncidentRow, MaintenanceRow, ReplayRow
from slipway.ledger.session import LedgerSession
from slipway.ports import Actor, Amendment, Attempt, Maintained, Replay


class Records(LedgerSession):
    """Rows that are opened and closed, or only noted."""

    def open_attempt(self, attempt: Attempt) -> Attempt:
        """Record an attempt before its job is submitted; id and at are given by the ledger."""
        with self._transaction() as session:
            row = AttemptRow(
                migration=attempt.migration,
                kind=attempt.kind,
                revision=attempt.revision,
                attempt=attempt.attempt,
                revision_digest=attempt.revision_digest,
                job_id=attempt.job_id,
                writer_role=attempt.writer_role,
                state=attempt.state,
            )
            session.add(row)
            session.flush()
            return replace(attempt, id=row.id, at=row.at)

    def close_attempt(self, attempt_id: int, state: str, savepoint: str | None = None) -> None:
        """Set an attempt's state; Permanent when there is no such attempt."""
        with self._transaction() as session:
            row = session.get(AttemptRow, attempt_id, with_for_update=True)
            if row is None:
                raise Permanent(f"the ledger has no attempt {attempt_id}")
            row.state, row.closed_at = state, session.scalar(select(func.clock_timestamp()))
            row.savepoint = savepoint or row.savepoint

    def attempts(self, migration: str, kind: str | None = None) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        wanted = select(AttemptRow).where(AttemptRow.migration == migration).order_by(AttemptRow.id.desc())
        if kind is not None:
            wanted = wanted.where(AttemptRow.kind == kind)
        with self._transaction() as session:
            return [
                Attempt(
                    row.id,
                    row.migration,
                    row.kind,
                    row.revision,
                    row.attempt,
                    Digest(row.revision_digest),
                    row.job_id,
                    row.writer_role,
                    row.state,
                    row.at,
                )
                for row in session.scalars(wanted)
            ]

    def open_amendment(self, amendment: Amendment) -> Amendment:
        """Record a decision before its rows are computed; id and at are given by the ledger."""
        with self._transaction() as session:
            row = AmendmentRow(
                migration=amendment.migration,
                revision=amendment.revision,
                days=list(amendment.days),
                late_snapshot=amendment.late_snapshot,
                rows=amendment.rows,
                by=amendment.by,
                reason=amendment.reason,
                state=amendment.state,
            )
            session.add(row)
            session.flush()
            return replace(amendment, id=row.id, at=row.at)

    def close_amendment(self, amendment_id: int, state: str, rows: int) -> None:
        """Set an amendment's state and how many rows it let in; Permanent when there is none of that id."""
        with self._transaction() as session:
            row = session.get(AmendmentRow, amendment_id, with_for_update=True)
            if row is None:
                raise Permanent(f"the ledger has no amendment {amendment_id}")
            row.state, row.rows = state, rows
            row.closed_at = session.scalar(select(func.clock_timestamp()))

    def amendments(self, migration: str, revision: int) -> Sequence[Amendment]:
        """Return amendments of a revision, oldest first."""
        wanted = select(AmendmentRow).where(
            AmendmentRow.migration == migration, AmendmentRow.revision == revision
        )
        with self._transaction() as session:
            return [
                Amendment(
                    row.id,
                    row.migration,
                    row.revision,
                    tuple(row.days),
                    row.late_snapshot,
                    row.rows,
                    row.by,
                    row.reason,
                    row.state,
                    row.at,
                )
                for row in session.scalars(wanted.order_by(AmendmentRow.id))
            ]

    def open_replay(self, replay: Replay) -> Replay:
        """Record which dead letters are about to be sent again; id and at are given by the ledger."""
        with self._transaction() as session:
            row = ReplayRow(
                migration=replay.migration,
                dead_letters=replay.dead_letters,
                letters=list(replay.letters),
                sent=list(replay.sent),
                since={str(partition): offset for partition, offset in replay.since.items()},
                edited=replay.edited,
                state=replay.state,
                by=replay.by,
                authenticated=replay.authenticated,
                reason=replay.reason,
                dag_run=replay.dag_run,
            )
            session.add(row)
            session.flush()
            return replace(replay, id=row.id, at=row.at)

    def close_replay(self, replay_id: int, sent: Sequence[str]) -> None:
        """Record which of them stand in the raw topic now; Permanent when there is no replay of that id."""
        with self._transaction() as session:
            row = session.get(ReplayRow, replay_id, with_for_update=True)
            if row is None:
                raise Permanent(f"the ledger has no replay {replay_id}")
            row.state, row.sent = "done", list(sent)
            row.closed_at = session.scalar(select(func.clock_timestamp()))

    def replays(self, migration: str) -> Sequence[Replay]:
        """Return replays of dead letters, oldest first."""
        wanted = select(ReplayRow).where(ReplayRow.migration == migration).order_by(ReplayRow.id)
        with self._transaction() as session:
            return [
                Replay(
                    row.id,
                    row.migration,
                    row.dead_letters,
                    tuple(row.letters),
                    tuple(row.sent),
                    {int(partition): int(offset) for partition, offset in row.since.items()},
                    row.edited,
                    row.state,
                    row.by,
                    row.authenticated,
                    row.reason,
                    row.dag_run,
                    row.at,
                )
                for row in session.scalars(wanted)
            ]

    def incident(self, migration: str, severity: str, what: str, by: Actor) -> int:
        """Note something that somebody should know; return its id."""
        with self._transaction() as session:
            row = IncidentRow(
                migration=migration, severity=severity, what=what, by=by.name, dag_run=by.dag_run
            )
            session.add(row)
            session.flush()
            return row.id

    def incidents(self, migration: str) -> Sequence[Mapping[str, Any]]:
        """Return incidents (id, severity, what, by, dag_run, at), newest first."""
        wanted = select(IncidentRow).where(IncidentRow.migration == migration).order_by(IncidentRow.id.desc())
        with self._transaction() as session:
            return [
                {
                    "id": row.id,
                    "severity": row.severity,
                    "what": row.what,
                    "by": row.by,
                    "dag_run": row.dag_run,
                    "at": row.at,
                }
                for row in session.scalars(wanted)
            ]

    def record_maintenance(self, migration: str, done: Maintained, by: Actor) -> None:
        """Note what one maintenance of one table did."""
        with self._transaction() as session:
            session.add(
                MaintenanceRow(migration=migration, done=asdict(done), by=by.name, dag_run=by.dag_run)
            )

    def maintenance(self, migration: str, limit: int = 50) -> Sequence[Mapping[str, Any]]:
        """Return maintenance (the fields of Maintained, by, dag_run, at), newest first."""
        wanted = (
            select(MaintenanceRow)
            .where(MaintenanceRow.migration == migration)
            .order_by(MaintenanceRow.id.desc())
            .limit(limit)
        )
        with self._transaction() as session:
            return [
                {**row.done, "by": row.by, "dag_run": row.dag_run, "at": row.at}
                for row in session.scalars(wanted)
            ]
