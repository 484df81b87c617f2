"""Amendments in the warehouse: side tables, the swap of closed days, and the journal of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg import sql

from slipway.adapters.warehouse_transactions import Connection, transaction
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.faults import fail_at
from slipway.ports import AmendedEvent, Amendment, Writers

_SQL = Path(__file__).parents[3] / "include" / "sql" / "amend"
_INSTALL_LOCK = 0x51_A3_E4


class PostgresAmendments:
    """Implements ports.Amendments.

    server: libpq parameters of the warehouse's owner. writers: who makes the roles of bounded jobs.
    """

    def __init__(self, server: Mapping[str, str], writers: Writers) -> None:
        self._server = dict(server)
        self._writers = writers

    def install(self) -> None:
        """Create the journal when absent."""
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
            connection.execute(_template("journal"))

    def amended(self, migration: str, revision: int) -> Sequence[AmendedEvent]:
        """Return every late row that counts in a revision, in the order of its days."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT event_id, business_day, kafka_partition, kafka_offset, replaces, amendment_id"
                " FROM stream.amended_event"
                " WHERE migration = %s AND revision = %s"
                " ORDER BY business_day, kafka_partition, kafka_offset",
                [migration, revision],
            ).fetchall()
        return [
            replace(AmendedEvent(*place), replaces=replaces, amendment=decided)
            for *place, replaces, decided in rows
        ]

    def applied(self, migration: str, amendment_id: int) -> int | None:
        """Return how many rows an amendment let in; None while it is not applied."""
        with self._transaction() as connection:
            return _applied(connection, migration, amendment_id)

    def prepare(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], run: str
    ) -> str:
        """Make empty side tables, shaped as the stream's, and return the role that alone may write them."""
        self.clean(migration, amendment)
        places = names.side_events(migration.name, amendment.revision, amendment.id)
        tables = [(_stream(kpi, amendment), _side(kpi, amendment)) for kpi in migration.kpis]
        with self._transaction() as connection:
            for stream, side in tables:
                connection.execute(
                    sql.SQL("CREATE TABLE {side} (LIKE {stream} INCLUDING ALL)").format(
                        side=side, stream=stream
                    )
                )
            counted = sql.Identifier("side", places)
            connection.execute(
                sql.SQL(
                    "CREATE TABLE {} (kafka_partition integer, kafka_offset bigint, replaced_id text)"
                ).format(counted)
            )
            with (
                connection.cursor() as cursor,
                cursor.copy(sql.SQL("COPY {} FROM STDIN").format(counted)) as copy,
            ):
                for event in events:
                    replaced = event.event_id if event.replaces else None
                    copy.write_row((event.kafka_partition, event.kafka_offset, replaced))
        role = f"{_writer_prefix(migration, amendment)}{run[:6]}"
        self._writers.open(role, [_side_name(kpi, amendment) for kpi in migration.kpis], [f"side.{places}"])
        return role

    def side_rows(self, kpi: CompiledKpi, amendment: Amendment) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a side table that close on the amendment's days: key, then measures."""
        wanted = sql.SQL(", ").join(sql.Identifier(name) for name, _ in kpi.column_types())
        with self._transaction() as connection:
            return connection.execute(
                sql.SQL("SELECT {} FROM {} WHERE {}").format(
                    wanted, _side(kpi.name, amendment), _closes_on_one(kpi)
                ),
                [list(amendment.days)],
            ).fetchall()

    def swap(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], dag_run: str
    ) -> None:
        """Replace the days' KPI rows and write the journal, in one transaction; once for each amendment."""
        with self._transaction() as connection:
            if _applied(connection, migration.name, amendment.id) is not None:
                return
            for kpi in migration.kpis.values():
                _guard(connection, kpi, amendment)
                _replace_days(connection, kpi, amendment)
                fail_at("amend.in_swap")
            connection.execute(
                "INSERT INTO stream.amendment"
                " (migration, amendment_id, revision, days, late_snapshot, rows, actor, reason, dag_run)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    amendment.migration,
                    amendment.id,
                    amendment.revision,
                    list(amendment.days),
                    amendment.late_snapshot,
                    len(events),
                    amendment.by,
                    amendment.reason,
                    dag_run,
                ],
            )
            with (
                connection.cursor() as cursor,
                cursor.copy(
                    "COPY stream.amended_event (migration, revision, amendment_id, event_id, business_day,"
                    " kafka_partition, kafka_offset, replaces) FROM STDIN"
                ) as copy,
            ):
                for event in events:
                    copy.write_row(
                        (
                            amendment.migration,
                            amendment.revision,
                            amendment.id,
                            event.event_id,
                            event.business_day,
                            event.kafka_partition,
                            event.kafka_offset,
                            event.replaces,
                        )
                    )
            fail_at("amend.before_swap_commit")

    def clean(self, migration: Migration, amendment: Amendment) -> None:
        """End the writers of this amendment's jobs, so that none can write again; drop its side tables."""
        prefix = _writer_prefix(migration, amendment)
        with self._transaction() as connection:
            roles = connection.execute(
                "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix]
            ).fetchall()
        for (role,) in roles:
            self._writers.close(role)
        with self._transaction() as connection:
            for kpi in migration.kpis:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_side(kpi, amendment)))
            places = names.side_events(migration.name, amendment.revision, amendment.id)
            connection.execute(sql.SQL("DROP TABLE IF EXISTS side.{}").format(sql.Identifier(places)))

    def _transaction(self) -> AbstractContextManager[Connection]:
        return transaction(self._server, "slipway amend")


def _applied(connection: Connection, migration: str, amendment_id: int) -> int | None:
    row = connection.execute(
        "SELECT rows FROM stream.amendment WHERE migration = %s AND amendment_id = %s",
        [migration, amendment_id],
    ).fetchone()
    return int(row[0]) if row else None


def _guard(connection: Connection, kpi: CompiledKpi, amendment: Amendment) -> None:
    """Have writers other than ourselves pass over amended days, once a table was amended."""
    table = _stream(kpi.name, amendment)
    present = connection.execute(
        "SELECT FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = 'keep_amended_days'",
        [table.as_string(connection)],
    ).fetchone()
    if present is None:
        connection.execute(
            _template("guard").format(
                table=table,
                owner=sql.Literal(connection.info.user),
                migration=sql.Literal(amendment.migration),
                revision=sql.Literal(str(amendment.revision)),
                column=sql.Literal(kpi.time.name),
                unit=sql.Literal("instant" if kpi.time.type == "timestamp" else kpi.time.function),
                zone=sql.Literal(kpi.time.zone.key),
            )
        )


def _replace_days(connection: Connection, kpi: CompiledKpi, amendment: Amendment) -> None:
    stream, side, closing = _stream(kpi.name, amendment), _side(kpi.name, amendment), _closes_on_one(kpi)
    days = [list(amendment.days)]
    connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(stream, closing), days)
    connection.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {}").format(stream, side, closing), days
    )


def _closes_on_one(kpi: CompiledKpi) -> sql.Composed:
    """Return the condition that a row closes on one of the days, the only parameter."""
    return sql.SQL("{} = ANY (%s)").format(sql.SQL(kpi.time.closes_on("postgres")))


def _template(name: str) -> sql.SQL:
    return sql.SQL((_SQL / f"{name}.sql").read_text(encoding="utf-8"))


def _stream(kpi: str, amendment: Amendment) -> sql.Identifier:
    return sql.Identifier("stream", names.stream_table(kpi, amendment.revision))


def _side(kpi: str, amendment: Amendment) -> sql.Identifier:
    return sql.Identifier(*_side_name(kpi, amendment).split(".", 1))


def _side_name(kpi: str, amendment: Amendment) -> str:
    return f"side.{names.side_table(kpi, amendment.revision, amendment.id)}"


def _writer_prefix(migration: Migration, amendment: Amendment) -> str:
    return f"side_{migration.name}_r{amendment.revision}_a{amendment.id}_"
