"""The two jobs on the real stack: every record in exactly one place, through the death of either JVM.

The tests stand in the order of one story: deployed, fed, a TaskManager killed, a JobManager killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from slipway import bootstrap
from slipway.adapters.contracts import load_migration
from slipway.app import provision
from slipway.app.balance import count_records
from slipway.app.deploy import deploy_ingest, deploy_revision
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.ports import Actor, World
from tests.integration.running import eventually
from tests.integration.synthetic_feed import Feed, Record, build
from tests.stack import Stack

REPO = Path(__file__).parents[2]
SEATS = {"N1": 100, "N2": 200, "N3": 300}
BY = Actor("test", authenticated=False, dag_run="pipeline")
EVENTS = 6_000


class Pipeline:
    """A migration of its own on the test world, and what was produced to it so far."""

    def __init__(self, stack: Stack, migration: Migration, world: World) -> None:
        self.stack = stack
        self.migration = migration
        self.world = world
        self.feed: Feed = build(EVENTS, SEATS)
        self.produced: list[Record] = []
        self._producer = Producer({"bootstrap.servers": self._brokers, "enable.idempotence": True})

    @property
    def _brokers(self) -> str:
        return str(self.stack.conn("kafka")["extra"]["bootstrap.servers"])

    @property
    def topic(self) -> str:
        return self.migration.contract.events.topic

    def produce(self, records: list[Record]) -> None:
        """Send records with their own instants as timestamps, some with headers, one without a value."""
        for number, record in enumerate(records):
            self._producer.produce(
                self.topic,
                key=record.key,
                value=record.value,
                timestamp=round(record.arrival.timestamp() * 1000),
                headers=[("trace", b"1"), ("empty", None)] if number % 7 == 0 else None,
            )
            self._producer.poll(0)
        assert self._producer.flush(30) == 0
        self.produced += records

    def settled(self) -> Balance:
        """Wait until every record is in its place; then the account of them all."""
        ends = {partition: end for partition, (_, end) in self.world.topics.bounds(self.topic).items()}

        def counted() -> Balance | None:
            found = count_records(self.migration, 1, ends, self.world)
            return found.balance if found.missing == 0 else None

        return eventually(counted, f"{sum(ends.values())} records to be accounted for")

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Read columns of a lake table."""
        snapshot = self.world.lake.snapshot(table)
        assert snapshot is not None, f"{table} is empty"
        files = list(self.world.lake.data_files(table, snapshot))
        with duckdb.connect() as engine:
            engine.execute("SET timezone = 'UTC'")
            return engine.execute(
                f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false)", [files]
            ).fetchall()

    def warehouse(self) -> psycopg.Connection[Any]:
        return self.stack.postgres("warehouse", autocommit=True)

    def running(self) -> None:
        """Wait until both jobs run with all their tasks."""
        for kind in ("ingest", "revision"):
            job = self.world.ledger.attempts(self.migration.name, kind)[0].job_id

            def runs(job: str = job) -> bool | None:
                status = self.world.engine.status(job)
                return (status is not None and status.running) or None

            eventually(runs, f"the {kind} job to run")


@pytest.fixture(scope="module")
def pipeline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("migrations")
    text = (REPO / "include" / "migrations" / "flights.yaml").read_text()
    for old, new in (
        ("migration: flights", "migration: pipeline"),
        ("raw-flight-status", "raw-pipeline-events"),
        ("ops.planes", "pipeline_ops.planes"),
        ("flights_daily:", "pipeline_daily:"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "pipeline.yaml").write_text(text)
    schema = (REPO / "include" / "migrations" / "flight_status.avsc").read_text()
    (folder / "flight_status.avsc").write_text(schema)
    patch = pytest.MonkeyPatch()
    for name, value in stack.env.items():
        patch.setenv(name, value)
    for cached in (bootstrap.world, bootstrap.scripts, bootstrap.ledger):
        cached.cache_clear()
    found = Pipeline(stack, load_migration(folder / "pipeline.yaml"), bootstrap.world())
    with stack.postgres("warehouse", "slipway_warehouse", autocommit=True) as warehouse:
        warehouse.execute("CREATE SCHEMA IF NOT EXISTS pipeline_ops")
        warehouse.execute(
            "CREATE TABLE IF NOT EXISTS pipeline_ops.planes (tailnum text PRIMARY KEY, seats int)"
        )
        for tail, seats in SEATS.items():
            warehouse.execute(
                "INSERT INTO pipeline_ops.planes VALUES (%s, %s) ON CONFLICT DO NOTHING", (tail, seats)
            )
    found.world.ledger.upgrade()
    yield found
    for attempt in found.world.ledger.attempts("pipeline"):
        found.world.engine.cancel(attempt.job_id)
    for cached in (bootstrap.world, bootstrap.scripts, bootstrap.ledger):
        cached.cache_clear()
    patch.undo()


def deployed(pipeline: Pipeline) -> tuple[str, str]:
    migration, world = pipeline.migration, pipeline.world
    return str(deploy_ingest(migration, world, BY)), str(deploy_revision(migration, world, BY))


def test_a_migration_is_provisioned_once(pipeline: Pipeline) -> None:
    steps = provision.plan(pipeline.migration, pipeline.world)
    provision.apply(pipeline.migration, steps, pipeline.world, BY)

    assert steps
    assert provision.plan(pipeline.migration, pipeline.world) == ()


def test_both_jobs_pass_their_gates_on_an_empty_topic(pipeline: Pipeline) -> None:
    for told in deployed(pipeline):
        assert "gate passed: all tasks run, a new checkpoint, 0 records" in told


def test_nothing_is_lost_doubled_or_routed_differently_when_the_task_manager_is_killed(
    pipeline: Pipeline,
) -> None:
    records = pipeline.feed.records
    half = len(records) // 2
    pipeline.produce(records[:half])
    pipeline.settled()
    # What comes now is read, and partly written to Postgres, but in no checkpoint yet when the JVM dies.
    pipeline.produce(records[half:])
    time.sleep(1)
    killed = pipeline.stack.kill("taskmanager")
    pipeline.stack.wait_ready("taskmanager", not_pid=killed)
    pipeline.running()

    balance = pipeline.settled()

    fates = pipeline.feed.fates()
    assert balance == Balance(
        produced=len(records),
        bronze=len(records),
        silver=fates["silver"],
        late=fates["late"],
        rejected=fates["rejected"],
        duplicates=fates["duplicate"],
    )
    assert balance.closes
    for fate in ("silver", "late"):
        ids = sorted(event_id for (event_id,) in pipeline.rows(f"{fate}.pipeline__r1", "event_id"))
        assert ids == sorted(str(record.event_id) for record in records if record.fate == fate), fate


def test_bronze_holds_each_record_as_it_came(pipeline: Pipeline) -> None:
    rows = pipeline.rows("bronze.pipeline", "key, value, arrived_at, event_id, reason, arrived_on")

    def identity(key: Any, value: Any, at: datetime, event_id: Any, reason: Any, on: Any) -> tuple[str, ...]:
        return (
            str(bytes(key)),
            str(None if value is None else bytes(value)),
            *map(str, (at, event_id, reason, on)),
        )

    wanted = Counter(
        identity(r.key, r.value, r.arrival, r.event_id, r.reason, r.arrival.date()) for r in pipeline.produced
    )
    assert Counter(identity(*row) for row in rows) == wanted
    headers = Counter(str(row[0]) for row in pipeline.rows("bronze.pipeline", "map_keys(headers)"))
    assert set(headers) == {"[]", "['trace', 'empty']"} or set(headers) == {"[]", "['empty', 'trace']"}


def test_a_rejected_record_says_why_and_can_be_matched_by_its_id(pipeline: Pipeline) -> None:
    rows = pipeline.rows("rejected.pipeline__r1", "key, event_id, reason, arrived_at, arrived_on")

    wanted = [
        (record.key.decode(), record.event_id, record.reason, record.arrival, record.arrival.date())
        for record in pipeline.produced
        if record.fate == "rejected"
    ]
    assert sorted(rows, key=str) == sorted(wanted, key=str)


def test_dead_letters_carry_the_bytes_and_the_reason_once(pipeline: Pipeline) -> None:
    begun = datetime.now(UTC)
    letters = list(read_committed(pipeline, "dlq-pipeline-events"))

    wanted = Counter(
        (record.key, record.value, (record.reason or "").encode())
        for record in pipeline.produced
        if record.fate == "rejected"
    )
    assert Counter((key, value, headers["reason"]) for key, value, _, headers in letters) == wanted
    places = {(headers["source_partition"], headers["source_offset"]) for *_, headers in letters}
    assert len(places) == len(letters)
    for _, _, at, headers in letters:
        assert abs((begun - at).total_seconds()) < 3600, "a dead letter is as old as its rejection"
        assert headers["stage"] == b"decode"
        assert headers["source_topic"] == b"raw-pipeline-events"
        assert headers["source_time"].startswith(b"2013-03-")
        assert int(headers["schema_id"]) > 0


def test_kpi_rows_equal_the_truth(pipeline: Pipeline) -> None:
    assert differing_rows(pipeline, "stream.pipeline_daily__r1") == []


def test_deploying_again_touches_nothing(pipeline: Pipeline) -> None:
    before = pipeline.world.ledger.attempts("pipeline")

    for told in deployed(pipeline):
        assert "nothing to do" in told

    assert pipeline.world.ledger.attempts("pipeline") == before


def test_jobs_that_flink_has_forgotten_go_on_where_they_stood(pipeline: Pipeline) -> None:
    late_comers = [
        Record(record.key, record.value, record.arrival, "duplicate", record.event_id)
        for record in pipeline.produced[:500]
        if record.fate == "silver"
    ]
    killed = pipeline.stack.kill("jobmanager")
    pipeline.stack.wait_ready("jobmanager", not_pid=killed)
    pipeline.stack.wait_ready("taskmanager")
    pipeline.produce(late_comers)

    told = deployed(pipeline)

    for text in told:
        assert "for Flink has forgotten attempt 1" in text
        assert "went on from file:" in text
    balance = pipeline.settled()
    assert balance.closes
    assert balance.bronze == len(pipeline.produced)
    assert balance.silver == pipeline.feed.fates()["silver"]
    assert differing_rows(pipeline, "stream.pipeline_daily__r1") == []


def test_an_attempt_that_is_over_can_write_no_more(pipeline: Pipeline) -> None:
    with pipeline.warehouse() as warehouse:
        roles = warehouse.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'flink_pipeline_r%' ORDER BY 1"
        ).fetchall()
    assert roles == [("flink_pipeline_r1_a2",)]
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=pipeline.stack.ports["postgres"],
            dbname="warehouse",
            user="flink_pipeline_r1_a1",
            password=pipeline.stack.conn("flink")["password"],
        )


def test_a_writer_may_change_its_tables_and_nothing_else(pipeline: Pipeline) -> None:
    with psycopg.connect(
        host="127.0.0.1",
        port=pipeline.stack.ports["postgres"],
        dbname="warehouse",
        user="flink_pipeline_r1_a2",
        password=pipeline.stack.conn("flink")["password"],
        autocommit=True,
    ) as writer:
        assert writer.execute("SELECT count(*) FROM stream.pipeline_daily__r1").fetchone()
        for forbidden in (
            "DELETE FROM pipeline_ops.planes",
            "SELECT * FROM serving.route",
            "DELETE FROM batch.pipeline_daily",
            "CREATE TABLE stream.mine (n int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                writer.execute(forbidden)


def differing_rows(pipeline: Pipeline, table: str) -> list[str]:
    """Compare a KPI table with the feed's own account of it, cell by cell."""
    wanted = {cell: dict(row) for cell, row in pipeline.feed.kpi.items()}
    differing = []
    with pipeline.warehouse() as warehouse:
        cursor = warehouse.execute(f"SELECT * FROM {table}")
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        for found in cursor.fetchall():
            row = dict(zip(names, found, strict=True))
            cell = (row.pop("flight_date"), row.pop("origin"), row.pop("carrier"))
            row["updated_through"] = round(row["updated_through"].timestamp())
            truth = wanted.pop(cell, {})
            differing += [
                f"{cell} {name}: {value}, not {truth.get(name, 0)}"
                for name, value in row.items()
                if value != truth.get(name, 0)
            ]
    return differing + [f"{cell} is missing" for cell in wanted]


def read_committed(
    pipeline: Pipeline, topic: str
) -> Iterator[tuple[bytes, bytes | None, datetime, dict[str, bytes]]]:
    """Read a topic from its beginning to its end: key, value, timestamp, headers."""
    consumer = Consumer(
        {
            "bootstrap.servers": pipeline._brokers,
            "group.id": "test-dead-letters",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    partitions = set(pipeline.world.topics.bounds(topic))
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    deadline = time.monotonic() + 30
    while partitions:
        assert time.monotonic() < deadline, "the dead letters could not be read to their end"
        message = consumer.poll(1)
        if message is None:
            continue
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            partitions.discard(message.partition())
            continue
        at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        yield message.key(), message.value(), at, dict(message.headers() or [])
    consumer.close()
