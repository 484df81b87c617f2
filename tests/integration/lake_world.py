"""Real parts for a migration of a test's own: the lake, the warehouse and the stream engine of the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import URL

from slipway.adapters.amendments import PostgresAmendments
from slipway.adapters.clock import SystemClock
from slipway.adapters.flink.render import Endpoints, FlinkScripts
from slipway.adapters.flink.rest import FlinkEngine
from slipway.adapters.lake.catalog import IcebergLake
from slipway.adapters.lake.late_rows import DuckDBLateRows
from slipway.adapters.serving.statements import stream_table
from slipway.adapters.warehouse_roles import WarehouseWriters
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.ports import World
from tests.fakes.amending import SmallLedger, event_tables
from tests.fakes.lake import arrow_schema
from tests.stack import Stack

HOUSE = ("batch", "stream", "side")


class RealParts:
    """Adapters on the running stack; only the ledger is a list."""

    def __init__(self, stack: Stack, migration: Migration) -> None:
        self.stack = stack
        self.migration = migration
        self.ledger = SmallLedger(migration.contract_digest)
        lake, warehouse, flink = stack.conn("lake"), stack.conn("warehouse"), stack.conn("flink")
        self.server = {
            "host": warehouse["host"],
            "port": str(warehouse["port"]),
            "user": warehouse["login"],
            "password": warehouse["password"],
            "dbname": warehouse["schema"],
        }
        catalog = URL.create(
            "postgresql+psycopg", lake["login"], lake["password"], lake["host"], lake["port"], lake["schema"]
        )
        self.lake = IcebergLake(catalog, lake["extra"]["warehouse"])
        self.writers = WarehouseWriters(self.server, flink["password"])
        self.amendments = PostgresAmendments(self.server, self.writers)
        installation = stack.settings.world.installation
        jdbc = f"jdbc:postgresql://{warehouse['host']}:{warehouse['port']}"
        self.endpoints = Endpoints(
            kafka=stack.conn("kafka")["extra"]["bootstrap.servers"],
            warehouse=f"{jdbc}/{warehouse['schema']}",
            catalog=f"{jdbc}/{lake['schema']}?user={lake['login']}",
            lake=lake["extra"]["warehouse"],
        )
        self.scripts = FlinkScripts(
            installation.repo / "flink_jobs" / "pipeline", self.endpoints, installation.decode_jar
        )
        [driver] = (installation.repo / ".local" / "jars" / "submit").glob("flink-sql-gateway-*.jar")
        self.engine = FlinkEngine(f"{flink['host']}:{flink['port']}", driver)
        self.silver = names.silver(migration.name, 1)
        self.late = names.late(migration.name, 1)
        self._start_over()

    @property
    def world(self) -> World:
        return cast(
            World,
            SimpleNamespace(
                clock=SystemClock(),
                ledger=self.ledger,
                lake=self.lake,
                engine=self.engine,
                scripts=self.scripts,
                writers=self.writers,
                amendments=self.amendments,
                late_rows=DuckDBLateRows(),
            ),
        )

    def append(self, table: str, rows: Sequence[Mapping[str, Any]], **summary: str) -> None:
        """Commit rows to an event table."""
        wanted = next(one for one in event_tables(self.migration) if one.full_name == table)
        arrow = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(wanted))
        self.lake._catalog.load_table(table).append(arrow, snapshot_properties=summary)

    def query(self, text: str, *values: Any, user: str = "slipway_warehouse") -> list[tuple[Any, ...]]:
        """Run one statement in the warehouse; {kpi} is the KPI's stream table."""
        [kpi] = self.migration.kpis
        statement = sql.SQL(text).format(kpi=sql.Identifier("stream", names.stream_table(kpi, 1)))
        secret = self.stack.conn("flink" if user.startswith("flink_") else "warehouse")["password"]
        parameters = self.server | {"user": user, "password": secret}
        with psycopg.connect(**parameters) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def _start_over(self) -> None:
        for table in event_tables(self.migration):
            self.lake.drop(table.full_name)
            self.lake.ensure(table)
        for schema in HOUSE:
            self.query(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.amendments.install()
        self.query("DELETE FROM stream.amended_event WHERE migration = %s", self.migration.name)
        self.query("DELETE FROM stream.amendment WHERE migration = %s", self.migration.name)
        self.query("DROP TABLE IF EXISTS {kpi}")
        [kpi] = self.migration.kpis.values()
        with psycopg.connect(**self.server) as connection:
            connection.execute(stream_table(kpi, 1))
