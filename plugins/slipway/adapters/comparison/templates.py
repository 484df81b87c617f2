"""Renders the SQL of include/sql/reconcile for one KPI; everything is quoted here, nothing is pasted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2

from slipway.domain.accounting import (
    LARGEST_DOUBLE,
    STEPS,
    Number,
    compared_columns,
    scale_of,
    step_of_column,
)
from slipway.domain.cells import Where
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cause
from slipway.domain.exact import scaled
from slipway.domain.measures import Bound, CompiledKpi, CompiledMeasure, Tolerance
from slipway.domain.rendering import quoted, sql_type, text_literal

NEVER = len(STEPS) + 1
"""A step that the walk does not reach."""


@dataclass(frozen=True, slots=True)
class GrainPart:
    """One column of a KPI's key: `name` inside the SQL, quoted `column`, its expression over events."""

    name: str
    column: str
    expression: str
    type: str


@dataclass(frozen=True, slots=True)
class MeasurePart:
    """One measure as a whole number: `scaled` reads it from a KPI row; values are times 10^places."""

    index: int
    name: str
    scaled: str
    zero: str
    places: int
    measure: CompiledMeasure

    def value(self, whole: int | Decimal | None) -> Number:
        """Return what a whole number stands for in this measure; None for the value of nothing."""
        if whole is None or not self.places:
            return None if whole is None else int(whole)
        return scaled(int(whole), self.places)

    def off(self, left: str, right: str, grain: Sequence[GrainPart] = ()) -> str:
        """Return the condition that two values differ by more than the cell's tolerance allows."""
        allowed = self._by_cell(grain, lambda bound: self._within(bound, f"abs({left} - {right})", left))
        return f"({left} IS DISTINCT FROM {right} AND NOT coalesce({allowed}, FALSE))"

    def within(self, left: str, delta: str, grain: Sequence[GrainPart] = ()) -> str:
        """Return the condition that a difference to `left`, a magnitude, is one that the cell may have."""
        return f"coalesce({self._by_cell(grain, lambda bound: self._within(bound, delta, left))}, FALSE)"

    def close(self, left: str, right: str, used: Decimal, grain: Sequence[GrainPart] = ()) -> str:
        """Return the condition that a difference takes up at least this share of the cell's tolerance."""
        delta = f"abs({left} - {right})"
        near = self._by_cell(grain, lambda bound: self._uses(bound, delta, left, used))
        return f"({left} <> {right} AND coalesce({near}, FALSE))"

    def _by_cell(self, grain: Sequence[GrainPart], told: Callable[[Tolerance | Bound], str]) -> str:
        """Return what is told of the bound that holds in a cell: the first whose condition the cell meets."""
        tolerance = self.measure.tolerance
        if not tolerance.segments:
            return f"({told(tolerance)})"
        cases = " ".join(
            f"WHEN {cells(bound.where, grain)} THEN ({told(bound)})" for bound in tolerance.segments
        )
        return f"(CASE {cases} ELSE ({told(tolerance)}) END)"

    def _within(self, bound: Tolerance | Bound, delta: str, left: str) -> str:
        absolute = int(bound.absolute.scaleb(self.places).to_integral_value(rounding="ROUND_FLOOR"))
        return f"{delta} <= {absolute} OR {_share(delta, '<=', bound.relative, left)}"

    def _uses(self, bound: Tolerance | Bound, delta: str, left: str, used: Decimal) -> str:
        absolute = int(
            (bound.absolute * used).scaleb(self.places).to_integral_value(rounding="ROUND_CEILING")
        )
        return f"{delta} >= {absolute} AND {_share(delta, '>=', bound.relative * used, left)}"


def _share(delta: str, compared: str, share: Decimal, left: str) -> str:
    numerator, denominator = share.as_integer_ratio()
    # Values near the end of 128 bits are weighed as doubles: there the last digit decides nothing.
    return (
        f"coalesce(TRY({delta} * {denominator} {compared} {numerator} * abs({left})),"
        f" CAST({delta} AS DOUBLE) * {denominator} {compared} abs(CAST({left} AS DOUBLE)) * {numerator})"
    )


def cells(where: Where, grain: Sequence[GrainPart], table: str = "") -> str:
    """Return the condition that a cell fits; TRUE without one. table: alias with its dot, such as `c.`."""
    parts = {part.column: part for part in grain}
    conditions = []
    for column, values in where.items():
        part = parts[quoted(column, "duckdb")]
        name = f"{table}{part.name}"
        listed = ", ".join(f"CAST({text_literal(one)} AS {part.type})" for one in values if one is not None)
        told = [f"{name} IN ({listed})"] if listed else []
        told += [f"{name} IS NULL"] if None in values else []
        conditions.append(f"coalesce({' OR '.join(told)}, FALSE)")
    return " AND ".join(conditions) or "TRUE"


@dataclass(frozen=True, slots=True)
class EventColumn:
    """One compared column of events: `column` quoted, its place on both sides, the step that changes it."""

    column: str
    batch: str
    stream: str
    step: int


def grain_of(kpi: CompiledKpi) -> list[GrainPart]:
    """Return the key's columns in the contract's order."""
    return [
        GrainPart(f"g{n}", quoted(part.name, "duckdb"), part.sql("duckdb"), sql_type(part.type, "duckdb"))
        for n, part in enumerate(kpi.grain)
    ]


def measures_of(kpi: CompiledKpi) -> list[MeasurePart]:
    """Return the measures in the contract's order; Permanent when one of them can't be subtracted."""
    return [
        MeasurePart(
            index=n,
            name=f"m{n}",
            scaled=_scaled(quoted(measure.name, "duckdb"), measure),
            zero="NULL" if measure.zero is None else str(measure.zero),
            places=scale_of(measure),
            measure=measure,
        )
        for n, measure in enumerate(kpi.measures)
    ]


def columns_of(migration: Migration, kpi: CompiledKpi) -> list[EventColumn]:
    """Return the event columns that the walk compares for a KPI."""
    return [
        EventColumn(quoted(name, "duckdb"), f"b{n}", f"s{n}", step_of_column(migration, name))
        for n, name in enumerate(compared_columns(migration, kpi))
    ]


def day_of(kpi: CompiledKpi) -> str:
    """Return the business day with which a row closes, over the internal name of the key's time."""
    return replace(kpi.time, name=_time_of(kpi)).closes_on("duckdb")


def opening_of(kpi: CompiledKpi) -> str:
    """Return the business day with which a row opens, over the internal name of the key's time."""
    return replace(kpi.time, name=_time_of(kpi)).opens_on("duckdb")


def _time_of(kpi: CompiledKpi) -> str:
    return next(f"g{n}" for n, part in enumerate(kpi.grain) if part.name == kpi.time.name)


def compared_rows(
    migration: Migration, kpi: CompiledKpi, first: date, last: date, whole: date | None = None
) -> str:
    """Return the condition on a KPI's rows to be compared: they close on `first` or later, open by `last`.

    Rows that open before parity.from are served by the batch side and are not compared. whole: nor are those
    that close later than this day.
    """
    opens, closes = kpi.time.opens_on("duckdb"), kpi.time.closes_on("duckdb")
    served = f"{opens} >= DATE '{migration.contract.parity.from_day}'"
    until = f" AND {closes} <= DATE '{whole}'" if whole else ""
    return f"{served} AND {closes} >= DATE '{first}' AND {opens} <= DATE '{last}'{until}"


def version_of(migration: Migration) -> str | None:
    """Return the quoted field that orders the versions of an event; None with keep: first."""
    version = migration.contract.events.version
    return quoted(version, "duckdb") if version else None


def _scaled(column: str, measure: CompiledMeasure) -> str:
    places = scale_of(measure)
    if measure.type == "timestamp":
        return f"CAST(epoch_us({column}) AS HUGEINT)"
    if measure.type == "date":
        return f"CAST(date_diff('day', DATE '1970-01-01', {column}) AS HUGEINT)"
    if places == 0:
        return f"CAST({column} AS HUGEINT)"
    # A decimal's text holds exactly its decimal places; multiplying would leave the widest decimal.
    exact = f"CAST({column} AS DECIMAL(38, {places}))"
    whole = f"CAST(replace(CAST({exact} AS VARCHAR), '.', '') AS HUGEINT)"
    if measure.type != "double":
        return whole
    # NaN is greater than every number in DuckDB.
    most, sign = 10**LARGEST_DOUBLE, f"CASE WHEN {column} < 0 THEN -1 ELSE 1 END"
    outside = f"WHEN {column} IS NOT NULL THEN {sign} * CAST('{most * 10**places}' AS HUGEINT)"
    return f"(CASE WHEN abs({column}) < CAST('{most}' AS DOUBLE) THEN {whole} {outside} END)"


class Templates:
    """The folder of SQL files."""

    def __init__(self, folder: Path) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701  SQL, not HTML: identifiers and values are quoted above
        )

    def render(self, name: str, **context: Any) -> str:
        """Return one file's SQL."""
        return self._environment.get_template(f"{name}.sql").render(**context)

    def for_kpi(self, migration: Migration, kpi: CompiledKpi) -> KpiTemplates:
        """Return the same files with everything filled in that a KPI gives."""
        return KpiTemplates(self, migration, kpi)


class KpiTemplates:
    """The SQL of one KPI."""

    def __init__(self, templates: Templates, migration: Migration, kpi: CompiledKpi) -> None:
        self._templates = templates
        self.grain = grain_of(kpi)
        self.measures = measures_of(kpi)
        self.columns = columns_of(migration, kpi)
        self._context: dict[str, Any] = {
            "grain": self.grain,
            "measures": self.measures,
            "columns": self.columns,
            "day": day_of(kpi),
            "id": quoted(migration.contract.events.id, "duckdb"),
            "version": version_of(migration),
            "never": NEVER,
            "last_step": len(STEPS),
            "step": {cause.value: number for number, cause in enumerate(STEPS, start=1)},
            "causes": [cause.value for cause in Cause],
            "aggregates": [f"{sql} AS {quoted(name, 'duckdb')}" for name, sql in kpi.select("duckdb")[1]],
        }

    def __call__(self, name: str, **more: Any) -> str:
        return self._templates.render(name, **self._context, **more)


def quoted_all(names: Sequence[str]) -> list[str]:
    """Return quoted identifiers for DuckDB."""
    return [quoted(name, "duckdb") for name in names]
