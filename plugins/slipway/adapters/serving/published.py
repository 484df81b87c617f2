"""What the warehouse has of a KPI, looked at without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import sql_type
from slipway.ports import Published

Connection = psycopg.Connection[dict[str, Any]]


def published(connection: Connection, kpi: CompiledKpi) -> Published:
    """Return the state of one KPI's view, route and tables."""
    present = connection.execute(
        "SELECT to_regclass(format('serving.%%I', %s::text)) IS NOT NULL AS view, "
        "to_regclass('serving.route') IS NOT NULL AS routes",
        [kpi.name],
    ).fetchone()
    route = None
    if present and present["routes"]:
        route = connection.execute(
            "SELECT migration FROM serving.route WHERE kpi = %s", [kpi.name]
        ).fetchone()
    # Tables of older revisions may well differ; what a new one gets is made from this contract.
    wrong = wrong_columns(connection, "batch", kpi.name, kpi)
    view, owner = bool(present and present["view"]), route["migration"] if route else None
    return Published(kpi.name, view, owner, tuple(wrong))


def wrong_columns(connection: Connection, schema: str, table: str, kpi: CompiledKpi) -> Sequence[str]:
    """Return a sentence for each column that is not as the contract makes it; none for an absent table."""
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) "
        "AND attnum > 0 AND NOT attisdropped",
        [schema, table],
    ).fetchall()
    seen = {row["attname"]: row["type"] for row in rows}
    return [
        f"{schema}.{table}.{name} is {seen.get(name, 'absent')}, but the contract makes it {wanted}"
        for name, wanted in _wanted(kpi)
        if seen and seen.get(name) != wanted
    ]


def _wanted(kpi: CompiledKpi) -> Sequence[tuple[str, str]]:
    return [
        (name, sql_type(kind, "postgres").replace("timestamptz", "timestamp with time zone"))
        for name, kind in kpi.column_types()
    ]
