"""Late rows of closed days: which of them an amendment lets in, and what the KPIs are with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from slipway.adapters.lake.files import duckdb_session, path_of
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, sql_type, text_literal
from slipway.ports import AmendedEvent

_SQL = Path(__file__).parents[4] / "include" / "sql" / "amend"
_PLACE = {"business_day": "date", "kafka_partition": "int", "kafka_offset": "long"}
_AMENDED = pa.schema(
    [
        ("event_id", pa.string()),
        ("business_day", pa.date32()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("replaces", pa.bool_()),
    ]
)


class DuckDBLateRows:
    """Implements ports.LateRows on the Parquet files that the lake planned."""

    def __init__(self, memory_limit: str = "1GB") -> None:
        self._memory_limit = memory_limit

    def pick(
        self,
        migration: Migration,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[AmendedEvent]:
        """Return the late rows that count nothing yet and would change no other days than these."""
        events, types = migration.contract.events, _event_types(migration)
        wanted = {name: types[name] for name in (events.id, events.version) if name} | _PLACE
        query = _read("pick_latest" if events.version else "pick").replace(
            "{id}", quoted(events.id, "duckdb")
        )
        if events.version:
            query = query.replace("{version}", quoted(events.version, "duckdb"))
        with self._relations(wanted, silver, late, amended, days) as session:
            return [
                replace(AmendedEvent(*place), leaves=tuple(leaves), replaces=replaces)
                for *place, leaves, replaces in session.execute(query).fetchall()
            ]

    def fold(
        self,
        migration: Migration,
        kpi: CompiledKpi,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[tuple[Any, ...]]:
        """Return the KPI's rows that close on the days (key, then measures), amended late rows included."""
        events, types = migration.contract.events, _event_types(migration)
        wanted = {name: types[name] for name in sorted(kpi.uses)}
        newest = unless_replaced = ""
        if events.version:
            wanted |= {name: types[name] for name in (events.id, events.version)}
            version, identity = (quoted(name, "duckdb") for name in (events.version, events.id))
            newest = f"QUALIFY {version} = max({version}) OVER (PARTITION BY {identity})"
            unless_replaced = f"ANTI JOIN (FROM amended WHERE replaces) AS a ON s.{identity} = a.event_id"
        with self._relations(wanted | _PLACE, silver, late, amended, days) as session:
            counted = _read("counted").replace("{unless_replaced}", unless_replaced)
            session.execute(counted.replace("{newest}", newest))
            fold = kpi.fold("duckdb", "counted")
            closes = kpi.time.closes_on("duckdb")
            return session.execute(
                f"SELECT * FROM ({fold}) AS folded WHERE {closes} IN (SELECT day FROM days)"  # noqa: S608 - quoted
            ).fetchall()

    @contextmanager
    def _relations(
        self,
        wanted: Mapping[str, str],
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a session with the relations silver, late, amended and days."""
        with duckdb_session(self._memory_limit) as session:
            for name, files in (("silver", silver), ("late", late)):
                session.execute(f"CREATE VIEW {name} AS {_rows(files, wanted)}")
            places = [{field: getattr(event, field) for field in _AMENDED.names} for event in amended]
            session.register("amended", pa.Table.from_pylist(places, schema=_AMENDED))
            session.register("days", pa.table({"day": pa.array(sorted(set(days)), pa.date32())}))
            yield session


def _read(name: str) -> str:
    return (_SQL / f"{name}.duckdb.sql").read_text(encoding="utf-8")


def _event_types(migration: Migration) -> dict[str, str]:
    looked_up = {
        names.dimension_column(dimension, field): kind
        for dimension, field, kind in migration.dimension_fields
    }
    return {field.name: field.type for field in migration.event_fields} | looked_up


def _rows(files: Sequence[str], wanted: Mapping[str, str]) -> str:
    if not files:
        nothing = (
            f"CAST(NULL AS {sql_type(kind, 'duckdb')}) AS {quoted(name, 'duckdb')}"
            for name, kind in wanted.items()
        )
        return f"SELECT {', '.join(nothing)} WHERE FALSE"
    columns = ", ".join(quoted(name, "duckdb") for name in wanted)
    listed = ", ".join(text_literal(path_of(file)) for file in files)
    return f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false)"  # noqa: S608 - quoted
