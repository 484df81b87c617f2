"""What every implementation of ports.DeadLetters does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from slipway.adapters.dead_letters import KafkaDeadLetters
from slipway.adapters.kafka import KafkaTopics
from slipway.errors import Permanent
from slipway.ports import DeadLetters, Resent, TopicSpec
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.topics import FakeTopics
from tests.stack import Stack


@dataclass
class Kafka:
    """Dead letters with one topic of one partition. abort: leaves a record that no transaction committed."""

    letters: DeadLetters
    topic: str
    abort: Callable[[str], None]


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    topic = f"dlq-{uuid4().hex[:8]}"
    spec = TopicSpec(topic, 1, 1, {"message.timestamp.type": "CreateTime"})
    if request.param == "fake":
        topics = FakeTopics()
        topics.create(spec)
        yield Kafka(FakeDeadLetters(topics), topic, lambda name: None)
        return
    from confluent_kafka import Producer

    settings = dict(request.getfixturevalue("stack").conn("kafka")["extra"])
    KafkaTopics(settings).create(spec)

    def abort(name: str) -> None:
        producer = Producer({**settings, "transactional.id": f"of-{name}"})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(name, value=b"never", headers={"mark": b"never"})
        producer.flush(30)
        producer.abort_transaction(30)

    yield Kafka(KafkaDeadLetters(settings), topic, abort)


def record(value: bytes, mark: str, at: datetime | None = None) -> Resent:
    return Resent(b"key", value, {"mark": mark.encode(), "other": b"\xff"}, at)


def test_what_was_sent_is_read_back_as_it_was(kafka: Kafka) -> None:
    at = datetime(2013, 3, 8, 11, 0, 0, 250_000, tzinfo=UTC)

    kafka.letters.send(kafka.topic, [record(b"\x00\xff", "a", at), record(b"", "b", at)])

    first, second = kafka.letters.read(kafka.topic)
    assert (first.place, first.at, first.key, first.value) == ("0:0", at, b"key", b"\x00\xff")
    assert first.headers == {"mark": b"a", "other": b"\xff"}
    assert (second.place, second.value) == ("0:1", b"")
    assert kafka.letters.get(kafka.topic, 0, 1) == second


def test_a_place_without_a_record_has_none(kafka: Kafka) -> None:
    assert list(kafka.letters.read(kafka.topic)) == []
    assert kafka.letters.get(kafka.topic, 0, 0) is None
    assert kafka.letters.get(kafka.topic, 7, 0) is None


def test_marks_are_those_of_the_records_from_an_offset_on(kafka: Kafka) -> None:
    kafka.letters.send(kafka.topic, [record(b"1", "a"), record(b"2", "b"), Resent(b"key", b"3", {})])

    assert set(kafka.letters.marks(kafka.topic, {0: 0}, "mark")) == {"a", "b"}
    assert set(kafka.letters.marks(kafka.topic, {0: 1}, "mark")) == {"b"}
    assert set(kafka.letters.marks(kafka.topic, {0: 3}, "mark")) == set()


def test_what_no_transaction_committed_is_not_there(kafka: Kafka) -> None:
    kafka.letters.send(kafka.topic, [record(b"1", "a")])
    kafka.abort(kafka.topic)

    assert [one.value for one in kafka.letters.read(kafka.topic)] == [b"1"]
    assert set(kafka.letters.marks(kafka.topic, {}, "mark")) == {"a"}


def test_the_newest_arrival_is_the_largest_timestamp(kafka: Kafka) -> None:
    assert kafka.letters.newest_arrival(kafka.topic) is None
    old, new = (datetime(2013, 3, day, tzinfo=UTC) for day in (8, 9))

    kafka.letters.send(kafka.topic, [record(b"1", "a", new), record(b"2", "b", old)])

    assert kafka.letters.newest_arrival(kafka.topic) == new


@pytest.mark.integration
def test_a_record_that_the_topic_does_not_take_is_told_for_good(stack: Stack) -> None:
    settings = dict(stack.conn("kafka")["extra"])
    topic = f"raw-{uuid4().hex[:8]}"
    KafkaTopics(settings).create(TopicSpec(topic, 1, 1, {"max.message.bytes": "2000000"}))
    letters = KafkaDeadLetters(settings)

    letters.send(topic, [record(b"x" * 1_900_000, "a")])
    with pytest.raises(Permanent, match=r"max.message.bytes"):
        letters.send(topic, [record(b"x" * 2_000_001, "b")])

    assert set(letters.marks(topic, {}, "mark")) == {"a"}


def test_dead_letters_of_a_topic_that_is_not_there_say_what_to_do(kafka: Kafka) -> None:
    with pytest.raises(Permanent, match=r"there is no topic dlq-absent; create it"):
        list(kafka.letters.read("dlq-absent"))
