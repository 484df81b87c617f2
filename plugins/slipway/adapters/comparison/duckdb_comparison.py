"""The comparison itself: one DuckDB session, one pass for all measures of a KPI, never a loop over rows."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import duckdb

from slipway.adapters.comparison.arrivals import ArrivalsOfEvents
from slipway.adapters.comparison.folds import Folded, Folds, refuse_other_events, rows_of
from slipway.adapters.comparison.hidden_events import HiddenEvents
from slipway.adapters.comparison.kpi_comparison import KpiComparison
from slipway.adapters.comparison.record_counting import RecordCounting
from slipway.adapters.comparison.relations import Relations, days_of
from slipway.adapters.comparison.templates import Templates
from slipway.adapters.comparison.warehouse import Warehouse
from slipway.domain.accounting import Compared, ComparedKpi, Counted, Hidden
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.gaps import Held
from slipway.errors import Permanent
from slipway.ports import EvidenceStore, LakeFiles, Question

MEMORY = "700MB"
"""What DuckDB may hold before it spills: the process then stays below 1 GiB."""


class DuckDBComparison:
    """slipway.ports.Comparison on DuckDB.

    templates: the folder include/sql/reconcile. work: where files lie until the store has them, and where
    DuckDB spills. memory: DuckDB's limit, such as 2GB, above which it spills. folds: other engines
    for side r, by their names in a contract (reconcile.engine).
    """

    def __init__(
        self,
        warehouse: Warehouse,
        templates: Path,
        work: Path,
        memory: str = MEMORY,
        folds: Mapping[str, Folds] = MappingProxyType({}),
    ) -> None:
        self._warehouse = warehouse
        self._templates = Templates(templates)
        self._work = work
        self._memory = memory
        self._folds = folds

    def version(self) -> str:
        """Return the engine and its version."""
        return f"duckdb {duckdb.__version__}"

    def count(
        self, migration: Migration, files: LakeFiles, offsets: Mapping[int, int], earliest: Mapping[int, int]
    ) -> Counted:
        """Count where every record below the end offsets went."""
        with self._session() as (connection, _):
            counting = RecordCounting(connection, self._templates, migration, files, offsets, earliest)
            return counting.counted()

    def held(
        self,
        migration: Migration,
        bronze: Sequence[str],
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
        settled: Mapping[int, int],
    ) -> Held:
        """Look at bronze alone: how far has it got, and which offsets below the end does it lack?"""
        files = LakeFiles(bronze, (), (), (), ())
        with self._session() as (connection, _):
            counting = RecordCounting(connection, self._templates, migration, files, offsets, earliest)
            return counting.held(settled)

    def compare(self, migration: Migration, question: Question, store: EvidenceStore) -> Compared:
        """Compare all KPIs and keep what was compared."""
        with (
            self._folded(migration, question) as folded,
            self._session() as (connection, work),
            self._warehouse.attached(connection),
        ):
            relations = Relations(connection, migration)
            relations.lake(question.files, question.offsets, {}, days_of(migration, question))
            with relations.warehouse(question, folded):
                places = relations.keep_amended(work)
                amended = store.keep_file(places) if places else None
                arrived = ArrivalsOfEvents(connection, self._templates, migration, question)
                kpis: dict[str, ComparedKpi] = {}
                hidden: list[Hidden] = []
                for model in sorted({kpi.batch.events for kpi in migration.contract.kpis.values()}):
                    apart = HiddenEvents(connection, self._templates, migration, question)
                    apart.begin()
                    for name, kpi in migration.kpis.items():
                        if migration.contract.kpis[name].batch.events != model:
                            continue
                        relations.stream_events(question, kpi)
                        if folded is not None:
                            refuse_other_events(connection, kpi, folded.by)
                        recomputed = rows_of(kpi) if folded is not None else f"({relations.fold(kpi)})"
                        one = KpiComparison(
                            connection, self._templates, migration, kpi, question, recomputed, relations.scan
                        )
                        one.compare()
                        one.follow(model, relations)
                        rows, events = one.keep(work)
                        losses = arrived.losses(kpi)
                        kpis[name] = one.found(store.keep_file(rows), store.keep_file(events), losses)
                        apart.told(name)
                    relations.stream_events(question)
                    hidden += apart.found(model, relations)
                late_of_days, advice = arrived.late_of_days(), arrived.advice()
        return Compared(
            {name: kpis[name] for name in migration.kpis},
            tuple(hidden),
            arrived.classes,
            folded.by if folded is not None else "",
            late_of_days=late_of_days,
            advice=advice,
            amended=amended,
        )

    def repeat(
        self,
        migration: Migration,
        question: Question,
        kept: Mapping[str, Mapping[str, Path]],
        amended: Path | None = None,
    ) -> Mapping[str, ComparedKpi]:
        """Compare again from kept files; silver is folded again where the question names its files."""
        found: dict[str, ComparedKpi] = {}
        with self._session() as (connection, work):
            relations = Relations(connection, migration)
            relations.lake(question.files, question.offsets, {}, days_of(migration, question))
            relations.amended_again(amended)
            for name, kpi in migration.kpis.items():
                if name not in kept:
                    continue
                relations.stream_events(question, kpi)
                one = KpiComparison(
                    connection,
                    self._templates,
                    migration,
                    kpi,
                    question,
                    f"({relations.fold(kpi)})",
                    relations.scan,
                )
                one.restore(kept[name]["rows"], kept[name]["events"], bool(question.files.silver_of_days))
                rows, events = one.keep(work)
                found[name] = one.found(_digest(rows), _digest(events))
        return found

    @contextmanager
    def _folded(self, migration: Migration, question: Question) -> Iterator[Folded | None]:
        """Yield side r as another engine has folded it; None when DuckDB folds it itself."""
        wanted = migration.contract.reconcile.engine
        if wanted == "duckdb":
            yield None
            return
        if wanted not in self._folds:
            raise Permanent(
                f"reconcile.engine is {wanted}, but only {', '.join(['duckdb', *self._folds])} is known here;"
                " set it to one of them"
            )
        with self._folds[wanted].folded(migration, question) as folded:
            yield folded

    @contextmanager
    def _session(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
        self._work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            connection = duckdb.connect(
                config={
                    "memory_limit": self._memory,
                    "temp_directory": str(Path(folder) / "spill"),
                    # What has no ORDER BY needs no order, and to keep it takes memory.
                    "preserve_insertion_order": "false",
                }
            )
            try:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection, Path(folder)
            finally:
                connection.close()


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
