"""Renders the SQL of include/sql/reconcile for one KPI; everything is quoted here, nothing is pasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from slipway.domain.accounting import (
    SCALE_OF_DOUBLES,
    STEPS,
    compared_columns,
    scale_of,
    step_of_column,
)
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cause
from slipway.domain.measures import CompiledKpi, CompiledMeasure
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

    def off(self, left: str, right: str) -> str:
        """Return the condition that two values differ by more than the tolerance allows."""
        tolerance = self.measure.tolerance
        absolute = int(tolerance.absolute.scaleb(self.places).to_integral_value(rounding="ROUND_FLOOR"))
        numerator, denominator = tolerance.relative.as_integer_ratio()
        delta = f"abs({left} - {right})"
        allowed = f"{delta} <= {absolute} OR {delta} * {denominator} <= {numerator} * abs({left})"
        return f"({left} IS DISTINCT FROM {right} AND NOT coalesce({allowed}, FALSE))"


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
    """Return the internal name of the key's business day."""
    return next(f"g{n}" for n, part in enumerate(kpi.grain) if part.name == kpi.time.name)


def zone_of(migration: Migration) -> str:
    """Return the time zone of the business day as a literal."""
    return text_literal(migration.zone.key)


def _scaled(column: str, measure: CompiledMeasure) -> str:
    places = scale_of(measure)
    if measure.type == "timestamp":
        return f"CAST(epoch_us({column}) AS HUGEINT)"
    if measure.type == "date":
        return f"CAST(date_diff('day', DATE '1970-01-01', {column}) AS HUGEINT)"
    if places == 0:
        return f"CAST({column} AS HUGEINT)"
    # A decimal's text holds exactly its decimal places; multiplying would leave the widest decimal.
    exact = f"CAST({column} AS DECIMAL(38, {SCALE_OF_DOUBLES if measure.type == 'double' else places}))"
    return f"CAST(replace(CAST({exact} AS VARCHAR), '.', '') AS HUGEINT)"


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
            "never": NEVER,
            "last_step": len(STEPS),
            "step": {cause.value: number for number, cause in enumerate(STEPS, start=1)},
            "causes": [cause.value for cause in Cause],
            "fold_steps": kpi.fold("duckdb", "steps", extra=[("_step", '"_step"')]),
        }

    def __call__(self, name: str, **more: Any) -> str:
        return self._templates.render(name, **self._context, **more)


def quoted_all(names: Sequence[str]) -> list[str]:
    """Return quoted identifiers for DuckDB."""
    return [quoted(name, "duckdb") for name in names]
