"""Fills a DuckDB session with the relations that the reconciliation's SQL reads."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlparse

import duckdb

from slipway.adapters.comparison.batch_events import BatchEvents, local_midnight
from slipway.adapters.comparison.counting_events import Counting
from slipway.adapters.comparison.event_columns import Types, event_columns, version_columns
from slipway.adapters.comparison.event_scan import EventScan, Source
from slipway.adapters.comparison.exact_rows import rows_between
from slipway.adapters.comparison.folds import Folded, copy_rows
from slipway.adapters.comparison.following import OF_CELLS, follow
from slipway.domain import names
from slipway.domain.accounting import column_type
from slipway.domain.closing import is_coarse, opening_day, reach
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, sql_type, text_literal
from slipway.errors import Permanent
from slipway.ports import LakeFiles, Question

log = logging.getLogger(__name__)

_PLACE: Types = {"kafka_partition": "int", "kafka_offset": "long", "arrived_at": "timestamp"}


_AMENDED = (
    "CREATE OR REPLACE TEMP TABLE amended"
    " (kafka_partition INTEGER, kafka_offset BIGINT, replaces BOOLEAN, week BOOLEAN, month BOOLEAN)"
)


class Relations:
    """The views and tables of one session, made by name: bronze, silver, late, batch_events, ..."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
        self._connection = connection
        self._migration = migration
        self._events = event_columns(migration)
        self._id = quoted(migration.contract.events.id, "duckdb")
        self._counted_for: str | None = None
        self._counting: Counting | None = None
        self._silver: list[Source] = [Source("silver_of_days")]
        self.batch = BatchEvents(connection, migration)
        self.scan = EventScan(connection, migration)

    def lake(
        self,
        files: LakeFiles,
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
        days: tuple[date, date] | None = None,
    ) -> None:
        """Make views of the lake's tables below the end offsets, and `ends`, the cut itself.

        base of a partition: its first record that bronze holds or the topic still has. days: business days to
        compare, both included; bronze is then not read for the bases, which are those of `earliest`.
        """
        connection = self._connection
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE ends (kafka_partition INTEGER, base BIGINT, next_offset BIGINT)"
        )
        rows = [(partition, earliest.get(partition, 0), end) for partition, end in sorted(offsets.items())]
        if rows:
            connection.executemany("INSERT INTO ends VALUES (?, ?, ?)", rows)
        bronze = {**_PLACE, "event_id": "string", "reason": "string"}
        for version in version_columns(self._migration):
            bronze["event_version"] = column_type(self._migration, version)
        rejected = {**_PLACE, "event_id": "string", "key": "string", "reason": "string"}
        event = {**self._events, **_PLACE, "business_day": "date"}
        self._parquet("bronze", files.bronze, bronze)
        self._parquet("bronze_and_after", files.bronze, bronze, below=True)
        self._replayed(files.bronze)
        self._parquet("silver", files.silver, event)
        self._silver_of_days(files, offsets, event, days)
        self._parquet("late", files.late, event)
        self._parquet("rejected", files.rejected, rejected)
        if days is not None:
            return
        connection.execute(
            "UPDATE ends SET base = least(ends.base, b.first) FROM"
            " (SELECT kafka_partition, min(kafka_offset) AS first FROM bronze GROUP BY kafka_partition) AS b"
            " WHERE ends.kafka_partition = b.kafka_partition"
        )

    def amended(self, revision: int, amendments: Sequence[int]) -> None:
        """Make the table `amended`: places of late rows that count because somebody decided so.

        week, month: whether the row of that unit that holds the event was amended too. A row that was open
        at the decision is amended at its close; until then the event is late to it. replaces: whether the
        accepted versions of its id count no more.
        """
        replaces = "e.replaces" if version_columns(self._migration) else "FALSE"
        self._connection.execute(_AMENDED)
        if not amendments:
            return
        if not any(is_coarse(kpi.time) for kpi in self._migration.kpis.values()):
            self._connection.execute(
                f"INSERT INTO amended SELECT DISTINCT kafka_partition, kafka_offset, {replaces}, FALSE, FALSE"
                " FROM warehouse.stream.amended_event AS e"
                " WHERE migration = ? AND revision = ? AND list_contains(?, amendment_id)",
                [self._migration.name, revision, list(amendments)],
            )
            return
        self._connection.execute(
            f"INSERT INTO amended SELECT e.kafka_partition, e.kafka_offset, {replaces},"
            " bool_or(list_contains(a.days, CAST(date_trunc('week', e.business_day) + INTERVAL 6 DAY"
            " AS DATE))),"
            " bool_or(list_contains(a.days, last_day(e.business_day)))"
            " FROM warehouse.stream.amended_event AS e JOIN warehouse.stream.amendment AS a"
            " ON a.migration = e.migration AND a.revision = e.revision AND a.amendment_id >= e.amendment_id"
            " WHERE e.migration = $1 AND e.revision = $2 AND list_contains($3, e.amendment_id)"
            " AND list_contains($3, a.amendment_id) GROUP BY ALL",
            [self._migration.name, revision, list(amendments)],
        )

    def amended_again(self, kept: Path | None) -> None:
        """Make the table `amended` of what keep_amended has written; empty when nothing was amended."""
        self._connection.execute(_AMENDED)
        if kept is not None:
            self._connection.execute(
                f"INSERT INTO amended BY NAME SELECT * FROM read_parquet({text_literal(str(kept))})"
            )

    def keep_amended(self, work: Path) -> Path | None:
        """Write the table `amended` to a file; None when it is empty."""
        if self._connection.execute("SELECT count(*) FROM amended").fetchone() == (0,):
            return None
        path = work / "amended.parquet"
        # One thread: the same rows must give the same bytes.
        self._connection.execute("SET threads = 1")
        self._connection.execute(
            f"COPY (SELECT * FROM amended ORDER BY ALL) TO {text_literal(str(path))} (FORMAT parquet)"
        )
        self._connection.execute("RESET threads")
        return path

    def stream_events(self, question: Question, kpi: CompiledKpi | None = None) -> None:
        """Make `stream_events` of the compared days, and of all days (there with every accepted version).

        They are silver and the late rows that were amended: for a KPI whose rows hold several days those that
        its rows have taken, for all others, and without a KPI, every one.
        """
        unit = kpi.time.function if kpi and is_coarse(kpi.time) and question.amendments else "day"
        if unit == self._counted_for:
            return
        self._counted_for = unit
        taken = "amended" if unit == "day" else f"(SELECT * FROM amended WHERE {unit})"
        versions = version_columns(self._migration)
        self._counting = Counting(
            columns=[*self._quoted(), *_PLACE],
            identity=self._id,
            version=quoted(versions[0], "duckdb") if versions else None,
            silver=self._silver,
            taken=taken if question.amendments else None,
            days=days_of(self._migration, question),
        )
        for statement in self._counting.statements():
            self._connection.execute(statement)

    def fold(self, kpi: CompiledKpi) -> str:
        """Return the query that folds a KPI from the stream's events of the days."""
        return self.scan.fold(kpi, self._counted.sources())

    def keyed(self, kpi: CompiledKpi, model: str, days: tuple[date, date], keys: Sequence[str]) -> list[str]:
        """Return queries of the batch's and the stream's events of the days, with their cell as `keys`."""
        source = self.batch.of(model, *days)
        begin, end = (local_midnight(self._migration, day) for day in (days[0], days[1] + timedelta(days=1)))
        time = quoted(self._migration.contract.events.time, "duckdb")
        within = f"{time} >= TIMESTAMPTZ '{begin.isoformat()}' AND {time} < TIMESTAMPTZ '{end.isoformat()}'"
        stream = self._counted.sources()
        if days != self._counted.days:
            stream = [Source(f"(SELECT * FROM {one.relation} WHERE {within})", one.dated) for one in stream]
        day = [] if self._counted.version else ["t.business_day"]
        return [
            self.scan.keyed(kpi, [source], self.batch.columns(model), keys),
            self.scan.keyed(kpi, stream, [*self._counted.columns, *day], keys),
        ]

    def follow(self, model: str, question: Question) -> None:
        """Make `batch_events_of_all_days` and `stream_events_of_all_days`: those of the ids in `picked`.

        With versions the second is there already, and holds every accepted version.
        """
        self.batch.follow(model, *days_of(self._migration, question))
        if not self._counted.version:
            follow(
                self._connection,
                "stream",
                identity=self._id,
                events="stream_events",
                placed_by="business_day",
                elsewhere=self._counted.elsewhere(),
            )

    def forget_cells(self, model: str, question: Question) -> None:
        """Make the tables of the events of differing cells, empty."""
        batch = self.batch.of(model, *days_of(self._migration, question)).relation
        for side, events in (("batch", batch), ("stream", "stream_events")):
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {side}{OF_CELLS} AS SELECT * FROM {events} WHERE FALSE"
            )

    @contextmanager
    def warehouse(self, question: Question, folded: Folded | None = None) -> Iterator[None]:
        """Copy the days' rows of all KPIs, and keep the transaction in which their events can be read."""
        self._connection.execute("BEGIN TRANSACTION")
        try:
            try:
                self.amended(question.revision, question.amendments)
                for kpi in self._migration.kpis.values():
                    self._kpi_rows(kpi, question)
                    if folded is not None:
                        copy_rows(self._connection, kpi, folded)
                for model in sorted({kpi.batch.events for kpi in self._migration.contract.kpis.values()}):
                    self.batch.show(model, *days_of(self._migration, question))
            except duckdb.CatalogException as error:
                raise Permanent(
                    f"a table to compare is not in the warehouse: {error};"
                    " run provision, deploy and baseline first"
                ) from error
            yield
        except BaseException:
            self._roll_back()
            raise
        self._connection.execute("COMMIT")

    @property
    def _counted(self) -> Counting:
        if self._counting is None:
            raise RuntimeError("stream_events says first which events count")
        return self._counting

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error as error:  # the error that led here says more
            log.warning("the transaction on the warehouse could not be rolled back: %s", error)

    def _kpi_rows(self, kpi: CompiledKpi, question: Question) -> None:
        model = self._migration.contract.kpis[kpi.name].batch.model
        table = names.stream_table(kpi.name, question.revision)
        column = quoted(kpi.time.name, "duckdb")
        opened = opening_day(kpi.time, question.first)
        # Bounds of the bare column, which Postgres can use; the sides are cut to whole rows afterwards.
        if kpi.time.type == "date":
            within = f"{column} BETWEEN DATE '{opened}' AND DATE '{question.last}'"
        else:
            begin = local_midnight(self._migration, opened)
            end = local_midnight(self._migration, question.last + timedelta(days=1))
            within = f"{column} >= TIMESTAMPTZ '{begin.isoformat()}'"
            within += f" AND {column} < TIMESTAMPTZ '{end.isoformat()}'"
        for side, source in (("batch", model), ("stream", table)):
            target = quoted(f"{side}_rows__{kpi.name}", "duckdb")
            rows = rows_between(self._connection, side, source, kpi, within)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS {rows}")

    def _silver_of_days(
        self,
        files: LakeFiles,
        offsets: Mapping[int, int],
        columns: Types,
        days: tuple[date, date] | None,
    ) -> None:
        """Make the view `silver_of_days`, and `silver_of_other_days`; both are empty without their files."""
        others = sorted(set(files.silver) - set(files.silver_of_days))
        self._parquet("silver_of_other_days", others, columns)
        if days is not None:
            self.scan.look_up(*days)
        if days is None or not files.silver_of_days:
            self._parquet("silver_of_days", files.silver_of_days, columns)
            return
        self._silver = []
        for n, found in enumerate(self.scan.prove([*map(plain_path, files.silver_of_days)], offsets, *days)):
            name = f"silver_of_days_{n}"
            self._parquet(name, found.files, columns, found.below)
            self._silver.append(Source(name, found.dated))
        union = " UNION ALL ".join(f"SELECT * FROM {source.relation}" for source in self._silver)
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW silver_of_days AS {union}")

    def _parquet(self, name: str, files: Sequence[str], columns: Types, below: bool = False) -> None:
        """Make a view of files. below: all their rows lie below the cut, and are not held against it."""
        if files:
            listed = ", ".join(text_literal(plain_path(file)) for file in files)
            relation = f"read_parquet([{listed}], hive_partitioning = false)"
            chosen = ", ".join(f"t.{quoted(column, 'duckdb')}" for column in columns)
            cut = (
                " JOIN ends AS e ON t.kafka_partition = e.kafka_partition AND t.kafka_offset < e.next_offset"
            )
            self._connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {chosen} FROM {relation} AS t"
                f"{'' if below else cut}"
            )
            return
        empty = ", ".join(
            f"CAST(NULL AS {sql_type(kind, 'duckdb')}) AS {quoted(column, 'duckdb')}"
            for column, kind in columns.items()
        )
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {empty} WHERE FALSE")

    def _replayed(self, files: Sequence[str]) -> None:
        """Make the view `replayed`: places of records that were dead letters before."""
        places = "SELECT NULL::INTEGER AS kafka_partition, NULL::BIGINT AS kafka_offset WHERE FALSE"
        if files:
            listed = ", ".join(text_literal(plain_path(file)) for file in files)
            places = (
                "SELECT t.kafka_partition, t.kafka_offset"
                f" FROM read_parquet([{listed}], hive_partitioning = false) AS t JOIN ends AS e"
                " ON t.kafka_partition = e.kafka_partition AND t.kafka_offset < e.next_offset"
                f" WHERE map_contains(t.headers, {text_literal(names.REPLAY_HEADER)})"
            )
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW replayed AS {places}")

    def _quoted(self) -> list[str]:
        return [quoted(name, "duckdb") for name in self._events]


def days_of(migration: Migration, question: Question) -> tuple[date, date]:
    """Return the first and last business day whose events a comparison needs."""
    return reach(migration, question.first), question.last


def plain_path(file: str) -> str:
    """Return a file of the lake as DuckDB opens it."""
    return urlparse(file).path if file.startswith("file:") else file
