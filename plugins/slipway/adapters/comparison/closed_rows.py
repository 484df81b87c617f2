"""The rows of closed periods as they were signed, beside those of today: KPI rows alone, no events."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from pathlib import Path

import duckdb

from slipway.adapters.comparison.exact_rows import rows_between
from slipway.adapters.comparison.templates import MeasurePart, Templates, day_of, grain_of, measures_of
from slipway.adapters.comparison.warehouse import Warehouse
from slipway.domain import names
from slipway.domain.closing import opening_day
from slipway.domain.contract import Migration
from slipway.domain.instants import local_text
from slipway.domain.masking import Masking
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, text_literal
from slipway.domain.restatements import ClosedPeriod, KeptRows, Moved
from slipway.errors import Permanent
from slipway.ports import EvidenceStore

_SIDES = {"b": "batch", "s": "stream"}


@dataclass(frozen=True, slots=True)
class _Column:
    """A measure that both eras have. kept: its column in the kept file."""

    index: int
    name: str
    kept: str
    scaled: str
    moved: str
    part: MeasurePart


class DuckDBClosedRows:
    """slipway.ports.ClosedRows on DuckDB.

    templates: the folder include/sql/reconcile. work: where DuckDB spills. memory: its limit, such as 1GB.
    """

    def __init__(self, warehouse: Warehouse, templates: Path, work: Path, memory: str = "1GB") -> None:
        self._warehouse = warehouse
        self._templates = Templates(templates)
        self._work = work
        self._memory = memory

    def moved(
        self, migration: Migration, revision: int, closed: Sequence[ClosedPeriod], store: EvidenceStore
    ) -> Sequence[Moved]:
        """Return every value that is not what was signed; Permanent when a kept file or a table is gone."""
        if not closed:
            return ()
        self._work.mkdir(parents=True, exist_ok=True)
        found: list[Moved] = []
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            connection = duckdb.connect(config={"memory_limit": self._memory, "temp_directory": folder})
            try:
                connection.execute("SET TimeZone = 'UTC'")
                with self._warehouse.attached(connection):
                    for one in closed:
                        for name, kept in one.kpis.items():
                            kpi = migration.kpis.get(name)
                            if kpi is not None and _same_grain(kpi, kept):
                                path = store.path_of(kept.rows)
                                found += self._of_kpi(connection, migration, kpi, revision, one, kept, path)
            except duckdb.CatalogException as error:
                raise Permanent(
                    f"a table of closed periods is not in the warehouse: {error}; run provision, deploy and"
                    " baseline first"
                ) from error
            finally:
                connection.close()
        return found

    def _of_kpi(
        self,
        connection: duckdb.DuckDBPyConnection,
        migration: Migration,
        kpi: CompiledKpi,
        revision: int,
        closed: ClosedPeriod,
        kept: KeptRows,
        path: Path,
    ) -> Iterator[Moved]:
        grain = grain_of(kpi)
        columns = _columns(kpi, kept)
        if not columns:
            return
        model = migration.contract.kpis[kpi.name].batch.model
        within = _within(migration, kpi, closed)
        query = self._templates.render(
            "restated",
            grain=grain,
            measures=columns,
            keys=", ".join(part.name for part in grain),
            values=", ".join(f"CAST({column.kept} AS HUGEINT) AS {column.name}" for column in columns),
            texts=", ".join(f"CAST({part.name} AS VARCHAR)" for part in grain),
            day=day_of(kpi),
            whole=_whole(kpi, closed),
            kept=f"read_parquet({text_literal(str(path))})",
            sides={
                side: f"({rows_between(connection, schema, table, kpi, within)})"
                for side, schema, table in (
                    ("b", "batch", model),
                    ("s", "stream", names.stream_table(kpi.name, revision)),
                )
            },
        )
        masking = Masking.of(migration.schema)
        for index, side, day, was, now, *key in connection.execute(query).fetchall():
            part = next(column.part for column in columns if column.index == index)
            cell = {
                each.name: local_text(value, migration.zone) if each.type == "timestamp" and value else value
                for each, value in zip(kpi.grain, key, strict=True)
            }
            yield Moved(
                close=closed.close.id,
                kpi=kpi.name,
                cell=masking.cell(kpi, cell),
                day=day,
                measure=part.measure.name,
                side=_SIDES[side],
                was=part.value(was),
                now=part.value(now),
            )


def _columns(kpi: CompiledKpi, kept: KeptRows) -> list[_Column]:
    """Return the measures that mean the same as at the close."""
    places = {name: n for n, name in enumerate(kept.measures)}
    found = []
    for part in measures_of(kpi):
        name = part.measure.name
        if kept.measures.get(name) != (part.measure.function, part.measure.type):
            continue
        found.append(_Column(part.index, part.name, f"m{places[name]}", part.scaled, _moved(part), part))
    return found


def _moved(part: MeasurePart) -> str:
    was, now = (f"coalesce({part.name}_{era}, {part.zero})" for era in ("was", "now"))
    apart = f"{was} IS DISTINCT FROM {now}"
    if part.measure.type != "double":
        return apart
    was, now = (f"CAST({value} AS DOUBLE)" for value in (was, now))
    noise = f"abs({was} - {now}) <= greatest(1, abs({was}) * 1e-12)"
    return f"{apart} AND NOT coalesce({noise}, FALSE)"


def _within(migration: Migration, kpi: CompiledKpi, closed: ClosedPeriod) -> str:
    """Return bounds of the bare column, which Postgres can use; rows are cut to the period afterwards."""
    period, column = closed.close.period, quoted(kpi.time.name, "duckdb")
    opened = opening_day(kpi.time, period.first)
    if kpi.time.type == "date":
        return f"{column} BETWEEN DATE '{opened}' AND DATE '{period.last}'"
    begin, end = (
        datetime.combine(day, time(0), tzinfo=migration.zone)
        for day in (opened, period.last + timedelta(days=1))
    )
    return f"{column} >= TIMESTAMPTZ '{begin.isoformat()}' AND {column} < TIMESTAMPTZ '{end.isoformat()}'"


def _whole(kpi: CompiledKpi, closed: ClosedPeriod) -> str:
    """Return the condition on rows of both eras: they close in the period, served by the stream."""
    period = closed.close.period
    name = next(f"g{n}" for n, part in enumerate(kpi.grain) if part.name == kpi.time.name)
    opens = replace(kpi.time, name=name).opens_on("duckdb")
    return (
        f"{opens} >= DATE '{closed.begins}'"
        f" AND {day_of(kpi)} BETWEEN DATE '{period.first}' AND DATE '{period.last}'"
    )


def _same_grain(kpi: CompiledKpi, kept: KeptRows) -> bool:
    return tuple(part.name for part in kpi.grain) == kept.grain
