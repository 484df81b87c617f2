"""A night on real parts: Kafka's offsets, Iceberg's snapshots, Postgres, the ledger, the checks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql
from sqlalchemy import URL

from slipway.adapters.amendments import PostgresAmendments
from slipway.adapters.clock import SystemClock
from slipway.adapters.comparison import DuckDBClosedRows, DuckDBComparison, PostgresWarehouse
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.expectations import GreatExpectations
from slipway.adapters.kafka import KafkaTopics
from slipway.adapters.lake.catalog import IcebergLake
from slipway.adapters.report import HtmlReports
from slipway.adapters.warehouse_facts import WarehouseFacts
from slipway.adapters.warehouse_roles import WarehouseWriters
from slipway.app.reconcile import reconcile
from slipway.app.tables import bronze_table, revision_tables
from slipway.app.verify import verify
from slipway.domain.contract import Migration
from slipway.domain.evidence import Verdict
from slipway.domain.rendering import sql_type
from slipway.ledger.store import PostgresLedger
from slipway.ports import LakeTable, Reconciliation, World
from tests.fakes.lake import arrow_schema
from tests.fakes.night import ANA
from tests.fakes.two_sides import FIRST, TEMPLATES, Trip, TwoSides
from tests.fakes.two_sides import migration as trips
from tests.integration.scratch import database
from tests.stack import Stack

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0, zone: str | None = "N") -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "AB"[n % 2], started, zone, 100 * n, n / 4, 2**n)


class OneTopic:
    """The real cluster, on which the contract's topic has another name."""

    def __init__(self, cluster: KafkaTopics, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._cluster, name)
        return lambda _, *given: method(self._topic, *given)


class Night:
    """One migration on databases and a topic of its own; only engine and routes are stand-ins."""

    def __init__(
        self,
        stack: Stack,
        server: Mapping[str, str],
        ledger: Mapping[str, str],
        folder: Path,
        migration: Migration | None = None,
        days: int = 3,
    ) -> None:
        self.server = server
        self.sides = TwoSides(folder / "sides", migration or trips(), days=days)
        self.migration = self.sides.migration
        catalog = URL.create(
            "postgresql+psycopg",
            server["user"],
            server["password"],
            server["host"],
            int(server["port"]),
            server["dbname"],
        )
        self.lake = IcebergLake(catalog, f"file://{folder}/lake")
        self.tables = (bronze_table(self.migration), *revision_tables(self.migration, 1))
        for table in self.tables:
            self.lake.ensure(table)
        kafka = stack.conn("kafka")["extra"]["bootstrap.servers"]
        self.topic = f"raw-{server['dbname'].replace('_', '-')}"
        self.kafka = {"bootstrap.servers": kafka}
        self.admin = AdminClient(self.kafka)
        self.admin.create_topics([NewTopic(self.topic, 1, 1)])[self.topic].result(30)
        self.ledger = PostgresLedger(ledger)
        self.ledger.upgrade()
        self.ledger.adopt("trips", self.migration.contract_digest, self.migration.parity_digest, ANA)
        self.ledger.remember_revision("trips", 1, self.migration.parity_digest, ANA)
        self.ledger.make_current("trips", 1)
        self.store = EvidenceFiles(folder / "store")
        warehouse = PostgresWarehouse(
            server["host"], int(server["port"]), server["dbname"], server["user"], server["password"]
        )
        quiet = SimpleNamespace(checkpoint=lambda job: None, routes=lambda kpis: ())
        self.world = cast(
            World,
            SimpleNamespace(
                clock=SystemClock(),
                ledger=self.ledger,
                topics=OneTopic(KafkaTopics(self.kafka), self.topic),
                engine=quiet,
                serving=quiet,
                lake=self.lake,
                facts=WarehouseFacts(server),
                evidence=self.store,
                comparison=DuckDBComparison(warehouse, TEMPLATES, folder / "work"),
                closed_rows=DuckDBClosedRows(warehouse, TEMPLATES, folder / "work"),
                expectations=GreatExpectations(folder / "docs"),
                reports=HtmlReports(folder / "reports"),
            ),
        )
        self.as_of = self.migration.closes_at(FIRST + timedelta(days=days - 1))
        writers = WarehouseWriters(server, "unused")
        self.run("CREATE SCHEMA batch; CREATE SCHEMA stream; CREATE SCHEMA ops; CREATE SCHEMA side")
        PostgresAmendments(server, writers).install()

    def run(self, text: str) -> None:
        with psycopg.connect(**cast(Any, self.server)) as connection:
            connection.execute(text.encode())

    def publish(self) -> None:
        """Put what TwoSides holds into the topic, the lake and the warehouse."""
        producer = Producer(self.kafka)
        for row in self.sides.bronze:
            producer.produce(self.topic, json.dumps(row["event_id"]).encode(), partition=0)
        producer.flush(30)
        self.fill()

    def fill(self) -> None:
        """Put what TwoSides holds into the lake and the warehouse."""
        bronze, silver, late, rejected = self.tables
        day = {"arrived_on": FIRST}
        self._append(bronze, [row | day for row in self.sides.bronze])
        self._append(silver, [self.sides._event(*row) for row in self.sides.silver])
        self._append(late, [self.sides._event(*row) for row in self.sides.late])
        self._append(rejected, [row | day for row in self.sides.rejected])
        self._events("batch.trip_events", self.sides.batch)
        self._events("ops.streamed", list(self._counted()))
        for name, kpi in self.migration.kpis.items():
            self.run(f"CREATE TABLE batch.{name} AS {kpi.fold('postgres', 'batch.trip_events')}")
            self.run(f"CREATE TABLE stream.{name}__r1 AS {kpi.fold('postgres', 'ops.streamed')}")
        self.run(
            "CREATE TABLE batch.slipway_run (id bigint GENERATED ALWAYS AS IDENTITY, migration text,"
            " run_id text, as_of timestamptz, loaded_through timestamptz, ok boolean);"
            "INSERT INTO batch.slipway_run (migration, run_id, as_of, loaded_through, ok)"
            f" VALUES ('trips', 'dbt-1', '{self.as_of}', '{self.as_of}', true)"
        )

    def amend(self) -> None:
        """Let the late rows count, as an amendment leaves the warehouse."""
        self.run(
            "INSERT INTO stream.amendment (migration, amendment_id, revision, days, late_snapshot, rows,"
            " actor, reason, dag_run, at)"
            f" VALUES ('trips', 1, 1, ARRAY['{FIRST}'::date], 1, 1, 'ana', 'spike', '', now());"
            "DELETE FROM stream.trips_daily__r1;"
            "INSERT INTO stream.trips_daily__r1 SELECT * FROM batch.trips_daily"
        )
        for row, offset in self.sides.late:
            self.run(
                "INSERT INTO stream.amended_event (migration, revision, amendment_id, event_id,"
                " business_day, kafka_partition, kafka_offset)"
                f" VALUES ('trips', 1, 1, '{row.trip_id}', '{FIRST}', 0, {offset})"
            )

    def reconciled(self) -> Reconciliation:
        return reconcile(self.migration, self.as_of, self.world, ANA, patience=timedelta(seconds=5))

    def _counted(self) -> Iterator[Trip]:
        """Yield what the job folds: every accepted event, or the newest version of each."""
        newest = {row.trip_id: row for row, _ in sorted(self.sides.silver, key=lambda one: one[0].version)}
        for row, _ in self.sides.silver:
            if not self.migration.contract.events.version or newest[row.trip_id] is row:
                yield row

    def _append(self, table: LakeTable, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            arrow = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(table))
            self.lake._catalog.load_table(table.full_name).append(arrow)

    def _events(self, table: str, rows: Sequence[Trip]) -> None:
        fields = {field.name: field.type for field in self.migration.event_fields} | {"cabs__weight": "long"}
        columns = ", ".join(f'"{name}" {sql_type(kind, "postgres")}' for name, kind in fields.items())
        with psycopg.connect(**cast(Any, self.server)) as connection:
            connection.execute(f"CREATE TABLE {table} ({columns})".encode())
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, fields)),
                sql.SQL(", ").join(map(sql.Placeholder, fields)),
            )
            connection.cursor().executemany(insert, [dataclasses.asdict(row) for row in rows])


@pytest.fixture
def night(stack: Stack, tmp_path: Path) -> Iterator[Night]:
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = Night(stack, server, ledger, tmp_path)
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


def test_a_late_event_fails_the_night_and_passes_it_once_amended(night: Night) -> None:
    for n in range(12):
        night.sides.batch.append(trip(n, n % 3, None if n % 4 == 0 else "N"))
        night.sides.accept(night.sides.batch[-1])
    night.sides.arrive("t3")
    night.sides.reject("nobody")
    night.sides.batch.append(trip(20))
    night.sides.come_late(trip(20))
    night.publish()

    failed = night.reconciled()
    night.amend()
    passed = night.reconciled()
    again = night.reconciled()

    document = night.store.get(failed.digest)
    balance = document["balance"]
    assert [balance[key] for key in ("produced", "bronze", "silver", "late", "rejected", "duplicates")] == [
        15,
        15,
        12,
        1,
        1,
        1,
    ]
    assert failed.verdict is Verdict.FAIL
    [touched] = document["kpis"]["trips_daily"]["events"]
    assert (touched["day"], touched["cause"], touched["events"]) == (FIRST.isoformat(), "late", 1)
    assert document["expectations"] and all(check["success"] for check in document["expectations"])
    assert (passed.verdict, passed.window_complete) == (Verdict.PASS, True)
    assert again.digest == passed.digest
    assert [found.digest for found in night.ledger.reconciliations("trips")] == [
        passed.digest,
        passed.digest,
        failed.digest,
    ]
    assert passed.digest in Path(passed.report).read_text("utf-8")

    night.run("TRUNCATE batch.trip_events; DROP TABLE batch.trips_daily")
    for digest in (failed.digest, passed.digest):
        verified = verify(night.migration, digest, night.world)
        assert verified.same, verified.differences
        assert verified.folded_again


def test_records_that_no_job_has_written_yet_make_the_night_inconclusive(night: Night) -> None:
    for n in range(6):
        night.sides.batch.append(trip(n, n % 3))
        night.sides.accept(night.sides.batch[-1])
    night.publish()
    producer = Producer(night.kafka)
    producer.produce(night.topic, b"one more", partition=0)
    producer.flush(30)

    found = night.reconciled()

    assert found.verdict is Verdict.INCONCLUSIVE
    assert night.store.get(found.digest)["cut"]["missing"] == "records: 1 of partition 0 are not in bronze"


def test_no_password_is_left_behind(night: Night, tmp_path: Path) -> None:
    night.sides.batch.append(trip(1))
    night.sides.accept(night.sides.batch[-1])
    night.publish()
    night.reconciled()

    secret = night.server["password"].encode()
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert holding == []
