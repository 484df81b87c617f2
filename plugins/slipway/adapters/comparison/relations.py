"""Fills a DuckDB session with the relations that the reconciliation's SQL reads."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from urllib.parse import urlparse

import duckdb

from slipway.adapters.comparison.counting_events import counting_events
from slipway.adapters.comparison.folds import Folded, copy_rows
from slipway.domain import names
from slipway.domain.accounting import column_type, compared_columns
from slipway.domain.closing import is_coarse, opening_day, reach
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, sql_type, text_literal
from slipway.errors import Permanent, SlipwayError
from slipway.ports import LakeFiles, Question

log = logging.getLogger(__name__)

Types = Mapping[str, str]

_KEY_TYPES = ("string", "int", "long", "boolean")
"""Types whose JSON is the same wherever it is written."""

_PLACE: Types = {"kafka_partition": "int", "kafka_offset": "long", "arrived_at": "timestamp"}
_DDL: Types = {
    "int": "INTEGER",
    "long": "BIGINT",
    "timestamp": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "date": "DATE",
}


def event_columns(migration: Migration) -> Types:
    """Return the columns of events that any KPI compares, their identity and version, with their types."""
    wanted = {migration.contract.events.id, *version_columns(migration)}
    for kpi in migration.kpis.values():
        wanted.update(compared_columns(migration, kpi))
    return {name: column_type(migration, name) for name in sorted(wanted)}


def version_columns(migration: Migration) -> tuple[str, ...]:
    """Return the field that orders the versions of an event, if the contract keeps the latest."""
    version = migration.contract.events.version
    return (version,) if version else ()


class Relations:
    """The views and tables of one session, made by name: bronze, silver, late, batch_events, ..."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
        self._connection = connection
        self._migration = migration
        self._events = event_columns(migration)
        self._id = quoted(migration.contract.events.id, "duckdb")
        self._counted_for: str | None = None

    def lake(self, files: LakeFiles, offsets: Mapping[int, int], earliest: Mapping[int, int]) -> None:
        """Make views of the lake's tables below the end offsets, and `ends`, the cut itself.

        base of a partition: its first record that bronze holds or the topic still has.
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
        self._replayed(files.bronze)
        self._parquet("silver", files.silver, event)
        self._parquet("silver_of_days", files.silver_of_days, event)
        self._parquet("late", files.late, event)
        self._parquet("rejected", files.rejected, rejected)
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
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE amended"
            " (kafka_partition INTEGER, kafka_offset BIGINT, replaces BOOLEAN, week BOOLEAN, month BOOLEAN)"
        )
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
        columns = [*self._quoted(), *_PLACE]
        days = reach(self._migration, question.first), question.last
        versions = version_columns(self._migration)
        version = quoted(versions[0], "duckdb") if versions else None
        for statement in counting_events(columns, self._id, version, taken, days):
            self._connection.execute(statement)

    def warehouse(self, question: Question, folded: Folded | None = None) -> None:
        """Copy the days' rows of all KPIs and their events out of the warehouse, in one transaction of it."""
        self._connection.execute("BEGIN TRANSACTION")
        try:
            self.amended(question.revision, question.amendments)
            for kpi in self._migration.kpis.values():
                self._kpi_rows(kpi, question)
                if folded is not None:
                    copy_rows(self._connection, kpi, folded)
            for model in sorted({kpi.batch.events for kpi in self._migration.contract.kpis.values()}):
                self._batch_events(model, question)
        except duckdb.CatalogException as error:
            self._roll_back()
            raise Permanent(
                f"a table to compare is not in the warehouse: {error};"
                " run provision, deploy and baseline first"
            ) from error
        except (duckdb.Error, SlipwayError):
            self._roll_back()
            raise
        self._connection.execute("COMMIT")

    def choose_batch_events(self, model: str) -> None:
        """Point `batch_events` at one model's events of the days."""
        days = quoted(f"batch_events__{model}", "duckdb")
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW batch_events AS SELECT * FROM {days}")

    def follow_batch_events(self, model: str) -> None:
        """Make `batch_events_of_all_days`: the days' events, and those of ids in `picked` that lie elsewhere.

        The whole table is read only when an id of a differing cell has no batch event in the days.
        """
        unresolved = f"SELECT id FROM picked AS p ANTI JOIN batch_events AS b ON p.id = b.{self._id}"
        relation = "SELECT * FROM batch_events"
        if self._connection.execute(f"SELECT count(*) FROM ({unresolved})").fetchone() != (0,):
            whole = f"warehouse.batch.{quoted(model, 'duckdb')}"
            relation += (
                f" UNION ALL SELECT {', '.join(self._typed(self.batch_columns(model)))} FROM {whole} AS w"
                f" SEMI JOIN ({unresolved}) AS u ON w.{self._id} = u.id"
            )
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE batch_events_of_all_days AS {relation}")

    def batch_columns(self, model: str) -> Types:
        """Return the columns to read of a batch event model; Permanent names those that it lacks."""
        described = self._connection.execute(f"DESCRIBE warehouse.batch.{quoted(model, 'duckdb')}").fetchall()
        present = {str(row[0]) for row in described}
        lacking = sorted(set(self._events) - present)
        if lacking:
            raise Permanent(
                f"batch.{model} has no column {', '.join(lacking)}; it must expose the identity, the time,"
                " the version (with keep: latest) and every field that a KPI uses, dimension fields as"
                " <dimension>__<field>"
            )
        keys = {key: column_type(self._migration, key) for key in self.key_columns() if key in present}
        return {**self._events, **keys}

    def key_columns(self) -> tuple[str, ...]:
        """Return the fields that make up the Kafka key, when its text can be made here; else nothing."""
        key = self._migration.contract.events.key
        return key if all(column_type(self._migration, name) in _KEY_TYPES for name in key) else ()

    def key_expression(self, model: str) -> str:
        """Return the expression of a batch event's Kafka key, NULL when the model does not expose it.

        It is written as domain/record_key.py writes it: one text as it is, anything else as a JSON array.
        """
        key = self.key_columns()
        if not key or set(key) - set(self.batch_columns(model)):
            return "CAST(NULL AS VARCHAR)"
        columns = ", ".join(quoted(name, "duckdb") for name in key)
        if len(key) == 1 and column_type(self._migration, key[0]) == "string":
            return columns
        return f"CAST(json_array({columns}) AS VARCHAR)"

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error as error:  # the error that led here says more
            log.warning("the transaction on the warehouse could not be rolled back: %s", error)

    def _kpi_rows(self, kpi: CompiledKpi, question: Question) -> None:
        model = self._migration.contract.kpis[kpi.name].batch.model
        table = names.stream_table(kpi.name, question.revision)
        wanted = ", ".join(quoted(name, "duckdb") for name, _ in kpi.column_types())
        column = quoted(kpi.time.name, "duckdb")
        opened = opening_day(kpi.time, question.first)
        # Bounds of the bare column, which Postgres can use; the sides are cut to whole rows afterwards.
        if kpi.time.type == "date":
            within = f"{column} BETWEEN DATE '{opened}' AND DATE '{question.last}'"
        else:
            begin = _local_midnight(self._migration, opened)
            end = _local_midnight(self._migration, question.last + timedelta(days=1))
            within = f"{column} >= TIMESTAMPTZ '{begin.isoformat()}'"
            within += f" AND {column} < TIMESTAMPTZ '{end.isoformat()}'"
        for target, source in (
            (f"batch_rows__{kpi.name}", f"warehouse.batch.{quoted(model, 'duckdb')}"),
            (f"stream_rows__{kpi.name}", f"warehouse.stream.{quoted(table, 'duckdb')}"),
        ):
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {quoted(target, 'duckdb')} AS SELECT {wanted} FROM {source}"
                f" WHERE {within}"
            )

    def _batch_events(self, model: str, question: Question) -> None:
        time_column = quoted(self._migration.contract.events.time, "duckdb")
        begin = _local_midnight(self._migration, reach(self._migration, question.first))
        end = _local_midnight(self._migration, question.last + timedelta(days=1))
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(f'batch_events__{model}', 'duckdb')} AS"
            f" SELECT {', '.join(self._typed(self.batch_columns(model)))}"
            f" FROM warehouse.batch.{quoted(model, 'duckdb')}"
            f" WHERE {time_column} >= TIMESTAMPTZ '{begin.isoformat()}'"
            f" AND {time_column} < TIMESTAMPTZ '{end.isoformat()}'"
        )

    def _parquet(self, name: str, files: Sequence[str], columns: Types) -> None:
        if files:
            listed = ", ".join(text_literal(_path(file)) for file in files)
            relation = f"read_parquet([{listed}], hive_partitioning = false)"
            chosen = ", ".join(f"t.{quoted(column, 'duckdb')}" for column in columns)
            self._connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {chosen} FROM {relation} AS t JOIN ends AS e"
                " ON t.kafka_partition = e.kafka_partition AND t.kafka_offset < e.next_offset"
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
            listed = ", ".join(text_literal(_path(file)) for file in files)
            places = (
                "SELECT t.kafka_partition, t.kafka_offset"
                f" FROM read_parquet([{listed}], hive_partitioning = false) AS t JOIN ends AS e"
                " ON t.kafka_partition = e.kafka_partition AND t.kafka_offset < e.next_offset"
                f" WHERE map_contains(t.headers, {text_literal(names.REPLAY_HEADER)})"
            )
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW replayed AS {places}")

    def _quoted(self) -> list[str]:
        return [quoted(name, "duckdb") for name in self._events]

    def _typed(self, columns: Types) -> Iterable[str]:
        for name, kind in columns.items():
            yield f"CAST({quoted(name, 'duckdb')} AS {sql_type(kind, 'duckdb')}) AS {quoted(name, 'duckdb')}"


def _local_midnight(migration: Migration, day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=migration.zone)


def _path(file: str) -> str:
    return urlparse(file).path if file.startswith("file:") else file
