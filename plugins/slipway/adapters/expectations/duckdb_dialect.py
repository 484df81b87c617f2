"""Lets Great Expectations ask DuckDB, through SQLAlchemy: what it looks at stays outside Python's memory.

Only what its metrics need: queries, and the columns of tables. Rows are fetched when a query is made, because
Great Expectations reads them after it has given the connection back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import duckdb
from sqlalchemy import types
from sqlalchemy.dialects import registry
from sqlalchemy.engine import default
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql import compiler

NAME = "duckdb"
_TYPES: dict[str, types.TypeEngine[Any]] = {
    "VARCHAR": types.String(),
    "INTEGER": types.Integer(),
    "BIGINT": types.BigInteger(),
    "HUGEINT": types.Numeric(38, 0),
    "DOUBLE": types.Float(),
    "BOOLEAN": types.Boolean(),
    "DATE": types.Date(),
    "TIMESTAMP WITH TIME ZONE": types.TIMESTAMP(timezone=True),
}


class _Cursor:
    """A cursor of the DB-API that has read all its rows."""

    arraysize = 1
    rowcount = -1
    lastrowid = None

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Sequence[Any] | None = None

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> None:
        made = self._connection.execute(statement, list(parameters or ()))
        self.description = made.description
        self._rows = made.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        count = size or self.arraysize
        taken, self._rows = self._rows[:count], self._rows[count:]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        self._rows = []


class _Connection:
    """A connection of the DB-API that only reads, so there is nothing to commit."""

    def __init__(self, path: str, memory: str) -> None:
        self._connection = duckdb.connect(path, config={"memory_limit": memory})
        self._connection.execute("SET TimeZone = 'UTC'")

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor())

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None:
        self._connection.close()


class _Dbapi:
    """The module that SQLAlchemy expects a driver to be."""

    apilevel, threadsafety, paramstyle = "2.0", 1, "qmark"
    Error = duckdb.Error
    connect = staticmethod(_Connection)


class _Compiler(compiler.SQLCompiler):
    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        """Write a regular expression as Great Expectations means it: found anywhere in the text."""
        if operator.opstring in ("~", "!~"):
            found = f"regexp_matches({element.left._compiler_dispatch(self, **kw)},"
            found += f" {element.right._compiler_dispatch(self, **kw)})"
            return found if operator.opstring == "~" else f"(NOT {found})"
        return str(super().visit_custom_op_binary(element, operator, **kw))  # type: ignore[no-untyped-call]


class DuckDBDialect(default.DefaultDialect):
    """SQLAlchemy's dialect for `duckdb+slipway:///<file>?memory=1GB`."""

    name = NAME
    driver = "slipway"
    default_paramstyle = "qmark"
    supports_native_boolean = True
    supports_statement_cache = True
    statement_compiler = _Compiler

    @classmethod
    def import_dbapi(cls) -> Any:
        return _Dbapi

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        return QueuePool

    def create_connect_args(self, url: Any) -> Any:
        return [url.database, url.query.get("memory", "1GB")], {}

    def initialize(self, connection: Any) -> None:
        """Ask nothing of the server: there is none."""

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        rows = self._described(connection, table_name)
        return [{"name": name, "type": _type(kind), "nullable": True, "default": None} for name, kind in rows]

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        return bool(self._described(connection, table_name))

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        return {"constrained_columns": [], "name": None}

    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        return ["main"]

    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return []

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        rows = connection.exec_driver_sql("SELECT table_name FROM information_schema.tables")
        return sorted(name for (name,) in rows.fetchall())

    def _described(self, connection: Any, table_name: str) -> list[tuple[str, str]]:
        query = (
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?"
            " ORDER BY ordinal_position"
        )
        return list(connection.exec_driver_sql(query, (table_name,)).fetchall())


def _type(kind: str) -> types.TypeEngine[Any]:
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return types.Numeric(int(found[1]), int(found[2]))
    return _TYPES.get(kind, types.String())


def register() -> None:
    """Let SQLAlchemy find the dialect by its URL."""
    registry.register(f"{NAME}.slipway", __name__, DuckDBDialect.__name__)
