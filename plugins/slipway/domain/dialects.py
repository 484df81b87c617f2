"""The three engines' names of types, and how identifiers and texts are quoted for them."""

from __future__ import annotations

from typing import Literal as OneOfThese

from slipway.domain.number_types import stored

Dialect = OneOfThese["flink", "duckdb", "postgres"]
DIALECTS: tuple[Dialect, ...] = ("flink", "duckdb", "postgres")

_TYPES: dict[Dialect, dict[str, str]] = {
    "flink": {
        "string": "STRING",
        "int": "INT",
        "long": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP_LTZ(6)",
        "date": "DATE",
    },
    "duckdb": {
        "string": "VARCHAR",
        "int": "INTEGER",
        "long": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMPTZ",
        "date": "DATE",
    },
    "postgres": {
        "string": "text",
        "int": "integer",
        "long": "bigint",
        "double": "double precision",
        "boolean": "boolean",
        "timestamp": "timestamptz",
        "date": "date",
    },
}


def sql_type(kind: str, dialect: Dialect) -> str:
    """Return an engine's name of a type; decimals are called the same everywhere."""
    kind = stored(kind)
    if kind.startswith("decimal"):
        return kind.replace("decimal", "numeric" if dialect == "postgres" else "DECIMAL")
    return _TYPES[dialect][kind]


def quoted(identifier: str, dialect: Dialect) -> str:
    """Return a quoted identifier."""
    mark = "`" if dialect == "flink" else '"'
    return f"{mark}{identifier.replace(mark, mark * 2)}{mark}"


def text_literal(value: str) -> str:
    """Return a quoted string constant; a NUL character can't stand in SQL and is refused."""
    if "\0" in value:
        raise ValueError("a string constant can't hold the NUL character")
    return "'" + value.replace("'", "''") + "'"
