"""A ledger in memory that behaves as the real one; tests/contract/test_ledger.py holds both to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from slipway.domain.evidence import Digest, canonical
from slipway.domain.restatements import Restatement
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import ACTION_STATES, EDGES
from slipway.domain.waivers import Waiver, Withdrawal
from slipway.errors import LockHeld, Permanent, Retryable
from slipway.ports import (
    Actor,
    Amendment,
    Attempt,
    Maintained,
    Reconciliation,
    Replay,
    SignOff,
    Standing,
    SwitchRow,
)
from tests.fakes.closes import FakeCloses


class FakeLedger(FakeCloses):
    """Everything in lists. now: what stamps rows; unreachable: makes every call fail as a lost database."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self.now = now
        self.unreachable = False
        self._standings: dict[str, Standing] = {}
        self._parity: dict[str, Digest] = {}
        self._transitions: list[dict[str, Any]] = []
        self._revisions: dict[tuple[str, int], Digest] = {}
        self._attempts: list[Attempt] = []
        self._evidence: dict[Digest, Mapping[str, Any]] = {}
        self._reconciliations: list[Reconciliation] = []
        self._sign_offs: list[SignOff] = []
        self._switches: dict[int, SwitchRow] = {}
        self._amendments: list[Amendment] = []
        self._replays: list[Replay] = []
        self._waivers: list[Waiver] = []
        self._incidents: list[dict[str, Any]] = []
        self._maintenance: list[dict[str, Any]] = []
        self._requests: list[dict[str, Any]] = []
        self._origins: dict[tuple[str, str], tuple[str | None, str]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if not name.startswith("_") and callable(found) and name != "now" and self.unreachable:
            raise Retryable("the ledger can't be reached: it was switched off by the test")
        return found

    def upgrade(self) -> None:
        """Nothing to do in memory."""

    @contextmanager
    def lock(self, migration: str) -> Iterator[None]:
        lock = self._locks.setdefault(migration, threading.Lock())
        if not lock.acquire(blocking=False):
            raise LockHeld(f"the lock of migration {migration} is held by another test step")
        try:
            yield
        finally:
            lock.release()

    def standing(self, migration: str) -> Standing | None:
        return self._standings.get(migration)

    def standings(self) -> Sequence[Standing]:
        return [self._standings[name] for name in sorted(self._standings)]

    def adopt(self, migration: str, contract_digest: Digest, parity_digest: Digest, by: Actor) -> Standing:
        seen = self._standings.get(migration) or Standing(migration, State.DRAFT, None, None, None, 0)
        self._standings[migration] = seen
        if seen.state in (State.DRAFT, State.ABORTED):
            self._append(migration, State.CONTRACTED, by, "the contract was read", ())
        elif seen.contract_digest != contract_digest:
            what = (
                "its parity part too" if self._parity[migration] != parity_digest else "not its parity part"
            )
            self._append(migration, seen.state, by, f"the contract changed, {what}", ())
        self._parity[migration] = parity_digest
        return self._set(migration, contract_digest=contract_digest)

    def remember_cluster(self, migration: str, cluster_id: str, by: Actor) -> None:
        if self._known(migration).cluster_id not in (None, cluster_id):
            raise Permanent(f"{migration} was provisioned on another Kafka cluster than {cluster_id}")
        self._set(migration, cluster_id=cluster_id)

    def remember_topic(self, migration: str, topic_id: str, by: Actor) -> None:
        if self._known(migration).topic_id not in (None, topic_id):
            raise Permanent(f"the lake of {migration} holds records of another topic than {topic_id}")
        self._set(migration, topic_id=topic_id)

    def forget_topic(self, migration: str) -> None:
        """Be as after the upgrade of a ledger that held no topic's id."""
        self._set(migration, topic_id=None)

    def remember_revision(self, migration: str, revision: int, digest: Digest, by: Actor) -> None:
        self._known(migration)
        if self._revisions.setdefault((migration, revision), digest) != digest:
            raise Permanent(f"revision {revision} of {migration} has another digest")

    def make_current(self, migration: str, revision: int) -> None:
        self._known(migration)
        if (migration, revision) not in self._revisions:
            raise Permanent(f"the ledger does not know a revision {revision} of {migration}")
        self._set(migration, revision=revision)

    def revisions(self, migration: str) -> Mapping[int, Digest]:
        return {
            number: digest for (name, number), digest in sorted(self._revisions.items()) if name == migration
        }

    def advance(
        self, migration: str, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker] = ()
    ) -> Standing:
        seen = self._known(migration)
        if seen.state is not to:
            if (seen.state, to) not in EDGES:
                raise Permanent(f"{migration} can't go from {seen.state} to {to}")
            newest = self.switches(migration)[-1:]
            proven = newest and ACTION_STATES[newest[0].action] is to
            if to in (State.CANARY, State.SWITCHED) and not proven:
                raise Permanent(f"{migration} can't be {to}: the journal does not say so")
            self._append(migration, to, by, reason, blocked_by)
        return self._set(migration, blocked_by=tuple(blocked_by))

    def transitions(self, migration: str) -> Sequence[Mapping[str, Any]]:
        return [row for row in self._transitions if row["migration"] == migration]

    def open_attempt(self, attempt: Attempt) -> Attempt:
        kept = replace(attempt, id=len(self._attempts) + 1, at=self.now())
        self._attempts.append(kept)
        return kept

    def close_attempt(self, attempt_id: int, state: str, savepoint: str | None = None) -> None:
        if not 0 < attempt_id <= len(self._attempts):
            raise Permanent(f"the ledger has no attempt {attempt_id}")
        self._attempts[attempt_id - 1] = replace(self._attempts[attempt_id - 1], state=state)

    def attempts(self, migration: str, kind: str | None = None) -> Sequence[Attempt]:
        return [
            row for row in reversed(self._attempts) if row.migration == migration and kind in (None, row.kind)
        ]

    def record_reconciliation(
        self,
        found: Reconciliation,
        document: Mapping[str, Any],
        by: Actor,
        restatements: Sequence[Restatement] = (),
    ) -> Reconciliation:
        self._known(found.migration)
        self._evidence.setdefault(found.digest, json.loads(canonical(document)))
        self._restate(found, restatements)
        kept = replace(found, id=len(self._reconciliations) + 1, at=self.now(), by=by.name)
        self._reconciliations.append(kept)
        return kept

    def reconciliations(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        rows = [row for row in reversed(self._reconciliations) if row.migration == migration]
        return [row for row in rows if row.period is None][:limit]

    def close_runs(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        rows = [row for row in reversed(self._reconciliations) if row.migration == migration]
        return [row for row in rows if row.period is not None][:limit]

    def evidence(self, digest: Digest) -> Mapping[str, Any] | None:
        return self._evidence.get(digest)

    def sign(self, sign_off: SignOff) -> SignOff:
        kept = replace(sign_off, id=len(self._sign_offs) + 1, at=self.now())
        self._sign_offs.append(kept)
        return kept

    def sign_offs(self, migration: str, evidence: Digest | None = None) -> Sequence[SignOff]:
        return [
            row for row in self._sign_offs if row.migration == migration and evidence in (None, row.evidence)
        ]

    def mirror_switches(self, rows: Sequence[SwitchRow]) -> int:
        new = 0
        for row in rows:
            kept = self._switches.get(row.id)
            if kept is None:
                self._switches[row.id] = row
                new += 1
            elif (kept.kpi, kept.epoch, kept.action) != (row.kpi, row.epoch, row.action):
                raise Permanent(f"row {row.id} of the switch journal differs; is it another database?")
        return new

    def switches(self, migration: str) -> Sequence[SwitchRow]:
        return [row for _, row in sorted(self._switches.items()) if row.migration == migration]

    def open_amendment(self, amendment: Amendment) -> Amendment:
        kept = replace(amendment, id=len(self._amendments) + 1, at=self.now())
        self._amendments.append(kept)
        return kept

    def close_amendment(self, amendment_id: int, state: str, rows: int) -> None:
        if not 0 < amendment_id <= len(self._amendments):
            raise Permanent(f"the ledger has no amendment {amendment_id}")
        self._amendments[amendment_id - 1] = replace(
            self._amendments[amendment_id - 1], state=state, rows=rows
        )

    def amendments(self, migration: str, revision: int) -> Sequence[Amendment]:
        return [row for row in self._amendments if (row.migration, row.revision) == (migration, revision)]

    def open_replay(self, replay: Replay) -> Replay:
        kept = replace(replay, id=len(self._replays) + 1, at=self.now())
        self._replays.append(kept)
        return kept

    def close_replay(self, replay_id: int, sent: Sequence[str]) -> None:
        if not 0 < replay_id <= len(self._replays):
            raise Permanent(f"the ledger has no replay {replay_id}")
        self._replays[replay_id - 1] = replace(self._replays[replay_id - 1], state="done", sent=tuple(sent))

    def replays(self, migration: str) -> Sequence[Replay]:
        return [row for row in self._replays if row.migration == migration]

    def waive(self, waiver: Waiver) -> Waiver:
        self._known(waiver.migration)
        kept = replace(waiver, id=len(self._waivers) + 1, at=self.now())
        self._waivers.append(kept)
        return kept

    def withdraw_waiver(self, waiver_id: int, by: Actor, reason: str) -> Waiver:
        place = next((n for n, one in enumerate(self._waivers) if one.id == waiver_id), None)
        if place is None:
            raise Permanent(f"the ledger has no waiver {waiver_id}")
        if (ended := self._waivers[place].withdrawn) is not None:
            raise Permanent(f"waiver {waiver_id} was withdrawn already, by {ended.by}: {ended.reason}")
        self._waivers[place] = replace(
            self._waivers[place], withdrawn=Withdrawal(by.name, reason, self.now())
        )
        return self._waivers[place]

    def waivers(self, migration: str) -> Sequence[Waiver]:
        return [row for row in self._waivers if row.migration == migration]

    def note_origin(self, dag_id: str, run_id: str, user: str | None, triggered_by: str) -> None:
        self._origins.setdefault((dag_id, run_id), (user, triggered_by))

    def origin(self, dag_id: str, run_id: str) -> tuple[str | None, str] | None:
        return self._origins.get((dag_id, run_id))

    def request_cutover(self, migration: str, by: Actor, reason: str, evidence: Digest | None) -> None:
        if not any((row["migration"], row["dag_run"]) == (migration, by.dag_run) for row in self._requests):
            self._requests.append(
                {
                    "migration": migration,
                    "by": by.name,
                    "authenticated": by.authenticated,
                    "evidence": evidence,
                    "reason": reason,
                    "dag_run": by.dag_run,
                    "at": self.now(),
                }
            )

    def cutover_requests(self, migration: str, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        return [row for row in reversed(self._requests) if row["migration"] == migration][:limit]

    def incident(self, migration: str, severity: str, what: str, by: Actor) -> int:
        self._incidents.append(
            {
                "id": len(self._incidents) + 1,
                "migration": migration,
                "severity": severity,
                "what": what,
                "by": by.name,
                "dag_run": by.dag_run,
                "at": self.now(),
            }
        )
        return len(self._incidents)

    def incidents(self, migration: str) -> Sequence[Mapping[str, Any]]:
        return [row for row in reversed(self._incidents) if row["migration"] == migration]

    def record_maintenance(self, migration: str, done: Maintained, by: Actor) -> None:
        row = {**asdict(done), "by": by.name, "dag_run": by.dag_run, "at": self.now(), "migration": migration}
        self._maintenance.append(row)

    def maintenance(self, migration: str, limit: int = 50) -> Sequence[Mapping[str, Any]]:
        return [row for row in reversed(self._maintenance) if row["migration"] == migration][:limit]

    def _known(self, migration: str) -> Standing:
        if migration not in self._standings:
            raise Permanent(f"the ledger does not know a migration {migration}")
        return self._standings[migration]

    def _set(self, migration: str, **changes: Any) -> Standing:
        seen = self._standings[migration]
        self._standings[migration] = replace(seen, version=seen.version + 1, **changes)
        return self._standings[migration]

    def _append(
        self, migration: str, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker]
    ) -> None:
        self._transitions.append(
            {
                "migration": migration,
                "from_state": str(self._standings[migration].state),
                "to_state": str(to),
                "reason": reason,
                "blocked_by": [asdict(blocker) for blocker in blocked_by],
                "by": by.name,
                "authenticated": by.authenticated,
                "dag_run": by.dag_run,
                "at": self.now(),
            }
        )
        self._set(migration, state=to)
