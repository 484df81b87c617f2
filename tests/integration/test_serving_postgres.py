"""The routed views on Postgres: they behave as every serving side, and nobody reads nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from slipway.adapters.contracts import load_migration
from slipway.adapters.serving.postgres import PostgresServing
from slipway.domain.contract import Migration
from slipway.errors import Permanent, Retryable
from slipway.ports import RouteChange, Source
from tests.contract.serving_behaviour import KPI, ME, E, ServingBehaviour, row
from tests.contract.serving_grains_behaviour import UNITS, ServingGrainsBehaviour
from tests.fakes.control import CONTRACT
from tests.integration.scratch import database
from tests.stack import Stack


class RealTables:
    def __init__(self, server: Mapping[str, str]) -> None:
        self.server = server

    def fill(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        name = (
            sql.Identifier("batch", KPI)
            if table == "batch"
            else sql.Identifier("stream", f"{KPI}__r{table[-1]}")
        )
        with psycopg.connect(**self.server) as connection:  # type: ignore[arg-type]
            for each in rows:
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        name,
                        sql.SQL(", ").join(map(sql.Identifier, each)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(each)),
                    ),
                    list(each.values()),
                )

    def read(self) -> list[tuple[date, str | None, int, str]]:
        with psycopg.connect(**self.server) as connection:  # type: ignore[arg-type]
            return connection.execute(
                "SELECT flight_date, origin, seats, served_from FROM serving.flights_daily"
            ).fetchall()


@pytest.fixture
def migration() -> Migration:
    return load_migration(CONTRACT)


@pytest.fixture
def server(stack: Stack) -> Iterator[Mapping[str, str]]:
    with database(stack, "slipway_warehouse") as found:
        yield found


@pytest.fixture
def serving(server: Mapping[str, str]) -> PostgresServing:
    kept = PostgresServing(server)
    kept.install()
    kept.install()
    return kept


@pytest.fixture
def tables(server: Mapping[str, str]) -> RealTables:
    return RealTables(server)


@pytest.fixture
def reader(stack: Stack, server: Mapping[str, str]) -> Mapping[str, str]:
    return {**server, "user": "reader", "password": stack.settings.secrets["reader"]}


def moved(serving: PostgresServing, source: Source) -> RouteChange:
    canary = {"origin": ["LGA"]} if source is Source.CANARY else {}
    return RouteChange(serving.routes([KPI])[0], source, None if source is Source.BATCH else 1, canary)


class TestPostgresServing(ServingBehaviour):
    pass


class RealGrainTables:
    def __init__(self, server: Mapping[str, str]) -> None:
        self.server = server

    def fill(self, kpi: str, side: str, rows: Sequence[Mapping[str, Any]]) -> None:
        table = sql.Identifier("batch", kpi) if side == "batch" else sql.Identifier("stream", f"{kpi}__r1")
        with psycopg.connect(**self.server) as connection:  # type: ignore[arg-type]
            keyed = connection.execute(
                "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'grain_key'",
                [table.as_string(connection)],
            ).fetchone()
            for each in rows:
                # Stream tables whose key may hold NULL carry it as one text, for the job alone.
                values = {**each, "grain_key": str([*each.values()])} if keyed else each
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        table,
                        sql.SQL(", ").join(map(sql.Identifier, values)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
                    ),
                    list(values.values()),
                )

    def read(self, kpi: str) -> list[tuple[Any, str | None, int, str]]:
        with psycopg.connect(**self.server) as connection:  # type: ignore[arg-type]
            query = sql.SQL("SELECT day, zone, trips, served_from FROM serving.{}").format(
                sql.Identifier(kpi)
            )
            return connection.execute(query).fetchall()


class TestPostgresServingGrains(ServingGrainsBehaviour):
    @pytest.fixture
    def tables(self, server: Mapping[str, str]) -> RealGrainTables:  # type: ignore[override]
        return RealGrainTables(server)

    @pytest.mark.parametrize("kpi", UNITS)
    def test_the_bound_of_the_stream_can_use_an_index(
        self, moved: PostgresServing, server: Mapping[str, str], kpi: str
    ) -> None:
        with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
            connection.execute("SET enable_seqscan = off")
            connection.execute(
                sql.SQL("CREATE INDEX ON stream.{} (day)").format(sql.Identifier(f"{kpi}__r1"))
            )
            query = sql.SQL("EXPLAIN SELECT * FROM serving.{}").format(sql.Identifier(kpi))
            plan = [line.strip() for (line,) in connection.execute(query)]
        bounds = [line for line in plan if line.startswith("Index Cond: (day >= ")]
        assert len(bounds) == 2, plan  # the canary's branch and the switch's


@pytest.mark.parametrize("table", ["switch_log", "route"])
@pytest.mark.parametrize("statement", ["DELETE FROM serving.{}", "TRUNCATE serving.{} CASCADE"])
def test_routes_and_their_journal_cannot_be_removed(
    serving: PostgresServing, server: Mapping[str, str], migration: Migration, table: str, statement: str
) -> None:
    serving.publish(migration, [1])
    serving.change("flights", [moved(serving, Source.BATCH)], "rollback", None, ME, "why")
    with (
        psycopg.connect(**server) as connection,  # type: ignore[arg-type]
        pytest.raises(errors.RestrictViolation, match="refuses"),
    ):
        connection.execute(sql.SQL(statement).format(sql.Identifier(table)))


def test_a_journal_row_cannot_be_changed(
    serving: PostgresServing, server: Mapping[str, str], migration: Migration
) -> None:
    serving.publish(migration, [1])
    serving.change("flights", [moved(serving, Source.BATCH)], "rollback", None, ME, "why")
    with (
        psycopg.connect(**server) as connection,  # type: ignore[arg-type]
        pytest.raises(errors.RestrictViolation, match="refuses UPDATE"),
    ):
        connection.execute("UPDATE serving.switch_log SET by = 'nobody'")


def test_a_switch_without_evidence_is_refused_by_the_warehouse_itself(
    serving: PostgresServing, migration: Migration
) -> None:
    serving.publish(migration, [1])
    with pytest.raises(psycopg.errors.CheckViolation):
        serving.change("flights", [moved(serving, Source.STREAM)], "switch", None, ME, "why")
    assert serving.routes([KPI])[0].source is Source.BATCH


def test_the_side_that_is_not_served_is_never_executed(
    serving: PostgresServing, server: Mapping[str, str], migration: Migration
) -> None:
    serving.publish(migration, [1])
    serving.change("flights", [moved(serving, Source.STREAM)], "switch", E, ME, "why")
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        query = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM serving.flights_daily"
        plan = [line for (line,) in connection.execute(query)]
    scans = [line for line in plan if " on flights_daily" in line]
    ran = [line for line in scans if "never executed" not in line]
    assert len(scans) >= 5
    assert len(ran) == 2  # the stream, and batch for the days before it
    assert not any("SubPlan" in line for line in plan)  # a look-up for every row would be 20 times slower


def test_no_read_fails_while_readers_are_moved_to_and_fro(
    serving: PostgresServing, tables: RealTables, reader: Mapping[str, str], migration: Migration
) -> None:
    serving.publish(migration, [1])
    tables.fill("batch", [row(26, origin, 1) for origin in ("LGA", "EWR", None)])
    tables.fill("stream_1", [row(26, origin, 2) for origin in ("LGA", "EWR", None)])
    seen: set[tuple[tuple[int, str], ...]] = set()
    failures: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        with psycopg.connect(**reader, autocommit=True) as connection:  # type: ignore[arg-type]
            while not stop.is_set():
                try:
                    rows = connection.execute(
                        "SELECT seats, served_from FROM serving.flights_daily"
                    ).fetchall()
                except psycopg.Error as error:
                    failures.append(error)
                else:
                    seen.add(tuple(sorted(rows)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for each in readers:
        each.start()
    for _ in range(20):
        serving.change("flights", [moved(serving, Source.CANARY)], "canary", E, ME, "why")
        serving.change("flights", [moved(serving, Source.STREAM)], "switch", E, ME, "why")
        serving.change("flights", [moved(serving, Source.BATCH)], "rollback", None, ME, "why")
    serving.publish(migration, [2])
    stop.set()
    for each in readers:
        each.join()

    b, s = (1, "batch"), (2, "stream")
    assert failures == []
    assert seen <= {(b, b, b), (b, b, s), (s, s, s)}


def test_a_reader_sees_views_only(
    serving: PostgresServing, reader: Mapping[str, str], migration: Migration
) -> None:
    serving.publish(migration, [1])
    with psycopg.connect(**reader, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("SELECT * FROM serving.flights_daily").fetchall()
        fresh = connection.execute("SELECT kpi, source, tier FROM serving.freshness").fetchall()
        assert fresh == [(KPI, "batch", "nightly")]
        for table in (
            "serving.route",
            "serving.switch_log",
            "batch.flights_daily",
            "stream.flights_daily__r1",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT * FROM {}").format(sql.SQL(table)))  # type: ignore[arg-type]


def test_the_view_has_the_columns_of_the_batch_table_and_where_a_row_came_from(
    serving: PostgresServing, server: Mapping[str, str], migration: Migration
) -> None:
    serving.publish(migration, [1])
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s "
    query += "AND table_name = 'flights_daily' ORDER BY ordinal_position"
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        view, batch = (connection.execute(query, [schema]).fetchall() for schema in ("serving", "batch"))
    assert view == [*batch, ("served_from", "text")]


def test_a_batch_table_of_another_shape_is_named_column_by_column(
    serving: PostgresServing, server: Mapping[str, str], migration: Migration
) -> None:
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        connection.execute("CREATE TABLE batch.flights_daily (flight_date text)")
    with pytest.raises(
        Permanent, match=r"batch.flights_daily.flight_date is text, but the contract makes it date"
    ):
        serving.publish(migration, [])


def test_epochs_order_all_changes_of_a_migration(serving: PostgresServing, migration: Migration) -> None:
    serving.publish(migration, [1])
    epochs = [
        serving.change("flights", [moved(serving, Source.BATCH)], "rollback", None, ME, "why")[0].epoch
        for _ in range(3)
    ]
    assert epochs == [2, 3, 4]


def test_a_warehouse_that_is_down_is_worth_another_try_and_tells_no_password(
    server: Mapping[str, str],
) -> None:
    with pytest.raises(Retryable, match="slipway_warehouse") as raised:
        PostgresServing({**server, "port": "1"}).routes([KPI])
    assert server["password"] not in str(raised.value)


def test_a_missing_reader_is_named(server: Mapping[str, str]) -> None:
    with pytest.raises(Permanent, match="no role nobody_reads"):
        PostgresServing(server, reader="nobody_reads").install()
