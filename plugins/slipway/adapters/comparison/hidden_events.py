"""Differences that cancel: events that differ although every cell they belong to agrees."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb

from slipway.adapters.comparison.batch_events import local_midnight
from slipway.adapters.comparison.event_columns import event_columns, version_columns
from slipway.adapters.comparison.relations import Relations
from slipway.adapters.comparison.templates import Templates, opening_of, quoted_all, version_of
from slipway.domain.accounting import Hidden, compared_columns
from slipway.domain.contract import Migration
from slipway.domain.rendering import quoted, text_literal
from slipway.ports import Question


class HiddenEvents:
    """Steps for each event model: begin, told after each KPI of it was walked, found."""

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
        self._question = question

    def begin(self) -> None:
        """Forget what the walks of another event model have named."""
        self._connection.execute("CREATE OR REPLACE TEMP TABLE told (id VARCHAR, kpi VARCHAR)")

    def told(self, kpi: str) -> None:
        """Remember the events that the walk of a KPI has just named in cells that hold a closed day."""
        opens = opening_of(self._migration.kpis[kpi])
        self._connection.execute(
            f"INSERT INTO told SELECT DISTINCT t.id, {text_literal(kpi)} FROM touched AS t"
            f" SEMI JOIN (SELECT cell FROM differing WHERE {opens} <= ?) AS d ON t.cell = d.cell",
            [self._question.closed_through],
        )

    def found(self, model: str, relations: Relations) -> list[Hidden]:
        """Return the events of one model that differ and that no walk has named, by day and kind."""
        if not (days := self._days()):
            return []
        columns = self._columns()
        context = {
            "id": quoted(self._migration.contract.events.id, "duckdb"),
            "columns": quoted_all(columns),
            "version": version_of(self._migration),
        }
        self._unlike(model, days, relations, context)
        self._connection.execute(self._templates.render("suspects"))
        if self._connection.execute("SELECT count(*) FROM suspects").fetchone() == (0,):
            return []
        relations.forget_cells(model, self._question)
        relations.follow(model, self._question)
        uses = {
            text_literal(name): [columns.index(used) for used in compared_columns(self._migration, kpi)]
            for name, kpi in self._migration.kpis.items()
        }
        rows = self._connection.execute(self._templates.render("hidden", **context, uses=uses)).fetchall()
        return [Hidden(model, day, kind, int(events), tuple(ids)) for day, kind, events, ids in rows]

    def _unlike(
        self, model: str, days: Sequence[date], relations: Relations, context: Mapping[str, Any]
    ) -> None:
        """Make `unlike`, day by day: memory holds the events of one day, however many days there are."""
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE unlike"
            " (id VARCHAR, content UBIGINT, day DATE, in_batch BIGINT, in_stream BIGINT)"
        )
        hold = len(days) > 1
        (relations.batch.hold if hold else relations.batch.show)(model, days[0], days[-1])
        for day in days:
            begin, end = (local_midnight(self._migration, day + timedelta(days=n)) for n in (0, 1))
            self._connection.execute(
                self._templates.render(
                    "unlike",
                    **context,
                    time=quoted(self._migration.contract.events.time, "duckdb"),
                    day=f"DATE '{day}'",
                    begin=f"TIMESTAMPTZ '{begin.isoformat()}'",
                    end=f"TIMESTAMPTZ '{end.isoformat()}'",
                )
            )
        if hold:
            relations.batch.let_go()

    def _days(self) -> Sequence[date]:
        first, last = self._question.first, self._question.closed_through
        closed = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        chosen = self._question.row_by_row
        return closed if chosen is None else [day for day in closed if day in chosen]

    def _columns(self) -> list[str]:
        # The version orders events; a KPI that does not use it is the same under another one.
        used = {name for kpi in self._migration.kpis.values() for name in kpi.uses}
        apart = set(version_columns(self._migration)) - used
        return [name for name in event_columns(self._migration) if name not in apart]
