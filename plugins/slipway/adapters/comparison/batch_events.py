"""The batch side's events, read where they lie: only what differs is copied out of the warehouse."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

import duckdb

from slipway.adapters.comparison.event_columns import Types, event_columns
from slipway.adapters.comparison.event_scan import Source
from slipway.adapters.comparison.following import follow
from slipway.domain.accounting import column_type
from slipway.domain.contract import Migration
from slipway.domain.rendering import quoted, sql_type
from slipway.errors import Permanent

_KEY_TYPES = ("string", "int", "long", "boolean")
"""Types whose JSON is the same wherever it is written."""


class BatchEvents:
    """The event models that dbt has built, in a transaction of the attached warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
        self._connection = connection
        self._migration = migration
        self._events = event_columns(migration)
        self._id = quoted(migration.contract.events.id, "duckdb")
        self._time = quoted(migration.contract.events.time, "duckdb")

    def show(self, model: str, first: date, last: date) -> None:
        """Make the view `batch_events` of one model's events of the days, both included."""
        events = self.of(model, first, last).relation
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW batch_events AS SELECT * FROM {events}")

    def hold(self, model: str, first: date, last: date) -> None:
        """Make `batch_events` a copy: days that are read one by one are not asked for one by one."""
        events = self.of(model, first, last).relation
        self._connection.execute("DROP VIEW IF EXISTS batch_events")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE batch_events AS SELECT * FROM {events}")

    def let_go(self) -> None:
        """Drop what `hold` has copied."""
        self._connection.execute("DROP TABLE IF EXISTS batch_events")

    def of(self, model: str, first: date, last: date) -> Source:
        """Return one model's events of the days, both included."""
        # Bounds of the bare column, which the warehouse can use.
        begin, end = self._bounds(first, last)
        return Source(
            f"(SELECT {self._wanted(model)} FROM {_table(model)} WHERE {self._time} >= {begin} AND"
            f" {self._time} < {end})"
        )

    def follow(self, model: str, first: date, last: date) -> None:
        """Make `batch_events_of_all_days`: the events of the ids in `picked`, wherever they lie."""
        begin, end = self._bounds(first, last)
        follow(
            self._connection,
            "batch",
            identity=self._id,
            events=self.of(model, first, last).relation,
            placed_by=self._time,
            elsewhere=f"(SELECT {self._wanted(model)} FROM {_table(model)} WHERE {self._time} < {begin}"
            f" OR {self._time} >= {end} OR {self._time} IS NULL)",
        )

    def columns(self, model: str) -> list[str]:
        """Return the columns to read of a model, quoted."""
        return [quoted(name, "duckdb") for name in self._columns(model)]

    def key_expression(self, model: str) -> str:
        """Return the expression of a batch event's Kafka key, NULL when the model does not expose it.

        It is written as domain/record_key.py writes it: one text as it is, anything else as a JSON array.
        """
        key = self._key_columns()
        if not key or set(key) - set(self._columns(model)):
            return "CAST(NULL AS VARCHAR)"
        columns = ", ".join(quoted(name, "duckdb") for name in key)
        if len(key) == 1 and column_type(self._migration, key[0]) == "string":
            return columns
        return f"CAST(json_array({columns}) AS VARCHAR)"

    def _columns(self, model: str) -> Types:
        """Return the columns to read of an event model; Permanent names those that it lacks."""
        described = self._connection.execute(f"DESCRIBE {_table(model)}").fetchall()
        present = {str(row[0]) for row in described}
        lacking = sorted(set(self._events) - present)
        if lacking:
            raise Permanent(
                f"batch.{model} has no column {', '.join(lacking)}; it must expose the identity, the time,"
                " the version (with keep: latest) and every field that a KPI uses, dimension fields as"
                " <dimension>__<field>"
            )
        keys = {key: column_type(self._migration, key) for key in self._key_columns() if key in present}
        return {**self._events, **keys}

    def _bounds(self, first: date, last: date) -> tuple[str, str]:
        instants = (local_midnight(self._migration, day) for day in (first, last + timedelta(days=1)))
        begin, end = (f"TIMESTAMPTZ '{instant.isoformat()}'" for instant in instants)
        return begin, end

    def _key_columns(self) -> tuple[str, ...]:
        """Return the fields that make up the Kafka key, when its text can be made here; else nothing."""
        key = self._migration.contract.events.key
        return key if all(column_type(self._migration, name) in _KEY_TYPES for name in key) else ()

    def _wanted(self, model: str) -> str:
        return ", ".join(_typed(self._columns(model)))


def local_midnight(migration: Migration, day: date) -> datetime:
    """Return the instant with which a business day begins."""
    return datetime.combine(day, time(0), tzinfo=migration.zone)


def _table(model: str) -> str:
    return f"warehouse.batch.{quoted(model, 'duckdb')}"


def _typed(columns: Types) -> Iterable[str]:
    for name, kind in columns.items():
        yield f"CAST({quoted(name, 'duckdb')} AS {sql_type(kind, 'duckdb')}) AS {quoted(name, 'duckdb')}"
