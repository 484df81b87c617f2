"""A world in which a night of `trips` can be reconciled: real comparison and files, small fakes around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from slipway.adapters.comparison import DuckDBClosedRows
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.report import HtmlReports
from slipway.domain.accounting import Compared
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.gaps import Gap
from slipway.errors import Permanent
from slipway.ports import Actor, BatchRun, Check, Checked, TopicSpec, World
from tests.fakes.ledger import FakeLedger
from tests.fakes.two_sides import TEMPLATES, TwoSides

ANA = Actor("ana", authenticated=True, dag_run="manual__1")


@dataclass
class NightWorld:
    """The ports that a reconciliation calls, over the files of TwoSides."""

    sides: TwoSides
    as_of: datetime
    now_at: datetime = datetime(2026, 3, 9, 12, tzinfo=UTC)
    batch_ok: bool = True
    dbt_run: str = "dbt-1"
    loaded_through: datetime | None = None
    end_offset: int | None = None
    failing_check: str = ""
    snapshots_gone: bool = False
    topic_id: str | None = "topic-1"
    cleanup: str = "delete"
    earliest: int = 0
    partitions: dict[int, tuple[int, int]] = field(default_factory=dict)
    markers: set[int] = field(default_factory=set)
    asked: list[Gap] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    tags: list[tuple[str, int, str]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger()
        migration = self.sides.migration
        self.ledger.adopt(migration.name, migration.contract_digest, migration.parity_digest, ANA)
        self.ledger.remember_revision(migration.name, 1, migration.parity_digest, ANA)
        self.ledger.make_current(migration.name, 1)

    def world(self) -> World:
        parts = SimpleNamespace(
            clock=self,
            ledger=self.ledger,
            topics=self,
            engine=self,
            lake=self,
            serving=self,
            facts=self,
            expectations=self,
            evidence=EvidenceFiles(self.sides.folder / "store"),
            comparison=self.sides.comparison(),
            reports=HtmlReports(self.sides.folder / "reports"),
            closed_rows=DuckDBClosedRows(self.sides, TEMPLATES, self.sides.folder / "work"),
        )
        return cast(World, parts)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now_at += timedelta(minutes=1)

    # --- clock, topics, engine, serving
    def now(self) -> datetime:
        return self.now_at

    def bounds(self, name: str) -> Mapping[int, tuple[int, int]]:
        end = len(self.sides.bronze) if self.end_offset is None else self.end_offset
        return {0: (self.earliest, end), **self.partitions}

    def identity(self, name: str) -> str | None:
        return self.topic_id

    def describe(self, name: str) -> TopicSpec | None:
        return TopicSpec(name, 1, 1, {"cleanup.policy": self.cleanup})

    def proven_empty(self, name: str, gaps: Sequence[Gap]) -> Sequence[Gap]:
        self.asked += gaps
        return [gap for gap in gaps if self.markers.issuperset(range(gap.first, gap.through + 1))]

    def checkpoint(self, job_id: str) -> None:
        self.checkpoints.append(job_id)

    def routes(self, kpis: Sequence[str]) -> Sequence[Any]:
        return ()

    # --- lake
    def snapshot(self, table: str) -> int | None:
        return len(getattr(self.sides, table.partition(".")[0])) or None  # rows are only ever appended

    def data_files(self, table: str, snapshot: int, days: Sequence[date] | None = None) -> Sequence[str]:
        if self.snapshots_gone:
            raise Permanent(f"{table} has no snapshot {snapshot} any more")
        return self._files(table)

    def tag(self, table: str, snapshot: int, name: str) -> None:
        self.tags.append((table, snapshot, name))

    def _files(self, table: str) -> Sequence[str]:
        return cast(Sequence[str], getattr(self.sides.files(), table.partition(".")[0]))

    # --- facts
    def batch_run(self, migration: str) -> BatchRun | None:
        return BatchRun(self.dbt_run, self.as_of, self.loaded_through or self.as_of, self.batch_ok)

    def replayed_through(self, topic: str) -> datetime | None:
        return None

    def amendments(self, migration: str, revision: int) -> Sequence[int]:
        return [1] if self.sides.amended else []

    # --- expectations
    def check(
        self,
        migration: Migration,
        silver: Sequence[str],
        days: tuple[date, date],
        balance: Balance,
        compared: Compared,
        rows: Mapping[str, Path],
        label: str,
    ) -> Checked:
        found = Check("silver", "unique", "trip_id", not self.failing_check, self.failing_check)
        return Checked(found.success, (found,), "fake", "docs")


def leave_out(sides: TwoSides, *offsets: int) -> int:
    """Move all records, none of them late or rejected, so that these offsets hold none; return the end."""
    free = (n for n in range(10_000) if n not in offsets)
    new = {row["kafka_offset"]: next(free) for row in sides.bronze}
    sides.silver[:] = [(row, new[offset]) for row, offset in sides.silver]
    by_offset = {new[row["kafka_offset"]]: row for row in sides.bronze}
    for offset, row in by_offset.items():
        row["kafka_offset"] = offset
    sides._place = lambda offset: {  # type: ignore[method-assign]
        name: by_offset[offset][name] for name in ("kafka_partition", "kafka_offset", "arrived_at")
    }
    return max([*by_offset, *offsets]) + 1
