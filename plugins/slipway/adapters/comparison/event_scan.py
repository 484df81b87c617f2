"""Reads the events of the compared days with as little work a row as the files' own statistics allow.

Two things would cost more than reading the events: asking the time zone of every row, and holding every row
against the end offset of its partition. A file whose footer shows that all its instants lie in one business
day, and all its offsets below the cut, is read without either. Elsewhere the calendar unit of an instant is
looked up by its quarter of an hour: the local clock of a zone jumps nowhere else, and where it once did, the
expression itself is evaluated.
"""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import duckdb

from slipway.domain.contract import Migration
from slipway.domain.grain import GrainColumn
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, text_literal

QUARTER = 15 * 60 * 1_000_000
"""Microseconds of a quarter of an hour."""

_FINEST = 15
"""Minutes: finer units are not looked up."""


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM item of events. dated: its business_day is the day of each event's time, by the statistics."""

    relation: str
    dated: bool = False


@dataclass(frozen=True, slots=True)
class Proven:
    """Files by what their footers show. below: all offsets lie below the cut; dated: one business day."""

    files: tuple[str, ...]
    below: bool
    dated: bool


class EventScan:
    """SQL over events, by the KPI's key. `look_up` comes first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
        self._connection = connection
        self._migration = migration
        self._time = quoted(migration.contract.events.time, "duckdb")
        self._units = {
            unit: quoted(f"unit {n}", "duckdb")
            for n, unit in enumerate(
                sorted(
                    {
                        part.sql("duckdb")
                        for kpi in migration.kpis.values()
                        for part in kpi.grain
                        if self._is_unit(part)
                    }
                )
            )
        }

    def look_up(self, first: date, last: date) -> None:
        """Make the table of quarters of an hour around the business days, both included."""
        # A name with a space in it is no field of an Avro schema.
        found = "".join(
            f", CASE WHEN a.{unit} = z.{unit} THEN a.{unit} END AS {unit}" for unit in self._units.values()
        )
        ends = []
        for within in (0, QUARTER - 1):
            units = "".join(f", {sql} AS {unit}" for sql, unit in self._units.items())
            ends.append(
                f'(SELECT "quarter of an hour"{units} FROM (SELECT q AS "quarter of an hour",'
                f" make_timestamptz(q * {QUARTER} + {within}) AS {self._time}"
                f" FROM range({self._quarter(first, -1)}, {self._quarter(last, 2)}) AS r(q)))"
            )
        self._connection.execute(
            f'CREATE OR REPLACE TEMP TABLE quarters AS SELECT "quarter of an hour"{found}'
            f' FROM {ends[0]} AS a JOIN {ends[1]} AS z USING ("quarter of an hour")'
        )

    def fold(self, kpi: CompiledKpi, sources: Sequence[Source]) -> str:
        """Return the query that computes the KPI from the sources' events, as CompiledKpi.fold does."""
        grain, measures = kpi.select("duckdb")
        keys = [quoted(f"grain {n}", "duckdb") for n in range(len(grain))]
        wanted = [f"{key} AS {quoted(name, 'duckdb')}" for key, (name, _) in zip(keys, grain, strict=True)]
        wanted += [f"{sql} AS {quoted(name, 'duckdb')}" for name, sql in measures]
        events = self.keyed(kpi, sources, [quoted(name, "duckdb") for name in sorted(kpi.uses)], keys)
        return f"SELECT {', '.join(wanted)} FROM ({events}) AS e GROUP BY {', '.join(keys)}"

    def keyed(
        self, kpi: CompiledKpi, sources: Iterable[Source], columns: Sequence[str], keys: Sequence[str]
    ) -> str:
        """Return the query of the events' columns and, under the names in keys, of their cell."""
        selects = []
        for source in sources:
            parts = [
                f"{self._expression(part, source)} AS {key}"
                for part, key in zip(kpi.grain, keys, strict=True)
            ]
            looked_up = any(self._is_unit(part) and not _dated(part, source) for part in kpi.grain)
            joined = (
                f' LEFT JOIN quarters ON epoch_us({self._time}) // {QUARTER} = quarters."quarter of an hour"'
                if looked_up
                else ""
            )
            selects.append(f"SELECT {', '.join([*columns, *parts])} FROM {source.relation} AS t{joined}")
        return " UNION ALL ".join(selects)

    def prove(
        self, files: Sequence[str], offsets: Mapping[int, int], first: date, last: date
    ) -> list[Proven]:
        """Sort files by what their statistics show; a file without them shows nothing.

        offsets: end of the cut by partition, exclusive. A dated file lies within the days, both included.
        """
        if not files:
            return []
        groups: dict[tuple[bool, bool], list[str]] = {}
        silent = set(files)
        for file, *seen in self._connection.execute(
            _STATISTICS, [list(files), self._migration.contract.events.time]
        ).fetchall():
            begin, end, day, last_day, lowest, highest, offset = seen
            partitions = range(lowest, highest + 1) if lowest is not None and highest is not None else ()
            below = offset is not None and bool(partitions)
            below = below and all(offset < offsets.get(partition, 0) for partition in partitions)
            dated = day is not None and day == last_day and first <= day <= last
            dated = dated and begin is not None and end is not None
            dated = dated and self._midnight(day) <= begin and end < self._midnight(day + timedelta(days=1))
            groups.setdefault((below, dated), []).append(file)
            silent.discard(file)
        if silent:
            groups.setdefault((False, False), []).extend(silent)
        return [Proven(tuple(sorted(found)), *shown) for shown, found in sorted(groups.items())]

    def _expression(self, part: GrainColumn, source: Source) -> str:
        if not self._is_unit(part):
            return part.sql("duckdb")
        if _dated(part, source):
            if part.function == "day":
                return "t.business_day"
            return f"CAST(date_trunc({text_literal(str(part.function))}, t.business_day) AS DATE)"
        sql = part.sql("duckdb")
        return f"coalesce(quarters.{self._units[sql]}, {sql})"

    def _is_unit(self, part: GrainColumn) -> bool:
        """Say whether a part of the key is a calendar unit of the event time, and not too fine a one."""
        if part.function is None or quoted(part.source.name, "duckdb") != self._time:
            return False
        return part.function not in ("minute", "minutes") or part.minutes % _FINEST == 0

    def _quarter(self, day: date, further: int) -> int:
        """Return the number of a quarter of an hour, `further` days after a day's beginning; above zero."""
        instant = self._midnight(day + timedelta(days=further))
        return max(1, (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=QUARTER))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(0), tzinfo=self._migration.zone).astimezone(UTC)


def _dated(part: GrainColumn, source: Source) -> bool:
    return source.dated and part.function in ("day", "week", "month")


_STATISTICS = """
SELECT
    file_name,
    min(TRY_CAST(low AS TIMESTAMPTZ)) FILTER (path_in_schema = $2 AND whole),
    max(TRY_CAST(high AS TIMESTAMPTZ)) FILTER (path_in_schema = $2 AND whole),
    min(TRY_CAST(low AS DATE)) FILTER (path_in_schema = 'business_day' AND whole),
    max(TRY_CAST(high AS DATE)) FILTER (path_in_schema = 'business_day' AND whole),
    min(TRY_CAST(low AS BIGINT)) FILTER (path_in_schema = 'kafka_partition' AND whole),
    max(TRY_CAST(high AS BIGINT)) FILTER (path_in_schema = 'kafka_partition' AND whole),
    max(TRY_CAST(high AS BIGINT)) FILTER (path_in_schema = 'kafka_offset' AND whole)
FROM (
    SELECT
        file_name, path_in_schema, stats_min_value AS low, stats_max_value AS high,
        -- One row group without statistics, or with a NULL, and nothing is known of the file's column.
        bool_and(stats_min_value IS NOT NULL AND stats_max_value IS NOT NULL AND stats_null_count = 0)
            OVER (PARTITION BY file_name, path_in_schema) AS whole
    FROM parquet_metadata($1)
    WHERE path_in_schema IN ($2, 'business_day', 'kafka_partition', 'kafka_offset')
)
GROUP BY file_name
"""
