"""A KPI and a dimension as the templates need them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, sql_type
from slipway.errors import Permanent

DIMENSION_ROWS, DIMENSION_SECONDS = 20_000, 3_600
"""How many keys of a dimension a subtask keeps, and how long."""


def kpi_parts(kpi: CompiledKpi, relation: str) -> Mapping[str, Any]:
    """Return a KPI's sink and totals. relation: the table "schema.name" that takes its rows."""
    grain, measures = kpi.select("flink")
    types = dict(kpi.column_types())
    may_be_null = kpi.key_may_hold_null

    def written(column: str, sql: str) -> tuple[str, str]:
        return column, f"`as_jdbc_timestamp`({sql})" if types[column] == "timestamp" else sql

    return {
        "sink": f"kpi_{kpi.name}",
        "relation": relation,
        "columns": [(column, _sink_type(kind)) for column, kind in kpi.column_types()],
        "may_be_null": may_be_null,
        "key": [names.GRAIN_KEY] if may_be_null else [column for column, _ in grain],
        "grain": [written(*part) for part in grain],
        "measures": [written(*measure) for measure in measures],
    }


def dimension_parts(migration: Migration, name: str, url: str) -> Mapping[str, Any]:
    """Return what looks a dimension up. url: JDBC, with the user whose rights it is read under."""
    dimension = migration.contract.dimensions[name]
    key = migration.schema.field(dimension.key)
    if key is None:
        raise Permanent(f"dimensions.{name}.key: the event schema has no field {dimension.key}")
    relation = ".".join(quoted(part, "postgres") for part in dimension.relation.split("."))
    columns = ", ".join(quoted(field, "postgres") for field in dimension.fields)
    condition = f"{quoted(dimension.key, 'postgres')} = CAST(? AS {sql_type(key.type, 'postgres')})"
    literal = {
        "url": url,
        "query": f"SELECT {columns} FROM {relation} WHERE {condition}",  # noqa: S608 - quoted above
        "fields": dict(dimension.fields),
        "rows": DIMENSION_ROWS,
        "seconds": DIMENSION_SECONDS,
    }
    return {
        "key": dimension.key,
        "literal": json.dumps(literal, separators=(",", ":")),
        "column": f"${name}",
        "fields": [(field, names.dimension_column(name, field)) for field in dimension.fields],
    }


def _sink_type(kind: str) -> str:
    # The JDBC sink takes no instants.
    return "TIMESTAMP(6)" if kind == "timestamp" else sql_type(kind, "flink")
