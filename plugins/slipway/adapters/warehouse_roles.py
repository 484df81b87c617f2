"""Roles under which jobs write into the warehouse: one an attempt, gone when its attempt is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from slipway.errors import Permanent, Retryable

SESSION_END_MILLIS = 5_000


class WarehouseWriters:
    """Makes and removes writer roles.

    server: libpq's parameters of a role that may create roles. password: of all writers, as Flink knows it;
    the server is only ever told its SCRAM verifier.
    """

    def __init__(self, server: Mapping[str, str], password: str) -> None:
        self._server = dict(server)
        self._password = password

    def open(self, role: str, writes: Sequence[str], reads: Sequence[str] = ()) -> None:
        """Let the role log in, change these tables and read those, and nothing else; again changes nothing.

        writes, reads: "schema.table". Permanent when one of them does not exist.
        """
        with self._connection() as connection, connection.transaction():
            verifier = connection.pgconn.encrypt_password(
                self._password.encode(), role.encode(), b"scram-sha-256"
            ).decode()
            name = sql.Identifier(role)
            verb = sql.SQL("ALTER" if _exists(connection, role) else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(verifier))
            )
            for table in (*writes, *reads):
                schema, relation = _split(table)
                rights = "SELECT, INSERT, UPDATE, DELETE" if table in writes else "SELECT"
                try:
                    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
                    connection.execute(
                        sql.SQL("GRANT {} ON {}.{} TO {}").format(sql.SQL(rights), schema, relation, name)
                    )
                except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
                    raise Permanent(
                        f"{role} is to use {table}, but the warehouse has no such relation; create it first "
                        "(a dimension belongs to the operational database, a stream table to provisioning)"
                    ) from error

    def close(self, role: str) -> None:
        """End what the role still does and remove it, so that a job left behind can write nothing more."""
        with self._connection() as connection:
            if not _exists(connection, role):
                return
            name = sql.Identifier(role)
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(name))
            # Who makes a role may manage it, but ends its sessions and drops its rights only as a member.
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE").format(name))
            connection.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s",
                (SESSION_END_MILLIS, role),
            )
            with connection.transaction():
                connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
                connection.execute(sql.SQL("DROP ROLE {}").format(name))

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(
                make_conninfo("", **self._server), autocommit=True, connect_timeout=10
            ) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Retryable(f"the warehouse does not answer: {error}; is Postgres up?") from error
        except psycopg.errors.InternalError_ as error:
            # Postgres has no code of its own for two who change the same role or rights at once.
            if "tuple concurrently" not in str(error):
                raise
            raise Retryable(f"somebody else changes rights in the warehouse: {error}; try again") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise Permanent(
                f"{self._server.get('user')} may not manage writer roles ({error}); it needs CREATEROLE, "
                "and must own the tables that writers use"
            ) from error


def _exists(connection: psycopg.Connection[Any], role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def _split(table: str) -> tuple[sql.Identifier, sql.Identifier]:
    schema, _, relation = table.partition(".")
    return sql.Identifier(schema), sql.Identifier(relation)
