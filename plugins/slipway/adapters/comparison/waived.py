"""Which of a KPI's differing cells waivers cover, and how much of their bounds that takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from slipway.adapters.comparison.templates import KpiTemplates, cells
from slipway.domain.accounting import Number
from slipway.domain.measures import CompiledKpi
from slipway.domain.waivers import Used, Waiver
from slipway.ports import Question


@dataclass(frozen=True, slots=True)
class _Reach:
    """A waiver as the template reads it. measures: places; numerator, denominator: of at_most."""

    id: int
    cause: str
    measures: list[int]
    first_day: str
    last_day: str
    cells: str
    numerator: int
    denominator: int


def cover(
    connection: duckdb.DuckDBPyConnection,
    sql: KpiTemplates,
    kpi: CompiledKpi,
    question: Question,
    number: Callable[[int, int | None], Number],
) -> tuple[Used, ...]:
    """Fill the table `waived` (cell, measure) and return what each waiver's cause comes to, by day.

    The walk must have been made. number: turns a whole number of a measure into its value.
    """
    instants = [n for n, measure in enumerate(kpi.measures) if measure.type in ("timestamp", "date")]
    connection.execute(
        sql(
            "waived",
            waivers=[_reach(one, sql, kpi) for one in question.waivers if one.kpi == kpi.name],
            instants=instants,
            limit=question.waiver_at_most.as_integer_ratio(),
            closed_through=f"DATE '{question.closed_through}'",
        )
    )
    rows = connection.execute(
        "SELECT waiver, day, measure, CAST(gross AS HUGEINT), CAST(batch AS HUGEINT), covers FROM used"
        " ORDER BY waiver, day, measure"
    ).fetchall()
    return tuple(
        Used(
            waiver,
            day,
            kpi.measures[measure].name,
            gross if measure in instants else number(measure, gross) or 0,
            batch if measure in instants else number(measure, batch) or 0,
            covers,
        )
        for waiver, day, measure, gross, batch, covers in rows
    )


def _reach(waiver: Waiver, sql: KpiTemplates, kpi: CompiledKpi) -> _Reach:
    numerator, denominator = waiver.at_most.as_integer_ratio()
    return _Reach(
        waiver.id,
        waiver.cause.value,
        [n for n, m in enumerate(kpi.measures) if not waiver.measures or m.name in waiver.measures],
        f"DATE '{waiver.first_day}'",
        f"DATE '{waiver.last_day}'",
        cells(waiver.segments, sql.grain, "c."),
        numerator,
        denominator,
    )
