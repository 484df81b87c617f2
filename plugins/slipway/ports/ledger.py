"""The control plane's own memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from slipway.domain.evidence import Digest
from slipway.domain.restatements import PeriodClose, Restatement
from slipway.domain.states import Blocker, State
from slipway.domain.waivers import Waiver
from slipway.ports.lake import Maintained
from slipway.ports.records import Actor, Amendment, Attempt, Reconciliation, Replay, SignOff, Standing
from slipway.ports.serving import SwitchRow


class Ledger(Protocol):
    """The control plane's own memory; transitions, evidence, sign-offs and switches are append-only."""

    def upgrade(self) -> None:
        """Bring the ledger's schema up to this version; doing it again changes nothing."""
        ...

    def lock(self, migration: str) -> AbstractContextManager[None]:
        """Hold the migration's advisory lock; LockHeld when somebody else holds it."""
        ...

    def standing(self, migration: str) -> Standing | None: ...

    def standings(self) -> Sequence[Standing]: ...

    def adopt(self, migration: str, contract_digest: Digest, parity_digest: Digest, by: Actor) -> Standing:
        """Make the migration known, or record that its contract changed."""
        ...

    def remember_cluster(self, migration: str, cluster_id: str, by: Actor) -> None: ...

    def remember_topic(self, migration: str, topic_id: str, by: Actor) -> None:
        """Keep which topic the lake's offsets belong to; another one later is Permanent."""
        ...

    def remember_revision(self, migration: str, revision: int, digest: Digest, by: Actor) -> None:
        """Record a number's meaning for good; the current revision stays what it is."""
        ...

    def make_current(self, migration: str, revision: int) -> None:
        """Let a remembered revision, which is through its gate, be the one that a standing names."""
        ...

    def revisions(self, migration: str) -> Mapping[int, Digest]: ...

    def advance(
        self, migration: str, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker] = ()
    ) -> Standing:
        """Append a transition and set the state; the same state again only refreshes the blockers.

        Permanent when the rail has no such edge, or when CANARY or SWITCHED lacks its row in the journal.
        """
        ...

    def transitions(self, migration: str) -> Sequence[Mapping[str, Any]]: ...

    def open_attempt(self, attempt: Attempt) -> Attempt:
        """Record an attempt before its job is submitted; id and at are given by the ledger."""
        ...

    def close_attempt(self, attempt_id: int, state: str, savepoint: str | None = None) -> None: ...

    def attempts(self, migration: str, kind: str | None = None) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        ...

    def record_reconciliation(
        self,
        found: Reconciliation,
        document: Mapping[str, Any],
        by: Actor,
        restatements: Sequence[Restatement] = (),
    ) -> Reconciliation:
        """Append evidence, reconciliation and what it found restated, all or nothing.

        id, at and by are given by the ledger.
        """
        ...

    def reconciliations(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the nights, newest first; close runs are not among them."""
        ...

    def close_runs(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the close runs of all periods, newest first."""
        ...

    def sign_close(self, sign_off: SignOff, close: PeriodClose | None) -> SignOff:
        """Append a word on a close run and, when it makes the quorum whole, the close: both or none.

        id, at and the close's last_word are given by the ledger.
        """
        ...

    def closes(self, migration: str) -> Sequence[PeriodClose]:
        """Return every close ever signed, oldest first; supersedes names the one before of the period."""
        ...

    def restatements(self, migration: str) -> Sequence[Restatement]:
        """Return every restatement of every close, oldest first."""
        ...

    def evidence(self, digest: Digest) -> Mapping[str, Any] | None: ...

    def sign(self, sign_off: SignOff) -> SignOff: ...

    def sign_offs(self, migration: str, evidence: Digest | None = None) -> Sequence[SignOff]:
        """Return sign-offs, oldest first."""
        ...

    def mirror_switches(self, rows: Sequence[SwitchRow]) -> int:
        """Bring the ledger's journal in line with serving.switch_log; return how many rows were new."""
        ...

    def switches(self, migration: str) -> Sequence[SwitchRow]: ...

    def open_amendment(self, amendment: Amendment) -> Amendment: ...

    def close_amendment(self, amendment_id: int, state: str, rows: int) -> None: ...

    def amendments(self, migration: str, revision: int) -> Sequence[Amendment]: ...

    def open_replay(self, replay: Replay) -> Replay:
        """Record which dead letters are about to be sent again; id and at are given by the ledger."""
        ...

    def close_replay(self, replay_id: int, sent: Sequence[str]) -> None:
        """Record which of them stand in the raw topic now; the others may be chosen again."""
        ...

    def replays(self, migration: str) -> Sequence[Replay]:
        """Return replays of dead letters, oldest first."""
        ...

    def waive(self, waiver: Waiver) -> Waiver:
        """Append a waiver; id and at are given by the ledger."""
        ...

    def withdraw_waiver(self, waiver_id: int, by: Actor, reason: str) -> Waiver:
        """Append the end of a waiver; Permanent when there is none of that id, or it has ended already."""
        ...

    def waivers(self, migration: str) -> Sequence[Waiver]:
        """Return every waiver ever given, oldest first, with its withdrawal."""
        ...

    def note_origin(self, dag_id: str, run_id: str, user: str | None, triggered_by: str) -> None:
        """Record how a DAG run was started; the first record of a run stands."""
        ...

    def origin(self, dag_id: str, run_id: str) -> tuple[str | None, str] | None:
        """Return (user, triggered_by) of a run; None when nobody recorded it."""
        ...

    def request_cutover(self, migration: str, by: Actor, reason: str, evidence: Digest | None) -> None:
        """Record that somebody asked for a cutover on this evidence; the same run asks once."""
        ...

    def cutover_requests(self, migration: str, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """Return requests (by, authenticated, evidence, reason, dag_run, at), newest first."""
        ...

    def incident(self, migration: str, severity: str, what: str, by: Actor) -> int: ...

    def incidents(self, migration: str) -> Sequence[Mapping[str, Any]]: ...

    def record_maintenance(self, migration: str, done: Maintained, by: Actor) -> None: ...

    def maintenance(self, migration: str, limit: int = 50) -> Sequence[Mapping[str, Any]]: ...
