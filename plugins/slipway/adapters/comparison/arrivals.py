"""When events arrived and what other bounds would have lost: one pass over the events of a KPI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb

from slipway.adapters.comparison.event_columns import event_columns
from slipway.adapters.comparison.templates import (
    MeasurePart,
    Templates,
    measures_of,
    quoted_all,
    version_of,
)
from slipway.domain.accounting import LatenessClass, Loss, lateness_bounds
from slipway.domain.closing import midnight_sql
from slipway.domain.contract import Migration
from slipway.domain.lateness import EVENTS, SHOWN, Advice, Arrivals, Rung, bounds_of, rung, watched
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted
from slipway.ports import Question


class ArrivalsOfEvents:
    """Reads silver_of_days (with keep: latest all of silver) and late of one session.

    Ask for the losses of every KPI, then for the classes and the advice.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        templates: Templates,
        migration: Migration,
        question: Question,
    ) -> None:
        self._connection = connection
        self._templates = templates
        self._migration = migration
        self._bounds = bounds_of(migration)
        self._accepted = int(migration.contract.parity.accept_late.total_seconds())
        self._watched = watched(self._bounds, self._accepted, question.first, question.closed_through)
        self._total: list[Arrivals] = []
        self._segments: list[Arrivals] = []
        self._more: dict[tuple[str, str], int] = {}
        self._classes: tuple[LatenessClass, ...] = ()
        connection.execute(
            self._sql(
                "seen",
                id=quoted(migration.contract.events.id, "duckdb"),
                version=version_of(migration),
                columns=quoted_all(list(event_columns(migration))),
                bounds=self._bounds,
                day_end=midnight_sql(migration.zone, "business_day + 1"),
                first=f"DATE '{question.first}'",
                closed_through=f"DATE '{question.closed_through}'",
            )
        )

    def losses(self, kpi: CompiledKpi) -> tuple[Loss, ...]:
        """Return what each bound of the contract would have cost the KPI's counts and sums."""
        parts = [part for part in measures_of(kpi) if part.measure.zero is not None]
        adding = [part for part in parts if part.measure.additive]
        segments = [part.sql("duckdb") for part in kpi.grain if part.name in kpi.segments]
        aggregates = [f"{m.measure.sql('duckdb')} AS {quoted(m.measure.name, 'duckdb')}" for m in adding]
        through = f"DATE '{self._watched.through}'"
        self._connection.execute(
            self._sql("arrivals", segments=segments, adding=adding, aggregates=aggregates, through=through)
        )
        if not self._classes:
            self._classes = self._of_classes()
        self._advise(kpi, adding, segments)
        classes = self._rungs(lateness_bounds(self._migration))
        found = self._rows("losses", adding=adding, classes=classes) if adding else []
        for part in parts:
            if not part.measure.additive:
                found += self._of_sets(kpi, part, classes)
        losses = (
            Loss(int(bound), part.measure.name, part.value(lost), part.value(total))
            for bound, index, lost, total in sorted(found)
            for part in parts
            if part.index == index
        )
        return tuple(losses)

    @property
    def classes(self) -> tuple[LatenessClass, ...]:
        """How many events arrived in which of the contract's classes; they are the same for every KPI."""
        return self._classes

    def late_of_days(self) -> Mapping[date, tuple[int, int]]:
        """Return (late, all) events by closed day."""
        query = (
            f"SELECT business_day, count(*) FILTER (rung > {self._bounds.index(self._accepted)}), count(*)"
        )
        rows = self._connection.execute(f"{query} FROM seen GROUP BY business_day ORDER BY ALL").fetchall()
        return {day: (int(late), int(events)) for day, late, events in rows}

    def advice(self) -> Advice:
        """Return what was seen of the arrivals of all KPIs that were asked about."""
        return Advice(self._accepted, self._watched, tuple(self._total), tuple(self._segments), self._more)

    def _of_classes(self) -> tuple[LatenessClass, ...]:
        rows = self._rows("lateness", classes=self._rungs(lateness_bounds(self._migration)))
        return tuple(LatenessClass(after, before, int(events)) for after, before, events in rows)

    def _advise(self, kpi: CompiledKpi, adding: list[MeasurePart], segments: list[str]) -> None:
        names = [part.name for part in kpi.grain if part.name in kpi.segments]
        rows = self._rows(
            "advice",
            adding=adding,
            segments=segments,
            ladder=self._rungs([bound for bound in self._bounds if bound <= self._watched.bound]),
            accepted=self._bounds.index(self._accepted),
            most=SHOWN,
        )
        for one, together in _arrivals(kpi, names, adding, rows):
            if one.segment is None:
                self._total.append(one)
            else:
                self._segments.append(one)
                self._more[kpi.name, one.segment] = max(0, together - SHOWN)

    def _of_sets(
        self, kpi: CompiledKpi, part: MeasurePart, classes: list[tuple[int, int]]
    ) -> Iterator[tuple[int, int, int, int]]:
        """Yield (bound, measure, lost, total) of a count of different values, which does not add up."""
        value, where = part.measure.distinct("duckdb")
        counts = f"{value} IS NOT NULL AND ({where})" if where else f"{value} IS NOT NULL"
        cell = [column.sql("duckdb") for column in kpi.grain]
        [row] = self._rows("losses_of_sets", classes=classes, cell=cell, value=value, counts=counts)
        for (_, bound), below in zip(classes, row, strict=False):
            whole = int(row[-1] or 0)  # a sum over nothing is NULL
            yield bound, part.index, whole - int(below or 0), whole

    @property
    def _never(self) -> int:
        """A rung that nothing reaches."""
        return len(self._bounds) + 1

    def _rungs(self, bounds: list[int]) -> list[tuple[int, int]]:
        return [(self._bounds.index(bound), bound) for bound in bounds]

    def _sql(self, template: str, **context: Any) -> str:
        return self._templates.render(template, never=self._never, **context)

    def _rows(self, template: str, **context: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(self._sql(template, **context)).fetchall()


def _arrivals(
    kpi: CompiledKpi, segments: list[str], adding: list[MeasurePart], rows: list[tuple[Any, ...]]
) -> Iterator[tuple[Arrivals, int]]:
    """Yield each value's arrivals, and how many values its segment has; rows come one a value and bound."""
    rungs: list[Rung] = []
    for n, row in enumerate(rows):
        segment, value, together, events, late, p50, p95, p99, bound, later, *lost = row
        shares = {
            f"{kpi.name}.{part.measure.name}": (int(lost[2 * i]), int(lost[2 * i + 1]))
            for i, part in enumerate(adding)
        }
        rungs.append(rung(int(bound), int(later), {EVENTS: (int(later), int(events)), **shares}))
        if n + 1 == len(rows) or rows[n + 1][:2] != row[:2]:
            name = None if segment < 0 else segments[segment]
            quantiles = (int(p50), int(p95), int(p99))
            yield (
                Arrivals(kpi.name, name, value, int(events), int(late), *quantiles, tuple(rungs)),
                int(together),
            )
            rungs = []
