"""A migration of a test's own on the stack: provisioned, deployed, fed, and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from slipway import bootstrap
from slipway.adapters.contracts import load_migration
from slipway.app import provision
from slipway.app.balance import count_records
from slipway.app.deploy import deploy_ingest, deploy_revision
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.ports import Actor, World
from tests.stack import Stack

BY = Actor("test", authenticated=False, dag_run="test")
PATIENCE = 180.0
_CACHES = (bootstrap.world, bootstrap.scripts, bootstrap.ledger)


class Running:
    """What a test does with one migration; records are (key, value, arrival)."""

    def __init__(self, stack: Stack, migration: Migration, world: World) -> None:
        self.stack = stack
        self.migration = migration
        self.world = world
        self._producer = Producer({"bootstrap.servers": self._brokers, "message.max.bytes": 8_000_000})

    @property
    def _brokers(self) -> str:
        return str(self.stack.conn("kafka")["extra"]["bootstrap.servers"])

    @property
    def topic(self) -> str:
        return self.migration.contract.events.topic

    def deploy(self) -> None:
        """Provision and have both jobs through their gates."""
        steps = provision.plan(self.migration, self.world)
        provision.apply(self.migration, steps, self.world, BY)
        deploy_ingest(self.migration, self.world, BY)
        deploy_revision(self.migration, self.world, BY)

    def produce(self, records: Iterable[tuple[bytes | None, bytes | None, datetime]]) -> None:
        """Send records with their own instants as timestamps; those of one key stay in order."""
        for key, value, arrival in records:
            stamp = round(arrival.timestamp() * 1000)
            self._producer.produce(self.topic, key=key, value=value, timestamp=stamp)
            self._producer.poll(0)
        assert self._producer.flush(60) == 0

    def settled(self) -> Balance:
        """Wait until every record is in its place; then the account of them all."""
        ends = {partition: end for partition, (_, end) in self.world.topics.bounds(self.topic).items()}

        def counted() -> Balance | None:
            found = count_records(self.migration, 1, ends, self.world)
            return found.balance if found.missing == 0 else None

        found: Balance = eventually(counted, f"{sum(ends.values())} records to be accounted for")
        return found

    def restarts(self) -> dict[str, int]:
        """How often each job has restarted."""
        found = {}
        for attempt in self.world.ledger.attempts(self.migration.name):
            status = self.world.engine.status(attempt.job_id)
            assert status is not None, f"Flink has forgotten the {attempt.kind} job"
            assert status.running, f"the {attempt.kind} job is {status.state}: {status.failure}"
            found[attempt.kind] = status.restarts
        return found

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Read columns of a lake table; none while it has no snapshot."""
        snapshot = self.world.lake.snapshot(table)
        if snapshot is None:
            return []
        files = list(self.world.lake.data_files(table, snapshot))
        with duckdb.connect() as engine:
            engine.execute("SET timezone = 'UTC'")
            query = f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false)"
            return engine.execute(query, [files]).fetchall()

    def kpi_rows(self, kpi: str, columns: str) -> list[tuple[Any, ...]]:
        """Read columns of a KPI's stream table."""
        with self.stack.postgres("warehouse", autocommit=True) as warehouse:
            warehouse.execute("SET timezone = 'UTC'")
            return warehouse.execute(f"SELECT {columns} FROM stream.{kpi}__r1").fetchall()

    def dead_letters(self) -> Iterator[tuple[bytes | None, bytes | None, dict[str, Any]]]:
        """Read (key, value, headers) of every committed dead letter."""
        topic = names.dlq_topic(self.topic)
        partitions = self.world.topics.bounds(topic)
        consumer = Consumer(
            {
                "bootstrap.servers": self._brokers,
                "group.id": f"{self.migration.name}-dead-letters",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": 32_000_000,
                "receive.message.max.bytes": 100_000_000,
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        left = set(partitions)
        deadline = time.monotonic() + PATIENCE
        while left and time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left.discard(message.partition() or 0)
                continue
            yield message.key(), message.value(), dict(message.headers() or [])
        consumer.close()
        assert not left

    def cancel(self) -> None:
        """Give the slots back."""
        for attempt in self.world.ledger.attempts(self.migration.name):
            self.world.engine.cancel(attempt.job_id)


def eventually(ask: Callable[[], Any], what: str) -> Any:
    """Ask until there is an answer; AssertionError when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = ask()
        if found is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")


@contextmanager
def running(stack: Stack, folder: Path, contract: str, schema: str) -> Iterator[Running]:
    """Yield the migration of a contract and the schema that it names, deployed; cancel it afterwards."""
    lines = [line.split(": ", 1) for line in contract.splitlines() if ": " in line]
    keys = {key.strip(): value.strip() for key, value in lines}
    (folder / keys["schema"]).write_text(schema)
    path = folder / f"{keys['migration']}.yaml"
    path.write_text(contract)
    patch = pytest.MonkeyPatch()
    for name, value in stack.env.items():
        patch.setenv(name, value)
    for cached in _CACHES:
        cached.cache_clear()
    found = Running(stack, load_migration(path), bootstrap.world())
    found.world.ledger.upgrade()
    try:
        found.deploy()
        yield found
    finally:
        found.cancel()
        for cached in _CACHES:
            cached.cache_clear()
        patch.undo()


def utc(text: str) -> datetime:
    """An instant in UTC from its ISO form."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
