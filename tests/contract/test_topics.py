"""What every implementation of ports.Topics does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from slipway.adapters.kafka import KafkaTopics
from slipway.domain.gaps import Gap
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


def test_a_topic_that_was_made_again_has_another_identity(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, _ = topics
    assert cluster.identity(name) is None
    cluster.create(TopicSpec(name, 1, 1, {}))
    first = cluster.identity(name)
    assert first == cluster.identity(name)

    delete(cluster, name)
    cluster.create(TopicSpec(name, 1, 1, {}))

    assert None not in (first, cluster.identity(name)) and cluster.identity(name) != first


def test_markers_and_aborted_records_are_proven_empty_and_records_are_not(
    topics: tuple[Topics, Produce], name: str
) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 2, 1, {}))
    transact(cluster, name, 3, commit=True)  # 0 1 2, marker 3
    transact(cluster, name, 2, commit=False)  # 4 5 aborted, marker 6
    transact(cluster, name, 1, commit=True)  # 7, marker 8
    produce(name, 1, 2)
    assert cluster.bounds(name) == {0: (0, 9), 1: (0, 2)}
    empty = [Gap(0, 3, 6), Gap(0, 4, 5), Gap(0, 8, 8)]
    full = [Gap(0, 0, 0), Gap(0, 2, 4), Gap(0, 6, 7), Gap(0, 8, 9), Gap(1, 1, 1), Gap(1, 2, 2)]

    assert [gap for gap in empty + full if cluster.proven_empty(name, [gap])] == empty
    assert cluster.proven_empty(name, [Gap(0, 1, 1), Gap(0, 3, 6), Gap(0, 8, 8), Gap(1, 0, 1)]) == [
        Gap(0, 3, 6),
        Gap(0, 8, 8),
    ]
    assert cluster.proven_empty(name, []) == []


def test_gaps_far_from_each_other_are_proven_too(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 1, 1, {}))
    gaps = []
    for _ in range(3):
        transact(cluster, name, 1, commit=True)
        gaps.append(Gap(0, cluster.bounds(name)[0][1] - 1, cluster.bounds(name)[0][1] - 1))
        produce(name, 0, 3000)

    assert cluster.proven_empty(name, [*gaps, Gap(0, 5000, 5001)]) == gaps


def test_offsets_that_are_gone_are_not_proven_empty(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 1, 1, {}))
    produce(name, 0, 3)
    transact(cluster, name, 1, commit=True)

    expire(cluster, name, 3)

    assert cluster.bounds(name) == {0: (3, 5)}
    assert cluster.proven_empty(name, [Gap(0, 1, 2)]) == []
    assert cluster.proven_empty(name, [Gap(0, 1, 2), Gap(0, 4, 4)]) == [Gap(0, 4, 4)]


def test_a_topic_that_grew_has_empty_partitions(topics: tuple[Topics, Produce], name: str) -> None:
    cluster, produce = topics
    cluster.create(TopicSpec(name, 1, 1, {}))
    produce(name, 0, 2)

    grow(cluster, name, 2)

    assert cluster.bounds(name) == {0: (0, 2), 1: (0, 0)}


def transact(cluster: Topics, name: str, records: int, *, commit: bool) -> None:
    """Send records to partition 0 in one transaction and end it."""
    if isinstance(cluster, FakeTopics):
        cluster.transact(name, 0, records, commit=commit)
        return
    from confluent_kafka import Producer

    assert isinstance(cluster, KafkaTopics)
    producer = Producer({**cluster.settings, "transactional.id": f"writer-of-{name}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(records):
        producer.produce(name, str(number).encode(), partition=0)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def delete(cluster: Topics, name: str) -> None:
    """Delete a topic, and wait until it is gone."""
    if isinstance(cluster, FakeTopics):
        cluster.delete(name)
        return
    assert isinstance(cluster, KafkaTopics)
    cluster._admin.delete_topics([name])[name].result(30)
    for _ in range(300):
        if cluster.describe(name) is None:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} is still there")


def expire(cluster: Topics, name: str, before: int) -> None:
    """Remove the records of partition 0 below an offset."""
    if isinstance(cluster, FakeTopics):
        cluster.expire(name, 0, before)
        return
    from confluent_kafka import TopicPartition

    assert isinstance(cluster, KafkaTopics)
    place = TopicPartition(name, 0, before)
    cluster._admin.delete_records([place])[place].result(30)


def grow(cluster: Topics, name: str, partitions: int) -> None:
    """Add partitions, and wait until the cluster shows them."""
    if isinstance(cluster, FakeTopics):
        cluster.grow(name, partitions)
        return
    from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]

    assert isinstance(cluster, KafkaTopics)
    cluster._admin.create_partitions([NewPartitions(name, partitions)])[name].result(30)
    for _ in range(300):
        if len(cluster.bounds(name)) == partitions:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} did not grow")


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
