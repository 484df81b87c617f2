"""The replayer against a real broker and a real warehouse: exactly once, wherever it is stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from demo import replayer
from demo.faults import feed_of
from demo.records import Record, by_partition, partition_of
from demo.replayer import Replayed, replay
from slipway.errors import Permanent, Retryable
from tests.stack import Stack

SOON = datetime.fromisoformat("2013-02-26T06:00-05:00")
LATER = datetime.fromisoformat("2013-03-04T06:00-05:00")
PARTITIONS = 3

# The replayer kills itself with SIGKILL in the middle, when part of what it sent has been confirmed.
DIES_IN_THE_MIDDLE = """
import os, signal
from demo import replay, replayer
send, sent = replayer._Sender.send, 0
def dying(self, *arguments):
    global sent
    sent += 1
    if sent == 4000:
        self._producer.flush()
    if sent == 5000:
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, *arguments)
replayer._Sender.send = dying
replay.main()
"""


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Iterator[dict[str, str]]:
    """Libpq parameters of a database of its own, with the warehouse's role."""
    name = f"replay_{uuid.uuid4().hex[:8]}"
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER slipway_warehouse")
    found = stack.conn("warehouse")
    yield {
        "host": found["host"],
        "port": str(found["port"]),
        "user": found["login"],
        "password": found["password"],
        "dbname": name,
    }
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def kafka(stack: Stack) -> dict[str, str]:
    return {str(name): str(value) for name, value in stack.conn("kafka")["extra"].items()}


@pytest.fixture
def new_topic(kafka: dict[str, str]) -> Iterator[Callable[..., str]]:
    admin = AdminClient(kafka)
    made: list[str] = []

    def create(**config: str) -> str:
        name = f"raw-replay-{uuid.uuid4().hex[:8]}"
        wanted = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"} | config
        admin.create_topics([NewTopic(name, PARTITIONS, 1, config=wanted)])[name].result(timeout=30)
        made.append(name)
        return name

    yield create
    for future in admin.delete_topics(made).values():
        future.result(timeout=30)


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    return new_topic()


def contents(kafka: dict[str, str], topic: str) -> list[list[tuple[bytes, bytes, int]]]:
    """(key, value, timestamp) of every record, by partition, as a consumer reads them."""
    settings = {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "enable.partition.eof": "true"}
    consumer = Consumer({**kafka, **settings})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: list[list[tuple[bytes, bytes, int]]] = [[] for _ in range(PARTITIONS)]
    ended = 0
    while ended < PARTITIONS:
        for message in consumer.consume(5000, timeout=1.0):
            if message.error() is not None:
                ended += 1
            else:
                read = (message.key(), message.value(), message.timestamp()[1])
                found[message.partition()].append(read)
    consumer.close()
    return found


def expected(to: datetime) -> list[list[tuple[bytes, bytes, int]]]:
    records = [record for record in feed_of().records if record.arrival <= to]
    return [
        [(record.key, record.value, record.timestamp) for record in part]
        for part in by_partition(records, PARTITIONS)
    ]


def progress(warehouse: dict[str, str], topic: str) -> tuple[object, ...] | None:
    with psycopg.connect(**warehouse) as connection:
        return connection.execute(
            "SELECT replayed_through, records FROM ops.replay_progress WHERE topic = %s", (topic,)
        ).fetchone()


def test_records_carry_their_original_instants_and_lie_where_their_keys_belong(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    done = replay(LATER, kafka, warehouse, topic)

    found = contents(kafka, topic)
    assert found == expected(LATER)
    assert done == Replayed(done.sent, sum(map(len, found)), done.flights_changed, LATER)
    assert done.sent == done.records
    for number, part in enumerate(found):
        assert {partition_of(key, PARTITIONS) for key, _, _ in part} == {number}
        assert all(a[2] <= b[2] for a, b in pairwise(part))
    assert progress(warehouse, topic) == (LATER, done.records)


def test_the_operational_table_has_departures_on_time_that_kafka_gets_days_later(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    at = datetime.fromisoformat("2013-02-28T06:00-05:00")
    replay(at, kafka, warehouse, topic)

    sent = {value for part in contents(kafka, topic) for _, value, _ in part}
    with psycopg.connect(**warehouse) as connection:
        delayed = connection.execute(
            "SELECT fault.event_id, flight.departed_at = fault.on_time"
            " FROM ops.injected_faults AS fault"
            " LEFT JOIN ops.flights AS flight ON flight.flight_id = fault.key"
            " WHERE fault.fault = 'delayed'"
        ).fetchall()
    assert len(delayed) > 10
    assert all(known for _, known in delayed)
    assert not [id_ for id_, _ in delayed for value in sent if f'"{id_}"'.encode() in value]


def test_doing_it_again_or_for_an_earlier_instant_changes_nothing(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    replay(LATER, kafka, warehouse, topic)

    again, earlier = replay(LATER, kafka, warehouse, topic), replay(SOON, kafka, warehouse, topic)

    assert (again.sent, again.flights_changed) == (0, 0)
    assert (earlier.sent, earlier.flights_changed, earlier.through) == (0, 0, LATER)
    assert contents(kafka, topic) == expected(LATER)


def test_a_replay_goes_on_night_by_night(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    first = replay(SOON, kafka, warehouse, topic)
    second = replay(LATER, kafka, warehouse, topic)

    assert first.sent + second.sent == second.records
    assert contents(kafka, topic) == expected(LATER)


def test_a_replay_that_was_killed_goes_on_without_doubling(
    stack: Stack, kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    connection = json.dumps(stack.conn("warehouse") | {"schema": warehouse["dbname"]})
    environment = {
        **os.environ,
        **stack.env,
        "AIRFLOW_CONN_SLIPWAY_WAREHOUSE": connection,
    }
    command = [sys.executable, "-c", DIES_IN_THE_MIDDLE, "--to", LATER.isoformat(), "--topic", topic]
    killed = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert killed.returncode == -9, killed.stderr
    there = sum(map(len, contents(kafka, topic)))
    assert 3999 <= there < 5000
    assert progress(warehouse, topic) is None, "progress was recorded before everything was sent"

    done = replay(LATER, kafka, warehouse, topic)

    assert done.sent == done.records - there
    assert contents(kafka, topic) == expected(LATER)


def test_a_replay_that_is_interrupted_goes_on_too(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sent = replayer._Sender.send, 0

    def interrupted(self: replayer._Sender, record: Record, partition: int, offset: int) -> None:
        nonlocal sent
        sent += 1
        if sent == 3000:
            raise KeyboardInterrupt
        send(self, record, partition, offset)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(replayer._Sender, "send", interrupted)
        replay(LATER, kafka, warehouse, topic)
    assert progress(warehouse, topic) is None

    replay(LATER, kafka, warehouse, topic)

    assert contents(kafka, topic) == expected(LATER)


def test_a_broker_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    stack: Stack,
    kafka: dict[str, str],
    warehouse: dict[str, str],
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, sent, killed = replayer._Sender.send, 0, 0

    def kills_the_broker(self: replayer._Sender, record: Record, partition: int, offset: int) -> None:
        nonlocal sent, killed
        sent += 1
        if sent == 3000:
            killed = stack.kill("kafka")
        send(self, record, partition, offset)

    with monkeypatch.context() as patch:
        patch.setattr(replayer._Sender, "send", kills_the_broker)
        try:
            replay(LATER, kafka, warehouse, topic)
        except Retryable:
            stack.wait_ready("kafka", not_pid=killed)
    assert killed
    stack.wait_ready("kafka", not_pid=killed)

    replay(LATER, kafka, warehouse, topic)

    assert contents(kafka, topic) == expected(LATER)


def test_two_replays_at_once_are_refused(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    with psycopg.connect(**warehouse) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('demo.replay'), hashtext(%s))", (topic,))
        with pytest.raises(Retryable, match="another replay"):
            replay(SOON, kafka, warehouse, topic)

    assert replay(SOON, kafka, warehouse, topic).sent > 0


def test_a_topic_that_holds_something_else_is_refused(
    kafka: dict[str, str], warehouse: dict[str, str], topic: str
) -> None:
    replay(SOON, kafka, warehouse, topic)
    stranger = Producer(kafka)
    stranger.produce(topic, b"{}", key=b"stranger", partition=1)
    assert stranger.flush(30) == 0

    with pytest.raises(Permanent, match=r"something\s+else wrote to the topic"):
        replay(LATER, kafka, warehouse, topic)

    assert progress(warehouse, topic) == (SOON, sum(map(len, expected(SOON))))


def test_a_topic_whose_retention_would_delete_history_is_refused(
    kafka: dict[str, str], warehouse: dict[str, str], new_topic: Callable[..., str]
) -> None:
    week, stamped = (
        new_topic(**{"retention.ms": "604800000"}),
        new_topic(**{"message.timestamp.type": "LogAppendTime"}),
    )

    for wrong in (week, stamped):
        with pytest.raises(Permanent, match="provision"):
            replay(SOON, kafka, warehouse, wrong)
        assert contents(kafka, wrong) == [[]] * PARTITIONS


def test_an_absent_topic_and_an_absent_broker_are_told_apart(
    kafka: dict[str, str], warehouse: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.topic.PATIENCE", 2.0)

    with pytest.raises(Permanent, match="there is no topic"):
        replay(SOON, kafka, warehouse, "raw-absent")
    with pytest.raises(Retryable, match="Kafka is away"):
        replay(SOON, {"bootstrap.servers": "127.0.0.1:1"}, warehouse, "raw-absent")
    with pytest.raises(Retryable, match="warehouse is away"):
        replay(SOON, kafka, {**warehouse, "port": "1"}, "raw-absent")
