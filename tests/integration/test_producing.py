"""The producer and the way back from the dead letters, on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from demo.records import partition_of
from slipway.adapters.kafka import KafkaTopics
from slipway.adapters.registry import SchemaRegistry
from slipway.app import dead_letters
from slipway.app.dead_letters import Wanted
from slipway.domain.contract import Migration
from slipway.faults import EXIT_CODE
from slipway.ledger.store import PostgresLedger
from slipway.ports import TopicSpec
from slipway.producer import Event, EventProducer
from tests.decoder_cases import migration
from tests.integration import replay_process
from tests.integration.running import eventually
from tests.integration.scratch import database
from tests.stack import Stack

REPO = Path(__file__).parents[2]
PARTITIONS = 4


def good(number: int, **more: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "kind": "D", "event_time": datetime.now(UTC), **more}


@dataclass
class Topic:
    """A raw topic with its dead letters, and the contract that reads it."""

    kafka: Mapping[str, str]
    migration: Migration

    @property
    def name(self) -> str:
        return self.migration.contract.events.topic

    @property
    def dead(self) -> str:
        return self.name.replace("raw-", "dlq-")

    def records(self, topic: str) -> Sequence[Message]:
        """Every record of a topic, by partition and offset."""
        bounds = KafkaTopics(self.kafka).bounds(topic)
        consumer = Consumer({**self.kafka, "group.id": f"test-{uuid4().hex}", "enable.partition.eof": "true"})
        consumer.assign([TopicPartition(topic, partition, 0) for partition in bounds])
        found: list[Message] = []
        wanted = sum(end for _, end in bounds.values())
        deadline = time.monotonic() + 30
        while len(found) < wanted and time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                found.append(message)
        consumer.close()
        assert len(found) == wanted
        return sorted(found, key=lambda one: (one.partition(), one.offset()))


@pytest.fixture
def topic(stack: Stack) -> Iterator[Topic]:
    kafka = dict(stack.conn("kafka")["extra"])
    made = Topic(kafka, migration(topic=f"raw-{uuid4().hex[:8]}"))
    for name in (made.name, made.dead):
        config = {"message.timestamp.type": "LogAppendTime"}
        KafkaTopics(kafka).create(TopicSpec(name, PARTITIONS, 1, config))
    yield made


def test_every_event_of_a_batch_stands_where_its_result_says(topic: Topic) -> None:
    events = [
        Event("Status", good(number, dep_delay="x" if number % 10 == 3 else 1)) for number in range(500)
    ]

    with EventProducer([topic.migration], topic.kafka, "throughput") as producer:
        results = producer.publish_batch(events)

    there = {(one.partition(), one.offset()): one for one in topic.records(topic.name)}
    assert len(there) == 450 == sum(result.ok for result in results)
    for event, result in zip(events, results, strict=True):
        if event.value["dep_delay"] == "x":
            assert (result.status, result.reason) == ("invalid", "dep_delay: 'x' is not an integer")
            continue
        record = there[result.partition, result.offset]
        key = event.value["event_id"].encode()
        assert (record.key(), json.loads(record.value() or b"")["event_id"]) == (key, key.decode())
        assert record.timestamp()[1] == result.at
        assert result.partition == partition_of(key, PARTITIONS)


def test_invalid_events_stand_in_the_dead_letters_by_choice(topic: Topic) -> None:
    with EventProducer([topic.migration], topic.kafka, on_invalid="dlq") as producer:
        result = producer.publish(Event("Status", good(1, kind="Q")))

    (record,) = topic.records(topic.dead)
    assert (result.status, result.partition, result.offset) == (
        "dead_letter",
        record.partition(),
        record.offset(),
    )
    headers = dict(record.headers() or ())
    assert headers["reason"] == b"kind: 'Q' is not one of A, D, X"
    assert headers["stage"] == b"produce"
    assert topic.records(topic.name) == []


def test_avro_is_written_with_the_id_that_the_registry_gave(stack: Stack, topic: Topic) -> None:
    found = stack.conn("registry")
    registry = SchemaRegistry(f"{found['host']}:{found['port']}{found['extra']['path']}")
    avro = migration(topic=topic.name, format="avro")
    number = registry.register(f"{topic.name}-value", avro.schema.text)

    with EventProducer([avro], topic.kafka, registry=registry) as producer:
        assert producer.publish(Event("Status", good(1))).ok

    (record,) = topic.records(topic.name)
    assert (record.value() or b"")[:5] == b"\0" + number.to_bytes(4, "big")


def _stands_still(process: psutil.Process) -> bool:
    """Whether each of its threads has taken the signal: until then the broker may still answer."""
    threads = [psutil.Process(thread.id) for thread in process.threads()]
    return all(thread.status() == psutil.STATUS_STOPPED for thread in threads)


def test_a_broker_that_does_not_answer_makes_results_and_no_hang(stack: Stack, topic: Topic) -> None:
    settings = {**topic.kafka, "delivery.timeout.ms": "2000", "socket.timeout.ms": "1000"}
    with EventProducer([topic.migration], settings) as producer:
        assert producer.publish(Event("Status", good(0))).ok
        broker = psutil.Process(stack.pid("kafka"))
        family = [broker, *broker.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            eventually(lambda: all(map(_stands_still, family)) or None, "the broker to stand still")
            begun = time.monotonic()
            results = producer.publish_batch([Event("Status", good(number)) for number in range(100)])
            seconds = time.monotonic() - begun
        finally:
            for process in family:
                process.resume()
        assert {result.status for result in results} == {"failed"}
        assert all(result.retriable and "timed out" in result.error for result in results)
        assert seconds < 2 + 10
        assert sum(producer.counters.failed.values()) == 100


def test_nobody_at_the_address_makes_results_and_no_hang() -> None:
    settings = {"bootstrap.servers": "127.0.0.1:1", "delivery.timeout.ms": "1000", "log_level": "0"}
    with EventProducer([migration()], settings) as producer:
        result = producer.publish(Event("Status", good(1)))

    assert (result.status, result.retriable) == ("failed", True)


def test_a_queue_that_is_full_holds_the_caller_back_and_loses_nothing(topic: Topic) -> None:
    settings = {**topic.kafka, "queue.buffering.max.messages": "50", "linger.ms": "100"}
    with EventProducer([topic.migration], settings) as producer:
        results = producer.publish_batch([Event("Status", good(number)) for number in range(400)])

    assert all(result.ok for result in results)
    assert producer.counters.waited > 0
    assert len(topic.records(topic.name)) == 400


@pytest.fixture
def ledger(stack: Stack) -> Iterator[Mapping[str, str]]:
    with database(stack, "slipway_ledger") as server:
        kept = PostgresLedger(server)
        kept.upgrade()
        found = migration()
        kept.adopt("cases", found.contract_digest, found.parity_digest, replay_process.BY)
        yield server


@pytest.mark.parametrize(("fault", "there"), [("dlq.decided", 0), ("dlq.sent", 3)])
def test_a_replay_that_was_killed_is_finished_by_the_next_without_doubling(
    topic: Topic, ledger: Mapping[str, str], fault: str, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SETTLED_AFTER", timedelta(seconds=1))
    invalid = [Event("Status", good(number, gate=None)) for number in range(3)]
    lax = migration(topic=topic.name)
    with EventProducer([lax], topic.kafka, on_invalid="dlq") as producer:
        assert {result.status for result in producer.publish_batch(invalid)} == {"dead_letter"}
    world = replay_process.world(ledger, topic.kafka)
    mended = replay_process.contract(topic.name)
    refused = dead_letters.replay(lax, Wanted(), "too early", world, replay_process.BY)
    assert (refused.sent, len(refused.refused)) == ((), 3)

    done = _replay_and_die(topic, ledger, fault)
    assert done.returncode == EXIT_CODE, done.stderr
    assert len(topic.records(topic.name)) == there

    again = dead_letters.replay(mended, Wanted(), "the rest", world, replay_process.BY)
    last = dead_letters.replay(mended, Wanted(), "once more", world, replay_process.BY)

    assert len(again.settled) == there and len(again.sent) == 3 - there
    assert (last.settled, last.sent, last.already) == ((), (), 3)
    records = topic.records(topic.name)
    assert sorted(json.loads(one.value() or b"")["event_id"] for one in records) == ["e0", "e1", "e2"]
    marks = {dict(one.headers() or ())["slipway_replay_of"].decode() for one in records}
    assert marks == {f"{one.partition()}:{one.offset()}" for one in topic.records(topic.dead)}
    assert {one.state for one in world.ledger.replays("cases")} == {"done"}


def _replay_and_die(topic: Topic, ledger: Mapping[str, str], fault: str) -> subprocess.CompletedProcess[str]:
    given = {"ledger": dict(ledger), "kafka": dict(topic.kafka), "topic": topic.name}
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.replay_process"],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}", "SLIPWAY_FAIL_AT": fault},
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
