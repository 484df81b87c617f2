"""How DuckDB reads the warehouse: attached read-only, without a password in any SQL text."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Protocol

import duckdb

from slipway.domain.rendering import text_literal
from slipway.errors import Permanent, Retryable

log = logging.getLogger(__name__)

_WRONG_QUESTION = (duckdb.CatalogException, duckdb.BinderException)
"""What DuckDB raises when a table or a column is not there: no connection was lost."""


class Warehouse(Protocol):
    """Makes the warehouse known to a DuckDB connection as the read-only catalog `warehouse`."""

    def attached(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]: ...


class PostgresWarehouse:
    """A Postgres database. The password lies in a password file while the connection lasts."""

    def __init__(self, host: str, port: int, database: str, user: str, password: str) -> None:
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self._password = password

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Attach the database; Retryable when it can't be reached, or goes away while it is attached."""
        load_extension(connection, "postgres_scanner")
        with tempfile.TemporaryDirectory() as folder:
            passfile = Path(folder) / "pgpass"
            descriptor = os.open(passfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                fields = (self.host, str(self.port), self.database, self.user, self._password)
                file.write(":".join(_escaped(field) for field in fields) + "\n")
            parameters = {
                "host": self.host,
                "port": str(self.port),
                "dbname": self.database,
                "user": self.user,
                "passfile": str(passfile),
                "application_name": "slipway reconcile",
            }
            try:
                connection.execute(
                    f"ATTACH {text_literal(_conninfo(parameters))} AS warehouse (TYPE postgres, READ_ONLY)"
                )
            except duckdb.Error as error:
                raise Retryable(
                    f"the warehouse at {self.host}:{self.port} can't be read as {self.user}: {error};"
                    " check that Postgres runs and what the connection slipway_warehouse says"
                ) from error
            try:
                yield
            except _WRONG_QUESTION:
                raise
            except duckdb.Error as error:
                # DuckDB has no error of its own for a lost connection: it comes as any of them.
                raise Retryable(
                    f"DuckDB failed while it worked on the warehouse at {self.host}:{self.port}: {error};"
                    " check that Postgres runs, then try again"
                ) from error
            finally:
                _detach(connection)


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension straight from its Python package: nothing is fetched while a task runs."""
    try:
        package = resources.files(f"duckdb_extension_{name}")
        file = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        connection.execute(f"LOAD {text_literal(str(file))}")
    except (ModuleNotFoundError, duckdb.Error) as error:
        raise Permanent(
            f"DuckDB {duckdb.__version__} can't load its extension {name}: {error};"
            f" install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
        ) from error


def _detach(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("DETACH warehouse")
    except duckdb.Error as error:  # must not hide what went wrong before; the session's end lets go of it
        log.warning("the warehouse could not be detached: %s", error)


def _escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")


def _conninfo(parameters: Mapping[str, str]) -> str:
    def value(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return " ".join(f"{key}={value(text)}" for key, text in parameters.items())
