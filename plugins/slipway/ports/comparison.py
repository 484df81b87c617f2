"""Reconciliation: what is compared, by what, and where that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from slipway.domain.accounting import Compared, ComparedKpi, Counted
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.gaps import Held
from slipway.domain.restatements import ClosedPeriod, Moved
from slipway.domain.waivers import Waiver


class EvidenceStore(Protocol):
    """Content-addressed files: evidence documents, compared rows, reports."""

    def put(self, document: Mapping[str, Any]) -> Digest: ...

    def get(self, digest: Digest) -> Mapping[str, Any]: ...

    def keep_file(self, path: Path) -> Digest:
        """Move a finished file into the store under its SHA-256; the same content is stored once."""
        ...

    def path_of(self, digest: Digest) -> Path: ...


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The newest dbt build as the warehouse tells it. loaded_through: arrivals below it are in, UTC.

    building: it has begun and not ended; it is not ok then either.
    """

    run_id: str
    as_of: datetime
    loaded_through: datetime
    ok: bool
    building: bool = False


class Facts(Protocol):
    """What the warehouse knows about the two sides; read-only."""

    def batch_run(self, migration: str) -> BatchRun | None: ...

    def replayed_through(self, topic: str) -> datetime | None:
        """Return the arrival instant up to which history was replayed into a topic; None when none was."""
        ...

    def amendments(self, migration: str, revision: int) -> Sequence[int]:
        """Return ids of the amendments that readers of the stream's tables already see, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Parquet files of the tables of one cut. silver_of_days: those of silver that hold the compared days."""

    bronze: Sequence[str]
    silver: Sequence[str]
    silver_of_days: Sequence[str]
    late: Sequence[str]
    rejected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare: the days from `first` on, judged up to `closed_through`, shown up to `last`.

    snapshots: those of the cut, by table, for an engine that reads the tables themselves.
    row_by_row: closed days whose events are compared one by one, for differences that cancel; None: all.
    whole: leave out rows that close later than this day; None: they are shown as open.
    waivers: those that stand; waiver_at_most: what all of them may accept on a day, as a share of batch.
    close_from: share of a cell's tolerance from which on a difference is told though it passes.
    """

    revision: int
    offsets: Mapping[int, int]
    files: LakeFiles
    first: date
    closed_through: date
    last: date
    batch_through: datetime
    amendments: tuple[int, ...]
    snapshots: Mapping[str, int] = field(default_factory=dict)
    row_by_row: tuple[date, ...] | None = None
    whole: date | None = None
    waivers: tuple[Waiver, ...] = ()
    waiver_at_most: Decimal = Decimal(1)
    close_from: Decimal = Decimal(1)


class Comparison(Protocol):
    """Batch, recompute and stream side by side, in a query engine of its own."""

    def held(
        self,
        migration: Migration,
        bronze: Sequence[str],
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
        settled: Mapping[int, int],
    ) -> Held:
        """Look at bronze alone: how far has it got, and which offsets below the end does it lack?

        settled: by partition, the offset below which gaps need not be listed.
        """
        ...

    def count(
        self, migration: Migration, files: LakeFiles, offsets: Mapping[int, int], earliest: Mapping[int, int]
    ) -> Counted:
        """Count where every record below the end offsets went; earliest: first offset the topic still has."""
        ...

    def compare(self, migration: Migration, question: Question, store: EvidenceStore) -> Compared:
        """Compare all KPIs; the rows and events that were compared are kept in the store."""
        ...

    def repeat(
        self,
        migration: Migration,
        question: Question,
        kept: Mapping[str, Mapping[str, Path]],
        amended: Path | None = None,
    ) -> Mapping[str, ComparedKpi]:
        """Compare again from kept files (`rows`, `events` by KPI); silver is folded where files are given.

        amended: the kept places of late rows that count. Nothing is read but these files and the lake's.
        """
        ...

    def version(self) -> str:
        """Return the engine and its version."""
        ...


class ClosedRows(Protocol):
    """The rows of closed periods as they were signed, beside those of today."""

    def moved(
        self, migration: Migration, revision: int, closed: Sequence[ClosedPeriod], store: EvidenceStore
    ) -> Sequence[Moved]:
        """Return every value that is not what was signed, of batch and of the revision's stream rows.

        A KPI is left out where its grain changed since, and a measure where its meaning did.
        """
        ...
