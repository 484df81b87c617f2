"""What expectations look at, as views of a DuckDB file: events stay in their Parquet files.

Personal values are replaced by salted hashes, by which equal ones and NULL can be told and no more, for the
pages of the checks show samples.
"""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from slipway.adapters.comparison.templates import GrainPart, MeasurePart, day_of, grain_of, measures_of
from slipway.domain.accounting import Compared, column_type
from slipway.domain.closing import midnight_sql
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.expectations import (
    BEFORE_CLOSING,
    COMPARISON,
    OFF_PERIOD,
    RECORDS,
    SERVING,
    SIDES,
    SILVER,
    Wanted,
)
from slipway.domain.measures import CompiledKpi, GrainColumn
from slipway.domain.rendering import quoted, sql_type, text_literal

_PLACES = {
    "kafka_partition": "int",
    "kafka_offset": "long",
    "arrived_at": "timestamp",
    "business_day": "date",
}


def table_of(one: Wanted) -> str:
    """Return the table that an expectation looks at."""
    if one.cells:
        return f"cells__{one.kpi}"
    return f"{SERVING}__{one.kpi}" if one.suite == SERVING else one.suite


class LookedAt:
    """Makes the tables in one DuckDB file. days: first and last closed day, both included."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, migration: Migration, days: tuple[date, date]
    ) -> None:
        self._connection = connection
        self._migration = migration
        self._days = days
        connection.execute("SET TimeZone = 'UTC'")

    def silver(self, files: Sequence[str]) -> None:
        """Make a view of the days' accepted events."""
        migration = self._migration
        dimensions = [f"{name}__{column}" for name, column, _ in migration.dimension_fields]
        columns = [*(column.name for column in migration.event_fields), *dimensions]
        types = {**{name: column_type(migration, name) for name in columns}, **_PLACES}
        if not files:
            empty = ", ".join(
                f"CAST(NULL AS {sql_type(kind, 'duckdb')}) AS {quoted(name, 'duckdb')}"
                for name, kind in types.items()
            )
            self._make(SILVER, f"SELECT {empty}, CAST(NULL AS DOUBLE) AS {BEFORE_CLOSING} WHERE FALSE")
            return
        listed = ", ".join(text_literal(path) for path in files)
        personal = {column.name for column in migration.event_fields if column.pii}
        salt = secrets.token_hex(16)
        shown = [_salted(name, salt) if name in personal else f"t.{quoted(name, 'duckdb')}" for name in types]
        accepted = int(migration.contract.parity.accept_late.total_seconds())
        ended = midnight_sql(migration.zone, "business_day + 1")
        first, last = (f"DATE '{day}'" for day in self._days)
        days = (
            f"SELECT CAST(unnest(generate_series({first}, {last}, INTERVAL 1 DAY)) AS DATE) AS business_day"
        )
        self._make(
            SILVER,
            f"SELECT {', '.join(shown)}, d.closing - epoch_us(t.arrived_at) / 1e6 AS {BEFORE_CLOSING}"
            f" FROM read_parquet([{listed}], hive_partitioning = false) AS t"
            f" JOIN (SELECT business_day, epoch_us({ended}) / 1e6 + {accepted} AS closing FROM ({days})) AS d"
            " ON t.business_day = d.business_day",
        )

    def records(self, balance: Balance) -> None:
        """Make one row: by how much bronze differs from the topic, and its tables from bronze."""
        placed = balance.silver + balance.late + balance.rejected + balance.duplicates
        self._make(
            RECORDS,
            f"SELECT {balance.produced - balance.bronze} AS not_in_bronze,"
            f" {balance.bronze - placed} AS not_accounted",
        )

    def comparison(self, compared: Compared) -> None:
        """Make one row a KPI: what may not be, however large a difference is."""
        rows = []
        for name, kpi in compared.kpis.items():
            unexplained = sum(
                1 for one in kpi.listed if one.beyond and not one.shares and one.batch != one.stream
            )
            rows.append(
                f"SELECT {text_literal(name)} AS kpi, {kpi.broken} AS broken_walks,"
                f" {kpi.crowded} AS crowded_cells, {unexplained} AS beyond_without_cause"
            )
        self._make(COMPARISON, " UNION ALL ".join(rows))

    def rows(self, kept: Mapping[str, Path]) -> None:
        """Make two views of each KPI's closed rows out of its compared ones: as served, and side by side."""
        for name, path in kept.items():
            kpi = self._migration.kpis[name]
            grain, measures = grain_of(kpi), measures_of(kpi)
            personal = {one.name for one in self._migration.event_fields if one.pii}
            salt = secrets.token_hex(16)
            keys = ", ".join(
                _salted(part.name, salt, part.column) if column.source.name in personal else _named(part)
                for part, column in zip(grain, kpi.grain, strict=True)
            )
            closed = f"(SELECT * FROM read_parquet({text_literal(str(path))}) WHERE {day_of(kpi)} <="
            closed += f" DATE '{self._days[1]}') AS t"
            values = ", ".join(f"{_value(m, m.name)} AS {quoted(m.measure.name, 'duckdb')}" for m in measures)
            off = f", {self._off_period(kpi)} AS {OFF_PERIOD}"
            self._make(f"{SERVING}__{name}", f"SELECT {keys}, {values}{off} FROM {closed} WHERE side = 's'")
            self._make(
                f"cells__{name}", f"SELECT {keys}, {', '.join(_sides(measures))} FROM {closed} {_by(grain)}"
            )

    def _off_period(self, kpi: CompiledKpi) -> str:
        """Return how far a row's time is from where its period begins: days, or microseconds."""
        part = next(
            p for p, column in zip(grain_of(kpi), kpi.grain, strict=True) if column.name == kpi.time.name
        )
        return _off(kpi.time, part.name, text_literal(self._migration.zone.key))

    def _make(self, name: str, query: str) -> None:
        self._connection.execute(f"CREATE VIEW {quoted(name, 'duckdb')} AS {query}")


def _off(time: GrainColumn, column: str, zone: str) -> str:
    match time.function:
        case "week" | "month":
            return f"date_diff('day', CAST(date_trunc('{time.function}', {column}) AS DATE), {column})"
        case "hour":
            local = f"timezone({zone}, {column})"
            return f"epoch_us({local}) - epoch_us(date_trunc('hour', {local}))"
        case "minute" | "minutes":
            return f"epoch_us({column}) % 60000000"
        case _:
            return "0"


def _sides(measures: Sequence[MeasurePart]) -> list[str]:
    """Return each measure on every side, and batch minus stream."""
    found = []
    for m in measures:
        each = {
            prefix: f"coalesce(max({m.name}) FILTER (side = '{side}'), {m.zero})"
            for prefix, side in SIDES.items()
        }
        found += [
            f"{_value(m, value)} AS {quoted(f'{prefix}_{m.measure.name}', 'duckdb')}"
            for prefix, value in each.items()
        ]
        difference = f"CAST({each['batch']} - {each['stream']} AS DOUBLE) / 1e{m.places}"
        found.append(f"{difference} AS {quoted(f'difference_{m.measure.name}', 'duckdb')}")
    return found


def _by(grain: Sequence[GrainPart]) -> str:
    return f"GROUP BY {', '.join(part.name for part in grain)}"


def _named(part: GrainPart) -> str:
    return f"{part.name} AS {part.column}"


def _value(measure: MeasurePart, scaled: str) -> str:
    """Return a measure as the serving table has it; what has decimal places becomes a double."""
    match measure.measure.type:
        case "timestamp":
            return f"timezone('UTC', make_timestamp(CAST({scaled} AS BIGINT)))"
        case "date":
            return f"DATE '1970-01-01' + CAST({scaled} AS INTEGER)"
        case "int" | "long":
            return f"CAST({scaled} AS BIGINT)"
        case _:
            return f"CAST({scaled} AS DOUBLE) / 1e{measure.places}"


def _salted(name: str, salt: str, named: str | None = None) -> str:
    """Return an expression that tells equal values and NULL, and no more."""
    column = named or quoted(name, "duckdb")
    value = name if named else column
    return f"md5({text_literal(salt)} || CAST({value} AS VARCHAR)) AS {column}"
