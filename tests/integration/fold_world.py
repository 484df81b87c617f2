"""The feed of folds on the stack's real parts: lake, warehouse, topic, and whole nights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from psycopg import sql

from slipway import bootstrap
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.report import HtmlReports
from slipway.adapters.serving.statements import stream_table
from slipway.app.reconcile import reconcile
from slipway.app.tables import bronze_table, revision_tables
from slipway.app.verify import verify
from slipway.connections import endpoint
from slipway.domain import names
from slipway.domain.accounting import Compared
from slipway.domain.evidence import Digest
from slipway.domain.rendering import sql_type
from slipway.ledger.store import PostgresLedger
from slipway.ports import Actor, Checked, Expectations, LakeFiles, Question, Serving, World
from tests.fakes.lake import arrow_schema
from tests.integration.fold_feed import AMENDED_DAYS, CLOSED, FIRST, GRAINS, LAST, Feed, Trip, migration
from tests.stack import Stack

BY = Actor("test", authenticated=False, dag_run="test")
RUNS = Path(__file__).parents[2] / "include" / "sql" / "batch" / "slipway_run.sql"


class FoldWorld:
    """Both sides of a migration, written; adapters as in production."""

    def __init__(self, keep: str, folder: Path) -> None:
        self.keep = keep
        self.feed = Feed(keep)
        self.migration = migration(keep, "duckdb")
        self.world = bootstrap.world()
        self.store = EvidenceFiles(folder / "store")
        self._folder = folder
        self._server: Any = dict(bootstrap.libpq(endpoint("slipway_warehouse")))
        self._kafka: Any = dict(endpoint("slipway_kafka").extra)
        self._admin = AdminClient(self._kafka)
        self._tables = (*revision_tables(self.migration, 1), bronze_table(self.migration))

    @property
    def question(self) -> Question:
        """Return the question at the first snapshots, though later ones are there."""
        silver, late = names.silver(self.migration.name, 1), names.late(self.migration.name, 1)
        lake = self.world.lake
        return Question(
            revision=1,
            offsets=self.feed.ends,
            files=LakeFiles(
                bronze=(),
                silver=lake.data_files(silver, self._snapshots[silver]),
                silver_of_days=lake.data_files(silver, self._snapshots[silver]),
                late=lake.data_files(late, self._snapshots[late]),
                rejected=(),
            ),
            first=FIRST,
            closed_through=CLOSED,
            last=LAST,
            batch_through=datetime(2026, 3, 30, tzinfo=UTC),
            amendments=(1,),
            snapshots=self._snapshots,
        )

    def compare(self, engine: str) -> Compared:
        """Compare with the engine that a contract may name."""
        return self.world.comparison.compare(migration(self.keep, engine), self.question, self.store)

    def night(self, engine: str, server: Mapping[str, str]) -> tuple[Mapping[str, Any], Any]:
        """Reconcile, and return the evidence and what verifying it says; server: of a ledger of its own.

        Routes and data checks, which need no fold, are stand-ins.
        """
        one, ledger = migration(self.keep, engine), PostgresLedger(server)
        ledger.upgrade()
        if ledger.standing(one.name) is None:
            ledger.adopt(one.name, one.contract_digest, one.parity_digest, BY)
            ledger.remember_revision(one.name, 1, one.parity_digest, BY)
            ledger.make_current(one.name, 1)
        world: World = dataclasses.replace(
            self.world,
            ledger=ledger,
            serving=cast(Serving, SimpleNamespace(routes=lambda kpis: ())),
            evidence=self.store,
            expectations=cast(Expectations, SimpleNamespace(check=_nothing_checked)),
            reports=HtmlReports(self._folder / "reports"),
        )
        as_of = one.closes_at(CLOSED) + timedelta(hours=1)
        found = reconcile(one, as_of, world, BY, patience=timedelta(seconds=5))
        digest = Digest(found.digest)
        return self.store.get(digest), verify(one, digest, world)

    def begin(self) -> None:
        """Write both sides: the lake's tables, the warehouse's, and one serving row edited by hand."""
        self.end()
        silver, late, _, bronze = (table.full_name for table in self._tables)
        for table in self._tables:
            self.world.lake.ensure(table)
        self._append(silver, self.feed.silver)
        self._append(late, self.feed.late)
        self._append(bronze, [one for one in (*self.feed.silver, *self.feed.late) if self.feed.below(one)])
        found = {table: self.world.lake.snapshot(table) for table in (silver, late, bronze)}
        self._snapshots = {name: snapshot for name, snapshot in found.items() if snapshot is not None}
        for schema in ("batch", "stream"):
            self.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.world.amendments.install()
        self._batch()
        for unit, name in zip(GRAINS, self.migration.kpis, strict=True):
            self._serve(name, unit if unit == "weekly" else "daily")
        self._amend()
        self.run(f"UPDATE stream.fold{self.keep}_daily__r1 SET tolls = tolls + 1 WHERE day = '{CLOSED}'")

    def go_on(self) -> None:
        """Accept events after the cut: below its offsets, so that only its snapshot keeps them out."""
        later = [dataclasses.replace(self.feed.trip(n), place=(1, 9)) for n in range(650, 660)]
        self._append(names.silver(self.migration.name, 1), later)

    def publish(self) -> None:
        """Make the topic, with as many records as the cut has, and say that the baseline was built."""
        topic = self.migration.contract.events.topic
        self._admin.create_topics([NewTopic(topic, len(self.feed.ends), 1)])[topic].result(30)
        producer = Producer(self._kafka)
        for partition, end in self.feed.ends.items():
            for n in range(end):
                producer.produce(topic, str(n).encode(), partition=partition)
        assert producer.flush(30) == 0
        self.run(RUNS.read_text(encoding="utf-8"))
        at = self.migration.closes_at(LAST)
        self.run(
            "INSERT INTO batch.slipway_run (migration, as_of, loaded_through, started_at, started_by,"
            f" finished_at, ok) VALUES ('{self.migration.name}', '{at}', '{at}', now(), 'test', now(), true)"
        )

    def end(self) -> None:
        """Remove everything."""
        for table in self._tables:
            self.world.lake.drop(table.full_name)
        for name in self.migration.kpis:
            self.run(f"DROP TABLE IF EXISTS batch.{name}; DROP TABLE IF EXISTS stream.{name}__r1")
        self.run(f"DROP TABLE IF EXISTS batch.{self.migration.name}_events")
        self.world.amendments.install()
        self.run(RUNS.read_text(encoding="utf-8"))
        for journal in ("stream.amended_event", "stream.amendment", "batch.slipway_run"):
            self.run(f"DELETE FROM {journal} WHERE migration = '{self.migration.name}'")
        topic = self.migration.contract.events.topic
        if topic in self._admin.list_topics(timeout=30).topics:
            self._admin.delete_topics([topic])[topic].result(30)

    def run(self, text: str) -> list[tuple[Any, ...]]:
        """Run statements in the warehouse; return the rows of the last one."""
        with psycopg.connect(**self._server) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def left_behind(self) -> list[str]:
        """Return side tables and roles of this migration."""
        mine = self.migration.name
        found = self.run(
            f"SELECT tablename FROM pg_tables WHERE schemaname = 'side' AND starts_with(tablename, '{mine}')"
            f" UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'side_{mine}')"
        )
        return [str(name) for (name,) in found]

    def _append(self, table: str, rows: Iterable[Trip]) -> None:
        """Commit rows; of what is given of each, the table takes the columns that it has."""
        wanted = next(one for one in self._tables if one.full_name == table)
        placed = [
            {
                **trip.values(),
                "event_id": trip.trip_id,
                "event_version": trip.version,
                "arrived_on": self.feed.day_of(trip.started),
                "business_day": self.feed.day_of(trip.started),
                "kafka_partition": trip.place[0],
                "kafka_offset": trip.place[1],
                "arrived_at": datetime(2026, 3, 17, 20, tzinfo=UTC) + timedelta(seconds=trip.place[1]),
            }
            for trip in rows
        ]
        arrow = pa.Table.from_pylist(placed, schema=arrow_schema(wanted))
        self.world.lake._catalog.load_table(table).append(arrow)  # type: ignore[attr-defined]

    def _batch(self) -> None:
        """Build the batch side: without one event, with another fare, all late rows, and one of its own."""
        rows = list(self.feed.counted("daily"))
        seen = {trip.trip_id for trip in rows}
        rows += [trip for trip in self.feed.late if trip.trip_id not in seen]
        rows = [*rows[1:], self.feed.trip(999)]
        rows[5] = dataclasses.replace(rows[5], fare=7)
        self._events(f"batch.{self.migration.name}_events", rows)
        for name, kpi in self.migration.kpis.items():
            fold = kpi.fold("postgres", f"batch.{self.migration.name}_events")
            self.run(f"CREATE TABLE batch.{name} AS {fold}")

    def _serve(self, name: str, unit: str) -> None:
        kpi = self.migration.kpis[name]
        columns = ", ".join(f'"{column}"' for column, _ in kpi.column_types())
        with psycopg.connect(**self._server) as connection:
            connection.execute(stream_table(kpi, 1))
        self._events("batch.fold_served", list(self.feed.counted(unit)))
        fold = kpi.fold("postgres", "batch.fold_served")
        key = ", grain_key" if kpi.key_may_hold_null else ""
        made = ", row_number() OVER ()" if kpi.key_may_hold_null else ""
        self.run(f"INSERT INTO stream.{name}__r1 ({columns}{key}) SELECT *{made} FROM ({fold}) AS f")
        self.run("DROP TABLE batch.fold_served")

    def _amend(self) -> None:
        name = self.migration.name
        days = ", ".join(f"DATE '{day}'" for day in AMENDED_DAYS)
        self.run(
            "INSERT INTO stream.amendment (migration, amendment_id, revision, days, late_snapshot, rows,"
            f" actor, reason, dag_run) VALUES ('{name}', 1, 1, ARRAY[{days}], 1, 1, 'ana', 'test', '')"
        )
        places = ", ".join(
            f"('{name}', 1, 1, '{trip.trip_id}', DATE '{self.feed.day_of(trip.started)}', {trip.place[0]},"
            f" {trip.place[1]}, {trip.trip_id in self.feed.replaces})"
            for trip in self.feed.amended
        )
        self.run(
            "INSERT INTO stream.amended_event (migration, revision, amendment_id, event_id, business_day,"
            f" kafka_partition, kafka_offset, replaces) VALUES {places}"
        )

    def _events(self, table: str, rows: Sequence[Trip]) -> None:
        fields = {field.name: field.type for field in self.migration.event_fields}
        columns = ", ".join(f'"{name}" {sql_type(kind, "postgres")}' for name, kind in fields.items())
        self.run(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})")
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, fields)),
            sql.SQL(", ").join(map(sql.Placeholder, fields)),
        )
        with psycopg.connect(**self._server) as connection:
            connection.cursor().executemany(insert, [trip.values() for trip in rows])


def _nothing_checked(*given: object, **named: object) -> Checked:
    return Checked(True, (), "", "")


@contextmanager
def fold_world(stack: Stack, keep: str, folder: Path) -> Iterator[FoldWorld]:
    """Yield the world with both sides written, its adapters made as in production; remove it afterwards."""
    caches = (bootstrap.world, bootstrap.scripts, bootstrap.ledger)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.env.items():
            patch.setenv(name, value)
        for cached in caches:
            cached.cache_clear()
        found = FoldWorld(keep, folder)
        found.begin()
        try:
            yield found
        finally:
            found.end()
            for cached in caches:
                cached.cache_clear()
