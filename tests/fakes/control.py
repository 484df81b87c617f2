"""A world for the control plane's tests: ledger, serving, engine and clock in memory, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from slipway.adapters.contracts import load_migration
from slipway.app import sign_off, status
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict, digest_of
from slipway.domain.gates import route_epoch
from slipway.domain.states import State
from slipway.ports import Actor, Attempt, JobStatus, Reconciliation, SignOff, World
from tests.fakes.ledger import FakeLedger
from tests.fakes.serving import FakeServing

CONTRACT = Path(__file__).parents[2] / "include" / "migrations" / "flights.yaml"
RITA = Actor("rita", authenticated=True, dag_run="manual__1")
ANA, CARLA, OMAR = (Actor(name, authenticated=True) for name in ("ana", "carla", "omar"))
ROLES = {"data_owner": ANA, "consumer": CARLA, "on_call": OMAR}
NIGHT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class Absent:
    """Stands for a port that the code under test must not touch."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the control plane touched a system it has no business with: {name}")


@dataclass
class FakeClock:
    """Goes forward only when it is told to. on_pause: what happens while somebody waits."""

    at: datetime = NIGHT
    on_pause: Callable[[], None] | None = None

    def now(self) -> datetime:
        return self.at

    def pause(self, span: timedelta) -> None:
        self.at += span
        if self.on_pause:
            self.on_pause()

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class FakeJobs:
    """An engine that knows states of jobs."""

    jobs: dict[str, JobStatus] = field(default_factory=dict)

    def status(self, job_id: str) -> JobStatus | None:
        return self.jobs.get(job_id)


@dataclass
class Control:
    """The world with handles on its fakes, and the steps that bring a migration up to a gate."""

    migration: Migration
    clock: FakeClock
    ledger: FakeLedger
    serving: FakeServing
    jobs: FakeJobs
    world: World

    @property
    def state(self) -> State:
        standing = self.ledger.standing(self.migration.name)
        assert standing is not None
        return standing.state

    def deploy(self, revision: int = 1) -> None:
        """Bring the migration to HYDRATING: a running job, and one equal row on both sides for each day."""
        name, me = self.migration.name, RITA
        if self.ledger.standing(name) is None:
            self.ledger.adopt(name, self.migration.contract_digest, self.migration.parity_digest, me)
            self.ledger.advance(name, State.PROVISIONED, me, "test")
        self.serving.publish(self.migration, [revision])
        digest = digest_of({"revision": revision})
        self.ledger.remember_revision(name, revision, digest, me)
        self.ledger.make_current(name, revision)
        job_id = f"{revision:032x}"
        self.ledger.open_attempt(
            Attempt(0, name, "revision", revision, 1, digest, job_id, "w", "running", self.clock.now())
        )
        self.jobs.jobs[job_id] = JobStatus(
            job_id, name, "RUNNING", {"RUNNING": 3}, 5, 0, None, None, pending=0
        )
        if self.state is State.PROVISIONED:
            self.ledger.advance(name, State.HYDRATING, me, "test")
        for kpi in self.migration.kpis.values():
            rows = [_row(day, origin) for day in range(20, 29) for origin in ("LGA", "EWR")]
            self.serving.batch[kpi.name] = rows
            self.serving.stream[kpi.name, revision] = list(rows)

    def reconcile(self, verdict: Verdict = Verdict.PASS, **changes: Any) -> Reconciliation:
        """Record a night's reconciliation, complete and passing unless told otherwise."""
        standing = self.ledger.standing(self.migration.name)
        assert standing is not None
        document = {"verdict": str(verdict), **changes.pop("document", {})}
        digest = changes.pop("digest", None) or digest_of(document)
        found = Reconciliation(
            id=0,
            migration=self.migration.name,
            digest=digest,
            verdict=verdict,
            as_of=self.clock.now(),
            closed_through=date(2013, 2, 27),
            window_days=5,
            window_complete=True,
            missing=(),
            contract_digest=self.migration.contract_digest,
            parity_digest=self.migration.parity_digest,
            revision=standing.revision or 0,
            route_epoch=route_epoch(self.serving.routes(list(self.migration.kpis))),
            report="report.html",
            at=self.clock.now(),
        )
        kept = self.ledger.record_reconciliation(replace_all(found, changes), document, RITA)
        status.refresh(self.migration, self.world, RITA)
        return kept

    def sign(
        self, role: str, decision: str = "approve", evidence: Digest | None = None, **changes: Any
    ) -> SignOff:
        """Let the role's owner speak on the newest evidence."""
        digest = evidence or self.ledger.reconciliations(self.migration.name)[0].digest
        by = changes.get("by", ROLES[role])
        comment = changes.get("comment", "seen the report")
        return sign_off.sign_off(self.migration, role, decision, digest, comment, by, self.world)

    def sign_all(self) -> None:
        for role in ROLES:
            self.sign(role)


def replace_all(found: Reconciliation, changes: dict[str, Any]) -> Reconciliation:
    """Return a reconciliation with some fields changed."""
    from dataclasses import replace

    return replace(found, **changes)


def control() -> Control:
    """Return a fresh world with the flights contract, deployed and not yet reconciled."""
    clock = FakeClock()
    ledger, serving, jobs = FakeLedger(clock.now), FakeServing(clock.now), FakeJobs()
    names = set(World.__dataclass_fields__) - {"clock", "ledger", "serving", "engine"}
    others: dict[str, Any] = {name: Absent() for name in names}
    world = World(clock=clock, ledger=ledger, serving=serving, engine=cast(Any, jobs), **others)
    found = Control(load_migration(CONTRACT), clock, ledger, serving, jobs, world)
    found.deploy()
    return found


def _row(day: int, origin: str) -> dict[str, Any]:
    return {
        "flight_date": date(2013, 2, day),
        "origin": origin,
        "carrier": "UA",
        "scheduled": 10,
        "seats": 100,
    }
