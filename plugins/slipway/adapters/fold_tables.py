"""The warehouse's part of a fold by the stream engine: tables that it fills, and the role that may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from psycopg import sql

from slipway.adapters.warehouse_transactions import Connection, transaction
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.ports import Question, Writers

_SQL = Path(__file__).parents[3] / "include" / "sql" / "fold"


class FoldTables:
    """Tables of schema `side`; a comment on each says whose they are, so that a crashed run's are found.

    server: libpq parameters of the warehouse's owner. writers: who makes the roles of bounded jobs.
    """

    def __init__(self, server: Mapping[str, str], writers: Writers) -> None:
        self._server = dict(server)
        self._writers = writers

    def jobs(self, migration: str) -> Sequence[str]:
        """Return the ids of jobs whose tables are there: of a run that has not come to its end."""
        with self._transaction() as connection:
            return sorted({comment.rpartition(" ")[2] for _, comment in _found(connection, migration)})

    def prepare(self, migration: Migration, question: Question, job_id: str) -> str:
        """Make empty tables for a job, and return the role that alone may write them."""
        places = sql.Identifier("side", names.fold_events(migration.name))
        comment = sql.Literal(f"{_whose(migration.name)}{job_id}")
        with self._transaction() as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS side")
            for kpi in migration.kpis:
                connection.execute(
                    _template("table").format(
                        side=sql.Identifier("side", names.fold_table(kpi)),
                        stream=sql.Identifier("stream", names.stream_table(kpi, question.revision)),
                        events=sql.Identifier(names.FOLDED_EVENTS),
                        offsets=sql.Identifier(names.FOLDED_OFFSETS),
                        comment=comment,
                    )
                )
            connection.execute(
                sql.SQL(
                    "CREATE UNLOGGED TABLE {} (kafka_partition integer, kafka_offset bigint,"
                    " replaces boolean, week boolean, month boolean)"
                ).format(places)
            )
            connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(places, comment))
            if question.amendments:
                connection.execute(
                    _template("places").format(places=places),
                    {
                        "migration": migration.name,
                        "revision": question.revision,
                        "amendments": list(question.amendments),
                    },
                )
        role = names.fold_writer(migration.name, job_id)
        writes = [f"side.{names.fold_table(kpi)}" for kpi in migration.kpis]
        self._writers.open(role, writes, [f"side.{names.fold_events(migration.name)}"])
        return role

    def clean(self, migration: str) -> None:
        """End the writers of a migration's folds, so that none can write again; drop all of its tables."""
        with self._transaction() as connection:
            roles = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname ~ %s",
                [f"^{names.fold_writer(migration, '')}[0-9a-f]{{6}}$"],
            ).fetchall()
        for (role,) in roles:
            self._writers.close(role)
        with self._transaction() as connection:
            for table, _ in _found(connection, migration):
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("side", table)))

    def _transaction(self) -> AbstractContextManager[Connection]:
        return transaction(self._server, "slipway fold")


def _found(connection: Connection, migration: str) -> Sequence[tuple[str, str]]:
    rows = connection.execute(
        "SELECT c.relname, obj_description(c.oid, 'pg_class')"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'side' AND c.relkind = 'r'"
        " AND starts_with(obj_description(c.oid, 'pg_class'), %s) ORDER BY c.relname",
        [_whose(migration)],
    ).fetchall()
    return [(str(table), str(comment)) for table, comment in rows]


def _whose(migration: str) -> str:
    return f"Slipway: fold of {migration} by job "


def _template(name: str) -> sql.SQL:
    return sql.SQL((_SQL / f"{name}.sql").read_text(encoding="utf-8"))
