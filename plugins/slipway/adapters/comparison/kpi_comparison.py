"""One KPI's comparison: cells, tolerance, the walk of causes, and the files that let it be repeated."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from slipway.adapters.comparison.event_scan import EventScan, Source
from slipway.adapters.comparison.following import OF_CELLS
from slipway.adapters.comparison.relations import Relations
from slipway.adapters.comparison.templates import KpiTemplates, Templates, compared_rows
from slipway.adapters.comparison.waived import cover
from slipway.domain.accounting import (
    CauseEvents,
    CauseTotal,
    ComparedKpi,
    DayTotal,
    Difference,
    Example,
    Loss,
    Number,
)
from slipway.domain.closing import opening_day
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cause, Digest
from slipway.domain.instants import local_text
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, text_literal
from slipway.ports import Question

LISTED = 200
"""Differences and examples that evidence lists; all of them are in the kept files, and counted."""

OLDEST_REJECTED = timedelta(days=7)
"""How long before the end of the first compared day a rejected record without an id may have arrived."""


class KpiComparison:
    """Steps to take in order: compare, follow, keep, found.

    recomputed: relation of the rows that are side r, the fold of the stream's events.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        templates: Templates,
        migration: Migration,
        kpi: CompiledKpi,
        question: Question,
        recomputed: str,
        scan: EventScan,
    ) -> None:
        self._connection = connection
        self._migration = migration
        self._kpi = kpi
        self._question = question
        self._recomputed = recomputed
        self._scan = scan
        self._sql: KpiTemplates = templates.for_kpi(migration, kpi)
        self._compared = compared_rows(migration, kpi, question.first, question.last, question.whole)

    def compare(self) -> None:
        """Put what batch says, the fold of silver and what the stream says next to each other."""
        relations = {
            "b": quoted(f"batch_rows__{self._kpi.name}", "duckdb"),
            "r": self._recomputed,
            "s": quoted(f"stream_rows__{self._kpi.name}", "duckdb"),
        }
        self._connection.execute(self._sql("sides", sides=relations, compared=self._compared))
        self._connection.execute(self._sql("cells", close_from=self._question.close_from))

    def follow(self, model: str, relations: Relations) -> None:
        """Pick the events of the cells that differ, and find out where every one of them went.

        Events that stand alike on both sides are not followed. Only these cells are folded from the batch's
        events: where all agree, nobody needs to know.
        """
        keys = [part.name for part in self._sql.grain]
        days = self._differing_days() or (self._question.first, self._question.first)
        batch, stream = relations.keyed(self._kpi, model, days, keys)
        self._connection.execute(self._sql("pick_events", batch=batch, stream=stream))
        relations.follow(model, self._question)
        if self._one("SELECT count(*) FROM differing"):
            events = relations.scan.fold(self._kpi, [Source(f"batch{OF_CELLS}")])
            self._connection.execute(self._sql("batch_side", relation=f"({events})", compared=self._compared))
            self._connection.execute(self._sql("cells", close_from=self._question.close_from))
        since = self._migration.period_end(self._question.first) - OLDEST_REJECTED
        # A script's parameters belong to its last statement only, so instants stand in the SQL as literals.
        through = f"TIMESTAMPTZ '{self._question.batch_through.isoformat()}'"
        self._connection.execute(
            self._sql(
                "follow_events",
                key=relations.batch.key_expression(model),
                batch_through=through,
                closed_through=f"DATE '{self._question.closed_through}'",
                since=f"TIMESTAMPTZ '{since.isoformat()}'",
            )
        )
        self._connection.execute(self._sql("still_events"))

    def restore(self, rows: Path, events: Path, fold_again: bool) -> None:
        """Fill sides and walked from kept files; side r is folded afresh where silver is still there."""
        measures = ", ".join(f"CAST({m.name} AS HUGEINT) AS {m.name}" for m in self._sql.measures)
        keys = ", ".join(part.name for part in self._sql.grain)
        kept = f"SELECT side, {keys}, {measures} FROM read_parquet({text_literal(str(rows))})"
        if fold_again:
            self._connection.execute(
                self._sql("sides", sides={"r": self._recomputed}, compared=self._compared)
            )
            self._connection.execute(f"INSERT INTO sides BY NAME {kept} WHERE side <> 'r'")
        else:
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE sides AS {kept}")
        self._connection.execute(self._sql("cells", close_from=self._question.close_from))
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE walked AS SELECT * FROM read_parquet({text_literal(str(events))})"
        )

    def keep(self, work: Path) -> tuple[Path, Path]:
        """Write what was compared: all rows of the sides, and the events of the cells that differ."""
        rows, events = work / f"{self._kpi.name}.rows.parquet", work / f"{self._kpi.name}.events.parquet"
        keys = ", ".join(part.name for part in self._sql.grain)
        # Parquet has no integer of 128 bits; a decimal without places holds the same.
        measures = ", ".join(f"CAST({m.name} AS DECIMAL(38, 0)) AS {m.name}" for m in self._sql.measures)
        self._write(f"SELECT side, {keys}, {measures} FROM sides ORDER BY ALL", rows)
        self._write("SELECT * FROM walked ORDER BY row, id", events)
        return rows, events

    def found(self, rows: Digest, events: Digest, losses: tuple[Loss, ...] = ()) -> ComparedKpi:
        """Walk the causes and return everything that was found."""
        still = ", ".join(f"{c.stream} AS {c.column}" for c in self._sql.columns)
        alike = self._scan.keyed(
            self._kpi,
            [Source(f"(SELECT {still} FROM told_apart WHERE NOT moves)")],
            [c.column for c in self._sql.columns],
            [f'"_{part.name}"' for part in self._sql.grain],
        )
        self._connection.execute(self._sql("moving", alike=alike))
        for template in ("touched", "walk"):
            self._connection.execute(self._sql(template))
        used = cover(self._connection, self._sql, self._kpi, self._question, self._value)
        return ComparedKpi(
            days=self._days(),
            causes=self._causes(),
            listed=self._listed(),
            touched=tuple(
                CauseEvents(day, Cause(cause), int(events))
                for day, cause, events in self._rows("cause_events")
            ),
            examples=self._examples(),
            losses=losses,
            cells=self._one("SELECT count(*) FROM cells"),
            differing=self._one("SELECT count(*) FROM differing"),
            walked=self._one("SELECT count(*) FROM walked"),
            crowded=self._one("SELECT count(*) FROM cells WHERE crowded"),
            broken=self._one("SELECT count(*) FROM remainders WHERE remainder <> 0"),
            rows=rows,
            events=events,
            used=used,
        )

    def _days(self) -> tuple[DayTotal, ...]:
        return tuple(self._day(*row) for row in self._rows("day_totals"))

    def _day(self, day: date, measure: int, *values: int) -> DayTotal:
        cells, tolerated, beyond, engine, batch, recomputed, stream, waived, close = values
        number = partial(self._value, measure)
        return DayTotal(
            *(day, self._name(measure), cells, tolerated, beyond, engine),
            *(number(batch), number(recomputed), number(stream)),
            waived=waived,
            close=close,
        )

    def _causes(self) -> tuple[CauseTotal, ...]:
        return tuple(
            CauseTotal(
                day,
                self._name(measure),
                Cause(cause),
                self._value(measure, net),
                self._value(measure, gross),
            )
            for day, measure, cause, net, gross in self._rows("cause_totals")
        )

    def _listed(self) -> tuple[Difference, ...]:
        width = len(self._sql.grain)
        listed = []
        for row in self._rows("differences", most=LISTED):
            day, measure, batch, recomputed, stream, beyond, remainder, shares = row[width:]
            listed.append(
                Difference(
                    cell=self._cell(row),
                    day=day,
                    measure=self._name(measure),
                    batch=self._value(measure, batch),
                    recomputed=self._value(measure, recomputed),
                    stream=self._value(measure, stream),
                    beyond=beyond,
                    shares={
                        Cause(cause): self._value(measure, share)
                        for cause, share in sorted((shares or {}).items())
                    },
                    remainder=self._value(measure, remainder),
                )
            )
        return tuple(listed)

    def _examples(self) -> tuple[Example, ...]:
        return tuple(
            Example(self._cell(row[1:]), row[0], Cause(row[-3]), int(row[-2]), tuple(row[-1]))
            for row in self._rows("examples", most=LISTED)
        )

    def _differing_days(self) -> tuple[date, date] | None:
        """Return the first and last business day of the cells that differ; None when all agree."""
        [found] = self._connection.execute("SELECT min(day), max(day) FROM differing").fetchall()
        return None if found[0] is None else (opening_day(self._kpi.time, found[0]), found[1])

    def _rows(self, template: str, **context: Any) -> list[tuple[Any, ...]]:
        closed = f"DATE '{self._question.closed_through}'"
        return self._connection.execute(self._sql(template, closed_through=closed, **context)).fetchall()

    def _one(self, query: str) -> int:
        found = self._connection.execute(query).fetchone()
        return int(found[0]) if found else 0

    def _write(self, query: str, path: Path) -> None:
        # One thread: the same rows must give the same bytes.
        self._connection.execute("SET threads = 1")
        self._connection.execute(
            f"COPY ({query}) TO {text_literal(str(path))}"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
        self._connection.execute("RESET threads")

    def _cell(self, row: tuple[Any, ...]) -> Mapping[str, str | None]:
        return {
            part.name: local_text(value, self._migration.zone)
            if part.type == "timestamp" and value
            else value
            for part, value in zip(self._kpi.grain, row, strict=False)
        }

    def _name(self, index: int) -> str:
        return self._kpi.measures[index].name

    def _value(self, index: int, whole: int | None) -> Number:
        return self._sql.measures[index].value(whole)
