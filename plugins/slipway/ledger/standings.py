"""Where migrations stand: states, revisions, and the copy of the switch journal that proves a switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from slipway.domain.evidence import Digest
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import ACTION_STATES, EDGES, next_step
from slipway.errors import Permanent
from slipway.ledger.models import MigrationRow, RevisionRow, SwitchLogRow, TransitionRow
from slipway.ledger.session import LedgerSession
from slipway.ports import Actor, Standing, SwitchRow


class Standings(LedgerSession):
    """States and what proves them."""

    def standing(self, migration: str) -> Standing | None:
        """Return where a migration stands; None when the ledger does not know it."""
        with self._transaction() as session:
            row = session.get(MigrationRow, migration)
            return _standing(row) if row else None

    def standings(self) -> Sequence[Standing]:
        """Return all migrations by name."""
        with self._transaction() as session:
            rows = session.scalars(select(MigrationRow).order_by(MigrationRow.migration))
            return [_standing(row) for row in rows]

    def adopt(self, migration: str, contract_digest: Digest, parity_digest: Digest, by: Actor) -> Standing:
        """Make the migration known, or record that its contract changed."""
        with self._transaction() as session:
            row = session.get(MigrationRow, migration, with_for_update=True)
            if row is None:
                row = MigrationRow(
                    migration=migration, state=State.DRAFT, revision=None, cluster_id=None, blocked_by=[]
                )
                session.add(row)
                session.flush()
            if row.state in (State.DRAFT, State.ABORTED):
                _append(session, row, State.CONTRACTED, by, "the contract was read", ())
            elif row.contract_digest != contract_digest:
                what = "its parity part too" if row.parity_digest != parity_digest else "not its parity part"
                _append(session, row, State(row.state), by, f"the contract changed, {what}", ())
            row.contract_digest, row.parity_digest = contract_digest, parity_digest
            session.flush()
            return _standing(row)

    def remember_cluster(self, migration: str, cluster_id: str, by: Actor) -> None:
        """Keep which Kafka cluster the migration reads; another one later is Permanent."""
        with self._transaction() as session:
            row = _known(session, migration)
            if row.cluster_id not in (None, cluster_id):
                raise Permanent(
                    f"{migration} was provisioned on the Kafka cluster {row.cluster_id}, but the connection "
                    f"slipway_kafka now leads to {cluster_id}; offsets of one mean nothing on the other. "
                    "Point the connection back, or give the migration on that cluster another name"
                )
            row.cluster_id = cluster_id

    def remember_topic(self, migration: str, topic_id: str, by: Actor) -> None:
        """Keep which topic the lake's offsets belong to; another one later is Permanent."""
        with self._transaction() as session:
            row = _known(session, migration)
            if row.topic_id not in (None, topic_id):
                raise Permanent(
                    f"the lake of {migration} holds records of the topic with Kafka's id {row.topic_id}, but "
                    f"the topic of that name now has the id {topic_id}: it was deleted and made again, and "
                    "offsets of one mean nothing in the other. Give the migration another name and let it "
                    "start anew"
                )
            row.topic_id = topic_id

    def remember_revision(self, migration: str, revision: int, digest: Digest, by: Actor) -> None:
        """Keep a revision's digest; the same number never gets another one."""
        with self._transaction() as session:
            _known(session, migration)
            kept = session.get(RevisionRow, (migration, revision))
            if kept is not None and kept.digest != digest:
                raise Permanent(
                    f"revision {revision} of {migration} is {kept.digest[:12]}, not {digest[:12]}; "
                    "what changes the meaning of rows needs a new revision number"
                )
            if kept is None:
                session.add(
                    RevisionRow(
                        migration=migration, revision=revision, digest=digest, by=by.name, dag_run=by.dag_run
                    )
                )

    def make_current(self, migration: str, revision: int) -> None:
        """Let a remembered revision be the one that gates and readers are about."""
        with self._transaction() as session:
            row = _known(session, migration)
            if session.get(RevisionRow, (migration, revision)) is None:
                raise Permanent(
                    f"the ledger does not know a revision {revision} of {migration}; "
                    f"trigger {migration}.deploy first"
                )
            row.revision = revision

    def revisions(self, migration: str) -> Mapping[int, Digest]:
        """Return {revision: digest}, ascending."""
        with self._transaction() as session:
            rows = session.scalars(
                select(RevisionRow).where(RevisionRow.migration == migration).order_by(RevisionRow.revision)
            )
            return {row.revision: Digest(row.digest) for row in rows}

    def advance(
        self, migration: str, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker] = ()
    ) -> Standing:
        """Append a transition and set the state; the same state again only refreshes the blockers."""
        with self._transaction() as session:
            row = _known(session, migration)
            if row.state == to:
                row.blocked_by = [asdict(blocker) for blocker in blocked_by]
            else:
                _refuse_wrong_edge(session, row, to)
                _append(session, row, to, by, reason, blocked_by)
            session.flush()
            return _standing(row)

    def transitions(self, migration: str) -> Sequence[Mapping[str, Any]]:
        """Return all transitions, oldest first."""
        with self._transaction() as session:
            rows = session.scalars(
                select(TransitionRow).where(TransitionRow.migration == migration).order_by(TransitionRow.id)
            )
            return [
                {
                    "from_state": row.from_state,
                    "to_state": row.to_state,
                    "reason": row.reason,
                    "blocked_by": row.blocked_by,
                    "by": row.by,
                    "authenticated": row.authenticated,
                    "dag_run": row.dag_run,
                    "at": row.at,
                }
                for row in rows
            ]

    def mirror_switches(self, rows: Sequence[SwitchRow]) -> int:
        """Bring the ledger's journal in line with serving.switch_log; return how many rows were new."""
        with self._transaction() as session:
            new = 0
            for row in rows:
                kept = session.get(SwitchLogRow, row.id)
                if kept is None:
                    # Two processes may mirror the same row at the same time: both are right.
                    found = session.execute(
                        insert(SwitchLogRow)
                        .values(_mirrored(row))
                        .on_conflict_do_nothing()
                        .returning(SwitchLogRow.id)
                    )
                    new += len(found.all())
                elif (kept.migration, kept.kpi, kept.epoch, kept.action) != (
                    row.migration,
                    row.kpi,
                    row.epoch,
                    row.action,
                ):
                    raise Permanent(
                        f"row {row.id} of the switch journal is {kept.action} of {kept.kpi} "
                        f"(epoch {kept.epoch}) in the ledger, but {row.action} of {row.kpi} "
                        f"(epoch {row.epoch}) in the warehouse; "
                        "is slipway_warehouse another database than before?"
                    )
            return new

    def switches(self, migration: str) -> Sequence[SwitchRow]:
        """Return the mirrored journal, oldest first."""
        with self._transaction() as session:
            rows = session.scalars(
                select(SwitchLogRow).where(SwitchLogRow.migration == migration).order_by(SwitchLogRow.id)
            )
            return [_switch(row) for row in rows]


def _known(session: Session, migration: str) -> MigrationRow:
    row = session.get(MigrationRow, migration, with_for_update=True)
    if row is None:
        raise Permanent(
            f"the ledger does not know a migration {migration}; trigger {migration}.provision first"
        )
    return row


def _refuse_wrong_edge(session: Session, row: MigrationRow, to: State) -> None:
    state = State(row.state)
    if (state, to) not in EDGES:
        ways = sorted(target for source, target in EDGES if source == state)
        raise Permanent(
            f"{row.migration} can't go from {state} to {to}; it can go to {', '.join(ways) or 'nowhere'}. "
            f"{next_step(row.migration, state, ())}."
        )
    if to in (State.CANARY, State.SWITCHED):
        newest = session.scalars(
            select(SwitchLogRow)
            .where(SwitchLogRow.migration == row.migration)
            .order_by(SwitchLogRow.id.desc())
            .limit(1)
        ).first()
        if newest is None or ACTION_STATES.get(newest.action) is not to:
            raise Permanent(
                f"{row.migration} can't be {to}: the newest row of its switch journal is "
                f"{newest.action if newest else 'absent'}; only the warehouse's journal proves "
                "that readers were moved"
            )


def _append(
    session: Session, row: MigrationRow, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker]
) -> None:
    found = [asdict(blocker) for blocker in blocked_by]
    session.add(
        TransitionRow(
            migration=row.migration,
            from_state=row.state,
            to_state=to,
            reason=reason,
            blocked_by=found,
            by=by.name,
            authenticated=by.authenticated,
            dag_run=by.dag_run,
        )
    )
    row.state, row.blocked_by = to, found


def _standing(row: MigrationRow) -> Standing:
    return Standing(
        row.migration,
        State(row.state),
        row.revision,
        row.cluster_id,
        Digest(row.contract_digest) if row.contract_digest else None,
        row.version,
        tuple(Blocker(**blocker) for blocker in row.blocked_by or ()),
        row.topic_id,
    )


def _mirrored(row: SwitchRow) -> dict[str, Any]:
    """Return what the ledger keeps of a journal row: all of its own columns."""
    kept = {**asdict(row), "before": dict(row.before), "after": dict(row.after)}
    del kept["begun"]  # how long a transaction took stays with the warehouse that ran it
    return {column.key: kept[column.key] for column in SwitchLogRow.__table__.columns}


def _switch(row: SwitchLogRow) -> SwitchRow:
    return SwitchRow(
        id=row.id,
        migration=row.migration,
        kpi=row.kpi,
        epoch=row.epoch,
        action=row.action,
        before=row.before,
        after=row.after,
        evidence=Digest(row.evidence) if row.evidence else None,
        by=row.by,
        reason=row.reason,
        dag_run=row.dag_run,
        at=row.at,
    )
