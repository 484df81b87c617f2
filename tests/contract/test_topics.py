"""What every implementation of ports.Topics does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from slipway.adapters.kafka import KafkaTopics
from slipway.errors import Permanent
from slipway.ports import Topics, TopicSpec
from tests.fakes.topics import FakeTopics

Produce = Callable[[str, int, int], None]


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
def topics(request: pytest.FixtureRequest) -> Iterator[tuple[Topics, Produce]]:
    if request.param == "fake":
        fake = FakeTopics()
        yield fake, fake.produce
        return
    from confluent_kafka import Producer

    settings = dict(request.getfixturevalue("stack").conn("kafka")["extra"])

    def produce(topic: str, partition: int, records: int) -> None:
        producer = Producer(settings)
        for number in range(records):
            producer.produce(topic, partition=partition, value=str(number).encode())
        assert producer.flush(30) == 0

    yield KafkaTopics(settings), produce


@pytest.fixture
def name() -> str:
    return f"contract-{uuid4().hex[:8]}"


def test_a_topic_that_was_created_is_described_as_it_was_wanted(
    topics: tuple[Topics, Produce], name: str
) -> None:
    cluster, _ = topics
    wanted = TopicSpec(name, 3, 1, {"retention.ms": "-1", "cleanup.policy": "delete"})
    assert cluster.describe(name) is None

    cluster.create(wanted)

    assert cluster.describe(name) == wanted


def test_creating_a_topic_again_leaves_it_as_it_is(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, _ = topics
    cluster.create(TopicSpec(name, 2, 1, {"retention.ms": "1000"}))

    cluster.create(TopicSpec(name, 4, 1, {"retention.ms": "2000"}))

    assert cluster.describe(name) == TopicSpec(name, 2, 1, {"retention.ms": "1000"})


def test_configuring_sets_some_keys_and_leaves_the_others(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, _ = topics
    cluster.create(TopicSpec(name, 1, 1, {"retention.ms": "1000", "cleanup.policy": "delete"}))

    cluster.configure(name, {"retention.ms": "2000"})

    seen = cluster.describe(name)
    assert seen is not None and seen.config == {"retention.ms": "2000", "cleanup.policy": "delete"}


def test_a_key_that_was_taken_off_has_the_clusters_value_again(
    topics: tuple[Topics, Produce], name: str
) -> None:
    cluster, _ = topics
    cluster.create(TopicSpec(name, 1, 1, {"max.message.bytes": "100"}))
    seen = cluster.describe(name)
    assert seen is not None and (seen.in_force("max.message.bytes"), seen.in_force("retention.ms")) == (
        "100",
        "604800000",
    )
    assert seen.defaults["max.message.bytes"] == "1048588"

    cluster.reset(name, ["max.message.bytes"])

    seen = cluster.describe(name)
    assert seen is not None and seen.config == {}
    assert seen.in_force("max.message.bytes") == "1048588"


def test_bounds_are_the_first_and_the_next_offset_of_each_partition(
    topics: tuple[Topics, Produce], name: str
) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 2, 1, {}))

    produce(name, 1, 3)

    assert cluster.bounds(name) == {0: (0, 0), 1: (0, 3)}


def test_what_a_group_has_not_committed_is_unread(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 2, 1, {}))
    produce(name, 0, 2)
    produce(name, 1, 3)
    assert cluster.unread(name, f"group-of-{name}") is None

    commit(cluster, name, f"group-of-{name}", {1: 1})

    assert cluster.unread(name, f"group-of-{name}") == 4


def commit(cluster: Topics, name: str, group: str, offsets: dict[int, int]) -> None:
    """Commit as a consumer of the group does."""
    if isinstance(cluster, FakeTopics):
        cluster.commit(name, group, offsets)
        return
    from confluent_kafka import Consumer, TopicPartition

    assert isinstance(cluster, KafkaTopics)
    consumer = Consumer({**cluster.settings, "group.id": group})
    consumer.commit(offsets=[TopicPartition(name, *place) for place in offsets.items()], asynchronous=False)
    consumer.close()


def test_bounds_of_a_topic_that_is_not_there_say_what_to_do(topics: tuple[Topics, Produce]) -> None:
    cluster, _ = topics

    with pytest.raises(Permanent, match=r"there is no topic absent-topic; create it"):
        cluster.bounds("absent-topic")


def test_more_replicas_than_brokers_are_refused_for_good(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, _ = topics

    with pytest.raises(Permanent, match=name):
        cluster.create(TopicSpec(name, 1, cluster.brokers() + 1, {}))

    assert cluster.describe(name) is None


def test_a_cluster_has_one_lasting_id(topics: tuple[Topics, Produce]) -> None:
    cluster, _ = topics

    assert cluster.cluster_id() == cluster.cluster_id() != ""


@pytest.mark.integration
def test_keys_fall_where_a_real_producer_sends_them(request: pytest.FixtureRequest, name: str) -> None:
    """The skew check reckons with murmur2; librdkafka's `murmur2_random` is what Java clients do."""
    settings = dict(request.getfixturevalue("stack").conn("kafka")["extra"])
    assert_partitions(settings, name)


def assert_partitions(settings: dict[str, str], name: str) -> None:
    from confluent_kafka import Producer

    from slipway.adapters.key_samples import from_topic
    from slipway.domain.skew import partition_of

    KafkaTopics(settings).create(TopicSpec(name, 7, 1, {}))
    producer = Producer({**settings, "partitioner": "murmur2_random"})
    landed: dict[bytes, int] = {}

    def note(error: object, record: object) -> None:
        assert error is None
        landed[record.key()] = record.partition()  # type: ignore[attr-defined]

    keys = [f"key-{number}-{'x' * (number % 9)}é".encode() for number in range(500)]
    for key in keys:
        producer.produce(name, key=key, value=b"1", on_delivery=note)
    assert producer.flush(30) == 0

    assert landed == {key: partition_of(key, 7) for key in keys}
    assert from_topic(name, settings).records == dict.fromkeys(keys, 1)
