"""A world in which jobs can be provisioned and deployed, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from slipway.adapters.contracts import load_migration
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.app import provision
from slipway.app.tables import revision_tables
from slipway.domain import names
from slipway.domain.accounting import Counted
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.gaps import Gap, Held
from slipway.ports import Actor, LakeFiles, World
from tests.fakes.control import CONTRACT, Absent, FakeClock
from tests.fakes.engine import FakeEngine, FakeJob, FakeScripts, FakeWriters
from tests.fakes.lake import FakeLake
from tests.fakes.ledger import FakeLedger
from tests.fakes.schemas import FakeSchemas
from tests.fakes.serving import FakeServing
from tests.fakes.topics import FakeTopics

OPERATOR = Actor("omar", authenticated=True, dag_run="manual__1")
DAY = date(2013, 3, 8)


class FakeAmendments:
    """Notes that its tables were asked for."""

    installed = 0

    def install(self) -> None:
        self.installed += 1


@dataclass
class Yard:
    """The fakes by their own types. lost: records that jobs read and never write."""

    folder: Path
    migration: Migration = field(default_factory=lambda: load_migration(CONTRACT))
    clock: FakeClock = field(default_factory=FakeClock)
    topics: FakeTopics = field(default_factory=FakeTopics)
    schemas: FakeSchemas = field(default_factory=FakeSchemas)
    engine: FakeEngine = field(default_factory=FakeEngine)
    scripts: FakeScripts = field(default_factory=FakeScripts)
    writers: FakeWriters = field(default_factory=FakeWriters)
    serving: FakeServing = field(default_factory=FakeServing)
    amendments: FakeAmendments = field(default_factory=FakeAmendments)
    lost: int = 0

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(now=self.clock.now)
        self.lake = FakeLake(self.folder)
        self.engine.on_checkpoint = self.commit

    @property
    def world(self) -> World:
        absent = cast(Any, Absent())
        return World(
            clock=self.clock,
            ledger=cast(Any, self.ledger),
            topics=self.topics,
            schemas=self.schemas,
            engine=self.engine,
            scripts=self.scripts,
            writers=self.writers,
            lake=self.lake,
            late_rows=absent,
            closed_rows=absent,
            dead_letters=absent,
            amendments=cast(Any, self.amendments),
            serving=cast(Any, self.serving),
            baseline=absent,
            evidence=EvidenceFiles(self.folder / "evidence"),
            facts=absent,
            comparison=cast(Any, self),
            expectations=absent,
            reports=absent,
        )

    def provisioned(self) -> Yard:
        provision.apply(self.migration, provision.plan(self.migration, self.world), self.world, OPERATOR)
        return self

    def produce(self, records: int) -> None:
        self.topics.produce(self.migration.contract.events.topic, 0, records)

    def commit(self, job: FakeJob) -> None:
        """What a job of either kind commits with a checkpoint: all that the topic has, once."""
        ingest = job.submission.name == names.ingest_job(self.migration.name)
        revision = 0 if ingest else int(job.submission.name.rpartition("-r")[2])
        table = names.bronze(self.migration.name) if ingest else names.silver(self.migration.name, revision)
        end = self.topics.bounds(self.migration.contract.events.topic)[0][1]
        rows = [_row(offset, ingest) for offset in range(self.rows(table), end - self.lost)]
        if rows:
            self.lake.append(table, rows, job=job.submission.job_id, checkpoint=job.disk[-1])

    def rows(self, table: str) -> int:
        snapshot = self.lake.snapshot(table)
        return 0 if snapshot is None else self.lake.row_count(table, snapshot)

    def count(
        self, migration: Migration, files: LakeFiles, offsets: Mapping[int, int], earliest: Mapping[int, int]
    ) -> Counted:
        """ports.Comparison.count on the fake lake: every row is a record."""
        produced = sum(offsets.values())
        bronze = self.rows(names.bronze(migration.name))
        newest = max(self.ledger.revisions(migration.name), default=0)
        silver = self.rows(names.silver(migration.name, newest)) if newest else 0
        balance = Balance(produced, bronze, silver, 0, 0, 0)
        return Counted(balance, {0: produced - bronze}, (bronze - silver) if newest else 0, {}, ())

    def held(
        self,
        migration: Migration,
        bronze: Sequence[str],
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
        settled: Mapping[int, int],
    ) -> Held:
        """ports.Comparison.held on the fake lake: its rows are the first records of partition 0."""
        rows = self.rows(names.bronze(migration.name)) if bronze else 0
        lacking = {partition: end - (0 if partition else rows) for partition, end in offsets.items()}
        gaps = [Gap(p, offsets[p] - n, offsets[p] - 1) for p, n in lacking.items() if n > 0]
        return Held(earliest, lacking, dict.fromkeys(offsets, 0), {0: rows - 1}, {}, gaps)


def _row(offset: int, ingest: bool) -> dict[str, Any]:
    at = datetime(2013, 3, 8, 12, tzinfo=UTC) + timedelta(seconds=offset)
    record = {"kafka_partition": 0, "kafka_offset": offset, "arrived_at": at}
    if ingest:
        empty = dict.fromkeys(("value", "key", "headers", "event_id", "reason"))
        return {**empty, **record, "arrived_on": DAY}
    columns = [column for column, _, _ in revision_tables(load_migration(CONTRACT), 1)[0].columns]
    event = dict.fromkeys(columns)
    return {**event, **record, "business_day": DAY}
