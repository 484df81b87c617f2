"""What readers see, on Postgres: implements ports.Serving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from slipway.adapters.serving import statements
from slipway.adapters.serving.published import published, wrong_columns
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.measures import CompiledKpi
from slipway.errors import Permanent, Retryable, why
from slipway.ports import (
    Actor,
    EpochMoved,
    Published,
    ReaderChange,
    Route,
    RouteChange,
    Served,
    Source,
    SwitchRow,
)

_INSTALL_LOCK = 0x51_1B_5E
_WAIT = "5s"
"""How long a statement waits for a lock: readers queue behind a waiting change of a view."""

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


class PostgresServing:
    """Schemas batch, stream, side and serving of the warehouse.

    server: libpq parameters (host, port, user, password, dbname); reader: role that may read the views.
    """

    def __init__(self, server: Mapping[str, str], reader: str = "reader") -> None:
        self._server = dict(server)
        self._reader = reader

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction; lost connections and locks that others hold are Retryable."""
        try:
            with psycopg.connect(
                **self._server,  # type: ignore[arg-type]
                connect_timeout=5,
                application_name="slipway serving",
                options=f"-c lock_timeout={_WAIT}",
                row_factory=dict_row,
            ) as connection:
                yield connection
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
            raise Retryable(f"somebody else holds a lock in the warehouse: {error}; try again") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            where = f"{self._server.get('host')}:{self._server.get('port')}"
            raise Retryable(
                f"the warehouse at {where} can't be reached: {why(error)}; "
                "check the connection slipway_warehouse and its Postgres"
            ) from error
        except errors.UndefinedTable as error:
            raise Permanent(
                f"the warehouse lacks a table: {error.diag.message_primary}; trigger the provision DAG"
            ) from error

    def install(self) -> None:
        """Create schemas, route and switch_log when absent, and let the reader in."""
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
            connection.execute(statements.script("schema"))
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [self._reader]).fetchone():
                raise Permanent(
                    f"the warehouse has no role {self._reader} to read the views; create it: "
                    f"CREATE ROLE {self._reader} LOGIN PASSWORD ..."
                )
            connection.execute(
                sql.SQL("GRANT USAGE ON SCHEMA serving TO {}").format(sql.Identifier(self._reader))
            )

    def publish(self, migration: Migration, revisions: Sequence[int]) -> None:
        """(Re)create serving.<kpi> and its route; branches that it has already are kept."""
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
            for kpi in migration.kpis.values():
                branches = _branches(connection, kpi.name, revisions)
                connection.execute(statements.batch_table(kpi))
                _check_columns(connection, "batch", kpi.name, kpi)
                for revision in branches:
                    connection.execute(statements.stream_table(kpi, revision))
                    _check_columns(connection, "stream", names.stream_table(kpi.name, revision), kpi)
                _route(connection, migration, kpi, branches)
                self._view(connection, "serving", kpi.name, statements.view_query(kpi, branches))
            known = connection.execute("SELECT kpi, branches FROM serving.route ORDER BY kpi").fetchall()
            freshness = [statements.freshness_query(row["kpi"], row["branches"]) for row in known]
            self._view(connection, "serving", "freshness", sql.SQL("\nUNION ALL\n").join(freshness))

    def _view(self, connection: Connection, schema: str, name: str, query: sql.Composed) -> None:
        view = sql.Identifier(schema, name)
        try:
            with connection.transaction():
                connection.execute(sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(view, query))
        except errors.InvalidTableDefinition:
            # Its columns changed: Postgres replaces a view only by one that has the same ones first.
            connection.execute(sql.SQL("DROP VIEW {}").format(view))
            connection.execute(sql.SQL("CREATE VIEW {} AS {}").format(view, query))
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, sql.Identifier(self._reader)))

    def published(self, migration: Migration) -> Sequence[Published]:
        """Look at the view, the route and the tables of every KPI; nothing is changed."""
        with self._transaction() as connection:
            return [published(connection, kpi) for kpi in migration.kpis.values()]

    def routes(self, kpis: Sequence[str]) -> Sequence[Route]:
        """Return the routes of the KPIs that have one, by name."""
        with self._transaction() as connection:
            return _routes(connection, kpis)

    def change(
        self,
        migration: str,
        changes: Sequence[RouteChange],
        action: str,
        evidence: Digest | None,
        by: Actor,
        reason: str,
    ) -> Sequence[SwitchRow]:
        """Change all routes and write their journal rows in one transaction; EpochMoved when one has moved.

        The new epoch is above that of every route of the migration, so that epochs order all of its changes.
        """
        with self._transaction() as connection:
            locked = connection.execute(
                "SELECT kpi, epoch, branches FROM serving.route WHERE migration = %s ORDER BY kpi FOR UPDATE",
                [migration],
            ).fetchall()
            now = {row["kpi"]: row for row in locked}
            for change in changes:
                _refuse_stale(change, now, migration)
            epoch = max((row["epoch"] for row in locked), default=0) + 1
            return [
                _apply(connection, migration, change, epoch, action, evidence, by, reason)
                for change in changes
            ]

    def journal(self, migration: str, after_id: int = 0) -> Sequence[SwitchRow]:
        """Return rows of serving.switch_log, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM serving.switch_log WHERE migration = %s AND id > %s ORDER BY id",
                [migration, after_id],
            ).fetchall()
            return [_switch(row) for row in rows]

    def batch_through(self, migration: Migration) -> Mapping[str, date | None]:
        """Return the last business day of each batch table's newest row; None when it is empty."""
        found: dict[str, date | None] = {}
        with self._transaction() as connection:
            for kpi in migration.kpis.values():
                row = connection.execute(statements.newest_query(kpi)).fetchone()
                found[kpi.name] = row["day"] if row else None
        return found

    def reader_changes(self, migration: Migration, revision: int) -> Sequence[ReaderChange]:
        """Compare both sides of every KPI from its from_period on, as readers would see them."""
        found = []
        with (
            self._transaction() as connection,
            connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor,
        ):
            for kpi in migration.kpis.values():
                row = cursor.execute(statements.reader_changes_query(kpi, revision)).fetchone() or ()
                figures = row[4:]
                measures = {
                    measure.name: (figures[2 * place], figures[2 * place + 1] or "0")
                    for place, measure in enumerate(kpi.measures)
                    if figures[2 * place]
                }
                found.append(ReaderChange(kpi.name, row[0], row[1], row[2], row[3], measures))
        return found

    def served(self, migration: Migration) -> Sequence[Served]:
        """Read every KPI's view as a reader does and hold it against its route, in one snapshot."""
        found = []
        with self._transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for route in _routes(connection, list(migration.kpis)):
                query = statements.served_query(migration.kpis[route.kpi], route)
                row = connection.execute(query).fetchone() or {}
                counts = {"batch": row["from_batch"], "stream": row["from_stream"]}
                found.append(Served(route.kpi, counts, row["strays"]))
        return found


def _routes(connection: Connection, kpis: Sequence[str]) -> list[Route]:
    rows = connection.execute(
        "SELECT kpi, source, revision, canary, from_period, epoch FROM serving.route "
        "WHERE kpi = ANY (%s) ORDER BY kpi",
        [list(kpis)],
    ).fetchall()
    return [Route(**{**row, "source": Source(row["source"])}) for row in rows]


def _branches(connection: Connection, kpi: str, revisions: Sequence[int]) -> list[int]:
    row = connection.execute("SELECT branches FROM serving.route WHERE kpi = %s FOR UPDATE", [kpi]).fetchone()
    return sorted({*revisions, *(row["branches"] if row else ())})


def _route(connection: Connection, migration: Migration, kpi: CompiledKpi, revisions: Sequence[int]) -> None:
    """Create the KPI's route, or refresh what the contract says of it; the source stays."""
    promise = migration.contract.kpis[kpi.name].serving
    row = connection.execute(
        "INSERT INTO serving.route (kpi, migration, from_period, branches, fresh_within, stale_after) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (kpi) DO UPDATE SET from_period = CASE "
        "WHEN route.source = 'batch' THEN excluded.from_period ELSE route.from_period END, "
        "branches = excluded.branches, fresh_within = excluded.fresh_within, "
        "stale_after = excluded.stale_after "
        "RETURNING migration",
        [
            kpi.name,
            migration.name,
            migration.contract.parity.from_day,
            list(revisions),
            promise.fresh_within,
            promise.stale_after,
        ],
    ).fetchone()
    if row and row["migration"] != migration.name:
        raise Permanent(
            f"the KPI {kpi.name} belongs to the migration {row['migration']}; "
            "names of KPIs are unique in a warehouse"
        )


def _check_columns(connection: Connection, schema: str, table: str, kpi: CompiledKpi) -> None:
    for told in wrong_columns(connection, schema, table, kpi):
        raise Permanent(
            f"{told}; change the dbt model (or drop the table while nothing reads it), then provision again"
        )


def _refuse_stale(change: RouteChange, now: Mapping[str, Row], migration: str) -> None:
    seen = change.seen
    row = now.get(seen.kpi)
    if row is None:
        raise Permanent(f"{seen.kpi} has no route in migration {migration}; trigger {migration}.provision")
    if row["epoch"] != seen.epoch:
        raise EpochMoved(
            f"the route of {seen.kpi} is at epoch {row['epoch']}, but epoch {seen.epoch} was seen: "
            "somebody else moved its readers meanwhile; nothing was changed, look again"
        )
    if change.source is not Source.BATCH and change.revision not in row["branches"]:
        raise Permanent(
            f"the view serving.{seen.kpi} has no branch for revision {change.revision}, only for "
            f"{row['branches']}; trigger {migration}.deploy"
        )


def _apply(
    connection: Connection,
    migration: str,
    change: RouteChange,
    epoch: int,
    action: str,
    evidence: Digest | None,
    by: Actor,
    reason: str,
) -> SwitchRow:
    seen = change.seen
    canary = {segment: list(values) for segment, values in change.canary.items()}
    connection.execute(
        "UPDATE serving.route SET source = %s, revision = %s, canary = %s, epoch = %s, "
        "changed_at = clock_timestamp() WHERE kpi = %s",
        [change.source, change.revision, Jsonb(canary), epoch, seen.kpi],
    )
    row = connection.execute(
        "INSERT INTO serving.switch_log "
        "(migration, kpi, epoch, action, before, after, evidence, by, reason, dag_run) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING *",
        [
            migration,
            seen.kpi,
            epoch,
            action,
            Jsonb(_told(seen.source, seen.revision, seen.canary)),
            Jsonb(_told(change.source, change.revision, canary)),
            evidence,
            by.name,
            reason,
            by.dag_run,
        ],
    ).fetchone()
    if row is None:
        raise Retryable("the warehouse gave no journal row back; nothing was changed")
    return _switch(row)


def _told(source: Source, revision: int | None, canary: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    return {
        "source": str(source),
        "revision": revision,
        "canary": {segment: list(values) for segment, values in canary.items()},
    }


def _switch(row: Row) -> SwitchRow:
    return SwitchRow(**{**row, "evidence": Digest(row["evidence"]) if row["evidence"] else None})
