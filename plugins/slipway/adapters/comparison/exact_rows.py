"""Numbers of the warehouse that DuckDB would read as doubles, read to their last digit.

Postgres gives a sum of bigint or numeric the type numeric without a precision; DuckDB makes a double of it,
which has 16 digits. Such columns are read as text, by a query that Postgres runs in the attached transaction.
"""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import duckdb

from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, sql_type, text_literal


def rows_between(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, kpi: CompiledKpi, within: str
) -> str:
    """Return the query of a KPI's rows. within: the condition on them, in words that Postgres knows too."""
    relation = f"warehouse.{quoted(schema, 'duckdb')}.{quoted(table, 'duckdb')}"
    types = dict(kpi.column_types())
    seen = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()}
    inexact = {
        name
        for name, kind in types.items()
        if seen.get(name) == "DOUBLE" and kind not in ("double", "string")
    }
    columns = [quoted(name, "duckdb") for name in types]
    if not inexact or not _is_postgres(connection):
        return f"SELECT {', '.join(columns)} FROM {relation} WHERE {within}"
    texts = [
        f"CAST({quoted(name, 'postgres')} AS text) AS {quoted(name, 'postgres')}"
        if name in inexact
        else quoted(name, "postgres")
        for name in types
    ]
    there = f"SELECT {', '.join(texts)} FROM {quoted(schema, 'postgres')}.{quoted(table, 'postgres')}"
    exact = [
        f"CAST({quoted(name, 'duckdb')} AS {_widest(kind)}) AS {quoted(name, 'duckdb')}"
        if name in inexact
        else quoted(name, "duckdb")
        for name, kind in types.items()
    ]
    query = text_literal(f"{there} WHERE {within}")
    return f"SELECT {', '.join(exact)} FROM postgres_query('warehouse', {query})"


def _widest(kind: str) -> str:
    return "HUGEINT" if kind in ("int", "long") else sql_type(kind, "duckdb")


def _is_postgres(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute("SELECT type FROM duckdb_databases() WHERE database_name = 'warehouse'")
    return found.fetchone() == ("postgres",)
