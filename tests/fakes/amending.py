"""A small migration with late rows, and everything that an amendment needs of the world, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from slipway.adapters.lake.late_rows import DuckDBLateRows
from slipway.app.tables import revision_tables
from slipway.domain import names
from slipway.domain.avro import parse_schema
from slipway.domain.closing import closing_day
from slipway.domain.contract import Contract, Migration, compile_migration
from slipway.domain.evidence import Verdict
from slipway.domain.measures import CompiledKpi
from slipway.errors import LockHeld
from slipway.faults import fail_at
from slipway.ports import (
    Actor,
    AmendedEvent,
    Amendment,
    JobStatus,
    JobSubmission,
    LakeTable,
    Maintained,
    World,
)
from tests.fakes.lake import FakeLake

MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)
ZONE = ZoneInfo("America/New_York")
NOON = time(12)
_MONTH = [MONDAY + timedelta(days=n) for n in range(31)]
ANA = Actor("ana", authenticated=True, dag_run="run-1")

SCHEMA = """{"type": "record", "name": "Parcel", "fields": [
 {"name": "parcel_id", "type": "string", "doc": "Identity"},
 {"name": "depot", "type": "string", "doc": "Where it was handed over; the key"},
 {"name": "handed_over", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When, UTC"},
 {"name": "grams", "type": ["null", "int"], "default": null, "doc": "Weight"},
 {"name": "van", "type": ["null", "string"], "default": null, "doc": "Which van; null when unknown"},
 {"name": "version", "type": "int", "default": 1, "doc": "Grows with every revision"}]}"""


def migration(name: str = "parcels", *, keep: str = "first", time: str = "day") -> Migration:
    """Return the compiled migration; its KPI is called <name>_daily, so that tests can share a warehouse.

    time: the grain function of the KPI's time.
    """
    contract = {
        "migration": name,
        "description": "Parcels by day and depot",
        "owners": {"data_owner": ("ana",), "consumer": ("carla",)},
        "events": {
            "topic": f"raw-{name}",
            "schema": "parcel.avsc",
            "key": ("depot",),
            "id": "parcel_id",
            "time": "handed_over",
            **({"keep": "latest", "version": "version"} if keep == "latest" else {}),
            "traffic": {"peak_per_second": 10, "mean_bytes": 100},
        },
        "parity": {"timezone": "America/New_York", "accept_late": "24h", "from": MONDAY},
        "kpis": {
            f"{name}_daily": {
                "grain": {"day": f"{time}(handed_over)", "depot": "depot"},
                "segments": ("depot",),
                "measures": {
                    "parcels": {"count": "*"},
                    "grams": {"sum": "grams"},
                    "vans": {"count_distinct": "van"},
                    "mean_grams": {"avg": "grams"},
                    "heaviest": {"max": "grams"},
                },
                "batch": {"model": f"{name}_daily", "events": f"{name}_events"},
            }
        },
        "gates": {"sign_offs": {"data_owner": 1}},
    }
    return compile_migration(Contract.model_validate(contract), parse_schema(SCHEMA))


def event(identity: str, day: date, offset: int, **values: Any) -> Mapping[str, Any]:
    """Return one row of silver or late, handed over at noon of the business day."""
    return {
        "parcel_id": identity,
        "depot": "north",
        "handed_over": datetime.combine(day, NOON, tzinfo=ZONE).astimezone(UTC),
        "grams": 100,
        "van": None,
        "version": 1,
        "business_day": day,
        "kafka_partition": 0,
        "kafka_offset": offset,
        "arrived_at": datetime.combine(day, NOON, tzinfo=ZONE).astimezone(UTC) + timedelta(days=3),
        **values,
    }


def event_tables(subject: Migration, revision: int = 1) -> Sequence[LakeTable]:
    """Return silver and late of a revision."""
    silver, late, _ = revision_tables(subject, revision)
    return silver, late


@dataclass
class SmallLedger:
    """What an amendment and maintenance ask of a ledger, as lists."""

    reconciled_contract: str
    reconciled_revision: int = 1
    verdict: Verdict = Verdict.FAIL
    closed_through: date | None = TUESDAY
    locked: bool = False
    decisions: dict[int, Amendment] = field(default_factory=dict)
    maintained: list[Maintained] = field(default_factory=list)
    older_nights: list[Any] = field(default_factory=list)
    words: list[Any] = field(default_factory=list)
    known_revisions: Mapping[int, str] = field(default_factory=lambda: {1: "digest"})

    @contextmanager
    def lock(self, migration: str) -> Iterator[None]:
        if self.locked:
            raise LockHeld(f"somebody else holds {migration}")
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    def standing(self, migration: str) -> Any:
        return SimpleNamespace(revision=1)

    def revisions(self, migration: str) -> Mapping[int, str]:
        return self.known_revisions

    def reconciliations(self, migration: str, limit: int = 30) -> Sequence[Any]:
        if self.closed_through is None:
            return []
        return [
            SimpleNamespace(
                digest="f" * 64,
                at=datetime.now(UTC),
                closed_through=self.closed_through,
                verdict=self.verdict,
                revision=self.reconciled_revision,
                contract_digest=self.reconciled_contract,
            ),
            *self.older_nights,
        ]

    def sign_offs(self, migration: str) -> Sequence[Any]:
        return self.words

    def switches(self, migration: str) -> Sequence[Any]:
        return ()

    def cutover_requests(self, migration: str, limit: int = 10) -> Sequence[Any]:
        return ()

    def open_amendment(self, amendment: Amendment) -> Amendment:
        opened = replace(amendment, id=len(self.decisions) + 1)
        self.decisions[opened.id] = opened
        return opened

    def close_amendment(self, amendment_id: int, state: str, rows: int) -> None:
        self.decisions[amendment_id] = replace(self.decisions[amendment_id], state=state, rows=rows)

    def amendments(self, migration: str, revision: int) -> Sequence[Amendment]:
        return list(self.decisions.values())

    def record_maintenance(self, migration: str, done: Maintained, by: Actor) -> None:
        self.maintained.append(done)


Rows = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass
class FakeAmendments:
    """The warehouse's part: tables as dictionaries, a swap that happens at once or not at all."""

    stream: dict[str, Rows] = field(default_factory=dict)
    side: dict[str, Rows] = field(default_factory=dict)
    journal: dict[int, tuple[Amendment, tuple[AmendedEvent, ...]]] = field(default_factory=dict)
    writer: str | None = None
    places: list[AmendedEvent] = field(default_factory=list)

    def install(self) -> None:
        """Nothing to install."""

    def amended(self, migration: str, revision: int) -> Sequence[AmendedEvent]:
        return [replace(event, amendment=id) for id, (_, events) in self.journal.items() for event in events]

    def applied(self, migration: str, amendment_id: int) -> int | None:
        return len(self.journal[amendment_id][1]) if amendment_id in self.journal else None

    def prepare(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], run: str
    ) -> str:
        self.places = list(events)
        self.side = {kpi: {} for kpi in migration.kpis}
        self.writer = f"side_{amendment.id}_{run}"
        return self.writer

    def side_rows(self, kpi: CompiledKpi, amendment: Amendment) -> Sequence[tuple[Any, ...]]:
        return [(*key, *values) for key, values in self.side[kpi.name].items()]

    def swap(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], dag_run: str
    ) -> None:
        if amendment.id in self.journal:
            return
        after = dict(self.stream)
        for kpi, compiled in migration.kpis.items():
            rows = after.get(kpi, {}).items()
            kept = {k: v for k, v in rows if closing_day(compiled.time, k[0]) not in amendment.days}
            after[kpi] = kept | self.side[kpi]
            fail_at("amend.in_swap")
        fail_at("amend.before_swap_commit")
        self.stream = after
        self.journal[amendment.id] = (amendment, tuple(events))

    def clean(self, migration: Migration, amendment: Amendment) -> None:
        self.side, self.writer = {}, None


@dataclass
class FoldingEngine:
    """A bounded run that fills the side tables when it is submitted; spoil: what it does to them then."""

    fold: Callable[[str], None]
    spoil: Callable[[], None] = lambda: None
    slots: int = 1
    state: str = "FINISHED"
    jobs: list[JobSubmission] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def free_slots(self) -> int:
        return self.slots

    def submit(self, job: JobSubmission) -> None:
        self.jobs.append(job)
        self.fold(job.script)
        self.spoil()

    def status(self, job_id: str) -> JobStatus | None:
        if job_id not in [job.job_id for job in self.jobs]:
            return None
        return cast(JobStatus, SimpleNamespace(state=self.state, failure="a disk is full"))

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


@dataclass
class SteppingClock:
    """A clock that stands still but for its pauses."""

    at: datetime = datetime(2024, 1, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pause(self, span: timedelta) -> None:
        self.at += span


class Amending:
    """A world around one migration: silver and late on files, everything else in memory."""

    def __init__(self, lake: FakeLake, subject: Migration | None = None) -> None:
        self.migration = subject or migration()
        self.lake = lake
        self.ledger = SmallLedger(self.migration.contract_digest)
        self.warehouse = FakeAmendments()
        self.late_rows = DuckDBLateRows()
        self.engine = FoldingEngine(self._fold)
        self.silver = names.silver(self.migration.name, 1)
        self.late = names.late(self.migration.name, 1)
        for table in event_tables(self.migration):
            lake.ensure(table)

    @property
    def world(self) -> World:
        return cast(
            World,
            SimpleNamespace(
                clock=SteppingClock(),
                ledger=self.ledger,
                lake=self.lake,
                engine=self.engine,
                amendments=self.warehouse,
                late_rows=self.late_rows,
                scripts=SimpleNamespace(amend=lambda _, amendment, writer, __: str(amendment.id)),
            ),
        )

    def accept(self, *rows: Mapping[str, Any]) -> None:
        """Have the running job accept events: silver grows and the KPI rows follow, the amended ones not."""
        self.lake.append(self.silver, rows)
        amended = {day for decided, _ in self.warehouse.journal.values() for day in decided.days}
        for kpi, compiled in self.migration.kpis.items():
            before = self.warehouse.stream.get(kpi, {})
            kept = {k: v for k, v in before.items() if closing_day(compiled.time, k[0]) in amended}
            totals = self._rows(kpi, None)
            written = {k: v for k, v in totals.items() if closing_day(compiled.time, k[0]) not in amended}
            self.warehouse.stream[kpi] = kept | written

    def recomputed(self) -> Rows:
        """Return what the rows of the only KPI must be: silver and every amended late row, folded afresh."""
        [kpi] = self.migration.kpis
        return self._fold_days(kpi, _MONTH, self.lake.snapshot(self.late), self.warehouse.amended("", 1))

    def kpi_rows(self) -> Rows:
        """Return the stream's rows of the only KPI."""
        [kpi] = self.migration.kpis
        return self.warehouse.stream.get(kpi, {})

    def _fold(self, script: str) -> None:
        amendment = self.ledger.decisions[int(script)]
        for kpi in self.migration.kpis:
            self.warehouse.side[kpi] = self._rows(kpi, amendment)

    def _rows(self, kpi: str, amendment: Amendment | None) -> Rows:
        """Fold all of silver, or an amendment's days with every late row that counts there."""
        if amendment is None:
            return self._fold_days(kpi, _MONTH, None, ())
        return self._fold_days(kpi, amendment.days, amendment.late_snapshot, self.warehouse.places)

    def _fold_days(
        self, kpi: str, days: Sequence[date], late_snapshot: int | None, places: Sequence[AmendedEvent]
    ) -> Rows:
        snapshot = self.lake.snapshot(self.silver)
        silver = self.lake.data_files(self.silver, snapshot) if snapshot is not None else []
        late = self.lake.data_files(self.late, late_snapshot) if late_snapshot is not None else []
        rows = self.late_rows.fold(self.migration, self.migration.kpis[kpi], silver, late, places, days)
        width = len(self.migration.kpis[kpi].grain)
        return {row[:width]: row[width:] for row in rows}
