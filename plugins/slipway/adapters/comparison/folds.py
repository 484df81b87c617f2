"""Side r of a comparison, folded by an engine other than DuckDB: what the comparison asks of it."""

# ruff: noqa: S608  every identifier in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import duckdb

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted
from slipway.errors import Retryable
from slipway.ports import Question


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows of all KPIs over the stream's events of a question's days.

    tables: "schema.table" of the warehouse by KPI: the KPI's columns, and for each row how many events it was
    folded of and the sum of their offsets (names.FOLDED_EVENTS, FOLDED_OFFSETS). by: the engine, its version.
    """

    tables: Mapping[str, str]
    by: str


class Folds(Protocol):
    """An engine that folds the stream's events as DuckDB would."""

    def folded(self, migration: Migration, question: Question) -> AbstractContextManager[Folded]:
        """Fold, and keep the tables until the context ends; Retryable when the engine failed."""
        ...


def copy_rows(connection: duckdb.DuckDBPyConnection, kpi: CompiledKpi, folded: Folded) -> None:
    """Copy a KPI's rows out of the attached warehouse."""
    schema, _, table = folded.tables[kpi.name].partition(".")
    columns = [*(name for name, _ in kpi.column_types()), names.FOLDED_EVENTS, names.FOLDED_OFFSETS]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {rows_of(kpi)} AS"
        f" SELECT {', '.join(quoted(name, 'duckdb') for name in columns)}"
        f" FROM warehouse.{quoted(schema, 'duckdb')}.{quoted(table, 'duckdb')}"
    )


def rows_of(kpi: CompiledKpi) -> str:
    """Return the relation that copy_rows makes."""
    return quoted(f"folded_rows__{kpi.name}", "duckdb")


def refuse_other_events(connection: duckdb.DuckDBPyConnection, kpi: CompiledKpi, by: str) -> None:
    """Compare what was folded with `stream_events`, counted; Retryable when an event is missing or too many.

    Bounded runs were seen to end well without some of their rows, which a comparison would blame on the job.
    """
    events, offsets = (quoted(name, "duckdb") for name in (names.FOLDED_EVENTS, names.FOLDED_OFFSETS))
    [seen] = connection.execute(
        f"SELECT coalesce(sum({events}), 0), coalesce(sum({offsets}), 0) FROM {rows_of(kpi)}"
    ).fetchall()
    [wanted] = connection.execute(
        "SELECT count(*), coalesce(sum(kafka_offset), 0) FROM stream_events"
    ).fetchall()
    if seen != wanted:
        raise Retryable(
            f"{by} folded {kpi.name} of {seen[0]} events (offsets add up to {seen[1]}), but the cut has"
            f" {wanted[0]} ({wanted[1]}); nothing was concluded from that. Reconcile again; if it comes back,"
            " set reconcile.engine to duckdb and see the job in the engine's page"
        )
